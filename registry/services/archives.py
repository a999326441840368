"""Archives: models with all their READY versions as one stream of bytes, to move them or to keep them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Value
from django.db.models.functions import Concat
from django.utils import timezone

from registry.errors import InvalidParameter
from registry.models import (
    AliasMove,
    LineageEdge,
    ManifestEntry,
    ModelVersion,
    RegisteredModel,
    Securable,
    VersionStatus,
)
from registry.names import lookup_key
from registry.privileges import Action, SecurableType
from registry.services.access import actionable_by, visible_to
from registry.services.actors import Actor
from registry.services.archive_format import (
    BLOBS,
    FORMAT,
    FORMAT_VERSION,
    BlobInside,
    end_matter,
    front_matter,
    member_head,
    member_size,
    padding,
)
from registry.services.audit import audited, record
from registry.services.lineage import UPSTREAM
from registry.services.model_lookup import canonical_name, find_model_for
from registry.storage.blobs import blob_store

MAX_MODELS = 1000


@dataclass(frozen=True)
class Export:
    """An archive that is ready to be sent: its size is known, its bytes are read as they go."""

    front: bytes
    blobs: tuple[BlobInside, ...]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.front) + sum(member_size(blob.size) for blob in self.blobs) + len(end_matter())

    def pieces(self) -> Iterator[bytes]:
        """The archive, piece by piece, in bounded memory.

        Raises:
            FileMissing, OSError: a version was deleted and swept meanwhile. The archive then ends early, and whoever
                reads it notices.
        """
        yield self.front
        for blob in self.blobs:
            yield member_head(f"{BLOBS}{blob.sha256}", blob.size)
            yield from blob_store().open(blob.sha256, length=blob.size)
            yield padding(blob.size)
        yield end_matter()


def exportable_models(*, actor: Actor, text: str = "", limit: int = 100) -> list[Securable]:
    """Models that the actor may export, by name; with `text`, those with it in their full name. One query."""
    rows = actionable_by(actor, Action.LOAD_VERSION, SecurableType.REGISTERED_MODEL)
    if text:
        full_key = Concat("parent__parent__key", Value("."), "parent__key", Value("."), "key")
        rows = rows.annotate(full_key=full_key).filter(full_key__contains=lookup_key(text))
    return list(rows.select_related("parent__parent").order_by("parent__parent__key", "parent__key", "key")[:limit])


@audited
def export_models(*, actor: Actor, names: Sequence[str]) -> Export:
    """Prepare an archive of some models. Takes the right to load each; the audit trail keeps who took which.

    Versions that are not READY stay out, as do lineage to tables that the actor may not see, and grants. A few
    queries a model, and its descriptions in memory; no file is read yet.

    Raises:
        NotFound, AccessDenied: on any of the models; then nothing is exported.
        InvalidParameter: no names, or too many.
    """
    unique = {lookup_key(canonical_name(name)): name for name in names}
    if not 0 < len(unique) <= MAX_MODELS:
        raise InvalidParameter(f"Name from 1 to {MAX_MODELS} models to export.", field="models")
    blobs: dict[str, BlobInside] = {}
    models = [_export_model(actor, name, blobs) for name in unique.values()]
    index = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "exported_at": _moment(timezone.now()),
        "exported_by": actor.name,
        "exported_from": settings.PUBLIC_URL,
        "models": models,
        "blobs": {blob.sha256: blob.size for blob in blobs.values()},
    }
    return Export(front_matter(index, blobs.values()), tuple(blobs.values()))


def _export_model(actor: Actor, name: str, blobs: dict[str, BlobInside]) -> dict[str, Any]:
    model = find_model_for(actor=actor, name=name, action=Action.LOAD_VERSION)
    securable = model.securable
    versions = list(
        ModelVersion.objects.filter(model=model, status=VersionStatus.READY)
        .select_related("created_by")
        .prefetch_related("tags")
        .order_by("version")
    )
    files, lineage = _files_of(model, blobs), _lineage_of(actor, model)
    numbers = [version.version for version in versions]
    record(
        actor=actor,
        action=Action.LOAD_VERSION,
        securable=securable,
        params={"operation": "EXPORT", "versions": numbers},
    )
    aliases = model.aliases.filter(version__in=versions).select_related("version")
    return {
        "name": securable.full_name,
        "comment": securable.comment,
        "tags": {tag.key: tag.value for tag in securable.tags.all()},
        "created_at": _moment(securable.created_at),
        "aliases": {alias.name: alias.version.version for alias in aliases},
        "alias_history": _history_of(model),
        "versions": [
            {**_facts(version), "files": files.get(version.pk, []), "lineage": lineage.get(version.pk, [])}
            for version in versions
        ],
    }


def _files_of(model: RegisteredModel, blobs: dict[str, BlobInside]) -> dict[Any, list[dict[str, str]]]:
    entries = ManifestEntry.objects.filter(version__model=model, version__status=VersionStatus.READY)
    rows = entries.order_by("version__version", "path").values_list("version_id", "path", "blob_id", "blob__size")
    files: dict[Any, list[dict[str, str]]] = {}
    for version_id, path, sha256, size in rows:
        files.setdefault(version_id, []).append({"path": path, "sha256": sha256})
        blobs.setdefault(sha256, BlobInside(sha256, size))
    return files


def _lineage_of(actor: Actor, model: RegisteredModel) -> dict[Any, list[dict[str, Any]]]:
    """What versions were made from, without the governed tables that the actor may not see."""
    edges = LineageEdge.objects.filter(version__model=model, direction=UPSTREAM).order_by("kind", "name")
    tables = Securable.objects.filter(lineage__version__model=model)
    seen = set(visible_to(actor, tables, SecurableType.TABLE).values_list("pk", flat=True))
    found: dict[Any, list[dict[str, Any]]] = {}
    for edge in edges:
        if edge.table_id is None or edge.table_id in seen:
            line = {"kind": edge.kind, "name": edge.name, "details": edge.details}
            found.setdefault(edge.version_id, []).append(line)
    return found


def _history_of(model: RegisteredModel) -> list[dict[str, Any]]:
    """Every move of an alias, oldest first."""
    moves = AliasMove.objects.filter(model=model).select_related("moved_by").order_by("moved_at", "id")
    return [
        {
            "alias": move.name,
            "from_version": move.from_version,
            "to_version": move.to_version,
            "moved_at": _moment(move.moved_at),
            "moved_by": move.moved_by.name if move.moved_by else "",
        }
        for move in moves
    ]


def _facts(version: ModelVersion) -> dict[str, Any]:
    return {
        "id": str(version.pk),
        "version": version.version,
        "comment": version.comment,
        "tags": {tag.key: tag.value for tag in version.tags.all()},
        "source": version.source,
        "run_id": version.run_id,
        "model_id": version.logged_model_id,
        "params": version.params,
        "metrics": version.metrics,
        "created_at": _moment(version.created_at),
        "created_by": version.created_by.name if version.created_by else "",
    }


def _moment(at: datetime) -> str:
    return at.isoformat()
