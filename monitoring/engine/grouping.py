"""Which rows belong to which window, slice and model: codes, one a row, and the order that puts groups together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from monitoring.engine.columns import as_texts, texts
from monitoring.engine.windows import Window

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, order=True)
class Group:
    """A slice of the rows, of one model or of all; None everywhere is the whole table."""

    slice_key: str | None = None
    slice_value: str | None = None
    model: str | None = None


WHOLE = Group()
Key = tuple[Window, Group]


@dataclass(frozen=True)
class Part:
    """The rows of one group in one window: a stretch of an ordering."""

    key: Key
    start: int
    stop: int


class Ordering:
    """Rows put together by group; groups of one ordering do not overlap.

    Args:
        codes: for each row its position in `keys`, -1 for rows of no group; None when all rows are of the only one.
        rows: how many rows there are.
    """

    def __init__(self, keys: Sequence[Key], codes: Codes | None, rows: int) -> None:
        self.keys, self.codes, self.rows = list(keys), codes, rows

    @cached_property
    def _sizes(self) -> npt.NDArray[np.int64]:
        if self.codes is None:
            return np.array([0, self.rows])
        return np.bincount(self.codes + 1, minlength=len(self.keys) + 1)

    @cached_property
    def order(self) -> npt.NDArray[np.int64] | None:
        """Rows by group, those of none first; None when they lie so already."""
        if self.codes is None or not (self.codes[1:] < self.codes[:-1]).any():
            return None
        narrow = self.codes.astype(np.int16) if len(self.keys) < np.iinfo(np.int16).max else self.codes
        return np.argsort(narrow, kind="stable")  # A radix sort for 16 bits.

    @cached_property
    def parts(self) -> list[Part]:
        """The groups that have rows."""
        ends = np.cumsum(self._sizes)
        return [
            Part(key, int(ends[position]), int(ends[position + 1]))
            for position, key in enumerate(self.keys)
            if ends[position + 1] > ends[position]
        ]

    def arranged(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Values in the order that parts speak of."""
        return values if self.order is None else values[self.order]


@dataclass(frozen=True)
class Labels:
    """What a slicing expression or the model column gives for each row: codes into texts, -1 for null."""

    codes: npt.NDArray[np.int64]
    texts: Sequence[str]

    @classmethod
    def of(cls, array: Any) -> "Labels":
        """From any Arrow array."""
        codes, dictionary = texts(as_texts(array))
        return cls(codes, dictionary.to_pylist())


def orderings(
    windows: Mapping[str | None, tuple[Codes | None, Sequence[Window]]],
    slices: Mapping[str, Labels],
    models: Labels | None,
    rows: int,
    *,
    limit: int,
    chosen: frozenset[Key] | None = None,
) -> list[Ordering]:
    """For each granularity: the whole table, each slicing expression, and both again by model.

    Args:
        windows: for each granularity the window of each row (None: all rows are of the only window).
        limit: slices of an expression that are kept in a window, the most frequent first, equals in order of text.
        chosen: keep these groups instead.
    """
    found: list[Ordering] = []
    for codes, within in windows.values():
        base = codes if codes is not None else np.zeros(rows, np.int32)
        found.append(Ordering([(window, WHOLE) for window in within], codes, rows))
        for key, labels in slices.items():
            groups = [Group(key, text) for text in labels.texts]
            found.append(_grouped(base, within, labels.codes, groups, limit, chosen))
        if models is None:
            continue
        groups = [Group(model=text) for text in models.texts]
        found.append(_grouped(base, within, models.codes, groups, limit, chosen))
        for key, labels in slices.items():
            size = len(labels.texts)
            both = np.where((models.codes < 0) | (labels.codes < 0), -1, models.codes * size + labels.codes)
            groups = [Group(key, text, model) for model in models.texts for text in labels.texts]
            found.append(_grouped(base, within, both, groups, limit * max(len(models.texts), 1), chosen))
    return [ordering for ordering in found if ordering.keys]


def _grouped(
    base: npt.NDArray[np.int32],
    within: Sequence[Window],
    labels: npt.NDArray[np.int64],
    groups: Sequence[Group],
    limit: int,
    chosen: frozenset[Key] | None,
) -> Ordering:
    width = max(len(groups), 1)
    combined = np.where((base < 0) | (labels < 0), -1, base.astype(np.int64) * width + labels)
    present, counts = np.unique(combined, return_counts=True)
    if len(present) and present[0] < 0:
        present, counts = present[1:], counts[1:]
    keys: list[Key] = [(within[code // width], groups[code % width]) for code in present.tolist()]
    if chosen is not None:
        kept = [position for position, key in enumerate(keys) if key in chosen]
    else:
        kept = _most_frequent(keys, counts.tolist(), limit)
    if len(present) == 0:
        return Ordering([], np.full(len(base), -1, np.int32), len(base))
    places = np.full(len(present), -1, np.int32)
    places[kept] = np.arange(len(kept), dtype=np.int32)
    at = np.searchsorted(present, combined).clip(max=len(present) - 1)
    codes = np.where(combined < 0, np.int32(-1), places[at]).astype(np.int32)
    return Ordering([keys[position] for position in kept], codes, len(base))


def _most_frequent(keys: Sequence[Key], counts: Sequence[int], limit: int) -> list[int]:
    by_window: dict[Window, list[int]] = {}
    for position, (window, _) in enumerate(keys):
        by_window.setdefault(window, []).append(position)
    kept: list[int] = []
    for positions in by_window.values():
        if len(positions) > limit:
            positions.sort(key=lambda at: (-counts[at], keys[at][1].slice_value or keys[at][1].model or ""))
        kept.extend(positions[:limit])
    return sorted(kept)
