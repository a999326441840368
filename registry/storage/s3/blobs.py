"""Content-addressed bytes as objects `blobs/ab/cd/<sha256>`."""

import re
from collections.abc import Iterator
from pathlib import Path

from registry.errors import FileMissing
from registry.storage.incoming import ByteSource, Received, copy_out
from registry.storage.s3 import arrivals
from registry.storage.s3.arrivals import ReceivedInMemory, ReceivedObject
from registry.storage.s3.bucket import Bucket
from registry.storage.s3.client import ObjectMissing
from registry.storage.s3.reads import ObjectRange

_SHA256 = re.compile(r"[0-9a-f]{64}")
_GONE = "These bytes are not in the store."


class S3BlobStore:
    """Blobs below a prefix of a bucket. Who holds the lock of `BlobStore` holds it across our requests."""

    def __init__(self, root: str) -> None:
        self._bucket = Bucket(root)

    def _name(self, sha256: str) -> str:
        if not _SHA256.fullmatch(sha256):
            raise FileMissing(_GONE)
        return f"blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}"

    def receive(self, source: ByteSource, *, limit: int, expected: int | None = None) -> Received:
        """Stream to a temporary object; a small body stays in memory instead, to be written once, by `keep`."""
        return arrivals.receive(self._bucket, source, limit=limit, expected=expected)

    def keep(self, received: Received) -> None:
        """Write a small body under its name, or copy a large one there unless it is there already."""
        if not isinstance(received, ReceivedInMemory | ReceivedObject):
            raise TypeError("only what arrived here is kept here")
        name = self._name(received.sha256)
        if isinstance(received, ReceivedInMemory) or self.size(received.sha256) != received.size:
            arrivals.keep_as(self._bucket, received, name)

    def open(self, sha256: str, *, start: int = 0, length: int | None = None) -> ObjectRange:
        """A stretch of a blob. Asked for at once, so that a blob that is gone or a store that is away is told."""
        if length is None:
            size = self.size(sha256)
            if size is None:
                raise FileMissing(_GONE)
            length = size - start
        try:
            return self._bucket.open(self._name(sha256), start=start, length=length)
        except ObjectMissing as error:
            raise FileMissing(_GONE) from error

    def size(self, sha256: str) -> int | None:
        """Bytes of a blob; None when it is not there."""
        try:
            return self._bucket.facts(self._name(sha256)).size
        except ObjectMissing:
            return None

    def delete(self, sha256: str) -> None:
        """Remove a blob; one that is not there is fine."""
        self._bucket.delete(self._name(sha256))

    def names(self) -> Iterator[tuple[str, float]]:
        """Every blob, page by page: memory does not grow with the store."""
        for found in self._bucket.objects("blobs/"):
            sha256 = found.name.rpartition("/")[2]
            if _SHA256.fullmatch(sha256):
                yield sha256, found.modified

    def sweep_temporary(self, *, before: float, dry_run: bool) -> int:
        """Remove what dead uploads left."""
        return arrivals.sweep_incoming(self._bucket, before=before, dry_run=dry_run)

    def place(self, sha256: str, target: Path) -> None:
        """Copy a blob to a file of this machine."""
        copy_out(self.open(sha256), target)

    def link(self, sha256: str, *, filename: str, seconds: int) -> str | None:
        """A URL that reads a blob from the object store itself; None when clients are not sent there."""
        return self._bucket.download_link(self._name(sha256), filename=filename, seconds=seconds)
