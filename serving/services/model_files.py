"""The files of versions as folders of this machine, for the processes that load them.

`SERVING_ROOT/models/<version id>` is complete or absent: it appears by one rename. Its files are names of the blobs
themselves where the blob store lies on the same file system, so nothing in it may ever be written to. What clients
pack below `_databricks/` is left out: models do not load it.
"""

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from django.conf import settings

from registry.models import ManifestEntry, ModelVersion
from registry.services.artifacts import check_ready
from registry.storage.blobs import blob_store
from serving.models import ServedEntity
from serving.services.readable_folders import make_readable

PACKED = "_databricks/"
_NEW = ".new"
_FOLDER_MODE = 0o755
_DAY_SECONDS = 86_400


def model_folder(version_id: UUID) -> Path:
    """Where the files of a version lie once they are materialised."""
    return Path(settings.SERVING_ROOT) / "models" / str(version_id)


def materialise_version(version: ModelVersion) -> Path:
    """The folder with the files of a READY version: made when it is not there, else only stamped as used.

    Any number of processes may ask at a time. No right is checked here.

    Raises:
        InvalidState: the version is not READY.
        FileMissing: bytes are gone from the store.
        Unavailable: the disk is full, or the store is away.
    """
    check_ready(version)
    folder = model_folder(version.pk)
    if _stamp(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f"{version.pk}.", suffix=_NEW, dir=folder.parent))
    try:
        building.chmod(_FOLDER_MODE)
        _fill(building, version)
        with suppress(OSError):  # Somebody else was first: their folder holds the same.
            building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _stamp(folder: Path) -> bool:
    """Note that a folder is used now; False when there is none."""
    try:
        os.utime(folder)
    except FileNotFoundError:
        return False
    return True


def _fill(folder: Path, version: ModelVersion) -> None:
    store = blob_store()
    entries = ManifestEntry.objects.filter(version=version).exclude(path__startswith=PACKED)
    for path, sha256 in entries.order_by("path").values_list("path", "blob_id").iterator():
        target = folder / path
        make_readable(target.parent, below=folder)
        store.place(sha256, target)


def sweep_model_files(*, now: float | None = None) -> int:
    """Remove folders that no wanted entity serves and nobody asked for in SERVING_UNUSED_DAYS; returns how many.

    `now` is in seconds since 1970. Folders that a killed process left half made go after a day.
    """
    now = time.time() if now is None else now
    root = Path(settings.SERVING_ROOT) / "models"
    if not root.is_dir():
        return 0
    wanted = {str(pk) for pk in ServedEntity.objects.filter(is_wanted=True).values_list("version_id", flat=True)}
    removed = 0
    for entry in os.scandir(root):
        days = 1 if entry.name.endswith(_NEW) else settings.SERVING_UNUSED_DAYS
        if entry.name in wanted or now - entry.stat(follow_symlinks=False).st_mtime < days * _DAY_SECONDS:
            continue
        removed += _remove(Path(entry.path))
    return removed


def _remove(folder: Path) -> int:
    """Take a folder away under another name first, so that nobody finds a part of it."""
    doomed = folder if folder.name.endswith(_NEW) else folder.with_name(f"{folder.name}.{os.getpid()}{_NEW}")
    with suppress(FileNotFoundError):
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        return 1
    return 0
