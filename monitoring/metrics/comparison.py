"""Two models on the same window: which one is better, and whether that is more than chance."""

from dataclasses import dataclass

import numpy as np
from scipy import special


@dataclass(frozen=True)
class Comparison:
    """The challenger's value minus the champion's, with a 95 % interval and a two-sided p-value."""

    difference: float
    low: float
    high: float
    pvalue: float


def compare_shares(champion: tuple[int, int], challenger: tuple[int, int]) -> Comparison | None:
    """Of shares such as accuracy, each (successes, trials); None without trials.

    The interval is Newcombe's hybrid of Wilson's (1998), right for small samples; the test is the pooled z test.
    """
    (hits, n), (other_hits, m) = champion, challenger
    if not n or not m:
        return None
    p, q = hits / n, other_hits / m
    (low_p, high_p), (low_q, high_q) = _wilson(hits, n), _wilson(other_hits, m)
    pooled = (hits + other_hits) / (n + m)
    deviation = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    gap = q - p
    pvalue = float(2 * special.ndtr(-abs(gap) / deviation)) if deviation > 0 else 1.0
    return Comparison(
        gap,
        gap - float(np.sqrt((q - low_q) ** 2 + (high_p - p) ** 2)),
        gap + float(np.sqrt((high_q - q) ** 2 + (p - low_p) ** 2)),
        pvalue,
    )


def _wilson(hits: int, n: int) -> tuple[float, float]:
    z = 1.959963984540054
    middle = (hits + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(hits * (n - hits) / n + z * z / 4)
    return float(middle - half), float(middle + half)


def compare_means(champion: tuple[int, float, float], challenger: tuple[int, float, float]) -> Comparison | None:
    """Of means such as an absolute error, each (count, mean, variance); None for fewer than two values.

    Welch's test and interval.
    """
    (n, mean, variance), (m, other_mean, other_variance) = champion, challenger
    if n < 2 or m < 2:
        return None
    a, b = variance / n, other_variance / m
    gap = other_mean - mean
    if a + b == 0:
        return Comparison(gap, gap, gap, 1.0 if gap == 0 else 0.0)
    freedom = (a + b) ** 2 / (a * a / (n - 1) + b * b / (m - 1))
    error = float(np.sqrt(a + b))
    half = float(special.stdtrit(freedom, 0.975)) * error
    return Comparison(gap, gap - half, gap + half, float(2 * special.stdtr(freedom, -abs(gap) / error)))
