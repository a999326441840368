"""The sweep: gives back the disk that nothing names any more. Safe beside uploads, copies and other sweeps."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, ForeignObjectRel, OuterRef, QuerySet
from django.utils import timezone

from registry.models import Blob, ModelVersion, MultipartUpload, VersionStatus
from registry.storage.blobs import blob_store
from registry.storage.parts import part_store
from registry.storage.s3.direct import direct_uploads
from registry.storage.trees import tree_store

_BATCH = 1000


@dataclass
class SweepReport:
    """What a sweep removed, or, as a dry run, would remove."""

    blobs: int = 0
    bytes: int = 0
    orphan_files: int = 0
    temporary_files: int = 0
    uploads: int = 0


def sweep_blobs(*, now: datetime | None = None, dry_run: bool = False) -> SweepReport:
    """Remove unreferenced blobs, files without a row, and what dead uploads left, each past its grace period.

    One short transaction a blob. Interrupted, it leaves nothing half done.
    """
    now = now or timezone.now()
    limit = now - timedelta(seconds=settings.BLOB_GRACE_SECONDS)
    report = SweepReport()
    _sweep_uploads(report, now=now, limit=limit, dry_run=dry_run)
    _sweep_rows(report, limit=limit, dry_run=dry_run)
    _sweep_orphan_files(report, limit=limit, dry_run=dry_run)
    for store in (blob_store(), tree_store()):
        report.temporary_files += store.sweep_temporary(before=limit.timestamp(), dry_run=dry_run)
    report.temporary_files += _sweep_direct_uploads(before=limit.timestamp(), dry_run=dry_run)
    return report


def _sweep_direct_uploads(*, before: float, dry_run: bool) -> int:
    """Remove what clients wrote to the object store itself for versions that take no files any more."""
    uploads = direct_uploads()
    if uploads is None:
        return 0
    removed = 0
    for owners in _batches(uploads.owners()):
        pending = ModelVersion.objects.filter(pk__in=owners, status=VersionStatus.PENDING_REGISTRATION)
        alive = {str(pk) for pk in pending.values_list("pk", flat=True)}
        for owner in owners:
            if owner not in alive:
                removed += uploads.sweep(owner, before=before, dry_run=dry_run)
    return removed


def _unused(limit: datetime) -> "QuerySet[Blob]":
    """Blobs that no row of any table names: apps above this one keep bytes in the store too."""
    rows = Blob.objects.filter(used_at__lt=limit)
    for relation in Blob._meta.get_fields(include_hidden=True):  # noqa: SLF001  (Django's documented API of models)
        if isinstance(relation, ForeignObjectRel):
            naming = relation.related_model._default_manager.filter(**{relation.field.name: OuterRef("pk")})  # noqa: SLF001
            rows = rows.filter(~Exists(naming))
    return rows


def _sweep_rows(report: SweepReport, *, limit: datetime, dry_run: bool) -> None:
    after = ""
    while names := list(_unused(limit).filter(pk__gt=after).order_by("pk").values_list("pk", "size")[:_BATCH]):
        after = names[-1][0]
        for sha256, size in names:
            if dry_run or _delete_blob(sha256, limit):
                report.blobs += 1
                report.bytes += size


@transaction.atomic
def _delete_blob(sha256: str, limit: datetime) -> bool:
    """Delete a blob that is still unused now that its row is ours. The bytes go before the lock does."""
    locked = Blob.objects.select_for_update(skip_locked=True).filter(pk=sha256).first()
    # A second query on purpose: it sees entries committed while we came to the lock.
    if locked is None or not _unused(limit).filter(pk=sha256).exists():
        return False
    locked.delete()
    blob_store().delete(sha256)
    return True


def _sweep_orphan_files(report: SweepReport, *, limit: datetime, dry_run: bool) -> None:
    """Remove bytes whose transaction never committed."""
    old = (name for name, kept_at in blob_store().names() if kept_at < limit.timestamp())
    for names in _batches(old):
        known = set(Blob.objects.filter(pk__in=names).values_list("pk", flat=True))
        for sha256 in names:
            if sha256 not in known and (dry_run or _delete_orphan(sha256)):
                report.orphan_files += 1


_CLAIM = """
INSERT INTO registry_blob (sha256, size, created_at, used_at) VALUES (%s, 0, now(), now()) ON CONFLICT DO NOTHING
"""


@transaction.atomic
def _delete_orphan(sha256: str) -> bool:
    """Delete a file without a row. A row made for the moment holds off an upload of the same bytes."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [sha256])
        if cursor.rowcount != 1:
            return False
    blob_store().delete(sha256)
    Blob.objects.filter(pk=sha256).delete()
    return True


def _batches(names: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(names, _BATCH)):
        yield batch


def _sweep_uploads(report: SweepReport, *, now: datetime, limit: datetime, dry_run: bool) -> None:
    expired = now - timedelta(hours=settings.PENDING_VERSION_HOURS)
    for upload_id in list(MultipartUpload.objects.filter(created_at__lt=expired).values_list("pk", flat=True)):
        if dry_run or _delete_upload(upload_id):
            report.uploads += 1
    for name, written_at in part_store().uploads():
        dead = written_at < limit.timestamp() and not MultipartUpload.objects.filter(pk=name).exists()
        if dead:
            report.uploads += 1
            if not dry_run:
                part_store().drop(name)


@transaction.atomic
def _delete_upload(upload_id: UUID) -> bool:
    upload = MultipartUpload.objects.select_for_update(skip_locked=True).filter(pk=upload_id).first()
    if upload is None:
        return False
    upload.delete()
    part_store().drop(str(upload_id))
    return True
