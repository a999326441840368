"""Endpoints as people watch them: a list that can be searched, and one with all that runs for it. Changes nothing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from registry.errors import InvalidParameter, NotFound
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.paging import Page, fetch_page, page_size
from serving.models import (
    ConfigUpdate,
    Deployment,
    EndpointConfig,
    EndpointLevel,
    EntityRole,
    InferenceTable,
    Replica,
    ReplicaState,
    ServedEntity,
    ServingEndpoint,
)
from serving.services.endpoint_access import level_on, require_endpoint, visible_endpoints

_ALIVE = (ReplicaState.STARTING, ReplicaState.READY, ReplicaState.DRAINING)
_ORDERS = {"name": ["name"], "-name": ["-name"], "updated": ["updated_at", "pk"], "-updated": ["-updated_at", "pk"]}


class Standing(StrEnum):
    """What people ask first of an endpoint: whether it answers, and how its last update went."""

    READY = "ready"
    READY_UPDATING = "ready-updating"
    READY_FAILED = "ready-failed"
    STARTING = "starting"
    FAILED = "failed"
    CANCELED = "canceled"
    STOPPED = "stopped"


_WANTED = {
    "ready": Q(is_stopped=False, active_config__isnull=False),
    "updating": Q(config_update=ConfigUpdate.IN_PROGRESS),
    "failed": Q(config_update=ConfigUpdate.UPDATE_FAILED, is_stopped=False),
    "stopped": Q(is_stopped=True),
}
STATES = tuple(_WANTED)
"""What a list can be narrowed down to."""


def standing_of(endpoint: ServingEndpoint) -> Standing:
    """Where an endpoint stands. No query."""
    if endpoint.is_stopped:
        return Standing.STOPPED
    answers = endpoint.active_config_id is not None
    match endpoint.config_update:
        case ConfigUpdate.IN_PROGRESS:
            return Standing.READY_UPDATING if answers else Standing.STARTING
        case ConfigUpdate.UPDATE_FAILED:
            return Standing.READY_FAILED if answers else Standing.FAILED
        case ConfigUpdate.UPDATE_CANCELED if not answers:
            return Standing.CANCELED
    return Standing.READY if answers else Standing.STARTING


def search_endpoints(
    *,
    actor: Actor,
    text: str = "",
    state: str = "",
    own: bool = False,
    order: str = "",
    max_results: int | None = None,
    page_token: str = "",
) -> Page[ServingEndpoint]:
    """The endpoints that the actor may see, with what they serve and what they are about to serve. Four queries.

    `text` is looked for in names of endpoints and of served models; `own` keeps those that the actor made.

    Raises:
        InvalidParameter: an unknown state or order, a token of another list.
    """
    rows = _found(actor, text=text, state=state, own=own)
    if order and order not in _ORDERS:
        raise InvalidParameter(f"'order' is '{order}': use one of {', '.join(_ORDERS)}.", field="order")
    entities = Prefetch("entities", ServedEntity.objects.order_by("-traffic_percentage", "name"))
    configs = EndpointConfig.objects.prefetch_related(entities)
    rows = rows.prefetch_related(Prefetch("active_config", configs), Prefetch("pending_config", configs))
    return fetch_page(
        rows,
        order=_ORDERS[order or "name"],
        size=page_size(max_results),
        token=page_token,
        scope=f"endpoints:{text}:{state}:{own}:{order}",
    )


def _found(actor: Actor, *, text: str, state: str, own: bool) -> "QuerySet[ServingEndpoint]":
    rows = visible_endpoints(actor)
    if state:
        if state not in _WANTED:
            raise InvalidParameter(f"'state' is '{state}': use one of {', '.join(STATES)}.", field="state")
        rows = rows.filter(_WANTED[state])
    if own:
        rows = rows.filter(creator=actor.principal)
    if text:
        serving = ServedEntity.objects.filter(entity_name__icontains=text).values("config")
        rows = rows.filter(
            Q(name__icontains=text) | Q(active_config__in=serving) | Q(pending_config__in=serving),
        )
    return rows


@dataclass(frozen=True)
class WatchedEntity:
    """A served entity with its living replicas, and with why the last one ended where none is left."""

    entity: ServedEntity
    counts: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""

    @property
    def ready(self) -> int:
        """Replicas that answer."""
        return self.counts.get(ReplicaState.READY, 0)

    @property
    def starting(self) -> int:
        """Replicas that do not answer yet."""
        return self.counts.get(ReplicaState.STARTING, 0)

    @property
    def is_asleep(self) -> bool:
        """Scaled to zero: the next query starts it."""
        entity = self.entity
        return entity.scale_to_zero and entity.deployment == Deployment.READY and not self.ready and not self.starting


@dataclass(frozen=True)
class WatchedConfig:
    """A configuration with what it serves, the largest share first."""

    config: EndpointConfig
    entities: Sequence[WatchedEntity]

    @property
    def live(self) -> list[WatchedEntity]:
        """Those that share the traffic."""
        return [one for one in self.entities if one.entity.role == EntityRole.LIVE]

    @property
    def is_asleep(self) -> bool:
        """Whether nothing runs, and the next query is held until something does."""
        return bool(self.live) and all(one.is_asleep for one in self.live)


@dataclass(frozen=True)
class RolloutStep:
    """A step of a rollout: the entity that is new, which step of how many, and its share in it."""

    entity: str
    number: int
    count: int
    percent: int


@dataclass(frozen=True)
class WatchedEndpoint:
    """An endpoint as its page shows it. `level` is what the actor may do with it."""

    endpoint: ServingEndpoint
    level: EndpointLevel
    standing: Standing
    active: WatchedConfig | None
    pending: WatchedConfig | None
    tables: Sequence[InferenceTable]

    @property
    def may_query(self) -> bool:
        """CAN_QUERY or more."""
        return self.level in {EndpointLevel.CAN_QUERY, EndpointLevel.CAN_MANAGE}

    @property
    def may_manage(self) -> bool:
        """CAN_MANAGE."""
        return self.level == EndpointLevel.CAN_MANAGE

    @property
    def rollout(self) -> "RolloutStep | None":
        """The step that answers now, while a new entity gets its share little by little."""
        found = self.active.config.rollout if self.active else {}
        if not found:
            return None
        number = found["step"]
        return RolloutStep(found["entity"], number + 1, len(found["steps"]), found["steps"][number]["percent"])

    @property
    def is_moving(self) -> bool:
        """Whether the page should be looked at again: an update goes on, or replicas start."""
        if self.endpoint.config_update == ConfigUpdate.IN_PROGRESS:
            return True
        return self.rollout is not None or (
            self.active is not None and any(one.starting for one in self.active.entities)
        )

    @property
    def mark(self) -> str:
        """Another one means that the page is another: a configuration took over, failed, or the endpoint stopped."""
        endpoint = self.endpoint
        versions = [str(one.config.version) if one else "" for one in (self.active, self.pending)]
        return "-".join([endpoint.config_update, *versions, "stopped" if endpoint.is_stopped else ""])


@audited_read
def watch_endpoint(*, actor: Actor, name: object) -> WatchedEndpoint:
    """An endpoint with its configurations, entities and replicas. Needs CAN_VIEW. Six queries.

    Raises:
        NotFound.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_VIEW)
    keys = [key for key in (endpoint.active_config_id, endpoint.pending_config_id) if key]
    entities = Prefetch(
        "entities",
        ServedEntity.objects.select_related("environment").order_by("role", "-traffic_percentage", "name"),
    )
    rows = EndpointConfig.objects.filter(pk__in=keys).select_related("created_by", "operation")
    configs = {config.pk: config for config in rows.prefetch_related(entities)}
    watched = _watched([entity for config in configs.values() for entity in config.entities.all()])
    found = {
        key: WatchedConfig(config, [watched[entity.pk] for entity in config.entities.all()])
        for key, config in configs.items()
    }
    return WatchedEndpoint(
        endpoint,
        level_on(endpoint),
        standing_of(endpoint),
        active=found.get(endpoint.active_config_id) if endpoint.active_config_id else None,
        pending=found.get(endpoint.pending_config_id) if endpoint.pending_config_id else None,
        tables=list(
            endpoint.inference_tables.select_related("table__parent__parent").order_by("-is_enabled", "form")
        ),
    )


def _watched(entities: Iterable[ServedEntity]) -> dict[UUID, WatchedEntity]:
    entities = list(entities)
    counts: dict[UUID, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    reasons: dict[UUID, str] = {}
    if entities:
        alive = Replica.objects.filter(entity__in=entities, state__in=_ALIVE)
        for key, state in alive.values_list("entity", "state"):
            counts[key][state] += 1
        failed = Replica.objects.filter(entity__in=entities, state=ReplicaState.FAILED)
        newest = failed.order_by("entity", "-created_at").distinct("entity")
        reasons = dict(newest.values_list("entity", "reason"))
    return {
        entity.pk: WatchedEntity(
            entity,
            counts.get(entity.pk, {}),
            "" if counts.get(entity.pk, {}).get(ReplicaState.READY) else reasons.get(entity.pk, ""),
        )
        for entity in entities
    }


@audited_read
def get_config(*, actor: Actor, name: object, version: int) -> EndpointConfig:
    """One configuration of an endpoint with its entities. Needs CAN_VIEW. Three queries.

    Raises:
        NotFound.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_VIEW)
    rows = EndpointConfig.objects.filter(endpoint=endpoint, version=version).select_related("created_by")
    found = rows.prefetch_related("entities").first()
    if found is None:
        raise NotFound(f"Serving endpoint '{endpoint.name}' has no configuration {version}.")
    return found


def endpoint_names(*, actor: Actor, text: str, most: int = 8) -> list[ServingEndpoint]:
    """Endpoints that the actor may see, by a part of the name; those that begin with it first. One query."""
    rows = visible_endpoints(actor).filter(name__icontains=text)
    return sorted(rows.order_by("name")[: most * 4], key=lambda one: (not one.name.startswith(text), one.name))[:most]
