"""Rows about replicas: written by the supervisor alone, from what it holds in memory."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from serving.models import Deployment, EndpointSample, Replica, ReplicaState, ServedEntity, ServingEndpoint
from serving.services.endpoint_deployments import tell_entity_ready
from serving.services.endpoint_events import tell

SAMPLE_DAYS = 14
LOG_TAIL_CHARACTERS = 64 * 1024
ALIVE = (ReplicaState.STARTING, ReplicaState.READY, ReplicaState.DRAINING)


@dataclass(frozen=True)
class ReplicaRecord:
    """A replica as it is to be written. `host` names the machine that holds it."""

    id: UUID
    entity_id: UUID
    host: str
    state: ReplicaState
    pid: int | None
    created_at: datetime
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    log_tail: str = ""
    exit_code: int | None = None


@dataclass(frozen=True)
class DeploymentChange:
    """The new state of a served entity."""

    entity_id: UUID
    deployment: Deployment
    message: str


@dataclass(frozen=True)
class SampleKey:
    """Whose minute it is."""

    endpoint_id: UUID
    entity_name: str
    model_version: str
    minute: datetime


def write_replicas(records: Collection[ReplicaRecord]) -> None:
    """Write replicas, new ones and known ones. One whose entity was deleted is left out."""
    for record in records:
        values = {name: value for name, value in vars(record).items() if name != "id"}
        try:
            with transaction.atomic():
                Replica.objects.update_or_create(id=record.id, defaults=values)
        except IntegrityError:
            if ServedEntity.objects.filter(pk=record.entity_id).exists():
                raise


def write_deployments(changes: Collection[DeploymentChange]) -> None:
    """Write the states of entities that are still wanted, with an event for what people should know of."""
    for change in changes:
        with transaction.atomic():
            rows = ServedEntity.objects.select_for_update(of=("self",)).select_related("config__endpoint")
            entity = rows.filter(pk=change.entity_id, is_wanted=True).first()
            if entity is None or (entity.deployment, entity.deployment_message) == (
                change.deployment,
                change.message,
            ):
                continue
            before, entity.deployment = entity.deployment, change.deployment
            entity.deployment_message = change.message
            entity.save(update_fields=["deployment", "deployment_message"])
            _tell(entity, before)


def _tell(entity: ServedEntity, before: str) -> None:
    after = entity.deployment
    if before == after:
        return
    if before == Deployment.CREATING and after == Deployment.READY:
        tell_entity_ready(entity)
        return
    kinds = {
        Deployment.READY: ("ENTITY_RECOVERED", "INFO", "answers again."),
        Deployment.RECOVERING: ("ENTITY_RECOVERING", "WARNING", "has no replica that answers: one is being started."),
        Deployment.FAILED: ("ENTITY_FAILED", "ERROR", "cannot be started."),
    }
    if after in kinds:
        kind, level, words = kinds[Deployment(after)]
        tell(
            endpoint=entity.config.endpoint,
            kind=kind,
            level=level,
            message=f"{entity.name} {words} {entity.deployment_message}".strip(),
            config_version=entity.config.version,
            entity_name=entity.name,
        )


def close_lost(*, host: str, held: Collection[UUID]) -> int:
    """End the rows of replicas of this machine that no process is behind any more; how many those were."""
    rows = Replica.objects.filter(host=host, state__in=ALIVE).exclude(pk__in=list(held))
    return rows.update(state=ReplicaState.FAILED, reason="It ended while nobody watched it.", ended_at=timezone.now())


def entities_of_replicas(*, host: str) -> dict[UUID, ReplicaRecord]:
    """The replicas of this machine that are alive as far as the database knows."""
    return {
        row.pk: ReplicaRecord(
            id=row.pk,
            entity_id=row.entity_id,
            host=row.host,
            state=ReplicaState(row.state),
            pid=row.pid,
            created_at=row.created_at,
            ready_at=row.ready_at,
        )
        for row in Replica.objects.filter(host=host, state__in=ALIVE)
    }


def add_samples(samples: Mapping[SampleKey, Mapping[str, Any]]) -> None:
    """Add what happened in some minutes to their rows. Numbers and lists add up; other values replace."""
    with transaction.atomic():
        known = set(
            ServingEndpoint.objects.filter(pk__in={key.endpoint_id for key in samples}).values_list("pk", flat=True)
        )
        for key, values in samples.items():
            if key.endpoint_id not in known:
                continue
            row, is_new = EndpointSample.objects.select_for_update().get_or_create(
                endpoint_id=key.endpoint_id,
                entity_name=key.entity_name,
                minute=key.minute,
                defaults={"model_version": key.model_version, **values},
            )
            if is_new:
                continue
            for name, value in values.items():
                setattr(row, name, _added(name, getattr(row, name), value))
            row.save()


_OF_NOW = {"cpu_percent", "memory_percent", "provisioned_concurrency"}


def _added(name: str, before: Any, value: Any) -> Any:
    if name in _OF_NOW:
        return value
    if isinstance(value, list):
        return [one + other for one, other in zip(before, value, strict=True)] if before else value
    return before + value


def forget_old_samples(*, now: datetime | None = None) -> int:
    """Delete samples that nobody can ask for any more; how many those were."""
    before = (now or timezone.now()) - timedelta(days=SAMPLE_DAYS)
    return EndpointSample.objects.filter(minute__lt=before).delete()[0]


def forget_old_replicas(*, now: datetime | None = None) -> int:
    """Delete what is known of replicas that ended long ago; how many those were."""
    before = (now or timezone.now()) - timedelta(days=SAMPLE_DAYS)
    return Replica.objects.filter(ended_at__lt=before).delete()[0]
