"""The files of versions: manifests in the database, bytes in the blob store. No rights are checked here.

Lock order, so that nothing deadlocks: the version's row, then rows of blobs by SHA-256, then the audit chain.
Whoever adds a manifest entry holds the blob's row lock from before the bytes are in place until commit; the sweep
deletes bytes only under the same lock.
"""

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, Sum
from django.utils import timezone

from registry.errors import (
    Conflict,
    FileMissing,
    InvalidParameter,
    InvalidState,
    LimitExceeded,
    NotFound,
    TooLarge,
)
from registry.models import Blob, ManifestEntry, ModelVersion, VersionStatus
from registry.storage.blobs import blob_store
from registry.storage.incoming import Received
from registry.storage.ranges import join_pieces
from registry.storage.trees import TreeEntry, split_path, tree_store

MAX_PATH_LENGTH = 1024
PACKED_ENVIRONMENT = "_databricks/model_environment.tar"
"""Where stock clients put the environment when a model is registered with `env_pack`."""


@dataclass(frozen=True)
class Child:
    """What lies right below a folder of a manifest."""

    name: str
    is_directory: bool
    size: int
    modified_at: datetime


def check_pending(version: ModelVersion) -> None:
    """Let pass a version that is still being written.

    Raises:
        InvalidState: READY (it can never change) or failed.
    """
    if version.status == VersionStatus.READY:
        raise InvalidState(
            f"Version {version.version} is READY and its files can never change: register a new version."
        )
    if version.status != VersionStatus.PENDING_REGISTRATION:
        raise InvalidState(f"Version {version.version} has failed and takes no files: register a new version.")


def check_ready(version: ModelVersion) -> None:
    """Let pass a version whose files can be read.

    Raises:
        InvalidState: still pending, or failed.
    """
    if version.status != VersionStatus.READY:
        raise InvalidState(f"Version {version.version} is {version.status}: its files can be read once it is READY.")


def check_path(path: str) -> None:
    """A path that a file of a version may have.

    Raises:
        InvalidParameter: too long, or with a name that cannot stand in a path.
    """
    split_path(path)
    if len(path) > MAX_PATH_LENGTH:
        raise InvalidParameter(f"'path' is longer than {MAX_PATH_LENGTH} characters.", field="path")


def lock_pending(version_id: UUID) -> ModelVersion:
    """The version's row, locked until commit and still pending. Call in a transaction.

    Raises:
        NotFound: deleted meanwhile.
        InvalidState: no longer pending.
    """
    version = ModelVersion.objects.select_for_update(no_key=True).filter(pk=version_id).first()
    if version is None:
        raise NotFound("This version was deleted meanwhile.")
    check_pending(version)
    return version


def place_file(*, version_id: UUID, path: str, received: Received, modified_at: datetime | None = None) -> None:
    """Make received bytes the version's file at `path`, replacing one that is there. Call in a transaction.

    Raises:
        NotFound, InvalidState: as `lock_pending`.
        Conflict: a file would also be a folder.
        LimitExceeded: the version has as many files as it may have.
    """
    lock_pending(version_id)
    _check_room(version_id, path)
    now = timezone.now()
    keep_blob(received)
    ManifestEntry.objects.update_or_create(
        version_id=version_id,
        path=path,
        defaults={"blob_id": received.sha256, "modified_at": modified_at or now},
    )
    ModelVersion.objects.filter(pk=version_id).update(touched_at=now)


def keep_blob(received: Received) -> None:
    """Give received bytes a row and their name in the store. Call in the transaction that also names the row.

    The row's lock, held until commit, keeps the sweep from taking the bytes away in between.
    """
    Blob.objects.bulk_create(
        [Blob(sha256=received.sha256, size=received.size, used_at=timezone.now())],
        update_conflicts=True,
        unique_fields=["sha256"],
        update_fields=["used_at"],
    )
    blob_store().keep(received)


def _check_room(version_id: UUID, path: str) -> None:
    names = path.split("/")
    above = ["/".join(names[:depth]) for depth in range(1, len(names))]
    facts = ManifestEntry.objects.filter(version=version_id).aggregate(
        others=Count("pk", filter=~Q(path=path)),
        clashes=Count("pk", filter=Q(path__in=above) | Q(path__startswith=f"{path}/")),
    )
    if facts["clashes"]:
        raise Conflict(f"'{path}' cannot be written: a file and a folder would share a name.")
    if facts["others"] >= settings.MAX_FILES_PER_VERSION:
        raise LimitExceeded(f"A version may hold {settings.MAX_FILES_PER_VERSION} files, and this one does.")


def remove_file(*, version_id: UUID, path: str) -> None:
    """Take a file out of a pending version. Call in a transaction.

    Raises:
        NotFound, InvalidState: as `lock_pending`.
        FileMissing: no such file.
    """
    lock_pending(version_id)
    deleted, _ = ManifestEntry.objects.filter(version=version_id, path=path).delete()
    if not deleted:
        raise FileMissing(f"'{path}' does not exist.")


def find_entry(version_id: UUID, path: str) -> ManifestEntry:
    """A file of a version, its blob selected.

    Raises:
        FileMissing: no file of that path.
    """
    entry = ManifestEntry.objects.select_related("blob").filter(version=version_id, path=path).first()
    if entry is None:
        raise FileMissing(f"'{path}' does not exist.")
    return entry


_CHILDREN = """
SELECT name, bool_or(below), sum(size), max(modified_at) FROM (
    SELECT split_part(rest, '/', 1) COLLATE "C" AS name, position('/' in rest) > 0 AS below, size, modified_at FROM (
        SELECT substr(entry.path, %(skip)s) AS rest, blob.size AS size, entry.modified_at AS modified_at
        FROM registry_manifestentry entry JOIN registry_blob blob ON blob.sha256 = entry.blob_id
        WHERE entry.version_id = %(version)s AND starts_with(entry.path, %(prefix)s)
    ) files
) names
WHERE name > %(after)s GROUP BY name ORDER BY name LIMIT %(limit)s
"""


def list_children(version_id: UUID, folder: str, *, after: str = "", limit: int) -> list[Child]:
    """At most `limit` files and folders right below a folder ("" is the root), names after `after`. One query."""
    prefix = f"{folder}/" if folder else ""
    parameters: dict[str, UUID | str | int] = {
        "version": version_id,
        "prefix": prefix,
        "skip": len(prefix) + 1,
        "after": after,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CHILDREN, parameters)
        return [
            Child(name, is_directory=below, size=0 if below else int(size), modified_at=modified_at)
            for name, below, size, modified_at in cursor.fetchall()
        ]


def folder_exists(version_id: UUID, folder: str) -> bool:
    """Whether a version has that folder; the root is always there."""
    return not folder or bool(list_children(version_id, folder, limit=1))


# --- For finalize, copy, registration from a run, and delete ---------------------------------------------------


def read_small_file(version: ModelVersion, path: str, limit: int) -> bytes | None:
    """A file of a version, whole; None when there is none.

    Raises:
        TooLarge: more than `limit` bytes.
    """
    entry = ManifestEntry.objects.select_related("blob").filter(version=version, path=path).first()
    if entry is None:
        return None
    if entry.blob.size > limit:
        raise TooLarge(f"'{path}' has {entry.blob.size} bytes; at most {limit} are allowed.")
    return join_pieces(blob_store().open(entry.blob_id))


def manifest_totals(version: ModelVersion) -> tuple[int, int]:
    """How many files a version has, and their bytes. One query."""
    totals = ManifestEntry.objects.filter(version=version).aggregate(files=Count("pk"), size=Sum("blob__size"))
    return totals["files"], totals["size"] or 0


def packed_environment_size(version: ModelVersion) -> int | None:
    """Bytes of the environment that the client packed with the model; None when it packed none. One query."""
    entry = ManifestEntry.objects.select_related("blob").filter(version=version, path=PACKED_ENVIRONMENT).first()
    return entry.blob.size if entry else None


def freed_bytes(version_ids: Iterable[UUID]) -> int:
    """Bytes that only these versions hold: what deleting them frees. One query."""
    ids = list(version_ids)
    entries = ManifestEntry.objects.filter(blob=OuterRef("pk"))
    only_here = Blob.objects.filter(
        Exists(entries.filter(version__in=ids)), ~Exists(entries.exclude(version__in=ids))
    )
    return only_here.aggregate(size=Sum("size"))["size"] or 0


_COPY = """
INSERT INTO registry_manifestentry (version_id, path, blob_id, modified_at)
SELECT %s, path, blob_id, modified_at FROM registry_manifestentry WHERE version_id = %s AND NOT path = ANY(%s)
"""


@transaction.atomic
def copy_manifest(
    source_version: ModelVersion, target_version: ModelVersion, *, without: Collection[str] = ()
) -> int:
    """Give a pending version without files all the files of a READY one; returns how many. No byte moves.

    `without`: paths that are left out.

    Raises:
        NotFound: one of them was deleted meanwhile.
        InvalidState: the source is not READY, or the target is not pending.
    """
    lock_pending(target_version.pk)
    with connection.cursor() as cursor:
        # Keeps the source from being deleted until commit, and lets other copies of it run.
        cursor.execute("SELECT status FROM registry_modelversion WHERE id = %s FOR KEY SHARE", [source_version.pk])
        row = cursor.fetchone()
        if row is None:
            raise NotFound("The source version was deleted meanwhile.")
        if row[0] != VersionStatus.READY:
            check_ready(source_version)
        _take_blobs(source_version.pk)
        cursor.execute(_COPY, [target_version.pk, source_version.pk, list(without)])
        return int(cursor.rowcount)


def _take_blobs(version_id: UUID) -> None:
    """Lock the blobs of a version against the sweep, always in the same order."""
    used = ManifestEntry.objects.filter(version=version_id).values("blob_id")
    names = list(
        Blob.objects.select_for_update(no_key=True).filter(pk__in=used).order_by("pk").values_list("pk", flat=True)
    )
    Blob.objects.filter(pk__in=names).update(used_at=timezone.now())


def ingest_tree(
    version: ModelVersion,
    tree_path: str,
    *,
    progress: Callable[[int, int, str], None],
    cancelled: Callable[[], bool],
    effect: Callable[[], AbstractContextManager[object]] = transaction.atomic,
) -> bool:
    """Copy the files of a run or logged model into a pending version; False when `cancelled` said so in between.

    One transaction a file, opened by `effect`. Called again, it goes on where it was: what is there unchanged is not
    copied twice, and what is no longer in the tree is taken out. `progress` gets bytes done, bytes in all, and the
    file at hand.

    Raises:
        FileMissing: no files there.
        NotFound, InvalidState: as `lock_pending`.
        TooLarge, LimitExceeded: a file, or their number, is beyond what the server takes.
    """
    files = list(tree_store().walk(tree_path))
    if not files:
        raise FileMissing(f"There are no files at '{tree_path}'.")
    have = {
        entry.path: (entry.modified_at, entry.blob.size)
        for entry in ManifestEntry.objects.filter(version=version).select_related("blob")
    }
    total, done = sum(file.size for file in files), 0
    for file in files:
        if cancelled():
            return False
        progress(done, total, file.name)
        modified_at = datetime.fromtimestamp(file.modified, tz=UTC)
        if have.pop(file.name, None) != (modified_at, file.size):
            _ingest_file(version, f"{tree_path}/{file.name}", file, modified_at, effect)
        done += file.size
    for path in have:
        with effect():
            remove_file(version_id=version.pk, path=path)
    progress(total, total, "")
    return True


def _ingest_file(
    version: ModelVersion,
    tree_path: str,
    file: TreeEntry,
    modified_at: datetime,
    effect: Callable[[], AbstractContextManager[object]],
) -> None:
    check_path(file.name)
    with tree_store().read(tree_path) as source:
        received = blob_store().receive(source, limit=settings.MAX_FILE_BYTES)
    try:
        with effect():
            place_file(version_id=version.pk, path=file.name, received=received, modified_at=modified_at)
    finally:
        received.discard()
