"""Endpoints among the things that use a version."""

from collections.abc import Sequence

from django.db.models import F, Q

from registry.models import ModelVersion, RegisteredModel
from registry.services.actors import Actor
from registry.services.version_uses import MOST, Use
from serving.models import EntityRole, ServedEntity
from serving.services.endpoint_access import visible_endpoints


def endpoint_uses(actor: Actor, model: RegisteredModel, version: ModelVersion | None) -> Sequence[Use]:
    """The endpoints that serve a version, or any version of a model, as far as the actor may see them. One query."""
    now = Q(config=F("config__endpoint__active_config")) | Q(config=F("config__endpoint__pending_config"))
    rows = ServedEntity.objects.filter(now, config__endpoint__in=visible_endpoints(actor).values("pk"))
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


def _note(entity: ServedEntity) -> str:
    if entity.config_id != entity.config.endpoint.active_config_id:
        return "being deployed"
    share = "shadow" if entity.role == EntityRole.SHADOW else f"{entity.traffic_percentage} % of the traffic"
    return f"{share}, follows @{entity.entity_alias}" if entity.entity_alias else share
