"""Whether a classifier treats a protected group like the rest (Verma and Rubin 2018).

Each class is held against the rest. Every number is a difference, that of the protected group minus that of the
others, so 0 is equal treatment.
"""

from collections.abc import Mapping

import numpy as np

from monitoring.metrics.arrays import Floats
from monitoring.metrics.quality import Confusion

MEASURES = ("predictive_parity", "predictive_equality", "equal_opportunity", "statistical_parity")


def fairness(protected: Confusion, others: Confusion) -> Mapping[str, Mapping[str, float]]:
    """Differences of precision, false positive rate, recall, and share of predictions, by measure and class.

    A class is left out where a group has nothing to divide by; a measure without classes is an empty mapping.
    """
    classes = sorted(set(protected.classes) | set(others.classes))
    one, other = _rates(protected.matrix(classes)), _rates(others.matrix(classes))
    return {
        measure: {
            name: float(one[row, column] - other[row, column])
            for column, name in enumerate(classes)
            if np.isfinite(one[row, column] - other[row, column])
        }
        for row, measure in enumerate(MEASURES)
    }


def _rates(matrix: Floats) -> Floats:
    hits, predicted, labelled, total = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0), matrix.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack(
            [hits / predicted, (predicted - hits) / (total - labelled), hits / labelled, predicted / total]
        )
