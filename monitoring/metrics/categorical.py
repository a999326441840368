"""The distribution of a categorical column: how often each value occurs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitoring.metrics.arrays import Floats, Ints

FREQUENT_ITEMS = 100


@dataclass(frozen=True)
class Categorical:
    """Values and their counts, without nulls.

    Args:
        categories: distinct texts.
        counts: of each, all above 0.
        other: values whose category was not kept; 0 where the distribution is exact.
        count_error: the most by which a count may be too low; 0 where exact.
    """

    categories: Sequence[str]
    counts: Ints
    other: int = 0
    count_error: int = 0

    @cached_property
    def total(self) -> int:
        """How many values there are."""
        return int(self.counts.sum()) + self.other

    @cached_property
    def index(self) -> dict[str, int]:
        """Where each category stands."""
        return {category: position for position, category in enumerate(self.categories)}

    def frequent(self, limit: int = FREQUENT_ITEMS) -> list[tuple[str, int]]:
        """The most frequent values, most frequent first, equals in order of text."""
        counts = self.counts
        if len(counts) > limit:
            floor = np.partition(counts, len(counts) - limit)[len(counts) - limit]
            chosen = np.flatnonzero(counts >= floor)
        else:
            chosen = np.arange(len(counts))
        pairs = [(self.categories[position], int(counts[position])) for position in chosen.tolist()]
        pairs.sort(key=lambda pair: (-pair[1], pair[0]))
        return pairs[:limit]


def aligned(one: Categorical, other: Categorical) -> tuple[Floats, Floats]:
    """Counts of both over the union of their categories; what neither kept stands last, if there is any."""
    index = dict(one.index)
    for category in other.categories:
        index.setdefault(category, len(index))
    rest = 1 if one.other or other.other else 0
    first, second = np.zeros(len(index) + rest), np.zeros(len(index) + rest)
    first[: len(one.counts)] = one.counts
    second[[index[category] for category in other.categories]] = other.counts
    if rest:
        first[-1], second[-1] = one.other, other.other
    return first, second
