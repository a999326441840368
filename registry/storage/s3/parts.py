"""Parts of a large file on their way, as a multipart upload of the object store itself.

Completing costs reading the bytes once, for a digest of our own: nothing is ever named by a digest that somebody else
computed. The store's own rule holds: all parts but the last have at least 5 MiB.
"""

import base64
import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, cast

from registry.errors import InvalidParameter, NotFound
from registry.storage.incoming import CHUNK_BYTES, ByteSource, Received, check_limit, check_whole
from registry.storage.parts import Part
from registry.storage.s3 import arrivals
from registry.storage.s3.arrivals import PARTS
from registry.storage.s3.bucket import Bucket, signs_links
from registry.storage.s3.client import ObjectMissing, Refused

_UPLOAD = re.compile(r"[0-9a-f-]{36}")
_MEMORY_BYTES = 16 * CHUNK_BYTES
"""A part beyond this waits on the local disk while it is received."""
_ENDED = "The upload ended while this part was on its way."


class S3PartStore:
    """Each upload is one multipart upload to the object `parts/<upload>`, which is what it becomes first."""

    def __init__(self, root: str) -> None:
        self._bucket = Bucket(root)

    def _name(self, upload: str) -> str:
        if not _UPLOAD.fullmatch(upload):
            raise InvalidParameter("'session_token' is not one that this server gave out.", field="session_token")
        return f"{PARTS}{upload}"

    def begin(self, upload: str) -> None:
        """Make the store's own upload. Once, before anything else."""
        self._bucket.begin_parts(self._name(upload))

    def _id(self, upload: str) -> str:
        """The store's own name for an open upload: one request. Raises ObjectMissing."""
        name = self._name(upload)
        found = min(self._bucket.open_uploads(name), key=lambda upload: upload.begun, default=None)
        if found is None:
            raise ObjectMissing(name)
        return found.upload

    def receive(
        self, upload: str, number: int, source: ByteSource, *, limit: int, expected: int | None = None
    ) -> Part:
        """Take one part in. Memory is bounded; a large part waits on the local disk until it is whole.

        Raises:
            TooLarge, InvalidParameter, Unavailable: as `incoming.pour` does; nothing is kept.
        """
        name = self._name(upload)
        check_limit(expected or 0, limit)
        with tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES) as spool:
            md5, size = hashlib.md5(usedforsecurity=False), 0
            while chunk := source.read(CHUNK_BYTES):
                size += len(chunk)
                check_limit(size, limit)
                md5.update(chunk)
                spool.write(chunk)
            check_whole(size, expected)
            spool.seek(0)
            checksum = base64.b64encode(md5.digest()).decode()
            try:
                etag = self._bucket.put_part(name, self._id(upload), number, cast("IO[bytes]", spool), md5=checksum)
            except ObjectMissing as error:
                raise InvalidParameter(_ENDED) from error
            except Refused as error:
                raise InvalidParameter(f"The object store refuses part {number}: {error.reason}.") from error
        return Part(number, etag)

    def join(self, upload: str, parts: Sequence[Part], *, limit: int) -> Received:
        """The parts as one object, with a digest of our own. It stays until the upload is dropped.

        A completion that came to nothing may be repeated: then the object is there already.

        Raises:
            InvalidParameter: a part was never received, or its etag is of another sending, or it is too small.
            TooLarge: the parts together.
        """
        name = self._name(upload)
        try:
            store_id = self._id(upload)
            sizes = {(part.number, part.etag): part.size for part in self._bucket.parts(name, store_id)}
        except ObjectMissing:
            pass
        else:
            check_limit(sum(_size_of(part, sizes) for part in parts), limit)
            self._complete(name, store_id, parts)
        try:
            return arrivals.adopt(self._bucket, name, lent=True)
        except ObjectMissing as error:
            raise InvalidParameter("The upload was aborted: begin it again.") from error

    def _complete(self, name: str, store_id: str, parts: Sequence[Part]) -> None:
        try:
            self._bucket.complete_parts(name, store_id, [(part.number, part.etag) for part in parts])
        except ObjectMissing:
            return
        except Refused as error:
            if error.reason == "EntityTooSmall":
                raise InvalidParameter(
                    "The parts are too small: each but the last must have at least 5 MiB.", field="parts"
                ) from error
            raise InvalidParameter(
                f"The object store refuses these parts ({error.reason}): send them again.", field="parts"
            ) from error

    def drop(self, upload: str) -> None:
        """Remove everything received for an upload. What the store holds back while it is away, the sweep takes."""
        name = self._name(upload)
        for found in self._bucket.open_uploads(name):
            self._bucket.abort_parts(found.name, found.upload)
        self._bucket.delete(name)

    def uploads(self) -> Iterator[tuple[str, float]]:
        """Every upload that has parts here, with the time of its last part, in seconds since 1970."""
        for found in self._bucket.objects(PARTS):
            yield found.name.removeprefix(PARTS), found.modified
        for begun in self._bucket.open_uploads(PARTS):
            last = arrivals.last_sign(self._bucket, begun.name, begun.upload, begun.begun)
            yield begun.name.removeprefix(PARTS), last

    def links(self, upload: str, numbers: Iterable[int], *, seconds: int) -> list[str] | None:
        """URLs that write parts to the object store itself; None when clients are not sent there.

        Raises:
            NotFound: the upload was completed or aborted.
        """
        if not signs_links():
            return None
        try:
            store_id = self._id(upload)
        except ObjectMissing as error:
            raise NotFound("This upload was completed or aborted.") from error
        name = self._name(upload)
        return [
            self._bucket.link("upload_part", name, seconds=seconds, UploadId=store_id, PartNumber=number)
            for number in numbers
        ]


def _size_of(part: Part, sizes: dict[tuple[int, str], int]) -> int:
    size = sizes.get((part.number, part.etag))
    if size is None:
        raise InvalidParameter(
            f"Part {part.number} was not received with this etag: send the part again.", field="parts"
        )
    return size
