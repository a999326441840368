"""Profiles of more values than memory holds: bounded, mergeable, and the same for the same data.

Deterministic on purpose, so that a window measured twice gives the same rows: random sketches would not.
References: Agarwal et al. 2012 (mergeable summaries), Misra and Gries 1982 (frequent items), Flajolet et al. 2007 and
Ertl 2017 (HyperLogLog and its estimate).
"""

from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from monitoring.metrics.arrays import Floats, Ints
from monitoring.metrics.categorical import Categorical
from monitoring.metrics.numeric import QUANTILES, Numeric, NumericStatistics, quantiles

SUMMARY_SIZE = 4096
KEPT_CATEGORIES = 50_000
_PRECISION = 14
_REGISTERS = 1 << _PRECISION
_LONGEST = 64 - _PRECISION
DISTINCT_ERROR = 1.04 / np.sqrt(_REGISTERS)
"""The standard error of a distinct count, relative."""


@dataclass(frozen=True)
class Summary:
    """Sorted values that stand for `weight / len(values)` values each; `error` bounds the error of any rank."""

    values: Floats
    weight: int
    error: float

    @classmethod
    def of(cls, values: Floats, size: int) -> "Summary":
        """Of values in any order, without NaN."""
        ordered = np.sort(values)
        if len(ordered) <= size:
            return cls(ordered, len(ordered), 0.0)
        stride = len(ordered) / size
        at = ((np.arange(size) + 0.5) * stride).astype(np.int64)
        return cls(ordered[at], len(ordered), stride / 2 + 1)

    def merged(self, other: "Summary", size: int) -> "Summary":
        """Of both."""
        weight, error = self.weight + other.weight, self.error + other.error
        values = np.concatenate([self.values, other.values])
        order = np.argsort(values, kind="stable")
        if len(values) <= size and not error:
            return Summary(values[order], weight, 0.0)
        weights = np.repeat(
            [self.weight / max(len(self.values), 1), other.weight / max(len(other.values), 1)],
            [len(self.values), len(other.values)],
        )[order]
        reached = np.cumsum(weights)
        at = np.searchsorted(reached, (np.arange(size) + 0.5) * (weight / size)).clip(max=len(values) - 1)
        return Summary(values[order][at], weight, error + weight / (2 * size) + float(weights.max(initial=0.0)))


@dataclass
class QuantileSketch:
    """Summaries in the slots of a binary counter, so that each value is merged a logarithmic number of times."""

    size: int = SUMMARY_SIZE
    slots: list[Summary | None] = field(default_factory=list)

    def update(self, values: Floats) -> None:
        """Take values in, without NaN."""
        if len(values):
            self._carry(Summary.of(values, self.size), 0)

    def _carry(self, summary: Summary, slot: int) -> None:
        while slot < len(self.slots) and (held := self.slots[slot]) is not None:
            summary = held.merged(summary, self.size)
            self.slots[slot] = None
            slot += 1
        self.slots.extend([None] * (slot + 1 - len(self.slots)))
        self.slots[slot] = summary

    def merge(self, other: "QuantileSketch") -> None:
        """Take in what another sketch took in."""
        for slot, summary in enumerate(other.slots):
            if summary is not None:
                self._carry(summary, slot)

    def sample(self) -> Numeric:
        """The distribution, with its guaranteed bound on the error of a rank."""
        whole = Summary(np.empty(0), 0, 0.0)
        for summary in self.slots:
            if summary is not None:
                whole = summary if not whole.weight else whole.merged(summary, self.size)
        return Numeric(whole.values, whole.weight, whole.error / whole.weight if whole.weight else 0.0)


@dataclass
class DistinctSketch:
    """HyperLogLog with 2^14 registers."""

    registers: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(_REGISTERS, np.uint8))

    def update(self, hashes: npt.NDArray[np.uint64]) -> None:
        """Take 64-bit hashes in."""
        slot = (hashes >> np.uint64(_LONGEST)).astype(np.int64)
        rest = (hashes << np.uint64(_PRECISION)) | np.uint64(1 << (_PRECISION - 1))
        exponent = np.frexp((rest >> np.uint64(11)).astype(np.float64))[1]  # 53 bits: exact as a double.
        np.maximum.at(self.registers, slot, (54 - exponent).clip(1, _LONGEST + 1).astype(np.uint8))

    def merge(self, other: "DistinctSketch") -> None:
        """Take in what another sketch took in."""
        np.maximum(self.registers, other.registers, out=self.registers)

    def estimate(self) -> int:
        """How many distinct hashes there were; the standard error is DISTINCT_ERROR."""
        counts = np.bincount(self.registers, minlength=_LONGEST + 2).astype(np.float64)
        total = _REGISTERS * _tau(1 - counts[_LONGEST + 1] / _REGISTERS)
        for length in range(_LONGEST, 0, -1):
            total = 0.5 * (total + counts[length])
        total += _REGISTERS * _sigma(counts[0] / _REGISTERS)
        return 0 if np.isinf(total) else round(_REGISTERS**2 / (2 * np.log(2) * total))


def _sigma(x: float) -> float:
    if x == 1:
        return float("inf")
    power, before, total = 1.0, -1.0, x
    while total != before:
        x *= x
        before, total = total, total + x * power
        power += power
    return total


def _tau(x: float) -> float:
    if x in {0, 1}:
        return 0.0
    power, before, total = 1.0, -1.0, 1 - x
    while total != before:
        x = np.sqrt(x)
        power *= 0.5
        before, total = total, total - (1 - x) ** 2 * power
    return total / 3


def hashes(values: Floats) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each number (the finalizer of splitmix64); equal numbers have equal hashes."""
    bits = (values + 0.0).view(np.uint64)  # -0.0 becomes 0.0; a sum is always a fresh array.
    bits ^= bits >> np.uint64(30)
    bits *= np.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> np.uint64(27)
    bits *= np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return bits


def text_hashes(texts: list[str]) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each text."""
    digests = b"".join(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, np.uint64)


@dataclass
class NumericSketch:
    """What is kept of a numeric column: exact moments, extremes and zeros; quantiles and distinct values sketched."""

    size: int = SUMMARY_SIZE
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    zeros: int = 0
    low: float = np.inf
    high: float = -np.inf
    ranks: QuantileSketch = field(init=False)
    distinct: DistinctSketch = field(default_factory=DistinctSketch)

    def __post_init__(self) -> None:
        self.ranks = QuantileSketch(self.size)

    def update(self, values: Floats) -> None:
        """Take values in, without NaN."""
        if not len(values):
            return
        with np.errstate(invalid="ignore", over="ignore"):
            mean = float(np.mean(values))
            squares = float(np.sum((values - mean) ** 2))
        self._moments(len(values), mean, squares)
        self.zeros += int(np.count_nonzero(values == 0))
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self.ranks.update(values)
        self.distinct.update(hashes(values))

    def _moments(self, count: int, mean: float, squares: float) -> None:
        """Chan's rule for the moments of a union."""
        total = self.count + count
        with np.errstate(invalid="ignore", over="ignore"):
            gap = np.float64(mean) - self.mean if self.count else np.float64(0)
            self.squares = float(self.squares + squares + gap * gap * (self.count * count / total))
            self.mean = float(self.mean + gap * (count / total)) if self.count else mean
        self.count = total

    def merge(self, other: "NumericSketch") -> None:
        """Take in what another sketch took in."""
        if other.count:
            self._moments(other.count, other.mean, other.squares)
            self.zeros += other.zeros
            self.low, self.high = min(self.low, other.low), max(self.high, other.high)
            self.ranks.merge(other.ranks)
            self.distinct.merge(other.distinct)

    def statistics(self) -> NumericStatistics:
        """As of an exact sample, but for median, quantiles (rank error of `sample`) and distinct values."""
        if not self.count:
            return NumericStatistics()
        ordered = self.ranks.sample().values
        spread = np.sqrt(self.squares / (self.count - 1)) if self.count > 1 else np.nan
        return NumericStatistics(
            avg=None if np.isnan(self.mean) else self.mean,
            stddev=float(spread) if np.isfinite(spread) else None,
            min=self.low,
            max=self.high,
            median=float(quantiles(ordered, np.array([0.5]))[0]),
            num_zeros=self.zeros,
            distinct=min(self.distinct.estimate(), self.count),
            quantiles=quantiles(ordered, np.arange(QUANTILES) / QUANTILES),
        )


@dataclass
class CategorySketch:
    """Counts of the frequent texts; those of a rare one may be too low by `error`, which is stated."""

    limit: int = KEPT_CATEGORIES
    counts: dict[str, int] = field(default_factory=dict)
    total: int = 0
    error: int = 0
    sketched: DistinctSketch | None = None

    def update(self, categories: list[str], counts: Ints) -> None:
        """Take in how often each text occurs in a batch."""
        if self.sketched is not None:
            self.sketched.update(text_hashes(categories))
        held = self.counts
        for category, count in zip(categories, counts.tolist(), strict=True):
            held[category] = held.get(category, 0) + count
            self.total += count
        self._shrink()

    def merge(self, other: "CategorySketch") -> None:
        """Take in what another sketch took in."""
        if other.sketched is not None:
            self._sketch().merge(other.sketched)
        self.update(list(other.counts), np.fromiter(other.counts.values(), np.int64, len(other.counts)))
        self.total += other.total - sum(other.counts.values())
        self.error += other.error

    def _sketch(self) -> DistinctSketch:
        """Distinct texts are counted by hand until some are forgotten."""
        if self.sketched is None:
            self.sketched = DistinctSketch()
            self.sketched.update(text_hashes(list(self.counts)))
        return self.sketched

    @property
    def distinct(self) -> int:
        """How many texts there were: exact unless `sketched`."""
        return len(self.counts) if self.sketched is None else self.sketched.estimate()

    def _shrink(self) -> None:
        if len(self.counts) <= self.limit:
            return
        self._sketch()
        amounts = np.fromiter(self.counts.values(), np.int64, len(self.counts))
        kept = self.limit // 2
        off = int(np.partition(amounts, len(amounts) - kept - 1)[len(amounts) - kept - 1])
        self.counts = {category: count - off for category, count in self.counts.items() if count > off}
        self.error += off

    def distribution(self) -> Categorical:
        """The counts that are kept, in order of text, so that sums over them do not depend on how rows were cut.

        The rest is `other`.
        """
        categories = sorted(self.counts)
        amounts = np.fromiter((self.counts[each] for each in categories), np.int64, len(categories))
        return Categorical(categories, amounts, self.total - int(amounts.sum()), self.error)
