"""Parts of a large file on their way: each lies in a file of its own until the upload is completed or dropped."""

import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from django.conf import settings

from registry.errors import InvalidParameter
from registry.storage.incoming import ByteSource, land

MAX_PARTS = 10_000
_ETAG = re.compile(r"[0-9a-f]{32}")
_UPLOAD = re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True)
class Part:
    """One part as its sender knows it. `etag` names exactly one sending of that number."""

    number: int
    etag: str


class PartStore:
    """Parts as files `parts/<upload>/<number>-<etag>`.

    A part sent twice lies there twice, so a slow first sending can never overwrite the second one.
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
        """Take one part in; see `incoming.land` for the errors."""
        folder = self._folder(upload)
        path, _ = land(source, folder, limit=limit, expected=expected)
        part = Part(number=number, etag=uuid.uuid4().hex)
        try:
            path.rename(folder / _name(part))
        except FileNotFoundError as error:
            raise InvalidParameter("The upload ended while this part was on its way.") from error
        return part

    def sizes(self, upload: str, parts: Sequence[Part]) -> list[int]:
        """Bytes of each part.

        Raises:
            InvalidParameter: a part was never received, or its etag is of another sending.
        """
        folder = self._folder(upload)
        return [_size(folder, part) for part in parts]

    def open(self, upload: str, parts: Sequence[Part]) -> "JoinedParts":
        """The parts as one source of bytes, in the given order. Close it when done."""
        folder = self._folder(upload)
        return JoinedParts([folder / _name(part) for part in parts])

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


def _size(folder: Path, part: Part) -> int:
    try:
        return (folder / _name(part)).stat().st_size
    except FileNotFoundError as error:
        raise InvalidParameter(
            f"Part {part.number} was not received with this etag: send the part again.", field="parts"
        ) from error


class JoinedParts:
    """Several files read one after the other."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(reversed(paths))
        self._descriptor: int | None = None

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end of the last file."""
        while True:
            if self._descriptor is None:
                if not self._paths:
                    return b""
                self._descriptor = os.open(self._paths.pop(), os.O_RDONLY | os.O_CLOEXEC)
            if chunk := os.read(self._descriptor, size):
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
