"""Entities that follow an alias: where the alias has moved, the endpoint is asked to serve where it points now.

The signal of a move leads here at once, the end of every deployment and a sweep lead here too: a move that came
during another update, or whose signal was lost with its process, is found by comparing the rows.
"""

import logging
from uuid import UUID

from django.db import Error, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Lower

from registry.errors import AccessDenied, ModelkeepError
from registry.models import ModelAlias, ModelVersion, VersionStatus
from registry.names import lookup_key
from registry.services.actors import Actor, RequestContext, load_actor
from registry.services.audit import HiddenFromActor, audited, record_denial
from serving.models import ConfigState, ConfigUpdate, ServedEntity, ServingEndpoint
from serving.services.endpoint_configs import ConfigSpec
from serving.services.endpoint_endings import end_config
from serving.services.endpoint_entities import ResolvedEntity, spec_of
from serving.services.endpoint_events import tell
from serving.services.endpoint_updates import begin_config, entities_of, write_config

logger = logging.getLogger(__name__)


def _following() -> "QuerySet[ServedEntity]":
    """The entities that answer now and follow an alias."""
    return ServedEntity.objects.filter(
        config=F("config__endpoint__active_config"), config__endpoint__is_stopped=False, version__isnull=False
    ).exclude(entity_alias="")


def _behind() -> "QuerySet[ServedEntity]":
    """Those whose alias points elsewhere by now, at a version that is READY and that was not tried in vain."""
    moved = ModelAlias.objects.filter(
        model=OuterRef("version__model"), key=OuterRef("alias_key"), version__status=VersionStatus.READY
    ).exclude(version=OuterRef("version"))
    tried = ServedEntity.objects.filter(
        config=OuterRef("config__endpoint__pending_config"),
        name=OuterRef("name"),
        version__model=OuterRef("version__model"),
        version__aliases__key=OuterRef("alias_key"),
    )
    rows = _following().exclude(config__endpoint__config_update=ConfigUpdate.IN_PROGRESS)
    return rows.annotate(alias_key=Lower("entity_alias")).filter(Exists(moved), ~Exists(tried))


def follow_aliases(*, endpoint_id: UUID | None = None, model_id: UUID | None = None) -> int:
    """Ask for a new configuration of every endpoint that follows an alias which has moved; returns how many.

    Never raises for one of them: it is told to the endpoint's events, or found again by the sweep. One query when
    nothing has moved.
    """
    rows = _behind()
    if endpoint_id is not None:
        rows = rows.filter(config__endpoint=endpoint_id)
    if model_id is not None:
        rows = rows.filter(version__model=model_id)
    found = sorted(set(rows.values_list("config__endpoint", flat=True)))
    for pk in found:
        try:
            creator = ServingEndpoint.objects.select_related("creator").get(pk=pk).creator
            _roll(actor=load_actor(creator, context=RequestContext(user_agent="alias")), endpoint_id=pk)
        except (Error, ServingEndpoint.DoesNotExist):
            logger.exception("endpoint %s could not follow its alias; the next sweep tries again", pk)
    return len(found)


@audited
def _roll(*, actor: Actor, endpoint_id: UUID) -> None:
    """Ask for what the aliases name now, as the endpoint's creator. Where the creator may not, a configuration that
    has failed says so, and the endpoint goes on with what it serves."""
    endpoint = ServingEndpoint.objects.select_for_update(of=("self",)).select_related("creator").get(pk=endpoint_id)
    if endpoint.active_config is None:
        return
    served = list(entities_of(endpoint.active_config))
    targets = {entity.pk: _target(entity) for entity in served}
    moved = [
        f"@{entity.entity_alias} moved to version {target.version}"
        for entity in served
        if (target := targets[entity.pk]) is not None and target.pk != entity.version_id
    ]
    spec = ConfigSpec(entities=tuple(spec_of(entity) for entity in served))
    reason = ", ".join(moved) or "alias"
    try:
        with transaction.atomic():
            begin_config(actor=actor, endpoint=endpoint, spec=spec, reason=reason)
    except ModelkeepError as refusal:
        if isinstance(refusal, AccessDenied | HiddenFromActor):
            record_denial(actor, refusal)
        endpoint.refresh_from_db()
        resolved = [
            ResolvedEntity(one, version)
            for one, entity in zip(spec.entities, served, strict=True)
            if (version := targets[entity.pk] or entity.version) is not None
        ]
        config = write_config(actor=actor, endpoint=endpoint, spec=spec, resolved=resolved, reason=reason)
        end_config(endpoint=endpoint, config=config, state=ConfigState.FAILED, message=refusal.message)


def _target(entity: ServedEntity) -> ModelVersion | None:
    """The version that the entity's alias names now; None for an entity without, or whose alias is gone."""
    if not entity.entity_alias or entity.version is None:
        return None
    rows = ModelAlias.objects.select_related("version__model__securable__parent__parent")
    found = rows.filter(model=entity.version.model_id, key=lookup_key(entity.entity_alias)).first()
    return found.version if found else None


def tell_alias_removed(*, model_id: UUID, alias: str) -> None:
    """Add an event to every endpoint that follows an alias which is gone: it goes on with the version it has."""
    rows = _following().annotate(alias_key=Lower("entity_alias"))
    rows = rows.filter(version__model=model_id, alias_key=lookup_key(alias))
    for entity in rows.select_related("config__endpoint"):
        tell(
            endpoint=entity.config.endpoint,
            kind="ALIAS_REMOVED",
            level="WARNING",
            message=f"{entity.name} follows @{entity.entity_alias} of {entity.entity_name}, which was removed: it "
            f"goes on with version {entity.entity_version}.",
            config_version=entity.config.version,
            entity_name=entity.name,
        )


def tell_version_deleted() -> None:
    """Add an event, once, to every endpoint that answers with a version which was deleted."""
    rows = ServedEntity.objects.filter(config=F("config__endpoint__active_config"), version__isnull=True)
    for entity in rows.select_related("config__endpoint"):
        known = entity.config.endpoint.events.filter(
            kind="VERSION_DELETED", config_version=entity.config.version, entity_name=entity.name
        )
        if not known.exists():
            tell(
                endpoint=entity.config.endpoint,
                kind="VERSION_DELETED",
                level="WARNING",
                message=f"Version {entity.entity_version} of {entity.entity_name}, which {entity.name} serves, was "
                "deleted. What runs goes on; it cannot be started again. Serve another version.",
                config_version=entity.config.version,
                entity_name=entity.name,
            )
