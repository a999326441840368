"""Pools of replicas, brought in line with what is wanted, again and again. All state is in memory; time comes in.

A pool holds the replicas that entities with the same fingerprint share. Nothing here waits for the database: what is
to be written goes into the ledger, what is to be started is prepared elsewhere.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

from registry.errors import ModelkeepError, Unavailable
from serving.host.wire import Held, Launch, SpareKind, held_now
from serving.models import Deployment, ReplicaState
from serving.routing.routes import ReplicaRoute
from serving.services.replica_logs import log_path, read_tail
from serving.services.replica_records import LOG_TAIL_CHARACTERS, DeploymentChange, ReplicaRecord
from serving.services.wanted_replicas import LaunchFacts, WantedEntity, is_known_ready
from serving.supervisor.backends import BackendAway, LaunchRefused, ReplicaBackend
from serving.supervisor.devices import choose
from serving.supervisor.launches import Limits, launch_of, spare_of
from serving.supervisor.ledger import Ledger
from serving.supervisor.replicas import RunningReplica, socket_folder
from serving.supervisor.scaling import Bounds, Rules, Scale, Traffic, begin, plan

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0
STEADY_SECONDS = 60.0
"""A replica that answered for so long before it ended is started again without the delays of earlier failures."""
LOOK_EVERY_SECONDS = 1.0
TERMINATE_SECONDS = 2.0
FRESH_SECONDS = 30.0
MOST_STARTING = max(4, 2 * (os.cpu_count() or 1))
"""Replicas that load at the same time; one that takes longer than FRESH_SECONDS holds up nobody."""
HOST = socket.gethostname()

logger = logging.getLogger(__name__)
Prepare = Callable[[UUID], Awaitable[LaunchFacts]]


@dataclass
class Pool:
    """The replicas that some entities share. `is_given_up`: it never answered, and will not be tried again."""

    key: str
    entities: list[WantedEntity] = field(default_factory=list)
    replicas: dict[UUID, RunningReplica] = field(default_factory=dict)
    scale: Scale | None = None
    was_ready: bool = False
    is_given_up: bool = False
    failures: int = 0
    retry_at: float = 0.0
    reason: str = ""

    @property
    def entity(self) -> WantedEntity:
        """Whose replicas these are first of all: of the configuration that answers."""
        return next((entity for entity in self.entities if entity.is_active), self.entities[0])

    def in_state(self, *states: ReplicaState) -> list[RunningReplica]:
        """Its replicas in these states, oldest first."""
        found = [replica for replica in self.replicas.values() if replica.state in states]
        return sorted(found, key=lambda replica: replica.began)

    def bounds(self) -> Bounds:
        """What its entities ask for: those of one configuration add up, configurations follow each other."""
        least: dict[UUID, int] = defaultdict(int)
        most: dict[UUID, int] = defaultdict(int)
        for entity in self.entities:
            least[entity.config_id] += entity.least
            most[entity.config_id] += entity.most
        return Bounds(
            least=max(least.values()),
            most=max(most.values()),
            units=self.entity.units,
            to_zero=all(entity.scale_to_zero for entity in self.entities),
        )


class Fleet:
    """All pools of this machine."""

    def __init__(
        self,
        *,
        backend: ReplicaBackend,
        ledger: Ledger,
        prepare: Prepare,
        sockets: Path,
        limits: Limits,
        rules: Rules,
        now: Callable[[], datetime],
    ) -> None:
        self.pools: dict[str, Pool] = {}
        self.held: dict[str, Held] = {}
        self._backend = backend
        self._ledger = ledger
        self._prepare = prepare
        self._sockets = sockets
        self._limits = limits
        self._rules = rules
        self._now = now
        self._told: dict[UUID, tuple[str, str]] = {}
        # By pool; None for one that a spare cannot help.
        self._spares: dict[str, SpareKind | None] = {}

    # --- Taking over ------------------------------------------------------------------------------------

    async def adopt(self, known: Mapping[UUID, ReplicaRecord], clock: float) -> list[UUID]:
        """Take over what an earlier supervisor has started and what still runs. Answers which those are."""
        adopted = []
        for held in await self._backend.held():
            row = known.get(_uuid(held.id))
            if row is None or held.exit_code is not None or "pool" not in held.note:
                await self._backend.kill(held.id, "nobody knows it")
                continue
            devices = tuple(int(number) for number in held.note.get("devices", "").split(",") if number)
            replica = self._new_replica(row.id, held.note["pool"], row.entity_id, row.created_at, devices)
            replica.state, replica.pid, replica.ready_at = row.state, held.pid, row.ready_at
            replica.began = replica.ready_since = clock
            replica.is_held = True
            pool = self.pools.setdefault(replica.pool, Pool(replica.pool))
            pool.replicas[replica.id] = replica
            if replica.state == ReplicaState.READY:
                pool.was_ready = True
            elif replica.state == ReplicaState.STARTING:
                replica.do(self._await_ready(replica))
            else:
                replica.state = ReplicaState.READY
                self._retire(replica, clock)
            adopted.append(replica.id)
        return adopted

    # --- A step -----------------------------------------------------------------------------------------

    async def step(
        self,
        clock: float,
        *,
        wanted: Collection[WantedEntity],
        traffic: Mapping[UUID, Traffic],
        woken: Collection[UUID] = (),
    ) -> None:
        """Look at everything once, and do what is to be done now. Raises BackendAway."""
        self.held = {held.id: held for held in await self._backend.held()}
        self._sort(wanted, clock)
        for pool in list(self.pools.values()):
            await self._take_note_of_ends(pool, clock)
            if not pool.entities:
                for replica in list(pool.replicas.values()):
                    self._retire(replica, clock)
                if not pool.replicas:
                    del self.pools[pool.key]
                continue
            self._take_over(pool)
            self._size(pool, clock, traffic, woken)
            self._tell(pool)
        await self._end_overdue(clock)

    def _sort(self, wanted: Collection[WantedEntity], clock: float) -> None:
        """Put each entity into its pool."""
        by_pool: dict[str, list[WantedEntity]] = defaultdict(list)
        for entity in wanted:
            by_pool[entity.pool].append(entity)
            self._told.setdefault(entity.id, (entity.deployment, entity.message))
        for key, entities in by_pool.items():
            pool = self.pools.setdefault(key, Pool(key))
            known = {entity.id for entity in pool.entities}
            if pool.is_given_up and any(entity.id not in known for entity in entities):
                # Somebody asks for it again.
                pool.is_given_up, pool.failures, pool.retry_at, pool.reason = False, 0, 0.0, ""
            pool.entities = entities
            has_answered = any(is_known_ready(entity.deployment) or entity.is_active for entity in entities)
            if pool.scale is None:
                idle = has_answered and not pool.replicas and all(e.deployment == Deployment.READY for e in entities)
                pool.scale = begin(clock, pool.bounds(), is_idle=idle)
            pool.was_ready = pool.was_ready or has_answered
        for key, pool in self.pools.items():
            if key not in by_pool:
                pool.entities, pool.was_ready, pool.failures = [], False, 0
        ids = {entity.id for entity in wanted}
        self._told = {key: value for key, value in self._told.items() if key in ids}

    async def _take_note_of_ends(self, pool: Pool, clock: float) -> None:
        for replica in list(pool.replicas.values()):
            held = self.held.get(str(replica.id))
            if replica.is_held and (held is None or held.exit_code is not None):
                self._end(pool, replica, held, clock)
                if held is not None:
                    await self._backend.forget(held.id)
            elif not replica.is_held and replica.fault:
                # It could not even be started.
                self._end(pool, replica, None, clock)
            elif replica.fault and replica.state in (ReplicaState.STARTING, ReplicaState.READY):
                self._replace(replica, clock)

    def _replace(self, replica: RunningReplica, clock: float) -> None:
        """One with a fault: a hung one may still have answers to give, one that never answered has not."""
        if replica.state == ReplicaState.READY:
            self._retire(replica, clock)
        else:
            replica.kill_at = clock

    def _end(self, pool: Pool, replica: RunningReplica, held: Held | None, clock: float) -> None:
        """The process is over: for good, or a failure."""
        del pool.replicas[replica.id]
        was_draining = replica.state == ReplicaState.DRAINING and not replica.fault
        tail = read_tail(log_path(replica.id), LOG_TAIL_CHARACTERS)
        code = held.exit_code if held is not None else None
        reason = "" if was_draining else _reason(replica, held, tail)
        replica.state = ReplicaState.STOPPED if was_draining else ReplicaState.FAILED
        replica.release()
        self._write(replica, reason=reason, log_tail=tail, exit_code=code, ended_at=self._now())
        if was_draining:
            return
        if replica.is_held and held is None:
            # Its host ended, which is no fault of the model's.
            pool.reason = reason
            return
        was_steady = replica.ready_since > 0 and clock - replica.ready_since >= STEADY_SECONDS
        pool.failures = 1 if was_steady else pool.failures + 1
        pool.reason = reason
        is_first = replica.ready_since > 0 and pool.failures == 1
        pool.retry_at = clock + (0 if is_first else min(LONGEST_DELAY, FIRST_DELAY * 2 ** (pool.failures - 1)))
        is_hopeless = replica.is_final or bool(held and held.reason) or pool.failures >= self._limits.attempts
        if is_hopeless and not pool.was_ready and not pool.in_state(ReplicaState.READY):
            pool.is_given_up = True

    def _take_over(self, pool: Pool) -> None:
        """Replicas belong to the configuration that answers, once it does."""
        active = {entity.id for entity in pool.entities if entity.is_active}
        known = active or {entity.id for entity in pool.entities}
        for replica in pool.replicas.values():
            if replica.entity_id not in known:
                replica.entity_id = pool.entity.id
                self._write(replica)

    def _size(self, pool: Pool, clock: float, traffic: Mapping[UUID, Traffic], woken: Collection[UUID]) -> None:
        found = [traffic[entity.id] for entity in pool.entities if entity.id in traffic]
        summed = Traffic(
            outstanding=sum(one.outstanding for one in found),
            queued=sum(one.queued for one in found),
            last_request=max((one.last_request for one in found), default=0.0),
        )
        is_woken = any(entity.id in woken for entity in pool.entities)
        bounds = pool.bounds()
        scale = pool.scale or begin(clock, bounds)
        pool.scale = scale = plan(clock, scale, summed, bounds, self._rules, is_woken=is_woken)
        alive = pool.in_state(ReplicaState.READY, ReplicaState.STARTING)
        if pool.is_given_up:
            for replica in alive:
                self._retire(replica, clock)
            return
        for _ in range(scale.replicas - len(alive)):
            if clock < pool.retry_at or (pool.failures and pool.in_state(ReplicaState.STARTING)):
                break
            if self._is_crowded(clock):
                break
            self._start(pool, clock)
        # Those that do not answer yet go first, then the youngest.
        spare = sorted(alive, key=lambda one: (one.state == ReplicaState.STARTING, one.began), reverse=True)
        for replica in spare[: max(0, len(alive) - scale.replicas)]:
            self._retire(replica, clock)

    def _is_crowded(self, clock: float) -> bool:
        starting = [one for pool in self.pools.values() for one in pool.in_state(ReplicaState.STARTING)]
        return sum(1 for one in starting if clock - one.began < FRESH_SECONDS) >= MOST_STARTING

    # --- One replica ------------------------------------------------------------------------------------

    def _new_replica(
        self, identity: UUID, pool: str, entity_id: UUID, created_at: datetime, devices: tuple[int, ...] = ()
    ) -> RunningReplica:
        return RunningReplica(
            id=identity,
            pool=pool,
            entity_id=entity_id,
            address=str(socket_folder(self._sockets, identity) / "s"),
            created_at=created_at,
            devices=devices,
        )

    def _start(self, pool: Pool, clock: float) -> None:
        entity = pool.entity
        replica = self._new_replica(uuid4(), pool.key, entity.id, self._now())
        replica.began = clock
        try:
            taken = [number for one in self._all() for number in one.devices]
            replica.devices = tuple(choose(entity.workload_type, taken=taken))
        except ModelkeepError as error:
            replica.fault, replica.is_final = error.message, True
        pool.replicas[replica.id] = replica
        self._write(replica)
        if not replica.fault:
            replica.do(self._launch(replica, entity))

    async def _launch(self, replica: RunningReplica, entity: WantedEntity) -> None:
        try:
            facts = await self._prepare(entity.id)
            launch: Launch = launch_of(
                replica.id,
                facts,
                entity,
                sockets=socket_folder(self._sockets, replica.id),
                devices=replica.devices,
                limits=self._limits,
            )
            self._spares[replica.pool] = spare_of(facts, entity, limits=self._limits)
            replica.pid = await self._backend.start(launch)
        except ModelkeepError as error:
            replica.fault, replica.is_final = error.message, not isinstance(error, Unavailable)
            return
        except LaunchRefused as error:
            replica.fault, replica.is_final = str(error), True
            return
        except BackendAway as error:
            replica.fault = str(error)
            return
        except Exception:
            logger.exception("A replica of %s could not be prepared.", entity.name)
            replica.fault = "It could not be prepared: the supervisor's log says why."
            return
        replica.is_held = True
        # The look at all of them that goes on meanwhile may be from before it was started.
        self.held.setdefault(launch.id, held_now(launch, replica.pid))
        self._write(replica)
        await self._await_ready(replica)

    async def _await_ready(self, replica: RunningReplica) -> None:
        if not await replica.become_ready(seconds=self._limits.load_seconds):
            return
        loop = asyncio.get_running_loop()
        replica.state, replica.ready_at, replica.ready_since = ReplicaState.READY, self._now(), loop.time()
        self._write(replica)
        pool = self.pools.get(replica.pool)
        if pool is not None:
            pool.was_ready = True
        await self._stay_well(replica)

    async def _stay_well(self, replica: RunningReplica) -> None:
        while not replica.fault:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            await replica.look()

    def watch_adopted(self) -> None:
        """Look after replicas that were ready when they were taken over."""
        for replica in self._all():
            if replica.state == ReplicaState.READY and replica.task is None:
                replica.do(self._stay_well(replica))

    def _retire(self, replica: RunningReplica, clock: float) -> None:
        """Take it out of the routes. It drains once they are published, and is killed when it takes too long."""
        if replica.kill_at is not None:
            return
        was_ready = replica.state == ReplicaState.READY
        replica.state = ReplicaState.DRAINING
        replica.kill_at = clock + (self._limits.timeout_seconds + TERMINATE_SECONDS if was_ready else 0.0)
        if not was_ready:
            replica.fault = ""
            # Whatever prepares it must not start it any more, nor find it ready.
            replica.release()
            if not replica.is_held:
                self._forget_unstarted(replica)
                return
        self._write(replica, reason=replica.fault)

    def _forget_unstarted(self, replica: RunningReplica) -> None:
        replica.state = ReplicaState.STOPPED
        self.pools[replica.pool].replicas.pop(replica.id, None)
        self._write(replica, ended_at=self._now())

    def drain_unrouted(self) -> None:
        """Begin to drain what the published routes name no longer."""
        for replica in self._all():
            if replica.state == ReplicaState.DRAINING and replica.ready_since and not replica.is_draining:
                replica.is_draining = True
                replica.do(replica.drain())

    async def _end_overdue(self, clock: float) -> None:
        for replica in self._all():
            if replica.is_held and replica.kill_at is not None and clock >= replica.kill_at:
                await self._backend.kill(str(replica.id), replica.fault)
        # A start that came too late to be called back.
        known = {str(replica.id) for replica in self._all()}
        for identity, held in self.held.items():
            if identity not in known:
                await (self._backend.kill(identity, "") if held.exit_code is None else self._backend.forget(identity))

    async def keep_spares(self) -> None:
        """Have a process ready for each environment in use, once nothing else is being started. Raises BackendAway.

        A new version, another replica and one that was killed are there sooner by the time that imports take.
        """
        self._spares = {key: kind for key, kind in self._spares.items() if key in self.pools}
        if not self._limits.spares or any(one.state == ReplicaState.STARTING for one in self._all()):
            return
        unknown = next((pool for pool in self.pools.values() if pool.entities and pool.key not in self._spares), None)
        if unknown is not None:
            # Taken over from another supervisor.
            self._spares[unknown.key] = None
            with contextlib.suppress(ModelkeepError):
                facts = await self._prepare(unknown.entity.id)
                self._spares[unknown.key] = spare_of(facts, unknown.entity, limits=self._limits)
        kinds = {kind.name: kind for kind in self._spares.values() if kind is not None}
        await self._backend.hold_spares(list(kinds.values())[: self._limits.spares])

    def _all(self) -> list[RunningReplica]:
        return [replica for pool in self.pools.values() for replica in pool.replicas.values()]

    # --- What others read -------------------------------------------------------------------------------

    def routes(self) -> dict[str, tuple[ReplicaRoute, ...]]:
        """The replicas that answer now, by pool."""
        return {
            pool.key: tuple(ReplicaRoute(str(one.id), one.address) for one in pool.in_state(ReplicaState.READY))
            for pool in self.pools.values()
        }

    def held_of(self, pool: str) -> list[Held]:
        """The processes of a pool that answer."""
        replicas = self.pools[pool].in_state(ReplicaState.READY) if pool in self.pools else []
        return [self.held[str(one.id)] for one in replicas if str(one.id) in self.held]

    def _tell(self, pool: Pool) -> None:
        """Have the states of its entities written where they changed."""
        ready = len(pool.in_state(ReplicaState.READY))
        for entity in pool.entities:
            deployment, message = self._told[entity.id]
            now = _deployment(pool, ready, deployment, self._limits.attempts)
            if now is not None and now != (deployment, message):
                self._told[entity.id] = now
                self._ledger.add_deployment(DeploymentChange(entity.id, Deployment(now[0]), now[1]))

    def _write(
        self,
        replica: RunningReplica,
        *,
        reason: str = "",
        log_tail: str = "",
        exit_code: int | None = None,
        ended_at: datetime | None = None,
    ) -> None:
        self._ledger.add_replica(
            ReplicaRecord(
                id=replica.id,
                entity_id=replica.entity_id,
                host=HOST,
                state=replica.state,
                pid=replica.pid,
                created_at=replica.created_at,
                ready_at=replica.ready_at,
                ended_at=ended_at,
                reason=reason,
                log_tail=log_tail[-LOG_TAIL_CHARACTERS:],
                exit_code=exit_code,
            )
        )

    def close(self) -> None:
        """Let go of every replica; they go on."""
        for replica in self._all():
            replica.release()


def _deployment(pool: Pool, ready: int, before: str, attempts: int) -> tuple[str, str] | None:
    """The state of an entity of this pool; None to leave it as it is."""
    scale = pool.scale
    if pool.is_given_up:
        return Deployment.FAILED, pool.reason
    if not is_known_ready(before) and before != Deployment.FAILED:
        return (Deployment.READY, "") if ready >= max(1, pool.bounds().least) else None
    if ready or (scale is not None and scale.replicas == 0):
        return Deployment.READY, ""
    if before == Deployment.READY and pool.bounds().to_zero and not pool.failures:
        # It starts because somebody asks, as it is meant to.
        return None
    if pool.failures >= attempts:
        return Deployment.FAILED, pool.reason
    if before == Deployment.FAILED:
        return None
    return Deployment.RECOVERING, pool.reason


def _reason(replica: RunningReplica, held: Held | None, tail: str) -> str:
    """Why a replica is over, in one sentence for people."""
    if replica.fault:
        return replica.fault
    if held is None:
        return "The model host that held it ended."
    if held.reason:
        return f"It was ended: {held.reason}."
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    last = f": {lines[-1][:1000]}" if lines else "."
    return f"It ended with code {held.exit_code}{last}"


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
