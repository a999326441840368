"""Numbers agree with scipy, numpy and scikit-learn."""

import warnings
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance
from sklearn import metrics as sk

from monitoring.metrics import drift, numeric
from monitoring.metrics.categorical import Categorical
from monitoring.metrics.drift import (
    categorical_drift,
    chi_squared_test,
    ks_test,
    numeric_drift,
    population_stability,
    stability_of_shares,
    wasserstein,
)
from monitoring.metrics.numeric import QUANTILES, Numeric, numeric_statistics
from monitoring.metrics.quality import Confusion, Regression, RocCurve, log_loss, roc_auc
from monitoring.metrics.ranking import benjamini_hochberg, ranked

TOLERANCE = 1e-12
SIZES = [(1, 1), (1, 7), (5, 7), (100, 100), (90, 91), (101, 300), (400, 400), (300, 2399), (300, 2401), (50, 9000)]
VALUES = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 1)), min_size=1, max_size=60)


def near(one, other):
    return one == pytest.approx(other, rel=TOLERANCE, abs=1e-300)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_numeric_drift_is_that_of_scipy(n, m, offset):
    rng = np.random.default_rng(n * 10_000 + m)
    x, y = rng.normal(offset, 1, n), rng.normal(offset + 0.1, 1.2, m).round(2)
    for one, other in ((x, y), (y, x)):
        found = numeric_drift(Numeric.of(one), Numeric.of(other))
        exact = max(n, m) <= 100
        expected = stats.ks_2samp(one, other, method="exact" if exact else "asymp")
        assert near(found.ks.statistic, expected.statistic)
        assert near(found.ks.pvalue, expected.pvalue)
        assert near(found.wasserstein, stats.wasserstein_distance(one, other))


@given(VALUES, VALUES)
@settings(max_examples=60, deadline=None)
def test_ties_and_small_samples(x, y):
    one, other = Numeric.of(np.array(x)), Numeric.of(np.array(y))
    with warnings.catch_warnings(record=True) as gave_up:
        warnings.simplefilter("always")
        expected = stats.ks_2samp(x, y, method="exact")
    # Strides and blocks are short, so that small samples have many of them.
    with patch.object(drift, "STRIDE", 4), patch.object(numeric, "BLOCK", 8):
        found, distance = ks_test(one, other), wasserstein(one, other)
    assert near(found.statistic, expected.statistic)
    assert 0 < found.pvalue <= 1
    assert gave_up or near(found.pvalue, expected.pvalue)  # scipy gives up where rounding takes it past 1.
    assert distance == pytest.approx(stats.wasserstein_distance(x, y), rel=TOLERANCE, abs=1e-12)


def test_a_small_p_value_keeps_its_digits():
    x, y = np.arange(90.0), np.arange(90.0) + 1000
    found = ks_test(Numeric.of(x), Numeric.of(y))
    assert near(found.pvalue, stats.ks_2samp(x, y, method="exact").pvalue)
    assert 0 < found.pvalue < 1e-50


def test_the_limit_of_large_samples_is_close_to_the_finite_law():
    rng = np.random.default_rng(5)
    x, y = rng.normal(0, 1, 9000), rng.normal(0.03, 1, 9500)
    expected = stats.ks_2samp(x, y, method="asymp").pvalue
    assert ks_test(Numeric.of(x), Numeric.of(y)).pvalue == pytest.approx(expected, rel=2e-3)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=False, width=32), min_size=1, max_size=80))
@settings(max_examples=60, deadline=None)
def test_statistics_are_those_of_numpy(values):
    array = np.array(values)
    kept = array[~np.isnan(array)]
    found = numeric_statistics(Numeric.of(array))
    if not len(kept):
        assert (found.avg, found.median, found.distinct) == (None, None, 0)
        return
    scale = float(np.abs(kept).max()) or 1.0
    assert found.avg == pytest.approx(np.mean(kept), rel=TOLERANCE, abs=scale * 1e-15)
    if len(kept) > 1:
        assert found.stddev == pytest.approx(np.std(kept, ddof=1), rel=1e-11, abs=scale * 1e-12)
    assert (found.min, found.max) == (kept.min(), kept.max())
    assert found.median == pytest.approx(np.median(kept), rel=TOLERANCE, abs=scale * 1e-15)
    expected = np.quantile(kept, np.arange(QUANTILES) / QUANTILES)
    assert np.allclose(found.quantiles, expected, rtol=TOLERANCE, atol=scale * 1e-15)
    assert found.distinct == len(np.unique(kept))
    assert found.num_zeros == np.count_nonzero(kept == 0)


def test_infinities_count_for_ranks_and_not_for_distances():
    one = Numeric.of(np.array([-np.inf, 1.0, 2.0, np.inf, np.nan]))
    other = Numeric.of(np.array([1.0, 2.0]))
    statistics = numeric_statistics(one)
    assert (one.total, statistics.min, statistics.max, statistics.stddev, statistics.avg) == (
        4, -np.inf, np.inf, None, None,
    )  # fmt: skip
    found = numeric_drift(one, other)
    assert (found.wasserstein, found.ks.statistic) == (0.0, 0.25)


def test_stability_index_by_hand():
    reference, current = np.arange(1000.0), np.arange(1000.0) + 100  # The first decile is empty now.
    shares = np.array([0.0] + [0.1] * 8 + [0.2])
    assert population_stability(current, reference) == pytest.approx(
        stability_of_shares(shares, np.full(10, 0.1)), rel=0.02
    )
    by_hand = (0.0001 - 0.1) * np.log(0.0001 / 0.1) + (0.2 - 0.1) * np.log(2)
    assert stability_of_shares(shares, np.full(10, 0.1)) == pytest.approx(by_hand, rel=TOLERANCE)
    assert population_stability(reference, reference) == 0.0


def test_a_constant_reference_shows_a_change_in_both_directions():
    constant = np.full(50, 5.0)
    assert population_stability(constant, constant) == 0.0
    assert population_stability(np.full(50, 4.0), constant) > 1
    assert population_stability(np.full(50, 6.0), constant) > 1


def test_categorical_drift_is_that_of_scipy():
    rng = np.random.default_rng(2)
    first, second = rng.integers(1, 500, 12), rng.integers(1, 500, 12)
    names = [f"c{position}" for position in range(12)]
    order = rng.permutation(12)
    one = Categorical(names, first)
    other = Categorical([names[position] for position in order], second[order])
    found = categorical_drift(one, other)
    expected = stats.chi2_contingency(np.stack([first, second]), correction=False)
    p, q = first / first.sum(), second / second.sum()
    assert near(found.chi_squared.statistic, expected.statistic)
    assert near(found.chi_squared.pvalue, expected.pvalue)
    assert near(found.js, distance.jensenshannon(p, q))
    assert near(found.tv, np.abs(p - q).sum() / 2)
    assert near(found.l_infinity, np.abs(p - q).max())


def test_a_new_and_a_missing_category():
    found = categorical_drift(Categorical(["b"], np.array([4])), Categorical(["a"], np.array([4])))
    assert (found.tv, found.l_infinity) == (1.0, 1.0)
    assert near(found.js, np.sqrt(np.log(2)))
    assert chi_squared_test(np.array([3.0]), np.array([5.0])).pvalue == 1.0


def test_most_frequent_items_break_ties_by_text():
    counts = Categorical(["z", "b", "a", "m"], np.array([1, 2, 2, 9]))
    assert counts.frequent(3) == [("m", 9), ("a", 2), ("b", 2)]


def test_classification_is_that_of_scikit_learn():
    rng = np.random.default_rng(4)
    names = np.array(["cat", "dog", "owl"])
    labels, predictions = names[rng.integers(0, 3, 300)], names[rng.integers(0, 3, 300)]
    pairs, counts = np.unique(np.stack([predictions, labels]), axis=1, return_counts=True)
    confusion = Confusion()
    confusion.add(pairs[0].tolist(), pairs[1].tolist(), counts)
    found = confusion.scores()
    assert near(found.accuracy, sk.accuracy_score(labels, predictions))
    assert np.array_equal(confusion.matrix().T, sk.confusion_matrix(labels, predictions))
    for ours, theirs in (
        (found.precision, sk.precision_score),
        (found.recall, sk.recall_score),
        (found.f1, sk.f1_score),
    ):
        for average, value in (("macro", ours.macro), ("weighted", ours.weighted)):
            assert near(value, theirs(labels, predictions, average=average, zero_division=0))
        each = theirs(labels, predictions, average=None, labels=list(names), zero_division=0)
        assert all(near(ours.one_vs_all[name], value) for name, value in zip(names, each, strict=True))


def test_a_class_that_is_never_predicted_has_precision_zero():
    confusion = Confusion()
    confusion.add(["a", "a"], ["a", "b"], np.array([3, 2]))
    assert confusion.scores().precision.one_vs_all == {"a": 0.6, "b": 0.0}
    assert Confusion().scores() is None


def test_probability_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 2, 500)
    scores = np.clip(labels * 0.2 + rng.random(500), 0, 1).round(2)  # Ties, and exact 0 and 1.
    assert near(roc_auc(labels == 1, scores), sk.roc_auc_score(labels, scores))
    assert near(log_loss(np.where(labels == 1, scores, 1 - scores)), sk.log_loss(labels, scores))
    assert roc_auc(np.ones(3, bool), np.ones(3)) is None
    curve = RocCurve()
    for part in range(0, 500, 100):
        curve.add(labels[part : part + 100] == 1, scores[part : part + 100])
    assert curve.area() == pytest.approx(sk.roc_auc_score(labels, scores), rel=1e-9)


def test_regression_is_that_of_scikit_learn_in_any_number_of_pieces():
    rng = np.random.default_rng(7)
    labels = rng.normal(50, 9, 300)
    predictions = labels + rng.normal(0, 2, 300)
    one, many = Regression(), Regression()
    one.add(predictions, labels)
    for part in range(0, 300, 70):
        many.add(predictions[part : part + 70], labels[part : part + 70])
    expected = {
        "mean_squared_error": sk.mean_squared_error(labels, predictions),
        "root_mean_squared_error": sk.root_mean_squared_error(labels, predictions),
        "mean_average_error": sk.mean_absolute_error(labels, predictions),
        "mean_absolute_percentage_error": sk.mean_absolute_percentage_error(labels, predictions),
        "r2_score": sk.r2_score(labels, predictions),
    }
    for found in (one.scores(), many.scores()):
        assert {name: pytest.approx(value, rel=TOLERANCE) for name, value in expected.items()} == found
    assert Regression().scores() == {}


def test_correction_for_many_tests_is_that_of_scipy():
    pvalues = [0.01, 0.8, 0.04, 0.03, 0.005, 1.0]
    assert np.allclose(benjamini_hochberg(pvalues), stats.false_discovery_control(pvalues), rtol=TOLERANCE)
    changes = ranked([("small", 0.01, 1e-9), ("chance", 0.5, 0.9), ("large", 0.3, 1e-9)])
    assert [change.column for change in changes] == ["large", "small", "chance"]
    assert [change.significant for change in changes] == [True, True, False]
