"""Files of runs and logged models as objects under their paths, as the tracking server writes them.

An object store has no folders: one is there as long as something lies in it. Other than on disk, a symbolic link
cannot exist, and nothing is above the prefix, so a path cannot lead outside.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

from registry.errors import Conflict, FileMissing
from registry.storage.incoming import ByteSource, Received
from registry.storage.s3 import arrivals
from registry.storage.s3.arrivals import ReceivedInMemory, ReceivedObject
from registry.storage.s3.bucket import Bucket, ObjectFacts
from registry.storage.s3.client import ObjectMissing
from registry.storage.s3.reads import ObjectRange, ObjectReader
from registry.storage.trees import TreeEntry, split_path


class S3TreeFile(Iterator[bytes]):
    """A file together with what is known of it. The object is asked for when the first piece is."""

    def __init__(self, bucket: Bucket, facts: ObjectFacts, *, start: int, length: int) -> None:
        self.entry = _entry(facts)
        self._bucket = bucket
        self._facts = facts
        self._window = (start, length)
        self._pieces: ObjectRange | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        """The next piece. Raises OSError: the file is gone, or the store broke off."""
        if self._pieces is None:
            self._pieces = self._opened()
        return next(self._pieces)

    def _opened(self) -> ObjectRange:
        start, length = self._window
        try:
            return self._bucket.open(self._facts.name, start=start, length=length)
        except ObjectMissing as error:
            raise FileMissing(f"'{self.entry.name}' does not exist any more.") from error

    def narrow(self, start: int, length: int) -> Self:
        """The same file, another stretch; asked for at once, so that a file that is gone is told."""
        self._window = (start, length)
        self._pieces = self._opened()
        return self

    def close(self) -> None:
        """Give the connection back. Safe to call twice."""
        if self._pieces is not None:
            self._pieces.close()


class S3TreeStore:
    """Files by path below a prefix of a bucket."""

    def __init__(self, root: str) -> None:
        self._bucket = Bucket(root)

    def receive(self, source: ByteSource, *, limit: int, expected: int | None = None) -> Received:
        """Stream to a temporary object; see `arrivals.receive` for the errors."""
        return arrivals.receive(self._bucket, source, limit=limit, expected=expected)

    def keep(self, received: Received, path: str) -> None:
        """Give received bytes a path, replacing a file that is there.

        Raises:
            Conflict: a folder lies at the path, or a file where a folder is needed.
            InvalidParameter: not a path below the root.
        """
        names = split_path(path)
        if self._bucket.has_below(f"{path}/") or self._is_below_a_file(names):
            raise Conflict(f"'{path}' cannot be written: a file and a folder would share a name.")
        if isinstance(received, ReceivedInMemory | ReceivedObject):
            arrivals.keep_as(self._bucket, received, path)
            return
        with received.read() as source:
            mine = self.receive(source, limit=received.size, expected=received.size)
        try:
            self.keep(mine, path)
        finally:
            mine.discard()

    def _is_below_a_file(self, names: list[str]) -> bool:
        return any(self._facts("/".join(names[:depth])) for depth in range(1, len(names)))

    def _facts(self, path: str) -> ObjectFacts | None:
        with suppress(ObjectMissing):
            return self._bucket.facts(path)
        return None

    def make_folder(self, path: str) -> None:
        """Let a folder be made. Nothing is written: it is there once something lies in it. Raises Conflict."""
        names = split_path(path)
        if self._facts(path) or self._is_below_a_file(names):
            raise Conflict(f"'{path}' cannot be made: a file has that name.")

    def stat(self, path: str) -> TreeEntry:
        """What lies at a path. Raises FileMissing."""
        split_path(path)
        facts = self._facts(path)
        if facts is not None:
            return _entry(facts)
        if self._bucket.has_below(f"{path}/"):
            return TreeEntry(path.rpartition("/")[2], is_directory=True, size=0, modified=0)
        raise FileMissing(f"'{path}' does not exist.")

    def open(self, path: str, *, start: int = 0, length: int | None = None) -> S3TreeFile:
        """A stretch of a file in bounded pieces; `close()` it when done. Raises FileMissing."""
        split_path(path)
        with _missing(path):
            facts = self._bucket.facts(path)
        return S3TreeFile(self._bucket, facts, start=start, length=facts.size - start if length is None else length)

    def read(self, path: str) -> ObjectReader:
        """A whole file as a source for a store's `receive`. Use it as a context manager. Raises FileMissing."""
        split_path(path)
        with _missing(path):
            facts = self._bucket.facts(path)
            return ObjectReader(self._bucket.open(path, start=0, length=facts.size))

    def children(self, path: str) -> list[TreeEntry]:
        """Files and folders right below a folder, by name. Raises FileMissing."""
        split_path(path)
        found = [
            TreeEntry(child, is_directory=True, size=0, modified=0) if isinstance(child, str) else _entry(child)
            for child in self._bucket.children(f"{path}/")
        ]
        if not found:
            raise FileMissing(f"'{path}' does not exist.")
        return sorted((entry for entry in found if entry.name), key=lambda entry: entry.name)

    def walk(self, path: str) -> Iterator[TreeEntry]:
        """Every file below a folder, its path relative to that folder. Raises FileMissing."""
        split_path(path)
        empty = True
        for facts in self._bucket.objects(f"{path}/"):
            empty = False
            name = facts.name.removeprefix(f"{path}/")
            # Other tools write an empty object `folder/` where they make a folder.
            if name and not name.endswith("/"):
                yield TreeEntry(name, is_directory=False, size=facts.size, modified=facts.modified, etag=facts.etag)
        if empty:
            raise FileMissing(f"'{path}' does not exist.")

    def delete(self, path: str) -> None:
        """Remove one file. Raises FileMissing; Conflict for a folder."""
        if self.stat(path).is_directory:
            raise Conflict(f"'{path}' is a folder: delete the files in it.")
        self._bucket.delete(path)

    def delete_folder(self, path: str) -> None:
        """Let an empty folder go: there is none any more.

        Raises:
            FileMissing: a file lies there.
            Conflict: it is not empty.
        """
        split_path(path)
        if self._bucket.has_below(f"{path}/"):
            raise Conflict(f"'{path}' is not empty: delete the files in it first.")
        if self._facts(path):
            raise FileMissing(f"'{path}' does not exist.")

    def sweep_temporary(self, *, before: float, dry_run: bool) -> int:
        """Remove what dead uploads left."""
        return arrivals.sweep_incoming(self._bucket, before=before, dry_run=dry_run)

    def link(self, path: str, *, filename: str, seconds: int) -> str | None:
        """A URL that reads a file from the object store itself; None when clients are not sent there."""
        split_path(path)
        return self._bucket.download_link(path, filename=filename, seconds=seconds)


@contextmanager
def _missing(path: str) -> Iterator[None]:
    try:
        yield
    except ObjectMissing as error:
        raise FileMissing(f"'{path}' does not exist.") from error


def _entry(facts: ObjectFacts) -> TreeEntry:
    name = facts.name.rpartition("/")[2]
    return TreeEntry(name, is_directory=False, size=facts.size, modified=facts.modified, etag=facts.etag)
