"""How good a model's predictions were, once labels are known. Definitions are those of scikit-learn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from monitoring.metrics.arrays import Floats, Ints


@dataclass(frozen=True)
class Score:
    """A score of each class against the rest, their mean, and their mean weighted by the labels of each class."""

    one_vs_all: Mapping[str, float]
    macro: float
    weighted: float


@dataclass(frozen=True)
class Classification:
    """Scores of a classifier. Where a class is never predicted its precision is 0, as in scikit-learn."""

    accuracy: float
    confusion: list[tuple[str, str, int]]
    precision: Score
    recall: Score
    f1: Score


@dataclass
class Confusion:
    """How often each class was predicted for each label; additive."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, predictions: Sequence[str], labels: Sequence[str], counts: Ints) -> None:
        """Count pairs: predictions[i] was answered for labels[i] counts[i] times."""
        for prediction, label, count in zip(predictions, labels, counts.tolist(), strict=True):
            self.counts[prediction, label] = self.counts.get((prediction, label), 0) + count

    @property
    def classes(self) -> list[str]:
        """Every class that was predicted or is a label, sorted."""
        return sorted({name for pair in self.counts for name in pair})

    def matrix(self, classes: Sequence[str] | None = None) -> Floats:
        """Counts; a row is a prediction, a column a label."""
        names = list(classes or self.classes)
        at = {name: position for position, name in enumerate(names)}
        matrix = np.zeros((len(names), len(names)))
        for (prediction, label), count in self.counts.items():
            matrix[at[prediction], at[label]] = count
        return matrix

    def right_of_all(self) -> tuple[int, int]:
        """How many predictions were right, of how many."""
        right = sum(count for (prediction, label), count in self.counts.items() if prediction == label)
        return right, sum(self.counts.values())

    def scores(self) -> Classification | None:
        """None when nothing was counted."""
        if not self.counts:
            return None
        classes, matrix = self.classes, self.matrix()
        hits, predicted, labelled = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
        precision, recall = _divided(hits, predicted), _divided(hits, labelled)
        f1 = _divided(2 * hits, predicted + labelled)
        return Classification(
            accuracy=float(hits.sum() / matrix.sum()),
            confusion=[(prediction, label, count) for (prediction, label), count in sorted(self.counts.items())],
            precision=score(classes, precision, labelled),
            recall=score(classes, recall, labelled),
            f1=score(classes, f1, labelled),
        )


def score(classes: Sequence[str], values: Floats, support: Floats) -> Score:
    """Values of each class, with their means."""
    return Score(
        dict(zip(classes, values.tolist(), strict=True)),
        float(np.mean(values)),
        float(np.sum(values * support) / np.sum(support)),
    )


def _divided(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def log_loss(probabilities: Floats) -> float:
    """Mean of -ln p over the probabilities that were given to the true labels, kept off 0 and 1 by one epsilon."""
    epsilon = np.finfo(np.float64).eps
    return float(-np.mean(np.log(np.clip(probabilities, epsilon, 1 - epsilon))))


def roc_auc(positive: np.ndarray[tuple[int], np.dtype[np.bool_]], scores: Floats) -> float | None:
    """The area under the curve of one class against the rest, ties counted half; None if a side is empty."""
    hits = int(np.count_nonzero(positive))
    misses = len(positive) - hits
    if not hits or not misses:
        return None
    ordered = np.sort(scores)
    of_hits = scores[positive]
    ranks = np.searchsorted(ordered, of_hits, "left") + np.searchsorted(ordered, of_hits, "right") + 1
    return float((int(ranks.sum()) / 2 - hits * (hits + 1) / 2) / (hits * misses))


@dataclass
class Regression:
    """Errors of a regressor; additive, so that a window of any size takes the same memory."""

    count: int = 0
    squares: float = 0.0
    absolutes: float = 0.0
    percentages: float = 0.0
    mean: float = 0.0
    spread: float = 0.0

    def add(self, predictions: Floats, labels: Floats) -> None:
        """Take in pairs, both finite."""
        if not len(labels):
            return
        error = predictions - labels
        self.squares += float(np.sum(error**2))
        self.absolutes += float(np.sum(np.abs(error)))
        self.percentages += float(np.sum(np.abs(error) / np.maximum(np.abs(labels), np.finfo(np.float64).eps)))
        mean = float(np.mean(labels))
        gap, total = mean - self.mean, self.count + len(labels)
        self.spread += float(np.sum((labels - mean) ** 2)) + gap * gap * self.count * len(labels) / total
        self.mean += gap * len(labels) / total
        self.count = total

    def absolute_errors(self) -> tuple[int, float, float]:
        """Number, mean and variance of the absolute errors."""
        if self.count < 2:
            return self.count, self.absolutes, 0.0
        mean = self.absolutes / self.count
        return self.count, mean, max((self.squares - self.count * mean * mean) / (self.count - 1), 0.0)

    def scores(self) -> dict[str, float | None]:
        """By the names of the metric table; empty when nothing was taken in.

        r2 is None for fewer than two labels; for constant labels 1 when there is no error, else 0.
        """
        if not self.count:
            return {}
        mse = self.squares / self.count
        r2: float | None = None
        if self.count > 1:
            r2 = 1 - self.squares / self.spread if self.spread else float(not self.squares)
        return {
            "mean_squared_error": mse,
            "root_mean_squared_error": float(np.sqrt(mse)),
            "mean_average_error": self.absolutes / self.count,
            "mean_absolute_percentage_error": self.percentages / self.count,
            "r2_score": r2,
        }


AUC_BINS = 1 << 16


@dataclass
class RocCurve:
    """The curve of one class from counts of its scores in equal bins; additive.

    Scores of one bin count as equal, which moves the area by at most half the share of pairs that share a bin.
    """

    hits: Ints = field(default_factory=lambda: np.zeros(AUC_BINS, np.int64))
    misses: Ints = field(default_factory=lambda: np.zeros(AUC_BINS, np.int64))

    def add(self, positive: np.ndarray[tuple[int], np.dtype[np.bool_]], scores: Floats) -> None:
        """Take in scores between 0 and 1."""
        bins = np.minimum((scores * AUC_BINS).astype(np.int64), AUC_BINS - 1)
        self.hits += np.bincount(bins[positive], minlength=AUC_BINS)
        self.misses += np.bincount(bins[~positive], minlength=AUC_BINS)

    def area(self) -> float | None:
        """None if a side is empty."""
        pairs = float(self.hits.sum()) * float(self.misses.sum())
        if not pairs:
            return None
        below = np.cumsum(self.misses) - self.misses
        return float(np.sum(self.hits * (below + self.misses / 2)) / pairs)
