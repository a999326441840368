"""The replicas of one served entity as a gateway sees them: who is free, who waits, whom to ask next."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from serving.gateway.connection import Call, ReplicaConnection, ReplicaLost
from serving.gateway.patience import Patience
from serving.routing.routes import EntityRoute, ReplicaRoute
from serving.runtime import frames

_RECONNECT_SECONDS = 0.05
_LOOK_AGAIN_SECONDS = 0.02


class QueueFull(Exception):
    """As many requests as may wait, wait."""


class Rerouted(Exception):
    """The entity is routed no longer: another one must be asked."""


class ReplicaHandle:
    """One replica: its connection, made when needed and made again when it was lost."""

    def __init__(self, route: ReplicaRoute) -> None:
        self.id = route.id
        self.outstanding = 0
        self._address = route.address
        self._connection: ReplicaConnection | None = None
        self._connecting: asyncio.Task[ReplicaConnection] | None = None
        self._failed = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether a call can be sent at once."""
        return self._connection is not None and self._connection.is_open

    @property
    def may_be_tried(self) -> bool:
        """Connected, or not known to be away a moment ago."""
        return self.is_open or time.monotonic() - self._failed > _RECONNECT_SECONDS

    async def connect(self) -> None:
        """See that it is connected.

        Raises:
            ReplicaLost: it cannot be reached.
        """
        if self.is_open:
            return
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._connecting)

    def start(self, head: bytes, body: bytes, settled: Callable[[], None]) -> Call:
        """Send a request.

        Raises:
            ReplicaLost: it is not connected; `settled` will not be called.
        """
        if self._connection is None:
            raise ReplicaLost("The replica is not connected.")

        def on_settled() -> None:
            self.outstanding -= 1
            settled()

        call = self._connection.start(frames.PREDICT, head, body, on_settled=on_settled)
        self.outstanding += 1
        return call

    def note_failure(self) -> None:
        """It broke off: others come first for a moment."""
        self._failed = time.monotonic()

    def close(self) -> None:
        """Leave it; what is under way is lost."""
        if self._connection is not None:
            self._connection.close()

    async def _connect(self) -> ReplicaConnection:
        connection = ReplicaConnection()
        try:
            await connection.connect(self._address)
        except ReplicaLost:
            self._failed = time.monotonic()
            raise
        self._connection = connection
        return connection


class EntityPool:
    """Lets as many requests through as the entity works on at a time, and has the others wait in their order.

    Args:
        entity: as published.
        queue_per_unit: how many requests may wait for each unit of provisioned concurrency.
        batch_depth: how many requests a unit is given at a time where it answers them together.
    """

    def __init__(self, entity: EntityRoute, *, queue_per_unit: int, batch_depth: int) -> None:
        self.entity = entity
        self.in_flight = 0
        self._queue_per_unit = queue_per_unit
        self._batch_depth = batch_depth
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._replicas: dict[str, ReplicaHandle] = {}
        # Routed no longer, and still answering what they have.
        self._leaving: list[ReplicaHandle] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_retired = False
        self.update(entity)

    @property
    def queued(self) -> int:
        """Requests that wait for a unit."""
        return len(self._waiting)

    @property
    def limit(self) -> int:
        """Requests that may be with the replicas at a time."""
        if not self._replicas:
            return 0
        return self.entity.concurrency * (self._batch_depth if self.entity.micro_batching else 1)

    @property
    def is_cold(self) -> bool:
        """Nothing runs that could answer."""
        return not self._replicas

    def update(self, entity: EntityRoute) -> None:
        """Take what was published now: connect to what is new, leave what is gone when it has answered."""
        self.entity = entity
        wanted = {replica.id: replica for replica in entity.replicas}
        for key in [key for key in self._replicas if key not in wanted]:
            self._leaving.append(self._replicas.pop(key))
        for key, route in wanted.items():
            if key not in self._replicas:
                handle = self._replicas[key] = ReplicaHandle(route)
                self._background(self._connect_ahead(handle))
        self.sweep()
        self._let_in()

    def sweep(self) -> None:
        """Close what is routed no longer and has nothing left to answer."""
        for handle in [handle for handle in self._leaving if not handle.outstanding]:
            handle.close()
            self._leaving.remove(handle)

    def retire(self) -> None:
        """The entity is routed no longer. What its replicas have is answered; who waits is sent elsewhere."""
        self._is_retired = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(Rerouted())

    @property
    def is_idle(self) -> bool:
        """Nobody waits and nothing is under way."""
        return not self.in_flight and not self._waiting

    async def enter(self, patience: Patience, *, first: bool = False) -> None:
        """Wait for a unit; `first` before all others, for a request that had one and was not answered.

        Raises:
            QueueFull, Rerouted, TimeOver, Gone.
        """
        if self._is_retired:
            raise Rerouted
        if self.in_flight < self.limit and not self._waiting:
            self.in_flight += 1
            return
        if not first and len(self._waiting) >= self._most_waiting():
            raise QueueFull
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if first:
            self._waiting.appendleft(turn)
        else:
            self._waiting.append(turn)
        try:
            await patience.wait(turn)
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # It had its turn at the very moment it gave up.
                self.leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """Give the unit back."""
        self.in_flight -= 1
        self._let_in()

    async def replica(self, patience: Patience, excluded: set[str]) -> ReplicaHandle:
        """The connected replica with the fewest requests; waits while there is none.

        Raises:
            Rerouted, TimeOver, Gone.
        """
        while True:
            if self._is_retired:
                raise Rerouted
            tried = [handle for key, handle in self._replicas.items() if key not in excluded and handle.may_be_tried]
            if tried:
                handle = min(tried, key=lambda handle: handle.outstanding)
                if handle.is_open:
                    return handle
                try:
                    await patience.wait(asyncio.ensure_future(handle.connect()))
                except ReplicaLost:
                    continue
            else:
                await patience.wait(asyncio.ensure_future(asyncio.sleep(_LOOK_AGAIN_SECONDS)))

    def close(self) -> None:
        """Leave all replicas."""
        for handle in [*self._replicas.values(), *self._leaving]:
            handle.close()
        for task in self._tasks:
            task.cancel()

    def _most_waiting(self) -> int:
        return self._queue_per_unit * max(1, self.entity.concurrency, self.entity.max_concurrency)

    def _let_in(self) -> None:
        while self._waiting and self.in_flight < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect_ahead(self, handle: ReplicaHandle) -> None:
        """So that the first request does not wait for it."""
        try:
            await handle.connect()
        except ReplicaLost:
            return
