"""The processes that one host holds: started confined, watched, their logs kept short."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from serving.host.spares import MODEL, Spares, remove
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

    def __init__(self, spares: Spares) -> None:
        self._all: dict[str, _Process] = {}
        self._spares = spares

    def start(self, launch: Launch) -> int:
        """Start a process, or have a spare become it; answer its pid. One that runs already is left as it is.

        Raises:
            CannotStart.
        """
        known = self._all.get(launch.id)
        if known is not None:
            return known.confined.pid
        confined = self._from_spare(launch) or self._started(launch)
        self._all[launch.id] = _Process(launch, confined)
        return confined.pid

    def _from_spare(self, launch: Launch) -> Confined | None:
        spare = self._spares.take(launch.spare) if launch.spare else None
        if spare is None:
            return None
        try:
            spare.become(launch)
        except OSError:
            spare.end()
            _remove_traces(launch)
            return None
        return spare.confined

    def _started(self, launch: Launch) -> Confined:
        command = tuple(part.replace(MODEL, str(launch.model)) for part in launch.spec.command)
        try:
            launch.log.parent.mkdir(parents=True, exist_ok=True)
            if launch.spec.sockets is not None:
                launch.spec.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
            with launch.log.open("ab") as output:
                return start(replace(launch.spec, command=command), output=output)
        except (NoSandbox, OSError) as error:
            raise CannotStart(str(error)) from error

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
            _remove_traces(process.launch)

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


def _remove_traces(launch: Launch) -> None:
    for folder in (launch.log.parent, launch.spec.sockets):
        if folder is not None:
            remove(folder)


def _shorten(log: Path) -> None:
    """Cut a long log, after copying it aside: the process appends, so it goes on at 0."""
    try:
        if log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".old"))
            with log.open("r+b") as file:
                file.truncate(0)
    except OSError:
        return
