"""The life of the embedded stack: start in order, keep running, stop in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial

from config.stack import demonstration, logs, messages, postgres, services, state
from config.stack.accounts import Account, database_account
from config.stack.child import Child, State
from config.stack.environment import DATABASE, ensure_secret_key, shared_environment
from config.stack.errors import StackError
from config.stack.launch import shim_command
from config.stack.options import ROOT, UpOptions
from config.stack.service import Service

HOUSEKEEPING_SECONDS = 30.0
SECOND_THOUGHT_SECONDS = 0.5
"""A second Ctrl-C sooner than this is the same one, delivered twice by what runs us."""


class Supervisor:
    """One run of the stack. `lock` is the descriptor that holds the data folder."""

    def __init__(self, options: UpOptions, *, lock: int) -> None:
        self.options = options
        self.folder = options.folder
        self.environment = shared_environment(options.folder, url=options.local_url, given=os.environ)
        if options.demo and demonstration.LOOKBACK not in os.environ:
            self.environment[demonstration.LOOKBACK] = demonstration.LOOKBACK_DAYS
        self._lock = lock
        self._tiers: list[list[Child]] = []
        self._ready = False
        self._ended = False
        self._version = state.version()
        self._stop = asyncio.Event()
        self._stopping_since = 0.0
        self._began = time.monotonic()

    async def run(self) -> int:
        """Start, stay until a signal, stop; answer the exit code.

        Raises StackError, with everything stopped again, when the start fails.
        """
        self._listen()
        start = asyncio.create_task(self._start())
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                start.result()
                await self._stay()
            else:
                start.cancel()
                await asyncio.wait({start})
        finally:
            stop.cancel()
            await self._stop_all()
        return 0

    # --- Signals --------------------------------------------------------------------------------------

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if not self._stop.is_set():
            messages.say("Stopping ... (Ctrl-C again to kill at once)")
            self._stopping_since = time.monotonic()
            self._stop.set()
        elif number == signal.SIGINT and time.monotonic() - self._stopping_since > SECOND_THOUGHT_SECONDS:
            messages.say("Killing everything at once.")
            for child in self._children():
                child.kill()
            self._remove_state()
            os._exit(1)

    # --- Start ----------------------------------------------------------------------------------------

    async def _start(self) -> None:
        messages.say(f"Modelkeep {self._version}")
        messages.step("data folder", str(self.folder.root))
        account = await self._prepare_database_files()
        await self._start_tier(services.stores(self.options, self.environment, account))
        if self._has_own_database:
            await asyncio.to_thread(postgres.create_database, self.folder.postgres_sockets, DATABASE)
        first_run = await self._prepare_contents()
        await self._start_tier(services.front(self.options, self.environment))
        await self._start_tier(services.background(self.options, self.environment))
        self._ready = True
        self._publish()
        seconds = time.monotonic() - self._began
        url = self.environment["MODELKEEP_PUBLIC_URL"]
        messages.say(messages.welcome(self.options, url=url, first_run=first_run, seconds=seconds))

    @property
    def _has_own_database(self) -> bool:
        return self.environment["DATABASE_URL"] == postgres.url(self.folder.postgres_sockets, DATABASE)

    async def _prepare_database_files(self) -> Account | None:
        """Make the embedded cluster where it is wanted; answer the user that runs it, when it is another."""
        if not self._has_own_database:
            return None
        account = await asyncio.to_thread(database_account)
        if postgres.data_version(self.folder.postgres) is None:
            messages.step("postgres", "creating the database ...")
        opened = postgres.prepare_sockets(self.folder.postgres_sockets, account=account)
        opened += await asyncio.to_thread(partial(postgres.initialise, self.folder.postgres, account=account))
        for path in opened:
            if self.folder.root not in (path, *path.parents):
                messages.step(
                    "note", f"{path} may now be passed through (chmod o+x): PostgreSQL runs as a system user"
                )
        return account

    async def _start_tier(self, wanted: Sequence[Service]) -> None:
        """Start services together; return once those that are awaited are ready."""
        tier = [self._child(service) for service in wanted]
        self._tiers.append(tier)
        for child in tier:
            child.start()
        waits = [asyncio.create_task(self._wait_ready(child)) for child in tier if child.service.awaited]
        try:
            await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()

    def _child(self, service: Service) -> Child:
        log = self.folder.logs / f"{service.name}.log"
        return Child(service, log=log, lock=self._lock, on_change=self._publish, say=self._report)

    async def _wait_ready(self, child: Child) -> None:
        began = time.monotonic()
        await child.wait_ready()
        messages.step(child.service.name, f"ready   {time.monotonic() - began:.1f} s")

    async def _prepare_contents(self) -> Mapping[str, str | None]:
        """Migrate and make the first administrator, in a process of its own: this one has no Django."""
        began = time.monotonic()
        log = self.folder.logs / "prepare.log"
        command = [sys.executable, str(ROOT / "manage.py"), "prepare"]
        with logs.open_log(log) as errors:
            start = errors.tell()
            process = await asyncio.create_subprocess_exec(
                *shim_command(command, hold=self._lock),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **self.environment},
                start_new_session=True,
                pass_fds=(self._lock,),
            )
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
        if process.returncode != 0:
            tail = logs.last_lines(log, start=start)
            raise StackError(f"The database could not be prepared. The end of {log}:\n{tail}")
        found: dict[str, str | None] = json.loads(output.splitlines()[-1])
        messages.step("database", f"{found['migrations']}   {time.monotonic() - began:.1f} s")
        return found

    # --- While it runs --------------------------------------------------------------------------------

    async def _stay(self) -> None:
        """Keep house until a signal comes, and load the demonstration meanwhile where it is wanted."""
        loading = asyncio.create_task(self._load_demonstration()) if self.options.demo else None
        try:
            await self._keep_house()
        finally:
            if loading is not None:
                loading.cancel()
                await asyncio.wait({loading})

    async def _load_demonstration(self) -> None:
        await demonstration.load(self.folder, environment=self.environment, lock=self._lock, report=self._report)

    async def _keep_house(self) -> None:
        """Keep the logs small until a signal comes."""
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), HOUSEKEEPING_SECONDS)
            for child in self._children():
                # A full disk must not stop what still runs.
                with contextlib.suppress(OSError):
                    logs.rotate_in_use(child.log)

    def _report(self, text: str) -> None:
        messages.say(f"{time.strftime('%H:%M:%S')} {text}")

    def _children(self) -> list[Child]:
        return [child for tier in self._tiers for child in tier]

    def _publish(self) -> None:
        if self._ended:
            return
        children = tuple(
            state.ChildState(child.service.name, child.state.value, child.pid, child.restarts)
            for child in self._children()
        )
        found = state.StackState(
            pid=os.getpid(),
            version=self._version,
            url=self.environment["MODELKEEP_PUBLIC_URL"],
            ready=self._ready and all(child.state == State.READY for child in self._children()),
            environment=self.environment,
            children=children,
        )
        try:
            state.write(self.folder, found)
        except OSError as error:
            self._report(f"cannot write {self.folder.state}: {error.strerror}")

    # --- Stop -----------------------------------------------------------------------------------------

    async def _stop_all(self) -> None:
        for tier in reversed(self._tiers):
            await asyncio.gather(*(child.stop() for child in tier))
        self._ended = True
        self._remove_state()

    def _remove_state(self) -> None:
        self._ended = True
        self.folder.state.unlink(missing_ok=True)


def run(options: UpOptions, *, lock: int) -> int:
    """Run the stack until a signal; answer the exit code."""
    os.environ["MODELKEEP_SECRET_KEY"] = os.environ.get("MODELKEEP_SECRET_KEY") or ensure_secret_key(
        options.folder.secret_key
    )

    async def main() -> int:
        return await Supervisor(options, lock=lock).run()

    return asyncio.run(main())
