"""The distribution of a numeric column: one sort, from which its statistics and its drift follow."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from monitoring.metrics.arrays import Floats, Ints

BLOCK = 1024
QUANTILES = 1000
_STEPS = np.arange(QUANTILES) / QUANTILES


@dataclass(frozen=True)
class Numeric:
    """A sorted sample of a column's values, without nulls and NaN.

    Args:
        values: sorted ascending; infinities are allowed.
        total: values that the sample stands for; len(values) where the sample is everything.
        rank_error: 0.0 where it is everything, else the bound on the error of a rank, as a share of `total`.
    """

    values: Floats
    total: int
    rank_error: float = 0.0

    @classmethod
    def of(cls, values: Floats) -> "Numeric":
        """The exact distribution of values in any order; NaN are left out. The array is not changed."""
        ordered = np.sort(values)  # NaN come last.
        if len(ordered) and np.isnan(ordered[-1]):
            ordered = ordered[: np.searchsorted(ordered, np.nan)]
        return cls(ordered, len(ordered))

    @cached_property
    def finite(self) -> Floats:
        """The sample without infinities."""
        values = self.values
        if len(values) and not (np.isfinite(values[0]) and np.isfinite(values[-1])):
            low, high = np.searchsorted(values, -np.inf, "right"), np.searchsorted(values, np.inf, "left")
            return values[low:high]
        return values

    @cached_property
    def center(self) -> float:
        """A value near the middle; sums are kept around it so that they stay small."""
        return float(self.finite[len(self.finite) // 2]) if len(self.finite) else 0.0

    @cached_property
    def sums(self) -> "Sums":
        """Of the finite values, centred."""
        return Sums(self.finite, self.center)


class Sums:
    """Sums of any stretch of values around a center, kept by block: a short one is no difference of large numbers."""

    def __init__(self, values: Floats, center: float) -> None:
        full = len(values) // BLOCK
        self._within = np.zeros((full + 1) * BLOCK)
        within = self._within.reshape(-1, BLOCK)
        blocks, rest = values[: full * BLOCK].reshape(-1, BLOCK), values[full * BLOCK :]
        np.subtract(blocks[:, :-1], center, out=within[:-1, 1:])
        within[-1, 1 : len(rest) + 1] = rest - center
        np.cumsum(within, axis=1, out=within)
        self._before = np.zeros(full + 1, np.longdouble)
        np.cumsum(within[:-1, -1] + (blocks[:, -1] - center), dtype=np.longdouble, out=self._before[1:])

    def between(self, edges: Ints) -> Floats:
        """Of the values from each position up to, not including, the next one along the last axis."""
        found = np.diff(self._within[edges])
        blocks = edges // BLOCK
        far = np.nonzero(blocks[..., 1:] != blocks[..., :-1])
        steps = self._before[blocks[..., 1:][far]] - self._before[blocks[..., :-1][far]]
        found[far] += steps.astype(np.float64)
        return found


@dataclass(frozen=True)
class NumericStatistics:
    """What a profile row says of a numeric column; None where it is not defined.

    avg is infinite where the column is; stddev has n - 1 degrees of freedom and is None for fewer than two values or
    where a value is infinite. quantiles[i] is the quantile i / 1000, by linear interpolation.
    """

    avg: float | None = None
    stddev: float | None = None
    min: float | None = None
    max: float | None = None
    median: float | None = None
    num_zeros: int = 0
    distinct: int = 0
    quantiles: Floats = field(default_factory=lambda: np.empty(0))


def numeric_statistics(sample: Numeric) -> NumericStatistics:
    """Statistics of an exact sample."""
    values = sample.values
    if not len(values):
        return NumericStatistics()
    low, high = np.searchsorted(values, 0.0, "left"), np.searchsorted(values, 0.0, "right")
    finite = len(sample.finite) == len(values)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = float(np.mean(values))
        spread = float(np.std(values, ddof=1, mean=np.float64(mean))) if finite and len(values) > 1 else None
        distinct = 1 + int(np.count_nonzero(values[1:] != values[:-1]))
    return NumericStatistics(
        avg=None if np.isnan(mean) else mean,
        stddev=spread if spread is not None and np.isfinite(spread) else None,
        min=float(values[0]),
        max=float(values[-1]),
        median=float(quantiles(values, np.array([0.5]))[0]),
        num_zeros=int(high - low),
        distinct=distinct,
        quantiles=quantiles(values, _STEPS),
    )


def quantiles(ordered: Floats, at: Floats) -> Floats:
    """Quantiles of a sorted, not empty sample, with linear interpolation, as numpy.quantile gives them."""
    position = at * (len(ordered) - 1)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    share = position - below
    low, high = ordered[below], ordered[above]
    with np.errstate(invalid="ignore", over="ignore"):
        gap = high - low
        between = np.where(share >= 0.5, high - gap * (1 - share), low + gap * share)
    return np.where((share == 0) | (low == high), low, between)
