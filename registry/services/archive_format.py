"""The archive of models: a plain tar that is written and read as a stream, and never unpacked.

archive.json      what is in it: models, versions, files by digest, aliases
SHA256SUMS        the digest of archive.json and of every blob, as `sha256sum -c` reads it
blobs/<sha256>    each content once

Only these names, only plain files: whatever else an archive holds ends its reading. No name is ever used as a path.
"""

import hashlib
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from registry.errors import InvalidParameter
from registry.storage.incoming import ByteSource

FORMAT = "modelkeep-archive"
FORMAT_VERSION = 1
INDEX, SUMS, BLOBS = "archive.json", "SHA256SUMS", "blobs/"
MAX_INDEX_BYTES = 64 * 1024**2
_BLOCK = tarfile.BLOCKSIZE
_END = b"\0" * _BLOCK * 2
_SHA256 = re.compile(r"[0-9a-f]{64}")


class DamagedArchive(InvalidParameter):
    """The archive cannot be read any further: it was changed, cut off, or is none."""


@dataclass(frozen=True)
class BlobInside:
    """One content in an archive."""

    sha256: str
    size: int


def member_size(size: int) -> int:
    """Bytes that a member takes in the tar."""
    return _BLOCK + (size + _BLOCK - 1) // _BLOCK * _BLOCK


def member_head(name: str, size: int) -> bytes:
    """What stands before a member. The same content gives the same bytes: no times, no owners."""
    info = tarfile.TarInfo(name)
    info.size = size
    # GNU's form holds sizes beyond 8 GiB in one block.
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    """What fills a member's last block."""
    return b"\0" * (-size % _BLOCK)


def front_matter(index: dict[str, Any], blobs: Iterable[BlobInside]) -> bytes:
    """The members before the blobs, ready to be written."""
    raw = json.dumps(index, sort_keys=True, ensure_ascii=False).encode()
    lines = [f"{hashlib.sha256(raw).hexdigest()}  {INDEX}"]
    lines += [f"{blob.sha256}  {BLOBS}{blob.sha256}" for blob in blobs]
    sums = ("\n".join(lines) + "\n").encode()
    members = ((INDEX, raw), (SUMS, sums))
    return b"".join(member_head(name, len(body)) + body + padding(len(body)) for name, body in members)


def end_matter() -> bytes:
    """What ends the tar."""
    return _END


class _Member:
    """The bytes of one member, from a stream that stands at its start. Must be read to its end."""

    def __init__(self, stream: "_Stream", size: int) -> None:
        self._stream, self._left = stream, size
        self.size = size

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end."""
        piece = self._stream.some(min(size, self._left)) if self._left else b""
        self._left -= len(piece)
        return piece

    def finish(self) -> None:
        """Pass over what was not read, and over the padding."""
        while self.read(1024 * 1024):
            pass
        self._stream.exactly(-self.size % _BLOCK)


class _Stream:
    """A source that says when it was cut off."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._rest = b""

    def some(self, size: int) -> bytes:
        """From 1 to `size` bytes.

        Raises:
            DamagedArchive: the source has ended.
        """
        piece = self._rest or self._source.read(size)
        if not piece:
            raise DamagedArchive("The archive ends in the middle: copy it again.")
        self._rest = piece[size:]
        return piece[:size]

    def exactly(self, size: int) -> bytes:
        """Just so many bytes.

        Raises:
            DamagedArchive: the source has ended.
        """
        pieces = []
        while size:
            pieces.append(self.some(size))
            size -= len(pieces[-1])
        return b"".join(pieces)


class ArchiveReader:
    """Reads an archive front to back, once."""

    def __init__(self, source: ByteSource) -> None:
        self._stream = _Stream(source)

    def index(self) -> dict[str, Any]:
        """What the archive says of itself, checked against its list of digests. Call it first.

        Raises:
            DamagedArchive: no archive of this format, or one that was changed.
        """
        raw = self._small(INDEX)
        sums = self._small(SUMS).decode("ascii", "replace").splitlines()
        if f"{hashlib.sha256(raw).hexdigest()}  {INDEX}" not in sums[:1]:
            raise DamagedArchive("The archive's description does not match its digest: it was changed.")
        try:
            index = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise DamagedArchive("The archive's description cannot be read.") from error
        if not isinstance(index, dict) or index.get("format") != FORMAT:
            raise DamagedArchive("This is no archive of models.")
        if index.get("format_version") != FORMAT_VERSION:
            raise DamagedArchive(
                f"This archive has format {index.get('format_version')!r}; this version reads {FORMAT_VERSION}."
            )
        return index

    def _small(self, name: str) -> bytes:
        found = self._next()
        if found is None or found[0] != name or found[1].size > MAX_INDEX_BYTES:
            raise DamagedArchive(f"This is no archive of models: '{name}' is not where it belongs.")
        member = found[1]
        raw = b"".join(iter(lambda: member.read(1024 * 1024), b""))
        member.finish()
        return raw

    def blobs(self) -> Iterator[tuple[str, _Member]]:
        """Each blob's digest, as its name tells, and its bytes, which hold only until the next is asked for.

        The bytes are not checked here: whoever receives them hashes them.

        Raises:
            DamagedArchive: something that is no blob, or the archive was cut off.
        """
        while (found := self._next()) is not None:
            name, member = found
            sha256 = name.removeprefix(BLOBS)
            if not name.startswith(BLOBS) or not _SHA256.fullmatch(sha256):
                raise DamagedArchive("The archive holds something that is no blob.")
            yield sha256, member
            member.finish()

    def _next(self) -> tuple[str, _Member] | None:
        head = self._stream.exactly(_BLOCK)
        if head == _END[:_BLOCK]:
            return None
        try:
            info = tarfile.TarInfo.frombuf(head, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as error:
            raise DamagedArchive("The archive is damaged, or no tar: unpack .gz or .zst first.") from error
        if info.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or info.size < 0:
            raise DamagedArchive("The archive holds something that is no plain file.")
        return info.name, _Member(self._stream, info.size)
