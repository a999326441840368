"""The host's loop: watches its processes and answers the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
from pathlib import Path
from typing import Any

from serving.host.processes import CannotStart, Processes
from serving.host.spares import Spares, remove
from serving.host.wire import LINE_LIMIT, REPORT_NAME, SOCKET_NAME, held_to_wire, kind_from_wire, launch_from_wire
from serving.sandbox import wall_report

WATCH_SECONDS = 0.1


class Host:
    """One host. `sockets`: where replicas listen, and the host itself; `root`: the folder of serving."""

    def __init__(self, *, sockets: Path, root: Path) -> None:
        self._sockets = sockets
        self._root = root
        self._spares = Spares(root=root, sockets=sockets)
        self._processes = Processes(self._spares)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then end every process."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        self._prepare()
        path = self._sockets / SOCKET_NAME
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, path, limit=LINE_LIMIT)
        path.chmod(0o600)
        report = wall_report()
        (self._root / REPORT_NAME).write_text(f"{report}\n")
        print(f"The model host is ready. Sandbox: {report}", flush=True)  # noqa: T201  (its log)
        try:
            while not stop.is_set():
                self._processes.watch()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), WATCH_SECONDS)
        finally:
            server.close()
            self._spares.end()
            self._processes.end()
            path.unlink(missing_ok=True)

    def _prepare(self) -> None:
        """Make the folders; remove what the processes of an earlier host left, which ended with it."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("scratch", "spares"):
            shutil.rmtree(self._root / name, ignore_errors=True)
            (self._root / name).mkdir()
        for folder in self._sockets.iterdir():
            if folder.is_dir():
                remove(folder)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(json.loads(line))).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            return
        finally:
            writer.close()

    def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        operation, identity = question.get("op"), str(question.get("id", ""))
        try:
            if operation == "start":
                return {"pid": self._processes.start(launch_from_wire(question["launch"]))}
            if operation == "terminate":
                self._processes.terminate(identity)
            elif operation == "kill":
                self._processes.kill(identity, str(question.get("reason", "")))
            elif operation == "forget":
                self._processes.forget(identity)
            elif operation == "spares":
                self._spares.hold([kind_from_wire(kind) for kind in question["kinds"]])
            elif operation == "list":
                return {"held": [held_to_wire(held) for held in self._processes.held()]}
            else:
                return {"error": f"unknown operation {operation!r}"}
        except CannotStart as error:
            return {"error": str(error)}
        except (KeyError, TypeError, ValueError) as error:
            return {"error": f"not understood: {error}"}
        return {}
