"""Deleting models for ever: rows go at once, bytes that nothing else names go with the next sweep."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from registry.events import model_version_deleted
from registry.models import ManifestEntry, ModelVersion, RegisteredModel, Securable
from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.artifacts import freed_bytes
from registry.services.audit import audited_read
from registry.services.model_lookup import find_model_for, find_version_for
from registry.services.version_uses import Copy, Use, known_copies, known_uses


@dataclass(frozen=True)
class DeletionPlan:
    """What deleting a model or a version would take away. `copies` stay: their bytes are theirs."""

    model: RegisteredModel
    versions: int
    aliases: Sequence[str]
    uses: Sequence[Use]
    copies: Sequence[Copy]
    loaded_by: Sequence[str]
    freed_bytes: int


@audited_read
def plan_deletion(*, actor: Actor, name: object, version: object = None) -> DeletionPlan:
    """What deleting a version, or a model with all its versions, would do; for who may delete it.

    Raises:
        NotFound, AccessDenied.
    """
    one: ModelVersion | None = None
    if version is None:
        model = find_model_for(actor=actor, name=name, action=Action.DELETE_MODEL)
        rows, aliases = model.versions.all(), model.aliases.all()
    else:
        one = find_version_for(actor=actor, name=name, version=version, action=Action.DELETE_VERSION)
        model = one.model
        rows, aliases = model.versions.filter(pk=one.pk), one.aliases.all()
    ids = list(rows.values_list("pk", flat=True))
    loaders = rows.filter(lineage__direction="DOWNSTREAM").values_list("lineage__kind", "lineage__name")
    return DeletionPlan(
        model=model,
        versions=len(ids),
        aliases=[alias.name for alias in aliases],
        uses=known_uses(actor, model, one),
        copies=known_copies(actor, model, one),
        loaded_by=[f"{kind.lower()} {called}" for kind, called in loaders.distinct()[:_MOST_NAMED]],
        freed_bytes=freed_bytes(ids),
    )


_MOST_NAMED = 20


def delete_versions(versions: "QuerySet[ModelVersion]") -> int:
    """Delete versions, their files, tags and aliases; returns the bytes that this frees. Call in a transaction."""
    ids = list(versions.values_list("pk", "model_id"))
    version_ids = [pk for pk, _ in ids]
    freed = freed_bytes(version_ids)
    ManifestEntry.objects.filter(version__in=version_ids).delete()
    ModelVersion.objects.filter(pk__in=version_ids).delete()

    def tell() -> None:
        for version_id, model_id in ids:
            model_version_deleted.send(ModelVersion, model_id=model_id, version_id=version_id)

    transaction.on_commit(tell)
    return freed


def delete_models_below(securables: "QuerySet[Securable]") -> int:
    """Delete every version of the models among some securables; returns the bytes that this frees."""
    return delete_versions(ModelVersion.objects.filter(model__securable__in=securables))
