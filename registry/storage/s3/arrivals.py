"""Bytes on their way into the object store: hashed in flight, never whole in memory.

A small body waits in memory until its name is known and is then written once. A larger one goes, part by part, to a
temporary object, whose content gets its name by a copy inside the store.
"""

import hashlib
import io
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass

from registry.errors import InvalidParameter
from registry.storage.incoming import CHUNK_BYTES, ByteSource, check_limit, check_whole
from registry.storage.s3.bucket import MAX_PART_NUMBER, Bucket, ObjectFacts, checksum
from registry.storage.s3.client import ObjectMissing
from registry.storage.s3.reads import ObjectReader

INCOMING = ".incoming/"
PARTS = "parts/"
"""Where uploads live as long as their sessions, other than everywhere else."""
PART_BYTES = 8 * CHUNK_BYTES
"""How large a body may be to wait in memory, and what one request carries of a larger one."""


@dataclass(frozen=True)
class ReceivedInMemory:
    """A small body."""

    data: bytes
    sha256: str

    @property
    def size(self) -> int:
        """Bytes of it."""
        return len(self.data)

    def read(self) -> AbstractContextManager[ByteSource]:
        """The bytes as a file."""
        return io.BytesIO(self.data)

    def discard(self) -> None:
        """Nothing lies anywhere."""


@dataclass(frozen=True)
class ReceivedObject:
    """Bytes that lie in an object which nobody else can write to; `lent` by an upload that keeps it till its end."""

    bucket: Bucket
    facts: ObjectFacts
    sha256: str
    lent: bool = False

    @property
    def size(self) -> int:
        """Bytes of it."""
        return self.facts.size

    def read(self) -> AbstractContextManager[ByteSource]:
        """The bytes, read from the store."""
        return ObjectReader(self.bucket.open(self.facts.name, start=0, length=self.size))

    def discard(self) -> None:
        """Remove the temporary object. While the store is away it stays, for the sweep."""
        if not self.lent:
            self.bucket.delete_quietly(self.facts.name)


def receive(
    bucket: Bucket, source: ByteSource, *, limit: int, expected: int | None = None
) -> ReceivedInMemory | ReceivedObject:
    """Take a body in. Holds at most three parts in memory: of 8 MiB, for bodies up to 80 GB.

    Raises:
        TooLarge: more than `limit` bytes; checked before the first read when `expected` is given.
        InvalidParameter: the source ended before `expected` bytes, or held more.
        Unavailable: the object store is away.
    In each case nothing is kept.
    """
    check_limit(expected or 0, limit)
    reader = _Measured(source, limit=limit, expected=expected)
    # Parts are of one size, as some stores demand, and large enough for their number to suffice.
    part_bytes = max(PART_BYTES, -(-(limit if expected is None else expected) // MAX_PART_NUMBER))
    first = reader.take(part_bytes)
    if reader.ended:
        return ReceivedInMemory(bytes(first), reader.sha256)
    name = f"{INCOMING}{uuid.uuid4()}"
    upload = bucket.begin_parts(name)
    try:
        bucket.complete_parts(name, upload, _send_parts(bucket, name, upload, first, reader, part_bytes))
        facts = bucket.facts(name)
    except BaseException:
        bucket.abort_quietly(name, upload)
        raise
    return ReceivedObject(bucket, facts, reader.sha256)


def _send_parts(
    bucket: Bucket, name: str, upload: str, first: bytearray, reader: "_Measured", part_bytes: int
) -> list[tuple[int, str]]:
    """Send part after part; the next one is read while one is on its way."""
    etags: list[tuple[int, str]] = []
    sending: Future[str] | None = None
    body, number = first, 1
    with ThreadPoolExecutor(1) as pool:
        while body:
            following = pool.submit(bucket.put_part, name, upload, number, bytes(body), md5=checksum(body))
            if sending is not None:
                etags.append((number - 1, sending.result()))
            sending, number = following, number + 1
            body = reader.take(part_bytes)
        if sending is not None:
            etags.append((number - 1, sending.result()))
    return etags


class _Measured:
    """A body that is counted, checked and hashed while it is read."""

    def __init__(self, source: ByteSource, *, limit: int, expected: int | None) -> None:
        self._source = source
        self._limit = limit
        self._expected = expected
        self._digest = hashlib.sha256()
        self._size = 0
        self.ended = False

    def take(self, size: int) -> bytearray:
        """The next `size` bytes, fewer at the end. Raises TooLarge, InvalidParameter."""
        taken = bytearray()
        while not self.ended and len(taken) < size:
            chunk = self._source.read(min(CHUNK_BYTES, size - len(taken)))
            if not chunk:
                self.ended = True
                check_whole(self._size, self._expected)
                break
            self._size += len(chunk)
            check_limit(self._size, self._limit)
            self._digest.update(chunk)
            taken += chunk
        return taken

    @property
    def sha256(self) -> str:
        """Of all bytes that were read."""
        return self._digest.hexdigest()


def adopt(bucket: Bucket, name: str, *, lent: bool) -> ReceivedObject:
    """Take an object that nobody can write to any more as received bytes. Costs reading it once.

    Raises:
        ObjectMissing: there is none.
        Unavailable: the store is away, or the object changed while it was read.
    """
    facts = bucket.facts(name)
    digest = hashlib.sha256()
    with closing(bucket.open(name, start=0, length=facts.size)) as pieces:
        for piece in pieces:
            digest.update(piece)
    return ReceivedObject(bucket, facts, digest.hexdigest(), lent=lent)


def keep_as(bucket: Bucket, received: ReceivedInMemory | ReceivedObject, name: str) -> None:
    """Give received bytes a name, replacing what lies there.

    Raises:
        InvalidParameter: the temporary object is gone: the sweep took it, long after it had arrived.
    """
    if isinstance(received, ReceivedInMemory):
        bucket.put(name, received.data)
        return
    try:
        bucket.copy(received.bucket, received.facts, name)
    except ObjectMissing as error:
        raise InvalidParameter("The bytes of this upload are gone: send the file again.") from error


def sweep_incoming(bucket: Bucket, *, before: float, dry_run: bool) -> int:
    """Remove what dead uploads left: objects, and uploads of which no part came since `before`. Returns how many."""
    removed = 0
    for found in bucket.objects(INCOMING):
        if found.modified < before:
            removed += 1
            if not dry_run:
                bucket.delete(found.name)
    for upload in bucket.open_uploads(""):
        is_session = upload.name.startswith(PARTS)
        if not is_session and last_sign(bucket, upload.name, upload.upload, upload.begun) < before:
            removed += 1
            if not dry_run:
                bucket.abort_parts(upload.name, upload.upload)
    return removed


def last_sign(bucket: Bucket, name: str, upload: str, begun: float) -> float:
    """When an open upload was begun or last got a part, in seconds since 1970."""
    try:
        return max([begun, *(part.modified for part in bucket.parts(name, upload))])
    except ObjectMissing:
        return begun
