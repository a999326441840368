"""Odd tables: every type of column, nothing, one row, NaN and infinities, changed schemas, clocks that change."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from monitoring.engine.columns import spark_name
from monitoring.engine.previews import preview
from monitoring.engine.spec import CustomMetric, MonitorSpec, SpecError, TableRef
from monitoring.engine.validation import validate_spec
from tests.monitoring.engine.factories import DAILY, at, rows, times

ODD = pa.table(
    {
        "ts": times([at(3), at(3), at(3), None]),
        "null": pa.array([None] * 4, pa.float64()),
        "constant": [7.0] * 4,
        "wild": pa.array([np.nan, np.inf, -np.inf, 0.0]),
        "u8": pa.array([0, 255, 1, 0], pa.int16()),
        "big": pa.array([2**60, 2**60 + 1, 2**60 + 2, 0]),
        "money": pa.array([Decimal("1.50"), Decimal("2.25"), None, Decimal("0.00")], pa.decimal128(10, 2)),
        "day": pa.array([date(2026, 3, 1), date(2026, 3, 2), None, None]),
        "flag": pa.array([True, False, None, None]),
        "text": ["", "é" * 300, None, "x"],
        "bytes": pa.array([b"x", None, b"", b""]),
        "list": pa.array([[1], None, [], []], pa.list_(pa.int64())),
        "struct": pa.array([{"a": 1}, None, {"a": None}, {"a": 2}]),
        "dotted.name": [1, 2, 3, 4],
    }
)


def only(found):
    (row,) = found
    return row


def test_every_type_of_column(lake):
    lake.write(ODD)
    result = lake.refresh()
    assert result.warnings == ["1 rows have no 'ts' and belong to no window."]

    def values(column, *names):
        row = only(lake.profile(column))
        return tuple(row[name] for name in names)

    assert values("null", "count", "num_nulls", "avg", "distinct_count", "percent_null") == (0, 3, None, 0, 100.0)
    assert values("null", "quantiles", "percent_zeros", "data_type") == (None, None, "double")
    assert values("constant", "avg", "stddev", "distinct_count", "median") == (7.0, 0.0, 1, 7.0)
    assert values("wild", "num_nan", "min", "max", "avg", "stddev") == (1, -np.inf, np.inf, None, None)
    assert values("wild", "percent_nan", "count") == (pytest.approx(100 / 3), 3)
    assert values("u8", "num_zeros", "max", "data_type") == (1, 255.0, "smallint")
    assert values("big", "distinct_count") == (3,)  # Doubles alone would see one.
    assert values("money", "avg", "num_nulls", "data_type") == (1.875, 1, "decimal(10,2)")
    seconds = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    assert values("day", "min", "avg", "quantiles", "num_nulls", "data_type") == (seconds, None, None, 1, "date")
    assert values("flag", "frequent_items", "min_length") == (
        [{"item": "false", "count": 1}, {"item": "true", "count": 1}], None,
    )  # fmt: skip
    assert values("text", "min_length", "max_length", "avg_length", "distinct_count") == (0.0, 300.0, 150.0, 2)
    assert max(len(each["item"]) for each in values("text", "frequent_items")[0]) == 256
    assert values("bytes", "count", "num_nulls", "distinct_count", "data_type") == (2, 1, None, "binary")
    assert values("list", "count", "num_nulls", "data_type") == (2, 1, "array<bigint>")
    assert values("struct", "count", "data_type") == (2, "struct<a:bigint>")
    assert values("dotted.name", "avg") == (2.0,)
    table = only(lake.profile(":table"))
    assert table["count"] == 3
    assert table["non_null_columns"] == [name for name in ODD.column_names if name != "null"]


def test_a_table_without_rows_has_metric_tables_without_rows(lake):
    lake.write(rows(3).slice(0, 0))
    result = lake.refresh()
    assert (result.windows_refreshed, result.rows_written) == (0, 0)
    assert lake.profile("x") == lake.drift("x") == []
    lake.write(rows(3))
    lake.refresh()
    assert only(lake.profile("x"))["count"] == 50


def test_a_snapshot_of_nothing(lake):
    lake.spec = MonitorSpec("SNAPSHOT")
    lake.write(rows(3).slice(0, 0))
    lake.refresh()
    assert lake.profile(":table") == []


def test_one_row_in_each_window(lake):
    lake.write(rows(3, 1), rows(4, 1))
    lake.write_baseline(rows(1, 1).drop_columns(["ts"]))
    lake.refresh()
    first = lake.profile("x")[0]
    assert (first["count"], first["stddev"], first["distinct_count"]) == (1, None, 1)
    row = only(lake.drift("x", drift_type="CONSECUTIVE"))
    assert row["ks_test"]["pvalue"] == 1.0
    assert row["wasserstein_distance"] == pytest.approx(abs(row["avg_delta"]))


def test_columns_that_come_and_go(lake):
    lake.write(rows(3))
    lake.refresh()
    wider = rows(4).append_column("extra", pa.array(np.arange(50.0)))
    lake.write(wider, schema_mode="merge")
    lake.refresh()
    lake.write(wider.drop_columns(["n"]).set_column(0, "ts", times([at(5)] * 50)), schema_mode="merge")
    lake.refresh()
    assert [row["non_null_columns_delta"] for row in lake.drift(":table")] == [
        {"added": 1, "missing": 0},
        {"added": 0, "missing": 1},
    ]
    assert [row["percent_null"] for row in lake.profile("n")] == [0.0, 0.0, 100.0]
    assert [(row["percent_null_delta"], row["ks_test"]) for row in lake.drift("n")][1] == (100.0, None)


def test_a_baseline_without_some_columns_and_with_other_types(lake):
    base = rows(1).drop_columns(["ts", "n"])
    lake.write(rows(3))
    lake.write_baseline(base.set_column(0, "x", base["x"].cast(pa.string())))
    lake.spec = replace(
        DAILY,
        slicing_expressions=("n > 2", "b"),
        custom_metrics=(CustomMetric("total", "AGGREGATE", ("n", "x"), "sum({{input_column}})"),),
    )
    lake.refresh()
    assert lake.drift("n", drift_type="BASELINE") == []
    row = only(lake.drift("x", drift_type="BASELINE"))
    assert (row["count_delta"], row["ks_test"], row["js_distance"]) == (0, None, None)
    assert only(lake.drift("s", drift_type="BASELINE"))["js_distance"] is not None
    assert len(lake.read("drift", slice_key="b", column_name="s")) == 2
    assert lake.read("drift", slice_key="n > 2", column_name="s") == []


def test_a_new_category_shows(lake):
    lake.write(rows(3))
    other = rows(4)
    lake.write(other.set_column(other.column_names.index("s"), "s", pa.array(["new"] * 50)))
    lake.refresh()
    assert only(lake.drift("s"))["tv_distance"] == pytest.approx(1.0, rel=1e-12)


def test_a_day_of_25_hours(lake):
    lake.spec = replace(DAILY, time_zone="Europe/Berlin")
    lake.now = datetime(2026, 10, 27, tzinfo=UTC)
    hours = [datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp() + 3600 * hour for hour in range(26)]
    moments = times([datetime.fromtimestamp(each, UTC) for each in hours])
    lake.write(pa.table({"ts": moments, "x": np.arange(26.0)}))
    lake.refresh()
    assert [row["count"] for row in lake.profile("x")] == [25, 1]


@pytest.mark.parametrize("type_", [pa.date32(), pa.timestamp("us")])
def test_times_without_a_zone_are_of_the_clock_on_the_wall(lake, type_):
    lake.spec = replace(DAILY, time_zone="America/New_York")
    moments = pa.array([datetime(2026, 3, 5), datetime(2026, 3, 6)], pa.timestamp("us")).cast(type_)
    lake.write(pa.table({"ts": moments, "x": [1.0, 2.0]}))
    lake.refresh()
    assert [row["window"]["start"] for row in lake.profile("x")] == [at(5, 5), at(6, 5)]


def test_a_partitioned_table(lake):
    table = rows(3)
    lake.write(table.append_column("p", pa.array(["l", "r"] * 25)), partition_by=["p"])
    lake.spec = replace(DAILY, slicing_expressions=("p",))
    lake.refresh()
    assert [row["count"] for row in lake.read("profile", slice_key="p", column_name="x")] == [25, 25]
    assert only(lake.profile("p"))["distinct_count"] == 2


def test_models_are_told_apart_and_compared(lake):
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, 400)
    model = np.repeat([1, 2], [300, 100])
    noise = np.where(model == 1, 0.1, 1.0)
    lake.write(
        pa.table(
            {
                "ts": times([at(3)] * 400),
                "x": rng.normal(size=400),
                "prediction": truth + rng.normal(0, 1, 400) * noise,
                "label": truth,
                "version": model,
            }
        )
    )
    lake.spec = MonitorSpec(
        "INFERENCE_LOG",
        "ts",
        ("1 day",),
        ("x > 0",),
        "REGRESSION",
        "prediction",
        "label",
        model_id_column="version",
    )
    lake.refresh()
    errors = {row["version"]: row["mean_average_error"] for row in lake.profile(":table")}
    assert set(errors) == {None, 1, 2}
    assert errors[1] < errors[None] < errors[2]
    assert len(lake.read("profile", column_name=":table", slice_key="x > 0", version=2)) == 2
    row = only(lake.read("insights", insight="MODEL_COMPARISON"))
    assert (row["version"], row["value"]) == (2, pytest.approx(errors[2] - errors[1]))
    assert row["pvalue"] < 1e-6


def test_probabilities_in_each_shape_give_the_same_scores(lake):
    rng = np.random.default_rng(1)
    positive, label = rng.random(200), rng.integers(0, 2, 200)
    pairs = np.stack([1 - positive, positive], axis=1)
    shapes = {
        "number": pa.array(positive),
        "list": pa.array(pairs.tolist()),
        "struct": pa.array([{"1": b, "0": a} for a, b in pairs]),
        "map": pa.array([[("0", a), ("1", b)] for a, b in pairs], pa.map_(pa.string(), pa.float64())),
    }
    table = pa.table(
        {"ts": times([at(3)] * 200), "p": (positive > 0.5).astype(int), "label": label, "m": ["v"] * 200, **shapes}
    )
    lake.write(table)
    found = []
    for shape in shapes:
        lake.spec = MonitorSpec("INFERENCE_LOG", "ts", ("1 day",), (), "CLASSIFICATION", "p", "label", shape, "m")
        lake.refresh()
        row = only(lake.profile(":table", m=None))
        found.append((row["log_loss"], row["roc_auc_score"]))
    assert found[0][0] is not None
    assert found[1:] == [(pytest.approx(found[0][0], rel=1e-12), found[0][1])] * 3


def test_what_changed_most_is_ranked(lake):
    lake.write_baseline(rows(1, 400).drop_columns(["ts"]))
    lake.write(rows(3, 400, shift=2.0))
    lake.refresh()
    found = {row["rank"]: row["column_name"] for row in lake.read("insights", insight="MOST_CHANGED")}
    assert (found[1], len(found)) == ("x", 4)
    assert only(lake.read("insights", insight="MULTIVARIATE_DRIFT"))["value"] > 3


def test_a_preview_writes_nothing(lake):
    lake.write(rows(3), rows(4, 20))
    found = preview(DAILY, TableRef(str(lake.root / "table")), lake.now)
    assert (found.window_start, found.window_end) == (at(4, 0), at(5, 0))
    assert {row["column_name"]: row["count"] for row in found.rows} == dict.fromkeys("ts x n s b".split(), 20)
    whole = preview(MonitorSpec("SNAPSHOT"), TableRef(str(lake.root / "table")), lake.now)
    assert (whole.rows_read, whole.rows[1]["count"]) == (70, 70)
    assert sorted(path.name for path in lake.root.iterdir()) == ["table"]
    late = preview(DAILY, TableRef(str(lake.root / "table")), at(20, month=9))
    assert (late.rows, late.warnings) == ([], ["No rows of the last 30 days."])


LOG = MonitorSpec("INFERENCE_LOG", "ts", ("1 day",), (), "REGRESSION", "x", "n", None, "s")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (replace(DAILY, timestamp_column=None), "timestamp_column"),
        (replace(DAILY, timestamp_column="gone"), "timestamp_column"),
        (replace(DAILY, granularities=()), "granularities"),
        (replace(DAILY, granularities=("2 days",)), "granularities"),
        (replace(DAILY, time_zone="Mars/Olympus"), "time_zone"),
        (replace(DAILY, time_zone="../etc/passwd"), "time_zone"),
        (replace(DAILY, slicing_expressions=("gone > 1",)), "slicing_expressions"),
        (replace(DAILY, slicing_expressions=("s + b",)), "slicing_expressions"),
        (replace(LOG, problem_type=None), "problem_type"),
        (replace(LOG, prediction_column=None), "prediction_column"),
        (replace(LOG, prediction_column="s"), "prediction_column"),
        (replace(LOG, label_column="gone"), "label_column"),
        (replace(LOG, model_id_column=None), "model_id_column"),
        (replace(DAILY, custom_metrics=(CustomMetric("avg", "AGGREGATE", ("x",), "sum(x)"),)), "custom_metrics"),
        (replace(DAILY, custom_metrics=(CustomMetric("a b", "AGGREGATE", ("x",), "sum(x)"),)), "custom_metrics"),
        (replace(DAILY, custom_metrics=(CustomMetric("m", "AGGREGATE", ("gone",), "sum(x)"),)), "custom_metrics"),
        (replace(DAILY, custom_metrics=(CustomMetric("m", "AGGREGATE", ("s",), "sum(s)"),)), "custom_metrics"),
        (replace(DAILY, custom_metrics=(CustomMetric("m", "AGGREGATE", ("x",), "x"),)), "custom_metrics"),
        (replace(DAILY, custom_metrics=(CustomMetric("m", "AGGREGATE", (), "sum(x)"),)), "custom_metrics"),
        (replace(DAILY, custom_metrics=(CustomMetric("m", "DERIVED", ("x",), "gone + 1"),)), "custom_metrics"),
        (replace(DAILY, custom_metrics=(CustomMetric("m", "DRIFT", ("x",), "x"),)), "custom_metrics"),
    ],
)
def test_what_does_not_fit_is_named(spec, field):
    with pytest.raises(SpecError) as refused:
        validate_spec(spec, rows(3).schema)
    assert refused.value.field == field
    validate_spec(DAILY, rows(3).schema)
    validate_spec(LOG, rows(3).schema)


def test_types_are_named_as_spark_does():
    map_type = pa.map_(pa.string(), pa.list_(pa.int32()))
    assert spark_name(map_type) == "map<string,array<int>>"
    assert spark_name(pa.timestamp("us", tz="UTC")) == "timestamp"
    assert spark_name(pa.timestamp("us")) == "timestamp_ntz"


def test_hostile_names_of_columns(lake):
    names = ["a'b", 'c"d', "e.f", "g h", "window", "count", "x`y", "naïve", "{{z}}", "a/b", "per%cent", "--"]
    table = pa.table({"ts": times([at(3)] * 5), **{name: np.arange(5) for name in names}})
    lake.spec = replace(DAILY, slicing_expressions=tuple(names), max_slice_values=2)
    lake.write(table)
    lake.refresh()
    assert {row["column_name"] for row in lake.read("profile")} == {*names, "ts", ":table"}
    assert {row["slice_key"] for row in lake.read("profile")} == {*names, None}
    assert {row["avg"] for row in lake.read("profile", slice_key=None) if row["column_name"] in names} == {2.0}
