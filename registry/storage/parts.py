"""Parts of a large file on their way, until the upload is completed or dropped.

Parts of one size, as all clients send them, are written side by side into one file, so that completing costs a hash
and no second copy. Each place in that file is claimed once. A part that comes again, or does not fit, or whose length
is not announced, gets a file of its own, and completing then joins the parts by copying.
"""

import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from django.conf import settings

from registry.errors import InvalidParameter
from registry.storage.incoming import ByteSource, Received, adopt, check_limit, land, pour

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


class PartStore:
    """Each upload's parts in a folder of their own:

    side-by-side          the file that parts are written into next to each other
    slot-<bytes>          how long each place in it is, said by part 1
    claim-<number>        the place of that part is taken, for good
    <number>-<etag>.size  that part lies in its place; the content is its length
    <number>-<etag>       that part lies here
    """

    def __init__(self, root: Path) -> None:
        self._root = root / "parts"

    def _folder(self, upload: str) -> Path:
        if not _UPLOAD.fullmatch(upload):
            raise InvalidParameter("'session_token' is not one that this server gave out.", field="session_token")
        return self._root / upload

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

    def take(self, upload: str, parts: Sequence[Part]) -> Received | None:
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
    return PartStore(Path(settings.ARTIFACT_ROOT))
