"""A stretch of the table that is measured together: its row groups, and which of their rows belong to which group."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.engine.columns import LONGEST_TEXT, ColumnKind, Values, is_text, kind_of, texts
from monitoring.engine.grouping import WHOLE, Codes, Key, Ordering
from monitoring.engine.profiles import ColumnProfile, NumberSink, TextSink, of_numbers
from monitoring.engine.tables import Source, Unit
from monitoring.engine.windows import Window
from monitoring.metrics.sketches import text_hashes


class Piece:
    """Row groups that are held at once; the codes of its rows may lie on disk."""

    def __init__(self, units: Sequence[Unit], orderings: Sequence[Ordering], spill: Path | None = None) -> None:
        self.units = list(units)
        self.rows = sum(unit.rows for unit in units)
        self._orderings = list(orderings)
        self._spilled: list[Path | None] = []
        if spill is not None:
            self._spill(spill)

    def _spill(self, folder: Path) -> None:
        kept: list[Ordering] = []
        for position, ordering in enumerate(self._orderings):
            path = None
            if ordering.codes is not None:
                path = folder / f"{id(self)}-{position}.npy"
                np.save(path, ordering.codes)
            self._spilled.append(path)
            kept.append(Ordering(ordering.keys, None, ordering.rows))
        self._orderings = kept

    @property
    def orderings(self) -> list[Ordering]:
        """As they were given."""
        if not self._spilled:
            return self._orderings
        return [
            Ordering(ordering.keys, None if path is None else np.load(path), ordering.rows)
            for ordering, path in zip(self._orderings, self._spilled, strict=True)
        ]


class Samples:
    """The same few rows of every window from each numeric column, to look at columns together.

    Args:
        rows: at most about so many of a window.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._held: dict[Window, dict[str, list[npt.NDArray[np.float64]]]] = {}

    def add(self, column: str, window: Window, floats: npt.NDArray[np.float64], pieces: int) -> None:
        """From one piece of a window; the rows that are taken depend on its size only."""
        step = max(1, len(floats) * pieces // self._rows)
        self._held.setdefault(window, {}).setdefault(column, []).append(floats[::step].copy())

    def matrix(self, window: Window, columns: Sequence[str]) -> npt.NDArray[np.float64]:
        """A row for each row that was taken; nulls and columns that were not added are NaN."""
        held = {name: np.concatenate(parts) for name, parts in self._held.get(window, {}).items()}
        rows = max((len(values) for values in held.values()), default=0)
        missing = np.full(rows, np.nan)
        return np.stack([held.get(name, missing) for name in columns], axis=1) if columns else np.empty((0, 0))


@dataclass(frozen=True)
class Segment:
    """Pieces whose groups are measured together.

    Args:
        exact: there is one piece, and its groups are measured exactly; else pieces are summed up in sketches.
    """

    source: Source
    pieces: Sequence[Piece]
    exact: bool

    def profiles(self, column: str, samples: "Samples | None" = None) -> dict[Key, ColumnProfile]:
        """The column in every group; rows of numeric columns are added to the samples, if there are any."""
        type_ = self.source.schema.field(column).type
        kind = kind_of(type_)
        if kind is ColumnKind.CATEGORICAL:
            return self._texts(column, has_lengths=is_text(type_))
        if kind is ColumnKind.OPAQUE:
            return self._opaque(column)
        return (
            self._exact_numbers(column, kind, samples)
            if self.exact
            else self._sketched_numbers(column, kind, samples)
        )

    def _values(self, piece: Piece, column: str) -> Values:
        return Values(self.source.read(piece.units, [column]).column(column))

    def _exact_numbers(self, column: str, kind: ColumnKind, samples: "Samples | None") -> dict[Key, ColumnProfile]:
        found: dict[Key, ColumnProfile] = {}
        for piece in self.pieces:
            values = self._values(piece, column)
            for ordering in piece.orderings:
                floats = ordering.arranged(values.floats)
                nulls = None if values.nulls is None else ordering.arranged(values.nulls)
                integers = None if values.integers is None else ordering.arranged(values.integers)
                for part in ordering.parts:
                    at = slice(part.start, part.stop)
                    if samples is not None and kind is ColumnKind.NUMERIC and part.key[1] == WHOLE:
                        samples.add(column, part.key[0], floats[at], len(self.pieces))
                    count = 0 if nulls is None else int(np.count_nonzero(nulls[at]))
                    whole = None
                    if integers is not None:
                        whole = integers[at] if nulls is None else integers[at][~nulls[at]]
                    found[part.key] = of_numbers(kind, floats[at], count, whole)
        return found

    def _sketched_numbers(self, column: str, kind: ColumnKind, samples: "Samples | None") -> dict[Key, ColumnProfile]:
        sinks: dict[Key, NumberSink] = {}
        for piece in self.pieces:
            values = self._values(piece, column)
            for ordering in piece.orderings:
                floats = ordering.arranged(values.floats)
                nulls = None if values.nulls is None else ordering.arranged(values.nulls)
                for part in ordering.parts:
                    at = slice(part.start, part.stop)
                    if samples is not None and kind is ColumnKind.NUMERIC and part.key[1] == WHOLE:
                        samples.add(column, part.key[0], floats[at], len(self.pieces))
                    count = 0 if nulls is None else int(np.count_nonzero(nulls[at]))
                    sink = sinks.setdefault(part.key, NumberSink(kind, part.key[1] == WHOLE))
                    sink.update(floats[at], count)
        return {key: sink.profile() for key, sink in sinks.items()}

    def _texts(self, column: str, *, has_lengths: bool) -> dict[Key, ColumnProfile]:
        sinks: dict[Key, TextSink] = {}
        for piece in self.pieces:
            orderings = [ordering for ordering in piece.orderings if ordering.parts]
            row = 0
            for array in self.source.arrays(piece.units, column):
                codes, dictionary = texts(array)
                for ordering in orderings:
                    groups = None if ordering.codes is None else ordering.codes[row : row + len(codes)]
                    _count(sinks, ordering.keys, groups, codes, dictionary, has_lengths=has_lengths)
                row += len(codes)
        return {key: sink.profile() for key, sink in sinks.items()}

    def _opaque(self, column: str) -> dict[Key, ColumnProfile]:
        counts: dict[Key, tuple[int, int]] = {}
        for piece in self.pieces:
            arrays = self.source.arrays(piece.units, column)
            empty = np.concatenate(
                [np.zeros(0, np.bool_), *(pc.is_null(array).to_numpy(zero_copy_only=False) for array in arrays)]
            )
            for ordering in piece.orderings:
                arranged = ordering.arranged(empty)
                for part in ordering.parts:
                    rows, nulls = counts.get(part.key, (0, 0))
                    here = int(np.count_nonzero(arranged[part.start : part.stop]))
                    counts[part.key] = (rows + part.stop - part.start, nulls + here)
        return {key: ColumnProfile(ColumnKind.OPAQUE, rows, nulls) for key, (rows, nulls) in counts.items()}

    def sizes(self) -> dict[Key, int]:
        """How many rows each group has."""
        found: dict[Key, int] = {}
        for piece in self.pieces:
            for ordering in piece.orderings:
                for part in ordering.parts:
                    found[part.key] = found.get(part.key, 0) + part.stop - part.start
        return found

    def tables(self, columns: Sequence[str]) -> Iterator[tuple[Piece, Any]]:
        """Columns of each piece."""
        for piece in self.pieces:
            yield piece, self.source.read(piece.units, columns)


def _count(
    sinks: dict[Key, TextSink],
    keys: Sequence[Key],
    groups: Codes | None,
    codes: np.ndarray[tuple[int], np.dtype[np.int64]],
    dictionary: Any,
    *,
    has_lengths: bool,
) -> None:
    """Add the texts of a batch to the groups of an ordering; all groups are counted in one go."""
    width = len(dictionary) + 1
    combined = codes + 1
    if groups is not None:
        combined = combined + groups.astype(np.int64) * width
        combined = combined[groups >= 0]
    size = (1 if groups is None else len(keys)) * width
    if size <= 4 * len(combined) + 1024:
        amounts = np.bincount(combined, minlength=size)
        present = np.flatnonzero(amounts)
        amounts = amounts[present]
    else:
        present, amounts = np.unique(combined, return_counts=True)
    of_group, text_codes = np.divmod(present, width)
    borders = np.flatnonzero(np.diff(of_group, prepend=-1, append=-1))
    used, at = np.unique(text_codes[text_codes > 0], return_inverse=True)
    names, lengths = _shortened(dictionary.take(pa.array(used - 1)))
    place = np.zeros(len(present), np.int64)
    place[text_codes > 0] = at
    for start, stop in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        key = keys[int(of_group[start])]
        sink = sinks.setdefault(key, TextSink(key[1] == WHOLE, has_lengths))
        if text_codes[start] == 0:
            sink.add_nulls(int(amounts[start]))
            start += 1  # noqa: PLW2901
        chosen = place[start:stop]
        sink.update([names[position] for position in chosen.tolist()], lengths[chosen], amounts[start:stop])


def _shortened(array: Any) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Texts, long ones cut, and the lengths that they had."""
    lengths = np.asarray(pc.utf8_length(array).to_numpy(zero_copy_only=False)).astype(np.int64)
    names: list[str] = array.to_pylist()
    for position in np.flatnonzero(lengths > LONGEST_TEXT).tolist():
        text = names[position]
        names[position] = f"{text[: LONGEST_TEXT - 17]}…{int(text_hashes([text])[0]):016x}"
    return names, lengths
