"""Parts of a large file on their way, until the upload is completed or dropped.

Parts of one size, as all clients send them, are written side by side into one file, so that completing costs a hash
and no second copy. Each place in that file is claimed once. A part that comes again, or does not fit, or whose length
is not announced, gets a file of its own, and completing then joins the parts by copying.
"""

import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from django.conf import settings

from registry.errors import InvalidParameter
from registry.storage.incoming import ByteSource, Received, ReceivedFile, adopt, check_limit, land, pour, receive
from registry.storage.s3.bucket import is_s3

MAX_PARTS = 10_000
_ETAG = re.compile(r"[0-9a-f]{32}")
_UPLOAD = re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True)
class Part:
    """One part as its sender knows it. `etag` names exactly one sending of that number."""

    number: int
    etag: str


@dataclass(frozen=True)
class Stretch:
    """Where the bytes of a part lie."""

    path: Path
    start: int
    length: int


class PartStore(Protocol):
    """Where parts wait. It knows neither versions nor rights; an upload is named by its session's id."""

    def begin(self, upload: str) -> None:
        """Make ready for an upload. Once, before anything else."""
        ...

    def receive(
        self, upload: str, number: int, source: ByteSource, *, limit: int, expected: int | None = None
    ) -> Part:
        """Take one part in; see `incoming.pour` for the errors."""
        ...

    def join(self, upload: str, parts: Sequence[Part], *, limit: int) -> Received:
        """The parts as one, in the given order; for who is completing the upload, alone. May be repeated.

        Raises:
            InvalidParameter: a part was never received, or its etag is of another sending.
            TooLarge: the parts together.
        """
        ...

    def drop(self, upload: str) -> None:
        """Remove everything received for an upload."""
        ...

    def uploads(self) -> Iterator[tuple[str, float]]:
        """Every upload that has parts here, with the time of its last part, in seconds since 1970."""
        ...

    def links(self, upload: str, numbers: Iterable[int], *, seconds: int) -> list[str] | None:
        """URLs at which the store itself takes parts from anybody for a while; None when it cannot.

        Raises:
            NotFound: the upload was completed or aborted.
        """
        ...


class LocalPartStore:
    """Each upload's parts in a folder of their own:

    side-by-side          the file that parts are written into next to each other
    slot-<bytes>          how long each place in it is, said by part 1
    claim-<number>        the place of that part is taken, for good
    <number>-<etag>.size  that part lies in its place; the content is its length
    <number>-<etag>       that part lies here
    """

    def __init__(self, root: Path) -> None:
        self._root = root / "parts"
        self._incoming = root / "incoming"

    def _folder(self, upload: str) -> Path:
        if not _UPLOAD.fullmatch(upload):
            raise InvalidParameter("'session_token' is not one that this server gave out.", field="session_token")
        return self._root / upload

    def begin(self, upload: str) -> None:
        """Nothing to make ready: the first part makes the folder."""

    def receive(
        self, upload: str, number: int, source: ByteSource, *, limit: int, expected: int | None = None
    ) -> Part:
        """Take one part in; see `incoming.pour` for the errors."""
        folder = self._folder(upload)
        part = Part(number=number, etag=uuid.uuid4().hex)
        check_limit(expected or 0, limit)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            place = _claim(folder, number, expected)
            if place is None:
                path, _ = land(source, folder, limit=limit, expected=expected)
                path.rename(folder / _name(part))
            else:
                _fill(place, source, number)
                (folder / f"{_name(part)}.size").write_text(str(place.length))
        except FileNotFoundError as error:
            raise InvalidParameter("The upload ended while this part was on its way.") from error
        return part

    def sizes(self, upload: str, parts: Sequence[Part]) -> list[int]:
        """Bytes of each part. Only for who is completing the upload, alone.

        Raises:
            InvalidParameter: a part was never received, or its etag is of another sending.
        """
        folder = self._folder(upload)
        with suppress(FileNotFoundError):
            # A completion before this one took the file and came to nothing.
            (folder / "taken").rename(folder / "side-by-side")
        return [_find(folder, part).length for part in parts]

    def join(self, upload: str, parts: Sequence[Part], *, limit: int) -> ReceivedFile:
        """The parts as one file: as they lie where that is possible, else copied; see `PartStore`."""
        total = sum(self.sizes(upload, parts))
        check_limit(total, limit)
        taken = self.take(upload, parts)
        if taken is not None:
            return taken
        with self.open(upload, parts) as source:
            return receive(source, self._incoming, limit=limit, expected=total)

    def take(self, upload: str, parts: Sequence[Part]) -> ReceivedFile | None:
        """The parts as one file without copying them; None when more or less than just these lies side by side.

        The file stays where it is until it is kept or dropped: when that fails, `sizes` begins anew.

        Raises:
            InvalidParameter: as `sizes`.
        """
        folder = self._folder(upload)
        found = [_find(folder, part) for part in parts]
        whole = folder / "side-by-side"
        if not _contiguous(found, whole):
            return None
        taken = whole.with_name("taken")
        whole.rename(taken)
        # Looked at after the rename: who claims a place from here on finds no file to write into.
        if len(list(folder.glob("claim-*"))) != len(parts):
            taken.rename(whole)
            return None
        return adopt(taken, sum(stretch.length for stretch in found))

    def open(self, upload: str, parts: Sequence[Part]) -> "JoinedParts":
        """The parts as one source of bytes, in the given order. Close it when done."""
        folder = self._folder(upload)
        return JoinedParts([_find(folder, part) for part in parts])

    def drop(self, upload: str) -> None:
        """Remove everything received for an upload."""
        shutil.rmtree(self._folder(upload), ignore_errors=True)

    def uploads(self) -> Iterator[tuple[str, float]]:
        """Every upload that has parts here, with the time of its last part, in seconds since 1970."""
        if not self._root.is_dir():
            return
        for entry in os.scandir(self._root):
            if _UPLOAD.fullmatch(entry.name):
                yield entry.name, entry.stat(follow_symlinks=False).st_mtime

    def links(self, upload: str, numbers: Iterable[int], *, seconds: int) -> None:
        """A disk answers nobody but us."""


def _name(part: Part) -> str:
    if not _ETAG.fullmatch(part.etag):
        raise InvalidParameter(
            f"Part {part.number}: the etag is not the one that its upload answered.", field="parts"
        )
    return f"{part.number:05d}-{part.etag}"


def _claim(folder: Path, number: int, length: int | None) -> Stretch | None:
    """The place of a part in the common file, if it fits there and nobody has taken it before."""
    if not length:
        return None
    slot = length if number == 1 else _slot(folder)
    if slot is None or length > slot or not _create(folder / f"claim-{number:05d}"):
        return None
    if number == 1:
        _create(folder / "side-by-side")
        _create(folder / f"slot-{length}")
    return Stretch(folder / "side-by-side", (number - 1) * slot, length)


def _slot(folder: Path) -> int | None:
    found = next(folder.glob("slot-*"), None)
    return None if found is None else int(found.name.removeprefix("slot-"))


def _create(path: Path) -> bool:
    """Whether the file is there because of us."""
    with suppress(FileExistsError):
        path.touch(exist_ok=False)
        return True
    return False


def _fill(place: Stretch, source: ByteSource, number: int) -> None:
    try:
        with place.path.open("r+b", buffering=0) as file:
            pour(source, file.fileno(), limit=place.length, expected=place.length, offset=place.start)
    except BaseException:
        # The sender will try again, and nobody else writes there. Part 1 has said how long all places are.
        if number != 1:
            (place.path.parent / f"claim-{number:05d}").unlink(missing_ok=True)
        raise


def _find(folder: Path, part: Part) -> Stretch:
    path = folder / _name(part)
    with suppress(FileNotFoundError):
        return Stretch(path, 0, path.stat().st_size)
    with suppress(FileNotFoundError):
        length, whole = int(path.with_name(f"{path.name}.size").read_text()), folder / "side-by-side"
        if whole.exists():
            return Stretch(whole, (part.number - 1) * (_slot(folder) or 0), length)
    raise InvalidParameter(f"Part {part.number} was not received with this etag: send the part again.", field="parts")


def _contiguous(stretches: Sequence[Stretch], whole: Path) -> bool:
    end = 0
    for stretch in stretches:
        if stretch.path != whole or stretch.start != end:
            return False
        end += stretch.length
    return True


class JoinedParts:
    """Stretches of files read one after the other."""

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        self._waiting = list(reversed(stretches))
        self._descriptor: int | None = None
        self._position = self._end = 0

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end of the last stretch."""
        while True:
            if self._descriptor is None:
                if not self._waiting:
                    return b""
                stretch = self._waiting.pop()
                self._descriptor = os.open(stretch.path, os.O_RDONLY | os.O_CLOEXEC)
                self._position, self._end = stretch.start, stretch.start + stretch.length
            if chunk := os.pread(self._descriptor, min(size, self._end - self._position), self._position):
                self._position += len(chunk)
                return chunk
            self.close()

    def close(self) -> None:
        """Give the open file back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def part_store() -> PartStore:
    """Parts lie beside the blobs."""
    # Down here: that module builds on this one.
    from registry.storage.s3.parts import S3PartStore

    root = str(settings.ARTIFACT_ROOT)
    return S3PartStore(root) if is_s3(root) else LocalPartStore(Path(root))
