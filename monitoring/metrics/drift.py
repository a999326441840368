"""How far two distributions of one column lie apart.

References: Hodges 1958 and Simard and L'Ecuyer 2011 (Kolmogorov-Smirnov), Ramdas et al. 2017 (Wasserstein in one
dimension), Yurdakul 2018 (population stability index), Endres and Schindelin 2003 (Jensen-Shannon distance).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from monitoring.metrics.arrays import Floats, Ints
from monitoring.metrics.categorical import Categorical, aligned
from monitoring.metrics.numeric import Numeric, quantiles

EXACT_KS = 100
"""Up to this many values on both sides the p-value of Kolmogorov-Smirnov is that of the exact permutation law."""
FINITE_KS = 3000.0
"""Up to this effective size it is of the finite law of one sample, beyond of the corrected limit."""
STRIDE = 64
"""Of so many values one is looked up first, and the others only where a wider gap may lie between."""
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
    finite = len(current.finite) and len(reference.finite)
    return NumericDrift(
        ks=ks_test(current, reference),
        wasserstein=wasserstein(current, reference) if finite else None,
        psi=population_stability(current.values, reference.values),
    )


def ks_test(current: Numeric, reference: Numeric) -> Test:
    """Two-sample Kolmogorov-Smirnov, two-sided."""
    small, large = sorted((current.values, reference.values), key=len)
    n, m = len(small), len(large)
    gap = _widest_gap(small, large)
    statistic = gap / (n * m)
    if current.rank_error or reference.rank_error or m > EXACT_KS:
        return Test(statistic, _ks_pvalue(statistic, current.total, reference.total))
    return Test(statistic, _exact_ks(gap, n, m))


def _widest_gap(small: Floats, large: Floats) -> int:
    """The greatest difference of the distribution functions of two sorted samples, times n m: a whole number.

    Every STRIDE-th value is looked up. Between two of them both functions only rise, so their ends bound the gap; the
    values between are looked up where that bound is wider than the widest gap so far.
    """
    n, m = len(small), len(large)
    at = np.append(np.arange(0, n - 1, STRIDE), n - 1)
    below, not_above = _ranks(small[at], large)
    widest = int(_gaps(at, below, not_above, n, m).max())
    bound = np.maximum(at[1:] * m - not_above[:-1] * n, below[1:] * n - (at[:-1] + 1) * m)
    between = (at[:-1][bound > widest, np.newaxis] + np.arange(1, STRIDE)).ravel()
    between = between[between < n - 1]
    if len(between):
        widest = max(widest, int(_gaps(between, *_ranks(small[between], large), n, m).max()))
    return widest


def _ranks(values: Floats, large: Floats) -> tuple[Ints, Ints]:
    """For each of some sorted values, how many of a sorted sample are below it, and how many not above it."""
    below = np.searchsorted(large, values, "left").astype(np.int64, copy=False)
    tied = large[np.minimum(below, len(large) - 1)] == values
    if not tied.any():
        return below, below
    not_above = below.copy()
    not_above[tied] = np.searchsorted(large, values[tied], "right")
    return below, not_above


def _gaps(at: Ints, below: Ints, not_above: Ints, n: int, m: int) -> Ints:
    """At the values at these positions of n, and right before them, times n m."""
    gaps: Ints = np.maximum((at + 1) * m - not_above * n, below * n - at * m)
    return gaps


def _exact_ks(limit: int, n: int, m: int) -> float:
    """The share of orders of n and m values whose gap, times n m, is not less: paths on a grid that leave a band.

    Paths that left are counted, not those that stayed, so that small p-values are right too (Hodges 1958).
    """
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
    """The first Wasserstein distance of the finite values, in the column's own unit: the area between the quantiles.

    Each value x of the smaller sample stands for a stretch of the larger one's positions, whole ones and a part at
    either end. Where all of the stretch lies on one side of x its area follows from the sum of the stretch alone; the
    few stretches that x cuts are looked up. So a small sample costs its own size, however large the other is.
    """
    small, large = sorted((current, reference), key=lambda sample: len(sample.finite))
    x, y = small.finite, large.finite
    n, m = len(x), len(y)
    if n == m:
        return float(np.mean(np.abs(x - y)))
    steps = np.arange(n + 1, dtype=np.int64) * m
    edges = steps // n
    first, inside = edges[:-1], (steps - edges * n) / n
    at_edges = y[np.minimum(edges, m - 1)]
    rest = inside * (at_edges - large.center)
    total = large.sums.between(edges)
    total += np.diff(rest)
    values = x - large.center
    area = np.abs(values * (m / n) - total)
    cut = np.flatnonzero((at_edges[:-1] < x) & (x < at_edges[1:]))
    if len(cut):
        place = np.searchsorted(y, x[cut])
        under = large.sums.between(np.stack([first[cut], place], axis=1))[:, 0] - rest[cut]
        below = place - first[cut] - inside[cut]
        area[cut] = values[cut] * (2 * below - m / n) + total[cut] - 2 * under
    return float(area.sum() / m)


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
