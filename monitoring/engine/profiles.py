"""The profile of one column in one group of rows: what a profile row says, and what drift needs of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from monitoring.engine.columns import ColumnKind
from monitoring.metrics.categorical import Categorical
from monitoring.metrics.numeric import Numeric, NumericStatistics, numeric_statistics
from monitoring.metrics.sketches import (
    DISTINCT_ERROR,
    KEPT_CATEGORIES,
    SUMMARY_SIZE,
    CategorySketch,
    NumericSketch,
)


@dataclass(frozen=True)
class Lengths:
    """Of texts, in characters."""

    min: float
    max: float
    avg: float


@dataclass(frozen=True)
class ColumnProfile:
    """One column, one group, one window.

    Args:
        rows: of the group, nulls and NaN among them.
        distinct: None where it is not counted.
        custom: values of the metrics that users define, by name.
        columns: for the row of the whole table, those that have a value that is not null.
    """

    kind: ColumnKind | None
    rows: int
    num_nulls: int = 0
    num_nan: int = 0
    distinct: int | None = None
    num_zeros: int | None = None
    avg: float | None = None
    numeric: Numeric | None = None
    statistics: NumericStatistics | None = None
    categories: Categorical | None = None
    lengths: Lengths | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    distinct_error: float = 0.0

    @property
    def count(self) -> int:
        """Values that are not null."""
        return self.rows - self.num_nulls

    @property
    def percent_null(self) -> float | None:
        """Of all rows, 0 to 100."""
        return _percent(self.num_nulls, self.rows)

    @property
    def percent_nan(self) -> float | None:
        """Of the values."""
        return _percent(self.num_nan, self.count) if self.kind is ColumnKind.NUMERIC else None

    @property
    def percent_zeros(self) -> float | None:
        """Of the values."""
        return None if self.num_zeros is None else _percent(self.num_zeros, self.count)

    @property
    def percent_distinct(self) -> float | None:
        """Distinct values, of the values."""
        return None if self.distinct is None else _percent(self.distinct, self.count)


def _percent(part: int, whole: int) -> float | None:
    return 100.0 * part / whole if whole else None


def of_numbers(
    kind: ColumnKind,
    floats: npt.NDArray[np.float64],
    num_nulls: int,
    integers: npt.NDArray[np.int64] | None = None,
) -> ColumnProfile:
    """Of all values of a numeric or temporal column.

    Args:
        floats: NaN for nulls.
        integers: the same without nulls, where doubles would make different ones equal.
    """
    sample = Numeric.of(floats)
    statistics = numeric_statistics(sample)
    distinct = statistics.distinct if integers is None else len(np.unique(integers))
    return _numbers(kind, len(floats), num_nulls, sample, statistics, distinct)


def _numbers(
    kind: ColumnKind, rows: int, num_nulls: int, sample: Numeric, statistics: NumericStatistics, distinct: int
) -> ColumnProfile:
    numeric = kind is ColumnKind.NUMERIC
    return ColumnProfile(
        kind,
        rows,
        num_nulls,
        num_nan=rows - num_nulls - sample.total,
        distinct=distinct,
        num_zeros=statistics.num_zeros if numeric else None,
        avg=statistics.avg if numeric else None,
        numeric=sample,
        statistics=statistics,
        distinct_error=float(DISTINCT_ERROR) if sample.rank_error else 0.0,
    )


@dataclass
class NumberSink:
    """Takes a numeric or temporal column in pieces, for groups that memory does not hold at once."""

    kind: ColumnKind
    whole: bool
    rows: int = 0
    num_nulls: int = 0
    sketch: NumericSketch = field(init=False)

    def __post_init__(self) -> None:
        self.sketch = NumericSketch(SUMMARY_SIZE if self.whole else SUMMARY_SIZE // 4)

    def update(self, floats: npt.NDArray[np.float64], num_nulls: int) -> None:
        """NaN for nulls."""
        self.rows += len(floats)
        self.num_nulls += num_nulls
        self.sketch.update(floats[~np.isnan(floats)])

    def profile(self) -> ColumnProfile:
        """Of all that was taken in."""
        sample, statistics = self.sketch.ranks.sample(), self.sketch.statistics()
        return _numbers(self.kind, self.rows, self.num_nulls, sample, statistics, statistics.distinct)


@dataclass
class TextSink:
    """Takes a categorical column in pieces; exact until there are more distinct texts than are kept."""

    whole: bool
    has_lengths: bool
    rows: int = 0
    num_nulls: int = 0
    characters: int = 0
    shortest: int | None = None
    longest: int | None = None
    sketch: CategorySketch = field(init=False)

    def __post_init__(self) -> None:
        self.sketch = CategorySketch(KEPT_CATEGORIES if self.whole else KEPT_CATEGORIES // 10)

    def update(self, texts: list[str], lengths: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> None:
        """How often each text occurs in a piece; all counts above 0."""
        if not texts:
            return
        self.rows += int(counts.sum())
        self.characters += int((lengths * counts).sum())
        shortest, longest = int(lengths.min()), int(lengths.max())
        self.shortest = shortest if self.shortest is None else min(shortest, self.shortest)
        self.longest = longest if self.longest is None else max(longest, self.longest)
        self.sketch.update(texts, counts)

    def add_nulls(self, count: int) -> None:
        """Rows without a value."""
        self.rows += count
        self.num_nulls += count

    def profile(self) -> ColumnProfile:
        """Of all that was taken in."""
        lengths = None
        if self.has_lengths and self.shortest is not None and self.longest is not None:
            average = self.characters / (self.rows - self.num_nulls)
            lengths = Lengths(float(self.shortest), float(self.longest), average)
        return ColumnProfile(
            ColumnKind.CATEGORICAL,
            self.rows,
            self.num_nulls,
            distinct=min(self.sketch.distinct, self.rows - self.num_nulls),
            categories=self.sketch.distribution(),
            lengths=lengths,
            distinct_error=float(DISTINCT_ERROR) if self.sketch.sketched is not None else 0.0,
        )
