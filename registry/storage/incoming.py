"""Bytes on their way in: streamed to a temporary file, hashed in flight, never whole in memory."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from registry.errors import InvalidParameter, TooLarge, Unavailable

CHUNK_BYTES = 1024 * 1024
READ_ONLY = 0o444
_FLUSH_BYTES = 32 * CHUNK_BYTES
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


class ByteSource(Protocol):
    """Anything that can be read piece by piece; an empty piece is the end."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""
        ...


class Received(Protocol):
    """Bytes that have arrived whole at a store and have no name there yet."""

    @property
    def sha256(self) -> str:
        """Their digest, computed by us from the bytes themselves."""
        ...

    @property
    def size(self) -> int:
        """How many they are."""
        ...

    def read(self) -> AbstractContextManager[ByteSource]:
        """The bytes, for another store than the one that they arrived at."""
        ...

    def discard(self) -> None:
        """Give back what they take up under no name. To be called in the end, whether they were kept or not."""
        ...


@dataclass(frozen=True)
class ReceivedFile:
    """Bytes that lie, safely on disk, under a temporary name; `lent` by an upload that keeps them till its end."""

    handle: Path
    sha256: str
    size: int
    lent: bool = False

    def read(self) -> AbstractContextManager[ByteSource]:
        """The open file."""
        return self.handle.open("rb")

    def discard(self) -> None:
        """Remove the temporary file, if it was not moved away."""
        if not self.lent:
            self.handle.unlink(missing_ok=True)


def receive(source: ByteSource, folder: Path, *, limit: int, expected: int | None = None) -> ReceivedFile:
    """Stream `source` into a temporary file of `folder`, hashed on the way and on disk when this returns.

    Raises:
        TooLarge, InvalidParameter, Unavailable: as `land` does; nothing is kept.
    """
    digest = hashlib.sha256()
    path, size = land(source, folder, limit=limit, expected=expected, observe=digest.update, durable=True)
    return ReceivedFile(handle=path, sha256=digest.hexdigest(), size=size)


def adopt(path: Path, size: int) -> ReceivedFile:
    """Take a file that lies on disk already as received bytes: cut to `size`, hashed, and durable."""
    with translated_disk_errors(), path.open("r+b") as file:
        file.truncate(size)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return ReceivedFile(handle=path, sha256=sha256, size=size, lent=True)


def land(
    source: ByteSource,
    folder: Path,
    *,
    limit: int,
    expected: int | None,
    observe: Callable[[bytes], None] | None = None,
    durable: bool = False,
) -> tuple[Path, int]:
    """Stream `source` into a temporary file; returns its path and size. Memory is bounded.

    `observe` sees every piece. With `durable` the bytes outlive a power cut.

    Raises:
        TooLarge, InvalidParameter, Unavailable: as `pour` does; nothing is kept.
    """
    with translated_disk_errors():
        check_limit(expected or 0, limit)
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder)
        try:
            size = pour(source, descriptor, limit=limit, expected=expected, observe=observe)
            if durable:
                os.fsync(descriptor)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
    return Path(name), size


def copy_out(pieces: Iterator[bytes], target: Path) -> None:
    """Write pieces to a new file that nobody may write to afterwards. Memory is bounded.

    Raises:
        FileExistsError, Unavailable: the disk is full.
    """
    with translated_disk_errors():
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, READ_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)


def pour(
    source: ByteSource,
    descriptor: int,
    *,
    limit: int,
    expected: int | None,
    offset: int = 0,
    observe: Callable[[bytes], None] | None = None,
) -> int:
    """Stream `source` into an open file from `offset` on; returns the number of bytes. Memory is bounded.

    Raises:
        TooLarge: more than `limit` bytes; checked before the first read when `expected` is given.
        InvalidParameter: the source ended before `expected` bytes, or held more.
        Unavailable: the disk is full.
    In each case some bytes may be in the file.
    """
    size = flushed = 0
    with translated_disk_errors():
        check_limit(expected or 0, limit)
        while chunk := source.read(CHUNK_BYTES):
            check_limit(size + len(chunk), limit)
            if observe is not None:
                observe(chunk)
            _write_all(descriptor, chunk, offset + size)
            size += len(chunk)
            if size - flushed >= _FLUSH_BYTES:
                # Makes the disk begin now: the sync at the end of a large file then has little left to wait for.
                os.posix_fadvise(descriptor, offset + flushed, size - flushed, os.POSIX_FADV_DONTNEED)
                flushed = size
    check_whole(size, expected)
    return size


def _write_all(descriptor: int, chunk: bytes, offset: int) -> None:
    view = memoryview(chunk)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def check_whole(size: int, expected: int | None) -> None:
    """Let pass a body that held as many bytes as were announced. Raises InvalidParameter."""
    if expected is not None and size != expected:
        raise InvalidParameter(
            f"The body ended after {size} bytes; {expected} were announced. Nothing was kept: send it again."
        )


def check_limit(size: int, limit: int) -> None:
    """Let pass a size within the limit. Raises TooLarge."""
    if size > limit:
        raise TooLarge(f"The file is larger than the {limit} bytes that this server accepts. Nothing was kept.")


@contextmanager
def translated_disk_errors() -> Iterator[None]:
    """Turn a full disk into an error that says so.

    Raises:
        Unavailable: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise Unavailable(
                "The server's disk is full, nothing was kept. Ask an administrator for space."
            ) from error
        raise


def sync_folder(folder: Path) -> None:
    """Make renames into `folder` outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_temporary(folder: Path, *, before: float, dry_run: bool) -> int:
    """Remove temporary files last written to before that time, in seconds since 1970. Returns how many."""
    if not folder.is_dir():
        return 0
    removed = 0
    for entry in os.scandir(folder):
        if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < before:
            removed += 1
            if not dry_run:
                Path(entry.path).unlink(missing_ok=True)
    return removed
