"""The packed form of environments, in the store for other machines; and the end of environments that nobody uses."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from registry.errors import InvalidState
from registry.services.artifacts import keep_blob
from registry.storage.blobs import blob_store
from serving.models import EnvironmentState, ServedEntity, ServingEnvironment
from serving.services.environment_builds import Watch
from serving.services.environment_folders import (
    environment_folder,
    is_on_disk,
    pack_folder,
    remove_folder,
    unclaimed_digests,
)
from serving.services.environment_locks import only_one


def pack_environment(row: ServingEnvironment, *, watch: Watch | None = None) -> ServingEnvironment:
    """Put a READY environment of this machine into the store, so that others unpack it instead of building.

    Costs nothing when it is there already. What a client packed is there from the beginning.

    Raises:
        EnvironmentFailed: larger than PACKED_ENVIRONMENT_MAX_BYTES; it still serves on this machine.
        InvalidState: this machine does not hold it.
        BuildCanceled, Unavailable.
    """
    watch = watch or Watch()
    if row.blob_id:
        watch.log(f"The packed form is in the store: {row.packed_bytes or 0:,} bytes")
        return row
    with only_one(f"pack:{row.digest}", waiting=watch.check):
        row.refresh_from_db()
        if not row.blob_id:
            _pack(row, watch)
    return row


def _pack(row: ServingEnvironment, watch: Watch) -> None:
    if row.state != EnvironmentState.READY or not is_on_disk(row.digest):
        raise InvalidState(f"Environment {row.digest[:12]} is not on this machine: build it first.")
    watch.log("Packing")
    with tempfile.TemporaryDirectory(prefix="pack-", dir=settings.SERVING_ROOT) as folder:
        packed = Path(folder) / "environment.tar.zst"
        limit = settings.PACKED_ENVIRONMENT_MAX_BYTES
        pack_folder(environment_folder(row.digest), packed, limit=limit)
        watch.check()
        with packed.open("rb") as source:
            received = blob_store().receive(source, limit=limit)
    try:
        with transaction.atomic():
            keep_blob(received)
            row.blob_id, row.packed_bytes = received.sha256, received.size
            row.save(update_fields=["blob", "packed_bytes"])
    finally:
        received.discard()
    watch.log(f"Packed: {received.size:,} bytes of {row.size_bytes or 0:,}")


def sweep_environments(*, now: datetime | None = None) -> int:
    """Forget environments that no endpoint wants and nobody asked for in SERVING_UNUSED_DAYS; returns how many.

    Their packed form goes with the next sweep of artifacts. Folders of this machine without a row go too.
    """
    now = now or timezone.now()
    limit = now - timedelta(days=settings.SERVING_UNUSED_DAYS)
    wanted = ServedEntity.objects.filter(environment=OuterRef("pk"), is_wanted=True)
    unused = ServingEnvironment.objects.filter(
        ~Exists(wanted),
        Q(last_used_at__lt=limit) | Q(last_used_at=None, created_at__lt=limit),
    ).exclude(state=EnvironmentState.BUILDING, created_at__gte=now - timedelta(days=1))
    removed = 0
    for row in unused.iterator():
        removed += _forget(row, limit)
    known = set(ServingEnvironment.objects.values_list("digest", flat=True))
    for digest in unclaimed_digests(known, now=now.timestamp()):
        remove_folder(digest)
    return removed


@transaction.atomic
def _forget(row: ServingEnvironment, limit: datetime) -> int:
    """Delete a row that is still unused now that it is locked; the folder first, which can be made again."""
    locked = ServingEnvironment.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=row.pk).first()
    if locked is None or (locked.last_used_at or locked.created_at) >= limit:
        return 0
    remove_folder(locked.digest)
    locked.delete()
    return 1
