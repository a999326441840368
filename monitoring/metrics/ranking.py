"""What changed most: tests of many columns at once, corrected for their number, and ranked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitoring.metrics.arrays import Floats

FALSE_DISCOVERY_RATE = 0.05


def benjamini_hochberg(pvalues: Sequence[float]) -> Floats:
    """Adjusted p-values: those below a rate r have an expected share of false discoveries of at most r.

    Benjamini and Hochberg 1995, the step-up procedure.
    """
    values = np.asarray(pvalues, np.float64)
    order = np.argsort(values)[::-1]
    scaled = values[order] * len(values) / np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return adjusted


@dataclass(frozen=True)
class Change:
    """How a column changed; `effect` is 0 … 1 and comparable between kinds of columns."""

    column: str
    effect: float
    pvalue: float
    adjusted: float
    significant: bool


def ranked(changes: Sequence[tuple[str, float, float]]) -> list[Change]:
    """Columns with (name, effect, p-value): significant ones first, then by effect.

    The effect is the Kolmogorov-Smirnov statistic of a numeric column, the total variation of a categorical one: both
    are the largest difference of a probability. Big tables make every change significant, so the effect decides.
    """
    adjusted = benjamini_hochberg([pvalue for _, _, pvalue in changes])
    rows = [
        Change(name, effect, pvalue, float(corrected), bool(corrected <= FALSE_DISCOVERY_RATE))
        for (name, effect, pvalue), corrected in zip(changes, adjusted, strict=True)
    ]
    return sorted(rows, key=lambda change: (not change.significant, -change.effect, change.column))
