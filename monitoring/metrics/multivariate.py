"""Drift of columns together: how badly the reference's principal components rebuild the current rows.

A change in how columns hang together shows here even when no column changes by itself (Jolliffe 2002, ch. 10).
"""

from dataclasses import dataclass

import numpy as np

from monitoring.metrics.arrays import Floats

EXPLAINED = 0.65
LEAST_ROWS = 50


@dataclass(frozen=True)
class Reconstruction:
    """Mean error of the current rows, that of the reference, and how many standard errors lie between."""

    error: float
    reference_error: float
    z: float
    components: int


@dataclass(frozen=True)
class Components:
    """Fitted on reference rows: standardised, then as many components as explain EXPLAINED of the variance."""

    center: Floats
    scale: Floats
    axes: Floats
    error: float
    spread: float

    @classmethod
    def fit(cls, rows: Floats) -> "Components | None":
        """None when there are fewer than LEAST_ROWS rows or two columns that vary. NaN count as the mean."""
        rows = np.where(np.isfinite(rows), rows, np.nan)
        if len(rows) < LEAST_ROWS or rows.shape[1] < 2 or np.isnan(rows).all(axis=0).any():
            return None
        center, scale = np.nanmean(rows, axis=0), np.nanstd(rows, axis=0)
        if np.count_nonzero(scale) < 2:
            return None
        scale = np.where(scale > 0, scale, 1.0)
        standard = _standard(rows, center, scale)
        strengths, axes = np.linalg.eigh(standard.T @ standard / len(standard))
        strengths, axes = strengths[::-1], axes[:, ::-1]
        kept = int(np.searchsorted(np.cumsum(strengths) / strengths.sum(), EXPLAINED)) + 1
        axes = axes[:, : min(kept, axes.shape[1] - 1)]
        errors = _errors(standard, axes)
        return cls(center, scale, axes, float(errors.mean()), float(errors.std(ddof=1)))

    def compare(self, rows: Floats) -> Reconstruction | None:
        """None when there are fewer than LEAST_ROWS rows."""
        if len(rows) < LEAST_ROWS:
            return None
        errors = _errors(_standard(rows, self.center, self.scale), self.axes)
        error = float(errors.mean())
        step = self.spread / np.sqrt(len(rows))
        z = (error - self.error) / step if step > 0 else 0.0
        return Reconstruction(error, self.error, float(z), self.axes.shape[1])


def _standard(rows: Floats, center: Floats, scale: Floats) -> Floats:
    return (np.where(np.isfinite(rows), rows, center) - center) / scale


def _errors(standard: Floats, axes: Floats) -> Floats:
    rest = standard - (standard @ axes) @ axes.T
    return np.asarray(np.sqrt(np.sum(rest**2, axis=1)))
