"""Accuracy before labels arrive, from the probabilities that a classifier gives (confidence-based estimation)."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from monitoring.metrics.arrays import Floats, Ints

BINS = 10
TRUSTED_ERROR = 0.05
LEAST_LABELS = 100


@dataclass
class Calibration:
    """How far confidences are from the share of right answers, where labels are known; additive."""

    sizes: Ints = field(default_factory=lambda: np.zeros(BINS, np.int64))
    gaps: Floats = field(default_factory=lambda: np.zeros(BINS))

    def add(self, confidences: Floats, right: npt.NDArray[np.bool_]) -> None:
        """Take in answers: the confidence of each, and whether it was right."""
        bins = np.minimum((confidences * BINS).astype(np.int64), BINS - 1)
        self.sizes += np.bincount(bins, minlength=BINS)
        self.gaps += np.bincount(bins, weights=confidences - right, minlength=BINS)

    def merge(self, other: "Calibration") -> None:
        """Take in what another took in."""
        self.sizes = self.sizes + other.sizes
        self.gaps = self.gaps + other.gaps

    @property
    def labels(self) -> int:
        """How many answers there were."""
        return int(self.sizes.sum())

    @property
    def error(self) -> float:
        """The expected calibration error over BINS equal bins of confidence (Naeini et al. 2015)."""
        return float(np.abs(self.gaps).sum() / self.labels) if self.labels else float("nan")


@dataclass(frozen=True)
class Estimate:
    """Expected accuracy with its standard error, and whether it may be trusted, and why."""

    accuracy: float
    standard_error: float
    valid: bool
    statement: str


@dataclass
class Confidence:
    """Confidences in the predicted classes; additive."""

    count: int = 0
    total: float = 0.0
    variance: float = 0.0

    def add(self, confidences: Floats) -> None:
        """Take in the probability that was given to each predicted class."""
        self.count += len(confidences)
        self.total += float(confidences.sum())
        self.variance += float(np.sum(confidences * (1 - confidences)))

    def estimate(self, calibration: Calibration) -> Estimate | None:
        """The mean confidence; None without answers.

        It equals the expected accuracy if, and only if, the classifier is calibrated on these rows. Drift of the
        inputs that keeps P(label | inputs) leaves it valid; a change of that law (concept drift) cannot be seen
        without labels.
        """
        if not self.count:
            return None
        mean, error = self.total / self.count, float(np.sqrt(max(self.variance, 0.0))) / self.count
        if calibration.labels < LEAST_LABELS:
            text = f"Not verified: fewer than {LEAST_LABELS} labels to calibrate against."
            return Estimate(mean, error, valid=False, statement=text)
        if calibration.error > TRUSTED_ERROR:
            text = f"Not valid: confidences are off by {calibration.error:.3f} where labels are known."
            return Estimate(mean, error, valid=False, statement=text)
        text = "Valid while P(label | inputs) stays as it was: "
        text += f"calibration error {calibration.error:.3f} on {calibration.labels} labelled rows."
        return Estimate(mean, error, valid=True, statement=text)
