"""How far two distributions of one column lie apart.

References: Hodges 1958 and Simard and L'Ecuyer 2011 (Kolmogorov-Smirnov), Ramdas et al. 2017 (Wasserstein in one
dimension), Yurdakul 2018 (population stability index), Endres and Schindelin 2003 (Jensen-Shannon distance).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from monitoring.metrics.arrays import Floats
from monitoring.metrics.categorical import Categorical, aligned
from monitoring.metrics.numeric import Numeric, quantiles

EXACT_KS = 100
"""Up to this many values on both sides the p-value of Kolmogorov-Smirnov is that of the exact permutation law."""
FINITE_KS = 3000.0
"""Up to this effective size it is of the finite law of one sample, beyond of the corrected limit."""
MANY_TIMES = 8
"""From this ratio of sizes the larger sample is looked up instead of walked."""
PSI_BINS = 10
PSI_FLOOR = 1e-4
"""The least share of a bin in the index, so that an empty bin does not make it infinite."""


@dataclass(frozen=True)
class Test:
    """A hypothesis test's statistic and p-value."""

    __test__ = False  # Not a test case of pytest's.

    statistic: float
    pvalue: float


@dataclass(frozen=True)
class NumericDrift:
    """None where a side has no values."""

    ks: Test | None
    wasserstein: float | None
    psi: float | None


@dataclass(frozen=True)
class CategoricalDrift:
    """None where a side has no values."""

    chi_squared: Test | None
    tv: float | None
    l_infinity: float | None
    js: float | None


def numeric_drift(current: Numeric, reference: Numeric) -> NumericDrift:
    """Drift of a numeric column; bins of the stability index are deciles of the reference."""
    if not len(current.values) or not len(reference.values):
        return NumericDrift(None, None, None)
    ranks = Ranks.of(current.values, reference.values)
    infinite = len(current.finite) < len(current.values) or len(reference.finite) < len(reference.values)
    if not len(current.finite) or not len(reference.finite):
        distance = None
    elif infinite:
        distance = wasserstein(current, reference)
    else:
        distance = _wasserstein(current, reference, ranks)
    return NumericDrift(
        ks=_ks(ranks, current, reference),
        wasserstein=distance,
        psi=population_stability(current.values, reference.values),
    )


@dataclass(frozen=True)
class Ranks:
    """For each value of the smaller sample, how many of the larger are below it, and how many not above it."""

    smaller: Floats
    larger: Floats
    below: np.ndarray[tuple[int], np.dtype[np.int64]]
    not_above: np.ndarray[tuple[int], np.dtype[np.int64]]

    @classmethod
    def of(cls, one: Floats, other: Floats) -> "Ranks":
        """Ranks of two sorted samples, in O(smaller x log larger)."""
        smaller, larger = (one, other) if len(one) <= len(other) else (other, one)
        below = np.searchsorted(larger, smaller, "left").astype(np.int64, copy=False)
        tied = larger[np.minimum(below, len(larger) - 1)] == smaller
        not_above = below
        if tied.any():
            not_above = below.copy()
            not_above[tied] = np.searchsorted(larger, smaller[tied], "right")
        return cls(smaller, larger, below, not_above)


def ks_test(current: Numeric, reference: Numeric) -> Test:
    """Two-sample Kolmogorov-Smirnov, two-sided."""
    return _ks(Ranks.of(current.values, reference.values), current, reference)


def _ks(ranks: Ranks, current: Numeric, reference: Numeric) -> Test:
    n, m = len(ranks.smaller), len(ranks.larger)
    steps = np.arange(n + 1) / n
    above = np.max(steps[1:] - ranks.not_above / m)
    under = np.max(ranks.below / m - steps[:-1])
    statistic = float(max(above, under, 0.0))
    if current.rank_error or reference.rank_error or max(n, m) > EXACT_KS:
        return Test(statistic, _ks_pvalue(statistic, current.total, reference.total))
    return Test(statistic, _exact_ks(statistic, n, m))


def _exact_ks(statistic: float, n: int, m: int) -> float:
    """The share of orders of n and m values whose statistic is not less: paths on a grid that leave a band.

    Paths that left are counted, not those that stayed, so that small p-values are right too (Hodges 1958).
    """
    limit = round(statistic * n * m)  # The statistic is a multiple of 1 / (n m).
    if limit <= 0:
        return 1.0
    all_paths = np.ones(m + 1)
    left = (np.arange(m + 1) * n >= limit).astype(np.float64)
    for row in range(1, n + 1):
        first = max((row * m - limit) // n + 1, 0)  # The band: |column n - row m| < limit.
        last = min(-((-row * m - limit) // n), m + 1)
        if first >= last:
            return 1.0
        all_paths = all_paths.cumsum()
        reached = left[first:last]
        if first:
            reached[0] += all_paths[first - 1]  # All that come from outside have left.
        left = all_paths.copy()
        reached.cumsum(out=left[first:last])
    return float(min(left[-1] / all_paths[-1], 1.0))


def _ks_pvalue(statistic: float, n: int, m: int) -> float:
    size = n * m / (n + m)
    if size <= FINITE_KS:
        return float(np.clip(stats.kstwo.sf(statistic, np.round(size)), 0, 1))
    root = math.sqrt(size)
    return float(special.kolmogorov(root * statistic + 1 / (6 * root)))


def wasserstein(current: Numeric, reference: Numeric) -> float:
    """The first Wasserstein distance of the finite values, in the column's own unit."""
    one, other = Numeric(current.finite, current.total), Numeric(reference.finite, reference.total)
    return _wasserstein(one, other, Ranks.of(one.values, other.values))


def _wasserstein(current: Numeric, reference: Numeric, ranks: Ranks) -> float:
    n, m = len(ranks.smaller), len(ranks.larger)
    if n == m:
        return float(np.mean(np.abs(current.finite - reference.finite)))
    if m < MANY_TIMES * n:
        return _area_between_laws(ranks)
    return _area_between_quantiles(ranks, reference if ranks.larger is reference.values else current)


def _area_between_laws(ranks: Ranks) -> float:
    """The area between the distribution functions, over both samples merged by their ranks."""
    n, m = len(ranks.smaller), len(ranks.larger)
    from_smaller = np.zeros(n + m, np.bool_)
    from_smaller[np.arange(n) + ranks.below] = True
    merged = np.empty(n + m)
    merged[from_smaller] = ranks.smaller
    merged[~from_smaller] = ranks.larger
    passed = np.cumsum(from_smaller[:-1])
    gap = passed / n
    gap -= (np.arange(1, n + m) - passed) / m
    np.abs(gap, out=gap)
    gap *= np.diff(merged)
    return float(gap.sum())


def _area_between_quantiles(ranks: Ranks, large: Numeric) -> float:
    """The same area between the quantile functions, in O(smaller x log larger) once the larger has its sums.

    Each value of the smaller sample x_i stands for the quantiles i/n … (i+1)/n, that is the stretch a … b of the
    larger sample's positions; on it the larger sample lies below x_i up to position c and above it from there, so
    that the area is x_i (2c - a - b) + S(a) + S(b) - 2 S(c), with S the larger sample's sums.
    """
    n, m = len(ranks.smaller), len(ranks.larger)
    whole, part = np.divmod(np.arange(n + 1, dtype=np.int64) * m, n)
    inside = part / n
    first, last, cut = whole[:-1], whole[1:], ranks.below
    at_edges = large.sums[whole]
    rest = inside * (ranks.larger[np.minimum(whole, m - 1)] - large.center)
    # Differences of sums are taken in extended precision; from there on doubles do.
    total = (at_edges[1:] - at_edges[:-1]).astype(np.float64) + rest[1:] - rest[:-1]
    under = (large.sums[np.clip(cut, first, last)] - at_edges[:-1]).astype(np.float64) - rest[:-1]
    below = (cut - first) - inside[:-1]
    early, late = below <= 0, (cut - last) - inside[1:] >= 0
    under[early] = 0
    under[late] = total[late]
    below = np.where(early, 0.0, np.where(late, m / n, below))
    values = ranks.smaller - large.center
    area = values * (2 * below - m / n) + total - 2 * under
    return float(max(area.sum() / m, 0))


def population_stability(current: Floats, reference: Floats) -> float:
    """The index over deciles of the reference: sum of (p - q) ln(p / q), shares not below PSI_FLOOR.

    Bins are closed on the right. A constant reference makes three bins: below, at, above it.
    """
    edges = np.unique(quantiles(reference, np.arange(1, PSI_BINS) / PSI_BINS))
    if len(edges) == 1:
        edges = np.array([np.nextafter(edges[0], -np.inf), edges[0]])
    return stability_of_shares(_shares(current, edges), _shares(reference, edges))


def _shares(ordered: Floats, edges: Floats) -> Floats:
    ranks = np.concatenate([[0], np.searchsorted(ordered, edges, "right"), [len(ordered)]])
    return np.diff(ranks) / len(ordered)


def stability_of_shares(current: Floats, reference: Floats) -> float:
    """The population stability index of two lists of shares."""
    p, q = np.maximum(current, PSI_FLOOR), np.maximum(reference, PSI_FLOOR)
    return float(np.sum((p - q) * np.log(p / q)))


def categorical_drift(current: Categorical, reference: Categorical) -> CategoricalDrift:
    """Drift of a categorical column over the union of both sides' values."""
    if not current.total or not reference.total:
        return CategoricalDrift(None, None, None, None)
    first, second = aligned(current, reference)
    p, q = first / current.total, second / reference.total
    gap = np.abs(p - q)
    return CategoricalDrift(
        chi_squared=chi_squared_test(first, second),
        tv=float(gap.sum() / 2),
        l_infinity=float(gap.max()),
        js=jensen_shannon(p, q),
    )


def chi_squared_test(first: Floats, second: Floats) -> Test:
    """Pearson's test that two lists of counts come from one distribution (homogeneity, no continuity correction)."""
    both = first + second
    kept = both > 0
    first, second, both = first[kept], second[kept], both[kept]
    if len(both) < 2:
        return Test(0.0, 1.0)
    share = first.sum() / both.sum()
    statistic = sum(
        float(np.sum((counts - expected) ** 2 / expected))
        for counts, expected in ((first, both * share), (second, both * (1 - share)))
    )
    return Test(statistic, float(special.chdtrc(len(both) - 1, statistic)))


def jensen_shannon(p: Floats, q: Floats) -> float:
    """The Jensen-Shannon distance of two distributions: the root of the divergence in nats, 0 … sqrt(ln 2)."""
    middle = (p + q) / 2
    divergence = np.sum(special.rel_entr(p, middle)) + np.sum(special.rel_entr(q, middle))
    return float(np.sqrt(max(divergence, 0.0) / 2))
