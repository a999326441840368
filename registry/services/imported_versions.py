"""Versions that come from elsewhere with a number and facts of their own: begun, filled, finished.

For imports and archives. A version is known again by its `source`, which nobody can change: one that is here already
is not made twice, and one that failed is filled again under its number.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from registry.errors import Conflict, InvalidState, NotFound
from registry.models import (
    Blob,
    ManifestEntry,
    ModelVersion,
    ModelVersionTag,
    Principal,
    RegisteredModel,
    VersionStatus,
)
from registry.names import check_tag_key, check_tag_value
from registry.privileges import Action, SecurableType
from registry.services.actors import Actor
from registry.services.artifacts import copy_manifest, lock_pending
from registry.services.audit import audited, audited_read, record
from registry.services.lineage import record_origin
from registry.services.mlmodel import UnusableModel
from registry.services.model_lookup import find_model, find_model_for
from registry.services.model_versions import complete_version, fail_version
from registry.services.registered_models import create_model
from registry.services.securables import find_for, touch
from registry.services.tag_policies import check_governed
from registry.storage.blobs import blob_store

_MAX_SOURCE = 2000


@dataclass(frozen=True)
class ImportedVersion:
    """What is known of a version before its files come. `source` identifies it for good.

    `inputs` are datasets as runs name them, `lineage` is what a client's header would say.
    """

    source: str
    number: int
    comment: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Sequence[dict[str, str]] = ()
    metrics: Sequence[dict[str, Any]] = ()
    inputs: Sequence[Mapping[str, Any]] = ()
    lineage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """A version that came from the same place before."""

    id: UUID
    version: int
    status: str
    file_count: int
    size_bytes: int
    created_at: datetime


@audited_read
def check_destination(*, actor: Actor, name: str) -> RegisteredModel | None:
    """The model of that name, if the actor may add versions to it; None where the actor may make it.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    try:
        find_model(name)
    except NotFound:
        find_for(
            actor=actor,
            type_=SecurableType.SCHEMA,
            full_name=name.rpartition(".")[0],
            action=Action.CREATE_MODEL,
        )
        return None
    return find_model_for(actor=actor, name=name, action=Action.CREATE_VERSION)


@audited
def ensure_model(*, actor: Actor, name: str, comment: str, tags: Mapping[str, str]) -> RegisteredModel:
    """The model of that name; made with description and tags where there is none, and left as it is where there is.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    try:
        find_model(name)
    except NotFound:
        return create_model(actor=actor, name=name, comment=comment, tags=tags)
    found = find_model_for(actor=actor, name=name, action=Action.CREATE_VERSION)
    record(actor=actor, action="importIntoModel", securable=found.securable)
    return found


def known_versions(model: RegisteredModel, *, prefix: str) -> dict[str, Known]:
    """The versions of a model whose source begins so, by source. One query."""
    rows = ModelVersion.objects.filter(model=model, source__startswith=prefix)
    return {
        row.source: Known(row.pk, row.version, row.status, row.file_count, row.size_bytes, row.created_at)
        for row in rows.only("source", "version", "status", "file_count", "size_bytes", "created_at")
    }


def next_number(wanted: int, last: int) -> int:
    """The number of an imported version: its own where that is still to come, or else the next."""
    return max(wanted, last + 1)


@audited
def begin_imported(*, actor: Actor, name: str, new: ImportedVersion) -> ModelVersion:
    """The version that `new` describes: PENDING, or READY when it is here already.

    It gets its own number where that is higher than any of the model. One that failed is opened again: nobody ever
    read it.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    model = find_model_for(actor=actor, name=name, action=Action.CREATE_VERSION, lock=True)
    source = new.source[:_MAX_SOURCE]
    version = ModelVersion.objects.filter(model=model, source=source).order_by("version").first()
    again = version is not None
    if version is None:
        version = _make(model, new, actor=actor)
    version.model = model
    if version.status == VersionStatus.FAILED_REGISTRATION:
        _open_again(version, actor=actor)
    record(
        actor=actor,
        action=Action.CREATE_VERSION,
        securable=model.securable,
        params={"version": version.version, "source": source, "imported": True, "again": again},
    )
    return version


def _make(model: RegisteredModel, new: ImportedVersion, *, actor: Actor) -> ModelVersion:
    model.last_version = next_number(new.number, model.last_version)
    model.save(update_fields=["last_version"])
    touch(model.securable, actor=actor, fields=[])
    now = timezone.now()
    # Ids of runs and logged models of another server stay out of the fields that this one's rights look at.
    version = ModelVersion.objects.create(
        model=model,
        version=model.last_version,
        source=new.source[:_MAX_SOURCE],
        logged_model_id=f"m-{uuid.uuid4().hex}",
        comment=new.comment,
        params=list(new.params),
        metrics=list(new.metrics),
        created_at=now,
        created_by=actor.principal,
        updated_at=now,
        updated_by=actor.principal,
        touched_at=now,
    )
    # At once, not one by one: imports are many, and a new version has no tags to merge with.
    tags = {check_tag_key(key): check_tag_value(value) for key, value in new.tags.items()}
    check_governed(actor, wanted=tags)
    ModelVersionTag.objects.bulk_create(
        ModelVersionTag(version=version, key=key, value=value, updated_by=actor.principal)
        for key, value in tags.items()
    )
    record_origin(version, actor=actor, inputs=new.inputs, header=new.lineage)
    return version


def _open_again(version: ModelVersion, *, actor: Actor) -> None:
    now = timezone.now()
    version.status, version.status_message = VersionStatus.PENDING_REGISTRATION, ""
    version.updated_at, version.updated_by, version.touched_at = now, actor.principal, now
    version.save(update_fields=["status", "status_message", "updated_at", "updated_by", "touched_at"])


def place_kept_blob(*, version_id: UUID, paths: Iterable[str], sha256: str, size: int) -> None:
    """Make bytes that the store keeps files of a pending version. Call in a transaction.

    Only for bytes that the same caller has just brought along: a digest alone gives nobody a right to them.

    Raises:
        NotFound, InvalidState: as `lock_pending`.
        Conflict: the bytes were swept meanwhile.
    """
    lock_pending(version_id)
    now = timezone.now()
    Blob.objects.bulk_create(
        [Blob(sha256=sha256, size=size, used_at=now)],
        update_conflicts=True,
        unique_fields=["sha256"],
        update_fields=["used_at"],
    )
    if blob_store().size(sha256) != size:
        raise Conflict("A file was removed while it was being imported. Import again.")
    ManifestEntry.objects.bulk_create(
        (ManifestEntry(version_id=version_id, path=path, blob_id=sha256, modified_at=now) for path in paths),
        ignore_conflicts=True,
    )
    ModelVersion.objects.filter(pk=version_id).update(touched_at=now)


@audited
def finish_imported(*, actor: Actor, version_id: UUID) -> ModelVersion:
    """Make a version whose files are all here READY; one that is READY already stays so.

    Raises:
        UnusableModel: the files are no model with a signature. The version is left PENDING, for `give_up_imported`.
        NotFound, AccessDenied, InvalidState.
    """
    return _finish(_locked(actor, version_id), actor=actor)


def _finish(version: ModelVersion, *, actor: Actor) -> ModelVersion:
    if version.status == VersionStatus.FAILED_REGISTRATION:
        raise InvalidState(f"Version {version.version} has failed meanwhile: {version.status_message}")
    if version.status == VersionStatus.PENDING_REGISTRATION:
        complete_version(version, actor=actor)
    record(
        actor=actor,
        action="finalizeModelVersion",
        securable=version.model.securable,
        params={"version": version.version, "files": version.file_count, "bytes": version.size_bytes},
    )
    return version


@audited
def give_up_imported(*, actor: Actor, version_id: UUID, reason: str) -> ModelVersion:
    """Leave a pending version as FAILED_REGISTRATION with the reason.

    Raises:
        NotFound, AccessDenied.
    """
    version = _locked(actor, version_id)
    fail_version(version, actor=actor, reason=reason)
    return version


def _locked(actor: Actor, version_id: UUID) -> ModelVersion:
    """The version under a lock, if the actor may still add versions to its model."""
    rows = ModelVersion.objects.select_related("model__securable__parent__parent", "model__securable__owner")
    version = rows.select_for_update(of=("self",)).filter(pk=version_id).first()
    if version is None:
        raise NotFound("The version was deleted while it was being imported.")
    find_model_for(actor=actor, name=version.model.securable.full_name, action=Action.CREATE_VERSION)
    return version


def fail_unfinished(*, actor: Actor, left_by: Principal, prefix: str, reason: str) -> None:
    """Fail every version of that source that one principal left pending. Call in a transaction."""
    rows = ModelVersion.objects.select_for_update(of=("self",)).select_related("model__securable__parent__parent")
    pending = rows.filter(status=VersionStatus.PENDING_REGISTRATION, source__startswith=prefix, updated_by=left_by)
    for version in pending:
        _fail(actor=actor, version=version, reason=reason)


@audited
def _fail(*, actor: Actor, version: ModelVersion, reason: str) -> None:
    fail_version(version, actor=actor, reason=reason)


@audited
def import_shared(*, actor: Actor, name: str, new: ImportedVersion, like: ModelVersion) -> ModelVersion:
    """Make a version with the files of a READY one that the same import brought here. No byte moves.

    Raises:
        InvalidState: the version has files already, or `like` is READY no more.
        NotFound, AccessDenied, InvalidParameter.
    """
    version = begin_imported(actor=actor, name=name, new=new)
    if version.status == VersionStatus.PENDING_REGISTRATION:
        if version.files.exists():
            # The database lets nobody take files out of a version in the transaction that makes it READY.
            raise InvalidState(f"Version {version.version} has files already.")
        copy_manifest(like, version)
    return _finish(version, actor=actor)


@audited
def record_refused(*, actor: Actor, name: str, new: ImportedVersion, reason: str) -> ModelVersion:
    """Make a version that cannot be used, so that its number stays taken and its reason can be read.

    Raises:
        NotFound, AccessDenied, InvalidParameter, LimitExceeded.
    """
    version = begin_imported(actor=actor, name=name, new=new)
    return give_up_imported(actor=actor, version_id=version.pk, reason=reason)


def finish_or_give_up(*, actor: Actor, version_id: UUID) -> ModelVersion:
    """`finish_imported`, or `give_up_imported` when the files are no usable model: the answer's status tells which.

    One transaction, joined when there is one.

    Raises:
        NotFound, AccessDenied, InvalidState.
    """
    try:
        with transaction.atomic():
            return finish_imported(actor=actor, version_id=version_id)
    except UnusableModel as error:
        return give_up_imported(actor=actor, version_id=version_id, reason=error.message)
