"""What goes beyond the documented metrics: columns together, accuracy without labels, models compared, fairness."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from monitoring.metrics.comparison import compare_means, compare_shares
from monitoring.metrics.estimation import Calibration, Confidence
from monitoring.metrics.fairness import fairness
from monitoring.metrics.multivariate import Components
from monitoring.metrics.quality import Confusion


def correlated(rng, rows, correlation):
    law = np.eye(4) * (1 - correlation) + correlation
    return rng.multivariate_normal(np.zeros(4), law, rows)


def test_a_lost_correlation_is_seen_where_no_column_changed():
    rng = np.random.default_rng(1)
    components = Components.fit(correlated(rng, 2000, 0.9))
    same, lost = correlated(rng, 1500, 0.9), correlated(rng, 1500, 0.0)
    assert abs(components.compare(same).z) < 4
    assert components.compare(lost).z > 20
    for column in range(4):
        assert stats.ks_2samp(same[:, column], lost[:, column]).pvalue > 0.001


def test_columns_that_cannot_be_looked_at_together():
    assert Components.fit(np.zeros((200, 3))) is None
    assert Components.fit(np.full((200, 2), np.nan)) is None
    assert Components.fit(np.random.default_rng(0).normal(size=(10, 3))) is None
    rows = np.random.default_rng(0).normal(size=(200, 3))
    rows[::3, 0] = np.nan
    assert Components.fit(rows).compare(rows).z == pytest.approx(0, abs=1e-9)
    assert Components.fit(rows).compare(rows[:5]) is None


def answers(rng, rows, overconfident=0.0):
    confidence = rng.uniform(0.5, 1, rows)
    return confidence, rng.random(rows) < confidence - overconfident


def test_accuracy_is_estimated_and_says_whether_it_holds():
    rng = np.random.default_rng(2)
    calibration = Calibration()
    calibration.add(*answers(rng, 20_000))
    confidences, right = answers(rng, 5_000)
    one = Confidence()
    one.add(confidences)
    estimate = one.estimate(calibration)
    assert estimate.valid
    assert abs(estimate.accuracy - right.mean()) < 4 * estimate.standard_error
    bad = Calibration()
    bad.add(*answers(rng, 20_000, overconfident=0.2))
    assert bad.error == pytest.approx(0.2, abs=0.02)
    assert not one.estimate(bad).valid
    assert "fewer than 100 labels" in one.estimate(Calibration()).statement
    assert Confidence().estimate(calibration) is None


def test_shares_are_compared_like_statsmodels():
    found = compare_shares((80, 100), (150, 170))
    _, pvalue = proportions_ztest([150, 80], [170, 100])
    low, high = confint_proportions_2indep(150, 170, 80, 100, method="newcomb")
    assert (found.pvalue, found.low, found.high) == pytest.approx((pvalue, low, high), rel=1e-9)
    assert found.difference == pytest.approx(150 / 170 - 0.8)
    assert compare_shares((0, 0), (1, 2)) is None
    assert compare_shares((5, 5), (5, 5)).pvalue == 1.0


def test_means_are_compared_like_scipy():
    rng = np.random.default_rng(3)
    x, y = rng.normal(1, 2, 40), rng.normal(1.5, 1, 60)
    found = compare_means((40, x.mean(), x.var(ddof=1)), (60, y.mean(), y.var(ddof=1)))
    expected = stats.ttest_ind(y, x, equal_var=False)
    interval = expected.confidence_interval()
    assert (found.pvalue, found.low, found.high) == pytest.approx((expected.pvalue, *interval), rel=1e-9)
    assert compare_means((1, 0.0, 0.0), (5, 1.0, 1.0)) is None


def test_fairness_by_hand():
    protected, others = Confusion(), Confusion()
    protected.add(["yes", "yes", "no", "no"], ["yes", "no", "yes", "no"], np.array([2, 2, 2, 4]))
    others.add(["yes", "yes", "no", "no"], ["yes", "no", "yes", "no"], np.array([6, 2, 2, 10]))
    found = fairness(protected, others)
    assert found["predictive_parity"]["yes"] == pytest.approx(2 / 4 - 6 / 8)
    assert found["predictive_equality"]["yes"] == pytest.approx(2 / 6 - 2 / 12)
    assert found["equal_opportunity"]["yes"] == pytest.approx(2 / 4 - 6 / 8)
    assert found["statistical_parity"]["yes"] == pytest.approx(4 / 10 - 8 / 20)
    assert found["statistical_parity"]["no"] == pytest.approx(-found["statistical_parity"]["yes"])
