"""Files of runs and logged models, under their paths in the tracking server's own layout.

Every step from the root is opened without following symbolic links, relative to the folder before it, so no path and
no race can lead outside.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from django.conf import settings

from registry.errors import Conflict, FileMissing, InvalidParameter
from registry.storage.incoming import (
    ByteSource,
    Received,
    ReceivedFile,
    receive,
    sweep_temporary,
    translated_disk_errors,
)
from registry.storage.ranges import FileRange
from registry.storage.s3.bucket import is_s3

INCOMING = ".incoming"
_MAX_NAME_BYTES = 255
_LINK = {errno.ELOOP, errno.EMLINK}
"""What opening a symbolic link says when links are not followed."""


def split_path(path: str) -> list[str]:
    """The names on the way to a path below a root.

    Raises:
        InvalidParameter: a name that is empty, `.`, `..`, too long, or holds NUL or a backslash.
    """
    names = path.split("/")
    for name in names:
        if name in {"", ".", ".."} or "\x00" in name or "\\" in name:
            raise InvalidParameter(
                f"'path' is {path!r}: names between slashes must not be empty, '.', '..', or hold a backslash.",
                field="path",
            )
        if len(name.encode("utf-8", "surrogateescape")) > _MAX_NAME_BYTES:
            raise InvalidParameter(f"'path' holds a name longer than {_MAX_NAME_BYTES} bytes.", field="path")
    return names


@dataclass(frozen=True)
class TreeEntry:
    """A file or folder: its name (or path, when walked), size in bytes and time of last change in seconds."""

    name: str
    is_directory: bool
    size: int
    modified: float
    etag: str = ""
    """Changes with the bytes, where the store keeps such a mark itself."""


class OpenTreeFile(Protocol):
    """An open file of a tree: its pieces, together with what is known of it."""

    entry: TreeEntry

    def __iter__(self) -> Iterator[bytes]:
        """The pieces."""
        ...

    def __next__(self) -> bytes:
        """The next piece."""
        ...

    def narrow(self, start: int, length: int) -> Iterator[bytes]:
        """The same file, another stretch."""
        ...

    def close(self) -> None:
        """Give it back. Safe to call twice."""
        ...


class TreeStore(Protocol):
    """Where the files of runs and logged models lie. All paths are relative to its root.

    Every method raises InvalidParameter for what is no path below the root, and Unavailable while the store is away.
    """

    def receive(self, source: ByteSource, *, limit: int, expected: int | None = None) -> Received:
        """Take bytes in under a temporary name; see `incoming.receive` for the errors."""
        ...

    def keep(self, received: Received, path: str) -> None:
        """Give received bytes a path, replacing a file that is there. Raises Conflict."""
        ...

    def make_folder(self, path: str) -> None:
        """Let a folder be at a path. Raises Conflict."""
        ...

    def stat(self, path: str) -> TreeEntry:
        """What lies at a path. Raises FileMissing."""
        ...

    def open(self, path: str, *, start: int = 0, length: int | None = None) -> OpenTreeFile:
        """A stretch of a file in bounded pieces; `close()` it when done. Raises FileMissing."""
        ...

    def read(self, path: str) -> AbstractContextManager[ByteSource]:
        """A whole file as a source for a store's `receive`. Raises FileMissing."""
        ...

    def children(self, path: str) -> list[TreeEntry]:
        """Files and folders right below a folder, by name. Raises FileMissing."""
        ...

    def walk(self, path: str) -> Iterator[TreeEntry]:
        """Every file below a folder, its path relative to that folder. Raises FileMissing."""
        ...

    def delete(self, path: str) -> None:
        """Remove one file. Raises FileMissing, Conflict."""
        ...

    def delete_folder(self, path: str) -> None:
        """Remove an empty folder. Raises FileMissing, Conflict."""
        ...

    def sweep_temporary(self, *, before: float, dry_run: bool) -> int:
        """Remove what uploads left that are dead since that time, in seconds since 1970; returns how many files."""
        ...

    def link(self, path: str, *, filename: str, seconds: int) -> str | None:
        """A URL at which the store itself gives a file to anybody for a while; None when it cannot."""
        ...


class TreeFile(FileRange):
    """An open file together with what is known of it."""

    def __init__(self, descriptor: int, *, start: int, length: int, entry: TreeEntry) -> None:
        super().__init__(descriptor, start=start, length=length)
        self.entry = entry


class TreeReader:
    """A whole file as a source of bytes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end."""
        return os.read(self._descriptor, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


class LocalTreeStore:
    """Files by path below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def receive(self, source: ByteSource, *, limit: int, expected: int | None = None) -> ReceivedFile:
        """Stream into the tree's own file system, so that `keep` is a rename; see `incoming.receive`."""
        return receive(source, self._root / INCOMING, limit=limit, expected=expected)

    def keep(self, received: Received, path: str) -> None:
        """Move received bytes to a path, making folders on the way and replacing a file that is there.

        Raises:
            Conflict: a folder lies at the path, or a file where a folder is needed.
            InvalidParameter: not a path below the root.
        """
        *folders, name = split_path(path)
        try:
            with translated_disk_errors(), self._folder(folders, make=True) as folder:
                os.rename(self._at_home(received).handle, name, dst_dir_fd=folder)
                os.fsync(folder)
        except (IsADirectoryError, NotADirectoryError) as error:
            raise Conflict(f"'{path}' cannot be written: a file and a folder would share a name.") from error

    def _at_home(self, received: Received) -> ReceivedFile:
        """The same bytes in the tree's own file system: copied, when they arrived in another one."""
        if isinstance(received, ReceivedFile) and received.handle.stat().st_dev == self._root.stat().st_dev:
            return received
        with received.read() as source:
            return self.receive(source, limit=received.size, expected=received.size)

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it. One that is there is fine."""
        try:
            with translated_disk_errors(), self._folder(split_path(path), make=True):
                pass
        except NotADirectoryError as error:
            raise Conflict(f"'{path}' cannot be made: a file has that name.") from error

    def stat(self, path: str) -> TreeEntry:
        """What lies at a path.

        Raises:
            FileMissing: nothing, or a symbolic link.
        """
        *folders, name = split_path(path)
        with self._existing(folders, path) as folder, _missing(path):
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
            raise FileMissing(f"'{path}' does not exist.")
        return _entry(name, facts)

    def open(self, path: str, *, start: int = 0, length: int | None = None) -> TreeFile:
        """A stretch of a file in bounded pieces; `close()` it when done.

        Raises:
            FileMissing: no file at that path.
        """
        descriptor = self._open_file(path)
        entry = _entry(path.rpartition("/")[2], os.fstat(descriptor))
        return TreeFile(descriptor, start=start, length=entry.size - start if length is None else length, entry=entry)

    def read(self, path: str) -> TreeReader:
        """A whole file as a source for a store's `receive`. Use it as a context manager. Raises FileMissing."""
        return TreeReader(self._open_file(path))

    def children(self, path: str) -> list[TreeEntry]:
        """Files and folders right below a folder, by name. Raises FileMissing."""
        with self._existing(split_path(path), path) as folder:
            names = sorted(os.listdir(folder))  # noqa: PTH208  (a Path cannot hold a descriptor)
            found = [_stat_in(folder, name) for name in names]
        return [entry for entry in found if entry is not None]

    def walk(self, path: str) -> Iterator[TreeEntry]:
        """Every file below a folder, its path relative to that folder. Raises FileMissing."""
        for entry in self.children(path):
            if not entry.is_directory:
                yield entry
                continue
            for below in self.walk(f"{path}/{entry.name}"):
                yield TreeEntry(
                    f"{entry.name}/{below.name}", is_directory=False, size=below.size, modified=below.modified
                )

    def delete(self, path: str) -> None:
        """Remove one file. Raises FileMissing."""
        *folders, name = split_path(path)
        with self._existing(folders, path) as folder, _missing(path):
            try:
                os.unlink(name, dir_fd=folder)
            except IsADirectoryError as error:
                raise Conflict(f"'{path}' is a folder: delete the files in it.") from error

    def delete_folder(self, path: str) -> None:
        """Remove an empty folder.

        Raises:
            FileMissing: no folder there.
            Conflict: it is not empty.
        """
        *folders, name = split_path(path)
        with self._existing(folders, path) as folder, _missing(path):
            try:
                os.rmdir(name, dir_fd=folder)
            except OSError as error:
                if isinstance(error, FileNotFoundError | NotADirectoryError):
                    raise
                raise Conflict(f"'{path}' is not empty: delete the files in it first.") from error

    def sweep_temporary(self, *, before: float, dry_run: bool) -> int:
        """Remove what dead uploads left."""
        return sweep_temporary(self._root / INCOMING, before=before, dry_run=dry_run)

    def link(self, path: str, *, filename: str, seconds: int) -> None:
        """A disk answers nobody but us."""

    def _open_file(self, path: str) -> int:
        *folders, name = split_path(path)
        with self._existing(folders, path) as folder, _missing(path):
            # Never blocks, even if somebody put a pipe there.
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileMissing(f"'{path}' is not a file.")
        return descriptor

    @contextmanager
    def _existing(self, folders: Sequence[str], path: str) -> Iterator[int]:
        with _missing(path), self._folder(folders, make=False) as folder:
            yield folder

    @contextmanager
    def _folder(self, names: Sequence[str], *, make: bool) -> Iterator[int]:
        """A descriptor of a folder, reached step by step without following a symbolic link."""
        if make:
            self._root.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._root, flags)
        try:
            for name in names:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, dir_fd=descriptor)
                below = os.open(name, flags, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def _missing(path: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileMissing(f"'{path}' does not exist.") from error
    except OSError as error:
        if error.errno in _LINK:
            raise FileMissing(f"'{path}' does not exist.") from error
        raise


def _stat_in(folder: int, name: str) -> TreeEntry | None:
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return _entry(name, facts) if stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode) else None


def _entry(name: str, facts: os.stat_result) -> TreeEntry:
    is_directory = stat.S_ISDIR(facts.st_mode)
    return TreeEntry(
        name, is_directory=is_directory, size=0 if is_directory else facts.st_size, modified=facts.st_mtime
    )


def tree_store() -> TreeStore:
    """The tree that the tracking server shares with us: TRACKING_ROOT, a folder or s3://bucket/prefix."""
    # Down here: that module builds on this one.
    from registry.storage.s3.trees import S3TreeStore

    root = str(settings.TRACKING_ROOT)
    return S3TreeStore(root) if is_s3(root) else LocalTreeStore(Path(root))
