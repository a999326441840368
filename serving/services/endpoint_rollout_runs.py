"""Rollouts while they run: each step is judged by its own requests, and then the next one follows, or none.

A step is a configuration like any other; its entities take over the replicas of the step before. Which step it is,
and since when, stands in the configuration that answers, so the operation may be killed at any point.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from registry.models import Operation
from registry.services.actors import Actor
from registry.services.audit import audited, record
from registry.services.operation_context import OperationContext
from registry.services.operation_kinds import operation_kind
from registry.services.operations import submit_operation
from serving.models import ConfigUpdate, EndpointConfig, EndpointLevel, ServedEntity, ServingEndpoint
from serving.routing.stats import LATENCY_BOUNDS_MS, read_stats
from serving.services.endpoint_access import SERVICE, require_endpoint_by_id, subject_of
from serving.services.endpoint_configs import ConfigSpec
from serving.services.endpoint_endings import Told, activate, lock_config
from serving.services.endpoint_entities import spec_of
from serving.services.endpoint_rollouts import shares_at
from serving.services.endpoint_updates import begin_config, entities_of
from serving.services.waiting import pause

ROLL_OUT = "roll_out_endpoint"
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Seen:
    """What an entity has answered. `p95_ms` is the upper bound of the bucket that holds the 95th percentile."""

    requests: int
    errors: int
    p95_ms: float


Measure = Callable[[str], Seen]
"""Given the id of a served entity, tells what it has answered so far."""


def measure(entity_id: str) -> Seen:
    """What all gateways have counted for an entity."""
    folder = Path(settings.SERVING_ROOT) / "gateways"
    found = [stats.entities[entity_id] for stats in read_stats(folder) if entity_id in stats.entities]
    counts = [sum(column) for column in zip(*(one.latency_counts for one in found), strict=True)]
    return Seen(
        requests=sum(one.requests for one in found),
        errors=sum(one.errors_4xx + one.errors_5xx for one in found),
        p95_ms=_percentile(counts, 0.95),
    )


def _percentile(counts: list[int], share: float) -> float:
    total, seen = sum(counts), 0
    bounds = (*LATENCY_BOUNDS_MS, float("inf"))
    for bound, count in zip(bounds, counts, strict=False):
        seen += count
        if total and seen >= share * total:
            return bound
    return 0.0


def verdict(rollout: Mapping[str, Any], seen: Seen) -> str:
    """Why a step must be turned back; empty when it need not be, or when there were too few requests to tell."""
    if seen.requests < rollout["min_requests"]:
        return ""
    percent = 100 * seen.errors / seen.requests
    most, slowest = rollout["max_error_percent"], rollout["max_latency_ms"]
    if most is not None and percent > most:
        return f"{percent:.1f} % of {seen.requests} requests failed, and {most:g} % may"
    if slowest is not None and seen.p95_ms > slowest:
        return f"the 95th percentile of latency is above {slowest:g} ms"
    return ""


def submit_rollout(*, actor: Actor, endpoint: ServingEndpoint, config: EndpointConfig) -> Operation:
    """Put the rollout of a configuration down that answers from now on. Joins the caller's transaction."""
    return submit_operation(
        actor=actor,
        kind=ROLL_OUT,
        params={"endpoint_id": str(endpoint.pk), "rollout_id": config.rollout["id"], "name": endpoint.name},
        subject=f"{endpoint.name}: {config.rollout['entity']}",
    )


@operation_kind(ROLL_OUT, title="Roll out a served entity", queue="deploy")
def run_rollout(context: OperationContext) -> dict[str, Any]:
    """Walk through the steps until the last one answers, or until one is turned back, or something else is served."""
    while True:
        outcome = advance(context, now=timezone.now(), measure=measure)
        if outcome:
            return {"outcome": outcome}
        pause(LOOK_SECONDS)
        context.check()


def advance(context: OperationContext, *, now: datetime, measure: Measure) -> str:
    """Look once: go on to the next step, turn back, or leave things as they are. How it ended; empty: it goes on.

    Raises:
        NotFound, AccessDenied: the endpoint is gone, or who asked for the rollout manages it no more.
    """
    params = context.params
    endpoint = require_endpoint_by_id(
        actor=context.actor, endpoint_id=params["endpoint_id"], level=EndpointLevel.CAN_MANAGE
    )
    config = endpoint.active_config
    if config is None or endpoint.is_stopped or config.rollout.get("id") != params["rollout_id"]:
        return "superseded"
    if endpoint.config_update == ConfigUpdate.IN_PROGRESS:
        # Somebody wants something else: it will answer instead, or fail, and then this goes on.
        return ""
    rollout = config.rollout
    entity = config.entities.get(name=rollout["entity"])
    problem = verdict(rollout, measure(str(entity.pk)))
    began = config.activated_at or now
    if not problem:
        step = rollout["steps"][rollout["step"]]
        if now < began + timedelta(seconds=step["seconds"]):
            context.progress(
                100 * rollout["step"] / (len(rollout["steps"]) + 1), f"{step['percent']} % of the traffic"
            )
            return ""
    with context.effect():
        locked = lock_config(config.pk)
        if locked is None or locked[0].active_config_id != config.pk:
            return "superseded"
        if locked[0].config_update == ConfigUpdate.IN_PROGRESS:
            return ""
        if problem:
            return _turn_back(actor=context.actor, endpoint=locked[0], config=locked[1], problem=problem)
        return _next_step(actor=context.actor, endpoint=locked[0], config=locked[1], now=now)


@audited
def _next_step(*, actor: Actor, endpoint: ServingEndpoint, config: EndpointConfig, now: datetime) -> str:
    rollout = config.rollout
    number = rollout["step"] + 1
    is_last = number == len(rollout["steps"])
    entity, target = rollout["entity"], rollout["target"]
    share = target[entity] if is_last else rollout["steps"][number]["percent"]
    shares = target if is_last else shares_at(share=share, entity=entity, target=target, before=rollout["before"])
    _share_anew(
        actor=actor,
        endpoint=endpoint,
        config=config,
        shares=shares,
        rollout={} if is_last else {**rollout, "step": number},
        told=Told("ROLLOUT_DONE" if is_last else "ROLLOUT_STEP", f"{entity} answers {share} % of the traffic now."),
        now=now,
    )
    return "done" if is_last else ""


def _share_anew(
    *,
    actor: Actor,
    endpoint: ServingEndpoint,
    config: EndpointConfig,
    shares: Mapping[str, int],
    rollout: dict[str, Any],
    told: Told,
    now: datetime,
) -> None:
    """The same entities with other shares, as a configuration that answers at once: they run already."""
    endpoint.last_config_version += 1
    endpoint.save(update_fields=["last_config_version"])
    following = EndpointConfig.objects.create(
        endpoint=endpoint,
        version=endpoint.last_config_version,
        auto_capture=config.auto_capture,
        rollout=rollout,
        reason=f"rollout of {config.rollout['entity']}"[:255],
        operation=config.operation,
        created_at=now,
        created_by=actor.principal,
    )
    for entity in list(config.entities.all()):
        entity.pk = None
        entity.config, entity.created_at = following, now
        entity.traffic_percentage = shares.get(entity.name, 0)
        entity.is_wanted = True
        entity.save(force_insert=True)
    activate(endpoint=endpoint, config=following, told=told, by=None, now=now)
    record(
        actor=actor,
        action="activateServingEndpointConfig",
        service_name=SERVICE,
        subject=subject_of(endpoint),
        params={"reason": told.message},
        before={"config_version": config.version},
        after={"config_version": following.version, "traffic": dict(shares)},
    )


@audited
def _turn_back(*, actor: Actor, endpoint: ServingEndpoint, config: EndpointConfig, problem: str) -> str:
    """Serve what was served before the rollout: at once, as far as it still runs, and then exactly as it was."""
    rollout = config.rollout
    entity = rollout["entity"]
    others = [name for name in rollout["target"] if name != entity]
    still = {name: rollout["before"].get(name, 0) for name in others}
    if sum(still.values()) != 100:
        still = shares_at(share=0, entity=entity, target=rollout["target"], before=rollout["before"])
    told = Told("ROLLOUT_REVERTED", f"The rollout of {entity} is turned back: {problem}.", level="ERROR")
    _share_anew(
        actor=actor, endpoint=endpoint, config=config, shares=still, rollout={}, told=told, now=timezone.now()
    )
    before = EndpointConfig.objects.filter(pk=rollout["from_config"]).first()
    if before is not None and _is_other(before, endpoint):
        spec = ConfigSpec(entities=tuple(spec_of(one, is_pinned=True) for one in entities_of(before)))
        begin_config(actor=actor, endpoint=endpoint, spec=spec, reason=f"rollout of {entity} turned back")
    return "turned back"


def _is_other(before: EndpointConfig, endpoint: ServingEndpoint) -> bool:
    """Whether an earlier configuration served what the present one does not."""
    now = set(ServedEntity.objects.filter(config=endpoint.active_config).values_list("fingerprint", flat=True))
    return not set(before.entities.values_list("fingerprint", flat=True)) <= now
