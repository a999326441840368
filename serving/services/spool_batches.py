"""Closed segments of a spool, taken in numbered batches, so that a table takes each of them exactly once.

Which segments are in a batch is written down before the table is given its rows, and the table keeps the number of
the last batch with the rows, in one commit. Whoever comes after a sudden end finds the batch and asks the table.
"""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.routing.spool import closed_segments, read_rows

_MARK = "batch-*.json"
_ID = "spool-id"
MOST_BYTES = 32 * 1024**2
"""Of the segments of one batch, of which there is at least one: what a worker holds at a time."""


def spool_id(root: Path) -> str:
    """The name of this spool, which it has for ever: each machine that gateways run on has a spool of its own."""
    path = root / _ID
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    draft = root / f".{_ID}-{secrets.token_hex(4)}"
    draft.write_text(secrets.token_hex(8))
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    return path.read_text()


@dataclass(frozen=True)
class Batch:
    """Some segments under one number, which grows by one from batch to batch of a folder."""

    folder: Path
    number: int
    names: tuple[str, ...]

    def rows(self) -> Iterator[dict[str, Any]]:
        """All rows, in the order in which they were written."""
        for name in self.names:
            with contextlib.suppress(FileNotFoundError):
                yield from read_rows(self.folder / name)

    def finish(self) -> None:
        """Delete the segments, and then what is written of the batch. May be repeated."""
        for name in self.names:
            (self.folder / name).unlink(missing_ok=True)
        self.mark.unlink(missing_ok=True)

    @property
    def mark(self) -> Path:
        """Where it is written down."""
        return self.folder / f"batch-{self.number:012d}.json"


def begun_batches(folder: Path) -> list[Batch]:
    """Batches that were written down and not finished, in the order of their numbers."""
    found = []
    for path in sorted(folder.glob(_MARK)):
        written = json.loads(path.read_text())
        found.append(Batch(folder, written["number"], tuple(written["names"])))
    return found


def begin_batch(folder: Path, number: int) -> Batch | None:
    """The oldest closed segments as a batch of that number, written down; None if there is none."""
    names: list[str] = []
    size = 0
    for path in closed_segments(folder):
        length = path.stat().st_size
        if not length:
            path.unlink()
        elif not names or size + length <= MOST_BYTES:
            names.append(path.name)
            size += length
        else:
            break
    if not names:
        return None
    batch = Batch(folder, number, tuple(names))
    draft = batch.mark.with_suffix(".new")
    with draft.open("w", encoding="utf-8") as file:
        json.dump({"number": number, "names": names}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(batch.mark)
    _sync_folder(folder)
    return batch


def _sync_folder(folder: Path) -> None:
    """So that no power cut takes the mark of a batch back whose rows a table has."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
