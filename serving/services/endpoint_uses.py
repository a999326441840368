"""Endpoints among the things that use a version."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet

from registry.models import ModelVersion, RegisteredModel
from registry.services.actors import Actor
from registry.services.version_uses import MOST, Use
from serving.models import EntityRole, ServedEntity
from serving.services.endpoint_access import visible_endpoints


def endpoint_uses(actor: Actor, model: RegisteredModel, version: ModelVersion | None) -> Sequence[Use]:
    """The endpoints that serve a version, or any version of a model, as far as the actor may see them. One query."""
    rows = _served_now(actor)
    rows = rows.filter(version=version) if version else rows.filter(version__model=model)
    found = rows.select_related("config__endpoint", "version").order_by("config__endpoint__name", "name")[:MOST]
    return [
        Use(
            kind="Serving endpoint",
            name=entity.config.endpoint.name,
            version=entity.version.version,
            url=f"/serving/{entity.config.endpoint.name}",
            note=_note(entity),
        )
        for entity in found
        if entity.version is not None
    ]


def endpoint_counts(actor: Actor, models: Sequence[RegisteredModel]) -> dict[UUID, int]:
    """How many endpoints that the actor may see serve each of some models, where there are any. One query."""
    rows = _served_now(actor).filter(version__model__in=models).order_by()
    counted = rows.values("version__model").annotate(endpoints=Count("config__endpoint", distinct=True))
    return dict(counted.values_list("version__model", "endpoints"))


def _served_now(actor: Actor) -> "QuerySet[ServedEntity]":
    now = Q(config=F("config__endpoint__active_config")) | Q(config=F("config__endpoint__pending_config"))
    return ServedEntity.objects.filter(now, config__endpoint__in=visible_endpoints(actor).values("pk"))


def _note(entity: ServedEntity) -> str:
    if entity.config_id != entity.config.endpoint.active_config_id:
        return "being deployed"
    share = "shadow" if entity.role == EntityRole.SHADOW else f"{entity.traffic_percentage} % of the traffic"
    return f"{share}, follows @{entity.entity_alias}" if entity.entity_alias else share
