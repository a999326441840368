"""The processes that one host holds: started confined, watched, their logs kept short."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from serving.host.wire import Held, Launch
from serving.sandbox import Confined, NoSandbox, start

LOG_BYTES = 10 * 1024**2
USAGE_SECONDS = 1.0


class CannotStart(Exception):
    """A process that could not be started; the message is for people."""


@dataclass
class _Process:
    launch: Launch
    confined: Confined
    exit_code: int | None = None
    reason: str = ""
    memory_bytes: int = 0
    cpu_seconds: float = 0.0
    measured: float = 0.0


class Processes:
    """Every process of this host, until somebody forgets it."""

    def __init__(self) -> None:
        self._all: dict[str, _Process] = {}

    def start(self, launch: Launch) -> int:
        """Start a process; answer its pid. One that runs under that id already is left as it is.

        Raises:
            CannotStart.
        """
        known = self._all.get(launch.id)
        if known is not None:
            return known.confined.pid
        try:
            launch.log.parent.mkdir(parents=True, exist_ok=True)
            if launch.spec.sockets is not None:
                launch.spec.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
            with launch.log.open("ab") as output:
                confined = start(launch.spec, output=output)
        except (NoSandbox, OSError) as error:
            raise CannotStart(str(error)) from error
        self._all[launch.id] = _Process(launch, confined)
        return confined.pid

    def terminate(self, identity: str) -> None:
        """Ask a process to end."""
        process = self._all.get(identity)
        if process is not None and process.exit_code is None:
            process.confined.terminate()

    def kill(self, identity: str, reason: str = "") -> None:
        """End a process, and all below it, at once."""
        process = self._all.get(identity)
        if process is not None and process.exit_code is None:
            process.reason = process.reason or reason
            process.confined.kill()

    def forget(self, identity: str) -> None:
        """Drop what is known of a process that is over, its log and its sockets too."""
        process = self._all.get(identity)
        if process is not None and process.exit_code is not None:
            del self._all[identity]
            for folder in (process.launch.log.parent, process.launch.spec.sockets):
                if folder is not None:
                    shutil.rmtree(folder, ignore_errors=True)

    def held(self) -> list[Held]:
        """All of them."""
        return [
            Held(
                id=identity,
                pid=process.confined.pid,
                note=dict(process.launch.note),
                exit_code=process.exit_code,
                reason=process.reason,
                memory_bytes=process.memory_bytes,
                memory_limit=process.launch.spec.memory_bytes,
                cpu_seconds=process.cpu_seconds,
            )
            for identity, process in self._all.items()
        ]

    def watch(self) -> None:
        """Look at each: has it ended, does it take too much, has it written too much?"""
        for identity, process in self._all.items():
            if process.exit_code is not None:
                continue
            process.exit_code = process.confined.poll()
            if process.exit_code is not None:
                process.confined.clean()
                continue
            excess = process.confined.excess()
            if excess:
                self.kill(identity, excess)
            if time.monotonic() - process.measured > USAGE_SECONDS:
                used = process.confined.usage()
                process.memory_bytes, process.cpu_seconds = used.memory_bytes, used.cpu_seconds
                process.measured = time.monotonic()
            _shorten(process.launch.log)

    def end(self) -> None:
        """End all of them and wait until they are gone."""
        for identity in self._all:
            self.kill(identity, "the model host was stopped")
        for process in self._all.values():
            process.confined.process.wait()
            process.confined.clean()


def _shorten(log: Path) -> None:
    """Cut a long log, after copying it aside: the process appends, so it goes on at 0."""
    try:
        if log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".old"))
            with log.open("r+b") as file:
                file.truncate(0)
    except OSError:
        return
