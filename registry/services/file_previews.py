"""The beginning of a file of a version as something that can be looked at, without ever being run."""

import csv
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from registry.services.actors import Actor
from registry.services.files import open_file

MOST_BYTES = 256 * 1024
MOST_PICTURE_BYTES = 8 * 1024**2
MOST_ROWS = 100
MOST_COLUMNS = 40
_BITMAPS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
_TABLES = {".csv": ",", ".tsv": "\t"}


class PreviewKind(StrEnum):
    """How a file can be shown."""

    TEXT = "text"
    TABLE = "table"
    PICTURE = "picture"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Preview:
    """What is shown of a file. `cut`: there is more than that."""

    kind: PreviewKind
    size: int
    text: str = ""
    rows: Sequence[Sequence[str]] = ()
    cut: bool = False


def preview_file(*, actor: Actor, path: str) -> Preview:
    """The head of a file as text, as a table, or the word that it is a picture. Reading it is put on the audit trail.

    `path` is spelled as for `files.open_file`. Reads at most MOST_BYTES.

    Raises:
        NotFound, AccessDenied, InvalidParameter, InvalidState: as `files.open_file`.
    """
    opened = open_file(actor=actor, path=path)
    size = opened.facts.size
    head = b"".join(opened.stream(0, min(size, MOST_BYTES)))
    if bitmap_type(head):
        kind = PreviewKind.PICTURE if size <= MOST_PICTURE_BYTES else PreviewKind.NOTHING
        return Preview(kind, size)
    text = _decoded(head, cut=size > len(head))
    if text is None:
        return Preview(PreviewKind.NOTHING, size)
    return _shown(text, path, size=size, cut=size > len(head))


def bitmap_type(head: bytes) -> str:
    """The content type of a picture that holds nothing but pixels, by its first bytes; empty for anything else.

    The name of a file says nothing. SVG is no bitmap: it can hold scripts.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((type_ for magic, type_ in _BITMAPS.items() if head.startswith(magic)), "")


def _decoded(head: bytes, *, cut: bool) -> str | None:
    if b"\x00" in head:
        return None
    # The cut may go through a character.
    for end in range(len(head), max(len(head) - 4, -1), -1):
        with suppress(UnicodeDecodeError):
            return head[:end].decode()
        if not cut:
            break
    return None


def _shown(text: str, path: str, *, size: int, cut: bool) -> Preview:
    suffix = path[path.rfind(".") :].lower() if "." in path else ""
    if suffix in _TABLES:
        lines = text.splitlines()[: MOST_ROWS + 2]
        with suppress(csv.Error):
            read = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=_TABLES[suffix]))
            rows = [row[:MOST_COLUMNS] for row in read[: MOST_ROWS + 1]]
            return Preview(PreviewKind.TABLE, size, rows=rows, cut=cut or len(read) > len(rows))
    if suffix == ".json" and not cut:
        with suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return Preview(PreviewKind.TEXT, size, text=text, cut=cut)
