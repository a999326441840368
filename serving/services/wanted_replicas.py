"""What the supervisor is to run: which replicas for which served entities, and the routes to publish to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from registry.errors import ModelkeepError, NotFound
from registry.services.actors import load_actor
from serving.models import ConfigUpdate, Deployment, ServedEntity, ServingEndpoint
from serving.routing.routes import (
    NOT_READY,
    READY,
    STOPPED,
    CaptureRoute,
    EndpointRoute,
    EntityRoute,
    RateLimit,
    ReplicaRoute,
)
from serving.services.endpoint_deployments import require_loadable
from serving.services.inference_tables import capture_routes

_MINUTE = 60


@dataclass(frozen=True)
class WantedEntity:
    """A served entity that is to have replicas. Entities of one `pool` share theirs.

    `is_active`: its configuration answers now. `least` and `most` count replicas of `units` requests at a time each.
    """

    id: UUID
    pool: str
    endpoint: str
    config_id: UUID
    is_active: bool
    name: str
    model: str
    version: str
    version_id: UUID | None
    role: str
    weight: int
    workload_type: str
    least: int
    most: int
    units: int
    scale_to_zero: bool
    micro_batching: bool
    deployment: str
    message: str


@dataclass(frozen=True)
class WantedEndpoint:
    """An endpoint, without the replicas that its route will name."""

    id: UUID
    name: str
    state: str
    message: str
    config_version: int
    rate_limits: tuple[RateLimit, ...]
    captures: tuple[CaptureRoute, ...]
    entities: tuple[WantedEntity, ...]


@dataclass(frozen=True)
class Wanted:
    """All of it, as one look at the database found it."""

    entities: tuple[WantedEntity, ...] = ()
    endpoints: tuple[WantedEndpoint, ...] = ()


@dataclass(frozen=True)
class LaunchFacts:
    """What a replica is started with. `environment` holds secrets."""

    python: Path
    model: Path
    name: str
    version: str
    environment: dict[str, str]


def read_wanted() -> Wanted:
    """What is to run now. Three queries, however much it is."""
    rows = ServedEntity.objects.filter(is_wanted=True).select_related("config__endpoint").order_by("name")
    by_endpoint: dict[UUID, list[WantedEntity]] = {}
    entities = []
    for row in rows:
        entity = _entity(row)
        entities.append(entity)
        if entity.is_active:
            by_endpoint.setdefault(row.config.endpoint_id, []).append(entity)
    endpoints = list(ServingEndpoint.objects.select_related("active_config"))
    captures = capture_routes([endpoint.pk for endpoint in endpoints]) if endpoints else {}
    return Wanted(
        entities=tuple(entities),
        endpoints=tuple(
            _endpoint(endpoint, by_endpoint.get(endpoint.pk, ()), captures.get(endpoint.pk, ()))
            for endpoint in endpoints
        ),
    )


def _entity(row: ServedEntity) -> WantedEntity:
    endpoint = row.config.endpoint
    units = max(1, min(settings.SERVING_UNITS_PER_REPLICA, row.max_concurrency))
    return WantedEntity(
        id=row.pk,
        pool=f"{endpoint.pk}:{row.fingerprint or row.pk}",
        endpoint=endpoint.name,
        config_id=row.config_id,
        is_active=row.config_id == endpoint.active_config_id,
        name=row.name,
        model=row.entity_name,
        version=row.entity_version,
        version_id=row.version_id,
        role=row.role,
        weight=row.traffic_percentage,
        workload_type=row.workload_type,
        least=-(-row.min_concurrency // units),
        most=max(1, -(-row.max_concurrency // units)),
        units=units,
        scale_to_zero=row.scale_to_zero,
        micro_batching=row.micro_batching,
        deployment=row.deployment,
        message=row.deployment_message,
    )


def _endpoint(
    row: ServingEndpoint, entities: Sequence[WantedEntity], captures: Sequence[CaptureRoute]
) -> WantedEndpoint:
    state, message = READY, ""
    if row.is_stopped:
        state, message = STOPPED, f"Serving endpoint '{row.name}' is stopped. Start it, then ask again."
    elif row.active_config is None or not entities:
        failed = row.config_update == ConfigUpdate.UPDATE_FAILED
        why = "its first configuration could not be deployed" if failed else "it is being created"
        state, message = NOT_READY, f"Serving endpoint '{row.name}' is not ready: {why}."
    return WantedEndpoint(
        id=row.pk,
        name=row.name,
        state=state,
        message=message,
        config_version=row.active_config.version if row.active_config else 0,
        rate_limits=tuple(_limits([*row.rate_limits, *(row.ai_gateway.get("rate_limits") or [])])),
        captures=tuple(captures),
        entities=tuple(entities),
    )


def _limits(wire: Iterable[dict[str, Any]]) -> Iterable[RateLimit]:
    for limit in wire:
        calls = limit.get("calls")
        if isinstance(calls, int):
            yield RateLimit(calls, _MINUTE, str(limit.get("key") or "endpoint"), str(limit.get("principal") or ""))


def endpoint_route(endpoint: WantedEndpoint, *, replicas: dict[str, tuple[ReplicaRoute, ...]]) -> EndpointRoute:
    """The route of an endpoint, given the replicas that answer now by pool."""
    return EndpointRoute(
        id=str(endpoint.id),
        name=endpoint.name,
        state=endpoint.state,
        message=endpoint.message,
        config_version=endpoint.config_version,
        timeout_seconds=float(settings.SERVING_TIMEOUT_SECONDS),
        rate_limits=endpoint.rate_limits,
        captures=endpoint.captures,
        entities=tuple(
            EntityRoute(
                id=str(entity.id),
                name=entity.name,
                model=entity.model,
                version=entity.version,
                role=entity.role,
                weight=entity.weight,
                concurrency=len(replicas.get(entity.pool, ())) * entity.units,
                max_concurrency=entity.most * entity.units,
                micro_batching=entity.micro_batching,
                replicas=replicas.get(entity.pool, ()),
            )
            for entity in endpoint.entities
        ),
    )


def find_launch_facts(entity_id: UUID) -> LaunchFacts:
    """What a replica of an entity is started with, after its endpoint's creator was asked for the right to load it.

    Makes the version's files where they are not on this machine. About ten queries.

    Raises:
        NotFound, AccessDenied: the version is gone, or the creator has lost the right; audited.
        ModelkeepError: files, environment or secrets are not to be had.
    """
    from serving.services.model_files import materialise_version
    from serving.services.secrets import resolve_environment_vars

    rows = ServedEntity.objects.select_related(
        "config__endpoint__creator", "environment", "version__model__securable__parent__parent"
    )
    entity = rows.filter(pk=entity_id).first()
    if entity is None:
        raise NotFound("The endpoint was deleted meanwhile.")
    creator = entity.config.endpoint.creator
    version = require_loadable(actor=load_actor(creator), entity=entity)
    variables = resolve_environment_vars(creator=creator, vars=entity.environment_vars)
    if entity.environment is None:
        raise ModelkeepError(f"Served entity '{entity.name}' has no environment yet.")
    python = Path(settings.SERVING_ROOT) / "environments" / entity.environment.digest / "bin" / "python"
    if not python.exists():
        raise ModelkeepError(
            f"The environment of served entity '{entity.name}' is not on this machine: update the endpoint to build "
            "it again."
        )
    return LaunchFacts(
        python=python,
        model=materialise_version(version),
        name=entity.name,
        version=str(version.version),
        environment=variables,
    )


def is_known_ready(deployment: str) -> bool:
    """Whether an entity in that state has answered before."""
    return deployment in (Deployment.READY, Deployment.RECOVERING)
