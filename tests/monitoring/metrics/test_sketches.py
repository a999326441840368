"""Sketches keep their stated bounds, and give the same twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.metrics.drift import ks_test
from monitoring.metrics.numeric import Numeric
from monitoring.metrics.sketches import (
    DISTINCT_ERROR,
    CategorySketch,
    DistinctSketch,
    NumericSketch,
    QuantileSketch,
    hashes,
)

PIECES = st.lists(st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=60), min_size=1, max_size=12)
TEXTS = st.lists(st.lists(st.sampled_from("abcdefghijkl"), min_size=1, max_size=40), min_size=1, max_size=12)


def worst_rank_error(sample: Numeric, ordered):
    at = (np.arange(len(sample.values)) + 0.5) / len(sample.values)
    low = np.searchsorted(ordered, sample.values, "left") / len(ordered)
    high = np.searchsorted(ordered, sample.values, "right") / len(ordered)
    return float(np.max(np.maximum(low - at, at - high).clip(0)))


@pytest.mark.parametrize("shape", ["normal", "sorted", "ties"])
def test_ranks_stay_within_the_stated_bound(shape):
    rng = np.random.default_rng(1)
    values = rng.normal(size=200_000)
    values = {"normal": values, "sorted": np.sort(values), "ties": values.round(1)}[shape]
    sketch = QuantileSketch(size=512)
    for part in range(0, len(values), 7_000):
        sketch.update(values[part : part + 7_000])
    sample = sketch.sample()
    assert sample.total == len(values)
    assert 0 < worst_rank_error(sample, np.sort(values)) <= sample.rank_error < 0.02 or shape == "ties"
    assert worst_rank_error(sample, np.sort(values)) <= sample.rank_error


def sketched(pieces, *, merged):
    """Of the pieces one after the other, or of sketches of each."""
    whole = QuantileSketch(size=16)
    for piece in pieces:
        part = QuantileSketch(size=16) if merged else whole
        part.update(np.array(piece))
        if merged:
            whole.merge(part)
    return whole.sample()


@given(PIECES, PIECES, st.booleans())
@settings(max_examples=40, deadline=None)
def test_no_pieces_and_no_merging_break_the_stated_bounds(pieces, others, merged):
    near, far = sketched(pieces, merged=merged), sketched(others, merged=not merged)
    exact, reference = (Numeric.of(np.concatenate(each)) for each in (pieces, others))
    assert near.total == exact.total
    assert worst_rank_error(near, exact.values) <= near.rank_error + 1e-12
    off = abs(ks_test(near, far).statistic - ks_test(exact, reference).statistic)
    assert off <= near.rank_error + far.rank_error + 1e-12
    again = sketched(pieces, merged=merged)
    assert (again.values.tolist(), again.rank_error) == (near.values.tolist(), near.rank_error)


@given(TEXTS, st.booleans())
@settings(max_examples=40, deadline=None)
def test_no_texts_and_no_merging_break_the_stated_error_of_a_count(pieces, merged):
    whole, truth = CategorySketch(limit=6), dict.fromkeys("abcdefghijkl", 0)
    for piece in pieces:
        part = CategorySketch(limit=6) if merged else whole
        texts, counts = np.unique(piece, return_counts=True)
        part.update(texts.tolist(), counts)
        if merged:
            whole.merge(part)
        for text in piece:
            truth[text] += 1
    found = whole.distribution()
    kept = dict(zip(found.categories, found.counts.tolist(), strict=True))
    assert found.total == sum(truth.values())
    assert all(count - found.count_error <= kept.get(text, 0) <= count for text, count in truth.items())


def test_distinct_counts_of_parts_are_those_of_the_whole():
    values = hashes(np.arange(30_000, dtype=np.float64))
    whole, one, other = DistinctSketch(), DistinctSketch(), DistinctSketch()
    whole.update(values)
    one.update(values[:20_000])
    other.update(values[10_000:])
    one.merge(other)
    assert one.estimate() == whole.estimate()


def test_few_values_are_exact():
    sketch = QuantileSketch(size=512)
    sketch.update(np.array([3.0, 1.0]))
    sketch.update(np.array([2.0]))
    assert (sketch.sample().values.tolist(), sketch.sample().rank_error) == ([1.0, 2.0, 3.0], 0.0)


@pytest.mark.parametrize("distinct", [0, 1, 100, 20_000, 500_000])
def test_distinct_counts_stay_within_five_standard_errors(distinct):
    sketch = DistinctSketch()
    sketch.update(hashes(np.arange(distinct, dtype=np.float64)))
    sketch.update(hashes(np.arange(distinct // 2, dtype=np.float64)))
    assert abs(sketch.estimate() - distinct) <= 5 * DISTINCT_ERROR * distinct + 0.5


def test_zero_has_one_hash():
    assert hashes(np.array([0.0]))[0] == hashes(np.array([-0.0]))[0]


def test_moments_are_exact_and_merging_is_the_same_as_taking_in():
    rng = np.random.default_rng(2)
    values = rng.normal(1e6, 1, 100_000)
    values[::10] = 0
    whole, parts = NumericSketch(), NumericSketch()
    whole.update(values)
    for part in np.array_split(values, 9):
        other = NumericSketch()
        other.update(part)
        parts.merge(other)
    for found in (whole.statistics(), parts.statistics()):
        assert found.avg == pytest.approx(values.mean(), rel=1e-12)
        assert found.stddev == pytest.approx(values.std(ddof=1), rel=1e-12)
        assert (found.min, found.max, found.num_zeros) == (values.min(), values.max(), 10_000)
        assert found.distinct == pytest.approx(90_001, rel=5 * DISTINCT_ERROR)
        assert abs(np.searchsorted(np.sort(values), found.median) / len(values) - 0.5) < 0.01


def test_frequent_texts_keep_their_counts_within_the_stated_error():
    rng = np.random.default_rng(3)
    sketch = CategorySketch(limit=200)
    truth: dict[str, int] = {}
    for _ in range(20):
        texts, counts = np.unique(rng.zipf(1.3, 3000).clip(max=100_000).astype(str), return_counts=True)
        sketch.update(texts.tolist(), counts)
        for text, count in zip(texts.tolist(), counts.tolist(), strict=True):
            truth[text] = truth.get(text, 0) + count
    found = sketch.distribution()
    assert found.total == 60_000
    assert found.count_error > 0
    for text, count in zip(found.categories, found.counts.tolist(), strict=True):
        assert truth[text] - found.count_error <= count <= truth[text]
    missing = set(truth) - set(found.categories)
    assert max(truth[text] for text in missing) <= found.count_error
    assert sketch.distinct == pytest.approx(len(truth), rel=5 * DISTINCT_ERROR)
