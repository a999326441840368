"""One supervised process: started, watched, started again with growing delays, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from config.stack import logs, processes
from config.stack.errors import StackError
from config.stack.launch import shim_command
from config.stack.service import Service

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
STEADY_SECONDS = 60.0
"""A process that ran this long before it ended starts again without the delays of its earlier failures."""
POLL_SECONDS = 0.1


class State(StrEnum):
    """Where a process is in its life."""

    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    STOPPED = "stopped"


class Child:
    """The life of one service's process. `on_change` is called after each change of state."""

    def __init__(
        self,
        service: Service,
        *,
        log: Path,
        lock: int,
        on_change: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.service = service
        self.log = log
        self.state = State.STOPPED
        self.restarts = 0
        self._lock = lock
        self._on_change = on_change
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0
        self._stopping = asyncio.Event()
        self._first_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Its failure may come when nobody waits for it any more.
        self._first_ready.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._life: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process itself, not the shim that holds it."""
        if self._process is None or self._process.returncode is not None:
            return None
        return next(iter(processes.children(self._process.pid)), None)

    def start(self) -> None:
        """Begin its life; it goes on until `stop`."""
        self._life = asyncio.create_task(self._live(), name=self.service.name)

    async def wait_ready(self) -> None:
        """Return once it has been ready for the first time.

        Raises StackError, with the end of its log, when it ends before or takes longer than it may.
        """
        try:
            await asyncio.wait_for(asyncio.shield(self._first_ready), self.service.ready_seconds)
        except TimeoutError as error:
            raise StackError(self._failure(f"was not ready after {self.service.ready_seconds:.0f} s")) from error

    async def stop(self) -> None:
        """Stop it: its signal, its grace, then kill. Returns when nothing of it is left."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                # The shim keeps to the grace itself; the rest is for a shim that cannot.
                await asyncio.wait_for(self._process.wait(), self.service.grace_seconds + 5)
            except TimeoutError:
                self.kill()
        if self._life is not None:
            await self._life
        self._change(State.STOPPED)

    def kill(self) -> None:
        """Kill it and its group at once. Killing the shim alone would spare grandchildren."""
        self._stopping.set()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _live(self) -> None:
        delay = FIRST_DELAY
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._run_once()
            self._sweep()
            if self._stopping.is_set():
                break
            if not self._first_ready.done() and self.service.awaited:
                self._first_ready.set_exception(StackError(self._failure(f"ended with code {code}")))
                break
            delay = FIRST_DELAY if time.monotonic() - began > STEADY_SECONDS else delay
            self._say(f"{self.service.name} ended with code {code}; starting it again in {delay:g} s ({self.log})")
            self._change(State.WAITING)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            delay = min(delay * 2, LONGEST_DELAY)
            self.restarts += 1

    async def _run_once(self) -> int:
        """Start the process and wait for its end; answer its exit code."""
        service = self.service
        with logs.open_log(self.log) as output:
            self._log_start = output.tell()
            self._process = await asyncio.create_subprocess_exec(
                *shim_command(
                    service.command,
                    stop_signal=service.stop_signal,
                    grace=service.grace_seconds,
                    account=service.account,
                    hold=self._lock,
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **service.env},
                cwd=service.directory,
                start_new_session=True,
                pass_fds=(self._lock,),
            )
        self._change(State.STARTING)
        watch = asyncio.create_task(self._watch_readiness())
        code = await self._process.wait()
        watch.cancel()
        return code

    async def _watch_readiness(self) -> None:
        ready = self.service.ready or self._log_says_ready
        while not await asyncio.to_thread(ready):
            await asyncio.sleep(POLL_SECONDS)
        self._change(State.READY)
        if not self._first_ready.done():
            self._first_ready.set_result(None)

    def _log_says_ready(self) -> bool:
        return self.service.ready_text in logs.read_from(self.log, self._log_start)

    def _sweep(self) -> None:
        """Kill what a shim that was itself killed left in its group."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _failure(self, what: str) -> str:
        tail = logs.last_lines(self.log, start=self._log_start)
        return f"{self.service.name} {what}. The end of {self.log}:\n{tail}"

    def _change(self, state: State) -> None:
        self.state = state
        self._on_change()
