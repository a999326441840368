"""Content-addressed bytes: each distinct content is kept once, under its SHA-256."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from django.conf import settings

from registry.errors import FileMissing
from registry.storage.incoming import (
    READ_ONLY,
    ByteSource,
    Received,
    ReceivedFile,
    copy_out,
    receive,
    sweep_temporary,
    sync_folder,
    translated_disk_errors,
)
from registry.storage.ranges import FileRange
from registry.storage.s3.blobs import S3BlobStore
from registry.storage.s3.bucket import is_s3

_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNLINKABLE = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}
"""What linking says across file systems, where links are not allowed, and where a file has too many."""


class BlobStore(Protocol):
    """Where the bytes of versions lie. It knows neither versions nor rights.

    Who may call `keep` and `delete` for one SHA-256 at a time is settled by the lock on its database row.
    """

    def receive(self, source: ByteSource, *, limit: int, expected: int | None = None) -> Received:
        """Take bytes in under a temporary name; see `incoming.receive` for the errors."""
        ...

    def keep(self, received: Received) -> None:
        """Give received bytes their name, durably. Keeping a content again is harmless."""
        ...

    def open(self, sha256: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """A stretch of a blob in bounded pieces; `close()` it when done. Raises FileMissing."""
        ...

    def size(self, sha256: str) -> int | None:
        """Bytes of a blob; None when it is not there."""
        ...

    def delete(self, sha256: str) -> None:
        """Remove a blob; one that is not there is fine."""
        ...

    def names(self) -> Iterator[tuple[str, float]]:
        """Every blob that lies in the store, with the time it was last kept, in seconds since 1970."""
        ...

    def sweep_temporary(self, *, before: float, dry_run: bool) -> int:
        """Remove what uploads left that are dead since that time, in seconds since 1970; returns how many files."""
        ...

    def place(self, sha256: str, target: Path) -> None:
        """Make a blob a file of this machine, for reading only: linked where it lies here anyway, else copied.

        Raises FileMissing; FileExistsError when there is something at that path.
        """
        ...

    def link(self, sha256: str, *, filename: str, seconds: int) -> str | None:
        """A URL at which the store itself gives a blob to anybody for a while; None when it cannot."""
        ...


class LocalBlobStore:
    """Blobs as files `blobs/ab/cd/<sha256>` below a folder."""

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs"
        self._incoming = root / "incoming"

    def _path(self, sha256: str) -> Path:
        if not _SHA256.fullmatch(sha256):
            raise FileMissing("These bytes are not in the store.")
        return self._blobs / sha256[:2] / sha256[2:4] / sha256

    def receive(self, source: ByteSource, *, limit: int, expected: int | None = None) -> ReceivedFile:
        """Stream into the store's own file system, so that `keep` is a rename."""
        return receive(source, self._incoming, limit=limit, expected=expected)

    def keep(self, received: Received) -> None:
        """Rename into place and make the rename durable. Bytes already there are replaced by the same bytes."""
        if not isinstance(received, ReceivedFile):
            raise TypeError("only what arrived here is kept here")
        target = self._path(received.sha256)
        with translated_disk_errors():
            if not target.parent.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                sync_folder(target.parent.parent)
                sync_folder(self._blobs)
            received.handle.replace(target)
            sync_folder(target.parent)

    def open(self, sha256: str, *, start: int = 0, length: int | None = None) -> FileRange:
        """A stretch of a blob. A blob that is deleted meanwhile can still be read to its end."""
        try:
            descriptor = os.open(self._path(sha256), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise FileMissing("These bytes are not in the store.") from error
        if length is None:
            length = os.fstat(descriptor).st_size - start
        return FileRange(descriptor, start=start, length=length)

    def size(self, sha256: str) -> int | None:
        """Bytes of a blob; None when it is not there."""
        try:
            return self._path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, sha256: str) -> None:
        """Remove a blob; one that is not there is fine."""
        self._path(sha256).unlink(missing_ok=True)

    def names(self) -> Iterator[tuple[str, float]]:
        """Every blob file, folder by folder: memory does not grow with the store."""
        for folder in sorted(self._blobs.glob("??/??")):
            for entry in os.scandir(folder):
                if _SHA256.fullmatch(entry.name):
                    yield entry.name, entry.stat(follow_symlinks=False).st_mtime

    def sweep_temporary(self, *, before: float, dry_run: bool) -> int:
        """Remove what dead uploads left."""
        return sweep_temporary(self._incoming, before=before, dry_run=dry_run)

    def place(self, sha256: str, target: Path) -> None:
        """Link a blob to another name of the same file system, else copy it. Nobody may write to it afterwards."""
        source = self._path(sha256)
        try:
            source.chmod(READ_ONLY)
            target.hardlink_to(source)
        except FileNotFoundError as error:
            raise FileMissing("These bytes are not in the store.") from error
        except OSError as error:
            if error.errno not in _UNLINKABLE:
                raise
            copy_out(self.open(sha256), target)

    def link(self, sha256: str, *, filename: str, seconds: int) -> None:
        """A disk answers nobody but us."""


def blob_store() -> BlobStore:
    """The store that ARTIFACT_ROOT names: a folder, or s3://bucket/prefix."""
    root = str(settings.ARTIFACT_ROOT)
    return S3BlobStore(root) if is_s3(root) else LocalBlobStore(Path(root))
