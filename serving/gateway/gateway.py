"""From a request to an answer: who may, how often, by which entity, on which replica."""

import asyncio
import contextlib
import logging
import random
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.gateway import answers
from serving.gateway.answers import Refusal
from serving.gateway.capture import Capture, Exchange
from serving.gateway.connection import Answer, Call, ReplicaLost, ReplicaRefused
from serving.gateway.limits import RateLimits
from serving.gateway.meter import Meter
from serving.gateway.patience import Patience, TimeOver
from serving.gateway.pool import EntityPool, QueueFull, ReplicaHandle, Rerouted
from serving.gateway.verdicts import AskVerdict, Verdict, Verdicts
from serving.routing.routes import LIVE, READY, SHADOW, EndpointRoute, EntityRoute, RoutesFile
from serving.routing.spool import SPOOL_BYTES

logger = logging.getLogger(__name__)
JSON_TYPE = "application/json"
_POLL_SECONDS = 0.02
_STATS_SECONDS = 1.0
_WAKE_AGAIN_SECONDS = 1.0
_MOST_LOST = 2


@dataclass(frozen=True)
class GatewaySettings:
    """Where serving keeps its files, and the limits that are not the endpoint's own."""

    root: Path
    max_body_bytes: int = 16 * 1024**2
    queue_per_unit: int = 32
    batch_depth: int = 64
    spool_bytes: int = SPOOL_BYTES
    workspace_id: str = ""


def answer_within(seconds: float) -> float:
    """How long a request may take where its model has `seconds`: a little less, as clients wait exactly as long."""
    return seconds - min(2.0, seconds * 0.05)


class Gateway:
    """The data plane of one web process.

    Args:
        settings: see there.
        ask: decides who may query what.
        chance: draws from [0, 1); for the traffic split and for sampling.
        clock: seconds, monotonic; for rate limits and the age of verdicts.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        ask: AskVerdict,
        *,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.verdicts = Verdicts(ask, clock=clock)
        self.capture = Capture(settings.root / "spool", max_bytes=settings.spool_bytes, chance=chance)
        self._chance = chance
        self._limits = RateLimits(settings.root / "limits", clock)
        self._meter = Meter(settings.root / "gateways")
        self._file = RoutesFile(settings.root / "routes.json")
        self._routes = self._file.current()
        self._pools: dict[str, EntityPool] = {}
        # Pools of entities that are routed no longer and still answer.
        self._leaving: list[EntityPool] = []
        self._woken: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_running = False

    def start(self) -> None:
        """Follow the published routes from now on. Needs a running event loop; doing it twice does nothing."""
        if not self._is_running:
            self._is_running = True
            self._follow()
            self._background(self._keep_following())
            self._background(self._keep_telling())

    async def stop(self) -> None:
        """Stop following and close what is open. What is under way must have been answered."""
        self._is_running = False
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.capture.close()
        self._limits.close()
        self._tell()
        for pool in [*self._pools.values(), *self._leaving]:
            pool.close()
        self._pools, self._leaving = {}, []

    def admit(self, name: str, entity: str, verdict: Verdict) -> Exchange:
        """Let a caller's request in, and count it against the rate limits.

        Args:
            name: of the endpoint.
            entity: name of one served entity, or empty for the traffic split.
            verdict: of the caller, allowed.

        Raises:
            Refusal: not ready, stopped, no such entity, or too many calls.
        """
        exchange = Exchange(uuid.uuid4().hex, self._ready(name), entity, verdict.requester_id)
        exchange.entity = self._choose(exchange)
        self._meter.arrived(exchange.entity.id)
        try:
            self._limits.take(exchange.endpoint, verdict)
        except Refusal as refusal:
            self.finish(exchange, refusal.status, refusal.body)
            raise
        return exchange

    async def predict(self, exchange: Exchange, patience: Patience) -> Answer:
        """The model's answer to `exchange.request`. `finish` must be called with what the client gets.

        Raises:
            Refusal: too many wait, no answer in time, or replicas that die.
            Gone: the client went away.
        """
        entered = time.perf_counter()
        excluded: set[str] = set()
        lost, sent, again = 0, False, False
        try:
            while True:
                pool = self._pool(self._still_routed(exchange))
                try:
                    call, replica = await self._send(pool, exchange, patience, excluded, first=again)
                except (Rerouted, ReplicaLost):
                    continue
                finally:
                    again = True
                exchange.queue_ms = (time.perf_counter() - entered) * 1000
                sent = True
                try:
                    answer = await patience.wait(call.answer)
                except ReplicaRefused:
                    excluded.add(replica.id)
                except ReplicaLost:
                    lost += 1
                    replica.note_failure()
                    if lost >= _MOST_LOST:
                        raise answers.replica_died(exchange.endpoint.name) from None
                else:
                    exchange.model_ms = answer.model_ms
                    exchange.queue_ms += answer.queue_ms
                    return answer
        except QueueFull:
            units = exchange.entity.concurrency if exchange.entity else 0
            raise answers.overloaded(exchange.endpoint.name, units) from None
        except TimeOver:
            late = answers.too_slow if sent else answers.never_started
            raise late(exchange.endpoint.name, exchange.endpoint.timeout_seconds) from None

    async def _send(
        self, pool: EntityPool, exchange: Exchange, patience: Patience, excluded: set[str], *, first: bool
    ) -> tuple[Call, ReplicaHandle]:
        """Give the request to a replica; the replica gives the unit back when it is done with it."""
        if pool.is_cold:
            self._wake(pool.entity)
        await pool.enter(patience, first=first)
        try:
            replica = await pool.replica(patience, excluded)
            return replica.start(_head(exchange), exchange.request, pool.leave), replica
        except BaseException:
            pool.leave()
            raise

    def finish(self, exchange: Exchange, status: int, response: bytes) -> None:
        """Write the exchange down, before its answer leaves. Once an exchange."""
        if exchange.is_over:
            return
        exchange.is_over = True
        exchange.status, exchange.response = status, response
        self.capture.write(exchange)
        if exchange.entity is not None:
            self._meter.count(
                exchange.entity.id,
                status=status,
                latency_ms=(time.perf_counter() - exchange.began) * 1000,
                queue_ms=exchange.queue_ms,
                model_ms=exchange.model_ms,
            )

    def shadow(self, exchange: Exchange) -> None:
        """Send a copy to the shadows of the endpoint; nobody waits, and nothing is queued for it."""
        for entity in exchange.endpoint.entities:
            if entity.role != SHADOW:
                continue
            pool = self._pool(entity)
            self._meter.arrived(entity.id)
            if pool.is_cold:
                self._wake(entity)
            elif pool.in_flight < pool.limit:
                copy = Exchange(exchange.request_id, exchange.endpoint, entity.name, exchange.requester)
                copy.request, copy.content_type, copy.entity = exchange.request, exchange.content_type, entity
                self._background(self._answer_shadow(copy))

    async def _answer_shadow(self, copy: Exchange) -> None:
        patience = Patience(answer_within(copy.endpoint.timeout_seconds), None)
        try:
            answer = await self.predict(copy, patience)
            if answer.stream is not None:
                answer.stream.close()
            self.finish(copy, answer.status, answer.body)
        except Refusal as refusal:
            self.finish(copy, refusal.status, refusal.body)
        finally:
            patience.end()

    def _ready(self, name: str) -> EndpointRoute:
        endpoint = self._routes.endpoints.get(name)
        if endpoint is None:
            raise answers.not_ready(f"Serving endpoint '{name}' is not ready: it is being created.")
        if endpoint.state != READY:
            raise answers.not_ready(endpoint.message)
        return endpoint

    def _still_routed(self, exchange: Exchange) -> EntityRoute:
        """The entity of an exchange as it is routed now, or another one when it is routed no longer."""
        endpoint = self._routes.endpoints.get(exchange.endpoint.name)
        if endpoint is not exchange.endpoint:
            exchange.endpoint = endpoint = self._ready(exchange.endpoint.name)
            for entity in endpoint.entities:
                if exchange.entity is not None and entity.id == exchange.entity.id:
                    exchange.entity = entity
                    return entity
            exchange.entity = self._choose(exchange)
        if exchange.entity is None:
            raise ValueError("not admitted")
        return exchange.entity

    def _choose(self, exchange: Exchange) -> EntityRoute:
        endpoint, name = exchange.endpoint, exchange.entity_name
        if not name:
            return self._drawn(endpoint)
        for entity in endpoint.entities:
            if entity.name == name:
                return entity
        raise answers.no_such_entity(endpoint.name, name)

    def _drawn(self, endpoint: EndpointRoute) -> EntityRoute:
        live = [entity for entity in endpoint.entities if entity.role == LIVE and entity.weight > 0]
        if len(live) == 1:
            return live[0]
        if not live:
            raise answers.not_ready(
                f"Serving endpoint '{endpoint.name}' gives none of its served entities any traffic."
            )
        drawn = self._chance() * sum(entity.weight for entity in live)
        for entity in live:
            drawn -= entity.weight
            if drawn < 0:
                return entity
        return live[-1]

    def _pool(self, entity: EntityRoute) -> EntityPool:
        pool = self._pools.get(entity.id)
        if pool is None:
            settings = self.settings
            pool = self._pools[entity.id] = EntityPool(
                entity, queue_per_unit=settings.queue_per_unit, batch_depth=settings.batch_depth
            )
        return pool

    def _wake(self, entity: EntityRoute) -> None:
        """Ask for a replica, once for all who wait; again each second, should the first asking get lost."""
        now = time.monotonic()
        if now - self._woken.get(entity.id, float("-inf")) < _WAKE_AGAIN_SECONDS:
            return
        self._woken[entity.id] = now
        try:
            folder = self.settings.root / "wake"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / entity.id).touch()
        except OSError:
            logger.exception("cannot ask for a replica of %s", entity.name)

    def _follow(self) -> None:
        """Take what is published now."""
        routes = self._file.current()
        if routes is self._routes and self._pools:
            return
        self._routes = routes
        wanted = {entity.id: entity for endpoint in routes.endpoints.values() for entity in endpoint.entities}
        for key, entity in wanted.items():
            if key in self._pools:
                if self._pools[key].entity != entity:
                    self._pools[key].update(entity)
            elif entity.replicas:
                self._pool(entity)
        for key in [key for key in self._pools if key not in wanted]:
            pool = self._pools.pop(key)
            pool.retire()
            self._leaving.append(pool)
        self.capture.keep_only(
            {capture.id for endpoint in routes.endpoints.values() for capture in endpoint.captures}
        )

    def _tend(self) -> None:
        for pool in self._pools.values():
            pool.sweep()
        for pool in [pool for pool in self._leaving if pool.is_idle]:
            pool.close()
            self._leaving.remove(pool)
        for pool in self._pools.values():
            if pool.is_cold and not pool.is_idle:
                self._wake(pool.entity)

    async def _keep_following(self) -> None:
        while True:
            try:
                self._follow()
                self._tend()
            except Exception:
                logger.exception("following the routes failed; it goes on with those it has")
            await asyncio.sleep(_POLL_SECONDS)

    async def _keep_telling(self) -> None:
        while True:
            self._tell()
            await asyncio.sleep(_STATS_SECONDS)

    def _tell(self) -> None:
        with contextlib.suppress(OSError):
            self._meter.write(self._pools, self.capture.dropped_rows)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _head(exchange: Exchange) -> bytes:
    if exchange.content_type == JSON_TYPE:
        return b'{"id":"%s"}' % exchange.request_id.encode()
    import orjson

    return orjson.dumps({"id": exchange.request_id, "type": exchange.content_type})
