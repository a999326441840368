"""Deleting models for ever: rows go at once, bytes that nothing else names go with the next sweep."""

from django.db import transaction
from django.db.models import QuerySet

from registry.events import model_version_deleted
from registry.models import ManifestEntry, ModelVersion, Securable
from registry.services.artifacts import freed_bytes


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
