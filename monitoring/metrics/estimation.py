"""Accuracy before labels arrive, from the probabilities that a classifier gives (confidence-based estimation)."""

from dataclasses import dataclass

import numpy as np

from monitoring.metrics.arrays import Floats

BINS = 10
TRUSTED_ERROR = 0.05
LEAST_LABELS = 100


@dataclass(frozen=True)
class Estimate:
    """Expected accuracy with its standard error, and whether it may be trusted, and why."""

    accuracy: float
    standard_error: float
    valid: bool
    statement: str


@dataclass(frozen=True)
class Calibration:
    """How much lower or higher a confidence is than the share of right answers, measured where labels are known."""

    error: float
    labels: int


def calibration(confidences: Floats, right: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Calibration:
    """The expected calibration error over BINS equal bins of confidence (Naeini et al. 2015)."""
    if not len(confidences):
        return Calibration(float("nan"), 0)
    bins = np.minimum((confidences * BINS).astype(np.int64), BINS - 1)
    sizes = np.bincount(bins, minlength=BINS)
    gaps = np.bincount(bins, weights=confidences - right, minlength=BINS)
    return Calibration(float(np.abs(gaps).sum() / sizes.sum()), len(confidences))


def estimated_accuracy(confidences: Floats, calibrated: Calibration | None) -> Estimate | None:
    """The mean confidence in the predicted class; None without rows.

    It equals the expected accuracy if, and only if, the classifier is calibrated on these rows. Drift of the inputs
    that keeps P(label | inputs) leaves it valid; a change of that law (concept drift) cannot be seen without labels.
    """
    if not len(confidences):
        return None
    mean = float(np.mean(confidences))
    error = float(np.sqrt(np.sum(confidences * (1 - confidences)))) / len(confidences)
    if calibrated is None or calibrated.labels < LEAST_LABELS:
        text = f"Not verified: fewer than {LEAST_LABELS} labels to calibrate against."
        return Estimate(mean, error, valid=False, statement=text)
    if calibrated.error > TRUSTED_ERROR:
        text = f"Not valid: confidences are off by {calibrated.error:.3f} where labels are known."
        return Estimate(mean, error, valid=False, statement=text)
    text = f"Valid while P(label | inputs) stays as it was: calibration error {calibrated.error:.3f} on "
    return Estimate(mean, error, valid=True, statement=f"{text}{calibrated.labels} labelled rows.")
