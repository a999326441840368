"""The supervisor's loop: reads what is wanted and what goes on, steps the fleet, publishes routes, writes it down."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from serving.routing.routes import Routes, RoutesFile, write_routes
from serving.services.replica_records import (
    SampleKey,
    add_samples,
    close_lost,
    entities_of_replicas,
    forget_old_replicas,
    forget_old_samples,
)
from serving.services.wanted_replicas import LaunchFacts, Wanted, endpoint_route, find_launch_facts, read_wanted
from serving.supervisor.backends import BackendAway, ReplicaBackend
from serving.supervisor.fleet import HOST, Fleet
from serving.supervisor.launches import Limits
from serving.supervisor.ledger import Ledger
from serving.supervisor.scaling import Rules
from serving.supervisor.traffic import Minute, TrafficBook, minute_of, seconds_now
from serving.supervisor.word import Word

TICK_SECONDS = 0.05
READ_EVERY_SECONDS = 1.0
"""How old what is known of the database may be where no word of a change came."""
TRAFFIC_EVERY_SECONDS = 0.25
FORGET_EVERY_SECONDS = 3600.0
PREPARING = 4

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class Supervisor:
    """One supervisor, on one machine. `run` returns when it is asked to stop, or another one took over."""

    def __init__(self, *, root: Path, sockets: Path, backend: ReplicaBackend) -> None:
        self._root = root
        self._routes_path = root / "routes.json"
        self._wake = root / "wake"
        self._ledger = Ledger()
        # One thread writes, so what came first is written first. Reading does not wait for it.
        self._writing = ThreadPoolExecutor(1, "write")
        self._reading = ThreadPoolExecutor(1, "read")
        self._preparing = ThreadPoolExecutor(PREPARING, "prepare")
        self._sockets = sockets
        self._backend = backend
        self._stop = asyncio.Event()
        self._changed = asyncio.Event()
        self._wanted: Wanted | None = None
        self._published = RoutesFile(self._routes_path).current()
        self._tasks: set[asyncio.Task[None]] = set()
        self.fleet = Fleet(
            backend=backend,
            ledger=self._ledger,
            prepare=self._find_facts,
            sockets=sockets,
            limits=Limits(
                scratch=root / "scratch",
                memory_bytes_per_unit=settings.SERVING_MEMORY_BYTES_PER_UNIT,
                tmp_bytes=settings.SERVING_TMP_BYTES,
                timeout_seconds=float(settings.SERVING_TIMEOUT_SECONDS),
                load_seconds=float(settings.SERVING_LOAD_SECONDS),
                attempts=settings.SERVING_START_ATTEMPTS,
                network=settings.SERVING_ALLOW_NETWORK,
                spares=settings.SERVING_SPARES,
            ),
            rules=Rules(
                down_seconds=float(settings.SERVING_SCALE_DOWN_SECONDS),
                zero_seconds=float(settings.SERVING_SCALE_TO_ZERO_SECONDS),
            ),
            now=timezone.now,
        )

    def stop(self) -> None:
        """Have `run` return. Replicas go on: the next supervisor takes them over."""
        self._stop.set()
        self._changed.set()

    async def run(self, *, on_ready: Callable[[], None] = lambda: None) -> None:
        """Supervise until stopped."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        for folder in (self._wake, self._root / "gateways", self._root / "replicas", self._sockets):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        word = Word(partial(loop.call_soon_threadsafe, self._changed.set))
        word.start()
        on_ready()
        try:
            while not word.is_leader and not self._stop.is_set():
                await self._pause(TICK_SECONDS)
            await self._supervise(word)
        finally:
            for task in self._tasks:
                task.cancel()
            self.fleet.close()
            await self._flush()
            word.stop()
            await asyncio.to_thread(word.join)

    async def _supervise(self, word: Word) -> None:
        loop = asyncio.get_running_loop()
        await self._adopt()
        book = TrafficBook(self._root / "gateways", clock=loop.time(), now=seconds_now())
        for work in (self._keep_reading, self._keep_writing, self._keep_spares, self._keep_forgetting):
            task = asyncio.create_task(work())
            task.add_done_callback(self._over)
            self._tasks.add(task)
        next_traffic, minute = 0.0, minute_of(seconds_now())
        processor: dict[str, float] = {}
        while not self._stop.is_set() and not word.is_replaced:
            clock = loop.time()
            if clock >= next_traffic:
                self._read_traffic(book)
                next_traffic = clock + TRAFFIC_EVERY_SECONDS
                if minute != (now := minute_of(seconds_now())):
                    self._write_samples(book.take_minutes(), minute, processor)
                    minute = now
            await self._step(clock, book)
            await self._pause(TICK_SECONDS)

    def _read_traffic(self, book: TrafficBook) -> None:
        try:
            book.read(seconds_now())
        except (OSError, ValueError):
            logger.exception("What gateways tell cannot be read.")

    def _over(self, task: asyncio.Task[None]) -> None:
        """None of the supervisor's tasks ends by itself: without one it must not go on, and is started again."""
        if not task.cancelled():
            logger.error("A task of the supervisor has ended.", exc_info=task.exception())
            self.stop()

    async def _step(self, clock: float, book: TrafficBook) -> None:
        if self._wanted is None:
            return
        try:
            woken = self._take_wakes()
            await self.fleet.step(clock, wanted=self._wanted.entities, traffic=book.load, woken=woken)
        except BackendAway as error:
            logger.warning("%s", error)
            await self._pause(READ_EVERY_SECONDS)
        except Exception:
            # One fault must not end the care for everything else.
            logger.exception("A step failed.")
            await self._pause(READ_EVERY_SECONDS)
        self._publish()
        self.fleet.drain_unrouted()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    # --- Taking over ------------------------------------------------------------------------------------

    async def _adopt(self) -> None:
        """Take over what runs. Waits for database and host: without either it would start everything twice."""
        while not self._stop.is_set():
            try:
                known = await self._read(partial(entities_of_replicas, host=HOST))
                adopted = await self.fleet.adopt(known, asyncio.get_running_loop().time())
                await self._read(partial(close_lost, host=HOST, held=adopted))
                self._wanted = await self._read(read_wanted)
            except (Error, BackendAway) as error:
                logger.warning("Waiting: %s", error)
                await self._pause(READ_EVERY_SECONDS)
            else:
                self.fleet.watch_adopted()
                if adopted:
                    logger.info("%d replicas were taken over.", len(adopted))
                return

    # --- Files ------------------------------------------------------------------------------------------

    def _take_wakes(self) -> set[UUID]:
        """Entities that somebody waits for: a gateway has left a file of that name."""
        woken = set()
        for path in self._wake.iterdir():
            with contextlib.suppress(ValueError):
                woken.add(UUID(path.name))
            path.unlink(missing_ok=True)
        return woken

    def _publish(self) -> None:
        """Write the routes where they changed."""
        if self._wanted is None:
            return
        replicas = self.fleet.routes()
        endpoints = {one.name: endpoint_route(one, replicas=replicas) for one in self._wanted.endpoints}
        if endpoints == self._published.endpoints and self._published.version:
            return
        routes = Routes(version=self._published.version + 1, endpoints=endpoints)
        try:
            write_routes(self._routes_path, routes)
        except OSError as error:
            logger.warning("Routes could not be published: %s", error)
            return
        self._published = routes

    # --- Database ---------------------------------------------------------------------------------------

    async def _read(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._reading, _fresh(work))

    async def _find_facts(self, entity_id: UUID) -> LaunchFacts:
        work = _fresh(partial(find_launch_facts, entity_id))
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._preparing, work)
            except (OperationalError, InterfaceError) as error:
                logger.warning("A replica waits for the database: %s", error)
                await asyncio.sleep(READ_EVERY_SECONDS)

    async def _keep_reading(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), READ_EVERY_SECONDS)
            self._changed.clear()
            try:
                self._wanted = await self._read(read_wanted)
            except Error as error:
                logger.warning("The database cannot be read: %s", error)

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if not self._ledger.is_empty and not await self._flush():
                await asyncio.sleep(READ_EVERY_SECONDS)

    async def _flush(self) -> bool:
        if self._ledger.is_empty:
            return True
        write = self._ledger.take()
        try:
            await asyncio.get_running_loop().run_in_executor(self._writing, _fresh(write))
        except Error as error:
            logger.warning("The database cannot be written: %s", error)
            self._ledger.put_back()
            return False
        return True

    async def _keep_spares(self) -> None:
        while True:
            await asyncio.sleep(READ_EVERY_SECONDS)
            with contextlib.suppress(BackendAway, Error):
                await self.fleet.keep_spares()

    async def _keep_forgetting(self) -> None:
        while True:
            with contextlib.suppress(Error):
                await self._read(forget_old_samples)
                await self._read(forget_old_replicas)
            await asyncio.sleep(FORGET_EVERY_SECONDS)

    def _write_samples(self, counted: Mapping[UUID, Minute], minute: datetime, processor: dict[str, float]) -> None:
        samples = {}
        for endpoint in self._wanted.endpoints if self._wanted else ():
            for entity in endpoint.entities:
                held = self.fleet.held_of(entity.pool)
                used = [one.cpu_seconds - processor.get(one.id, 0.0) for one in held]
                processor.update({one.id: one.cpu_seconds for one in held})
                memory = [one.memory_bytes / one.memory_limit for one in held]
                key = SampleKey(endpoint.id, entity.name, entity.version, minute)
                samples[key] = {
                    **counted.get(entity.id, Minute()).as_sample(),
                    "cpu_percent": sum(used) / len(used) / 60 * 100 if used else None,
                    "memory_percent": sum(memory) / len(memory) * 100 if memory else None,
                    "provisioned_concurrency": len(held) * entity.units,
                }
        if samples:
            self._writing.submit(_fresh(partial(_try, partial(add_samples, samples))))


def _fresh(work: Callable[[], Result]) -> Callable[[], Result]:
    """Work for a thread, on a connection that is still good."""

    def run() -> Result:
        close_old_connections()
        return work()

    return run


def _try(work: Callable[[], None]) -> None:
    try:
        work()
    except Error:
        logger.exception("Samples of a minute could not be written.")
