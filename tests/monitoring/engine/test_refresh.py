"""Refreshes: which windows are measured, and that it never matters in how many steps."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from monitoring.engine import refreshing
from monitoring.engine.spec import Cancelled, CustomMetric, MonitorSpec, SpecError, TableError, TableRef
from tests.monitoring.engine.factories import DAILY, Lake, at, rows

INFERENCE = MonitorSpec(
    "INFERENCE_LOG",
    "ts",
    ("1 day", "1 week"),
    slicing_expressions=("x > 0",),
    problem_type="CLASSIFICATION",
    prediction_column="s",
    label_column="s",
    model_id_column="b",
    custom_metrics=(
        CustomMetric("squares", "AGGREGATE", ("x",), "avg({{input_column}} * {{input_column}})"),
        CustomMetric("root", "DERIVED", ("x",), "sqrt(squares)"),
        CustomMetric("root_change", "DRIFT", ("x",), "{{current_df}}.root - {{base_df}}.root"),
    ),
)


def starts(found):
    return [row["window"]["start"].day for row in found]


def test_the_columns_of_the_metric_tables_are_the_documented_ones(lake):
    lake.write(rows(3))
    lake.refresh()
    profile = DeltaTable(str(lake.root / "profile")).to_pyarrow_table().schema
    assert (
        profile.names
        == (
            "window log_type logging_table_commit_version monitor_version granularity slice_key slice_value "
            "column_name count data_type num_nulls avg quantiles min max stddev num_zeros num_nan min_length "
            "max_length avg_length non_null_columns frequent_items median distinct_count percent_nan percent_null "
            "percent_zeros percent_distinct"
        ).split()
    )
    assert str(profile.field("logging_table_commit_version").type) == "int32"
    drift = DeltaTable(str(lake.root / "drift")).to_pyarrow_table().schema
    assert (
        drift.names
        == (
            "window granularity monitor_version slice_key slice_value column_name data_type window_cmp drift_type "
            "count_delta avg_delta percent_null_delta percent_zeros_delta percent_distinct_delta "
            "non_null_columns_delta js_distance ks_test wasserstein_distance population_stability_index "
            "chi_squared_test tv_distance l_infinity_distance"
        ).split()
    )


def test_which_rows_hold_what(lake):
    lake.write(rows(3), rows(4))
    lake.write_baseline(rows(1).drop_columns(["ts"]))
    lake.refresh()
    day = at(3, 0)

    def filled(row):
        return {name for name, value in row.items() if value is not None}

    common = {"window", "granularity", "monitor_version", "column_name"}
    profiled = common | {"log_type", "logging_table_commit_version", "count"}
    (table,) = lake.profile(":table", window={"start": day, "end": at(4, 0)})
    assert filled(table) == profiled | {"non_null_columns"}
    column = profiled | {"data_type", "num_nulls", "percent_null", "distinct_count", "percent_distinct"}
    numbers = column | {
        "avg", "quantiles", "min", "max", "stddev", "num_zeros", "num_nan", "median", "percent_nan", "percent_zeros",
    }  # fmt: skip
    lengths = {"min_length", "max_length", "avg_length"}
    expected = {
        "x": numbers,
        "s": column | {"frequent_items"} | lengths,
        "b": column | {"frequent_items"},
        "ts": column | {"min", "max", "median"},
    }
    for name, fields in expected.items():
        assert filled(lake.profile(name)[0]) == fields, name
    deltas = {"count_delta", "percent_null_delta", "percent_distinct_delta", "data_type", "drift_type"}
    compared = {
        "x": deltas | {"avg_delta", "percent_zeros_delta", "ks_test", "wasserstein_distance",
                       "population_stability_index"},
        "s": deltas | {"js_distance", "chi_squared_test", "tv_distance", "l_infinity_distance"},
        "ts": deltas,
        ":table": {"count_delta", "non_null_columns_delta", "drift_type"},
    }  # fmt: skip
    for name, fields in compared.items():
        (row,) = lake.drift(name, drift_type="CONSECUTIVE")
        assert filled(row) == common | fields | {"window_cmp"}, name
        assert (row["window"]["start"], row["window_cmp"]["start"]) == (at(4, 0), day)
    assert len(lake.drift("x", drift_type="BASELINE")) == 2
    assert lake.drift("ts", drift_type="BASELINE") == []
    (base,) = lake.read("profile", log_type="BASELINE", column_name="x")
    assert (base["window"], base["granularity"], base["count"]) == (None, None, 50)


@pytest.mark.parametrize("spec", [DAILY, INFERENCE], ids=["series", "inference"])
def test_many_small_refreshes_give_what_one_gives(lake, spec):
    lake.spec = spec
    lake.write_baseline(rows(1, 80).drop_columns(["ts"]))
    lake.write(rows(3), rows(4), rows(5))
    lake.refresh()
    lake.write(rows(6))
    assert lake.refresh().windows_refreshed == len(spec.granularities)
    lake.write(rows(4, 7, seed=99))  # Late data, behind two windows that stay.
    lake.refresh()
    lake.table().optimize.compact()
    lake.refresh()
    lake.table().delete("ts >= '2026-03-05T00:00:00Z' AND ts < '2026-03-06T00:00:00Z'")
    lake.refresh()
    at_once = lake.beside("again")
    at_once.refresh()
    assert lake.everything() == at_once.everything()
    assert starts(lake.profile("x", granularity="1 day", **({"b": None} if spec is INFERENCE else {}))) == [3, 4, 6]


def test_late_data_measures_its_window_only(lake):
    lake.write(*(rows(day) for day in range(3, 10)))
    lake.refresh()
    version = lake.table().version()
    lake.write(rows(5, 3, seed=7))
    result = lake.refresh()
    assert result.windows_refreshed == 1
    versions = {row["window"]["start"].day: row["logging_table_commit_version"] for row in lake.profile("x")}
    assert versions == {day: version + (day == 5) for day in range(3, 10)}
    assert [row["count"] for row in lake.profile("x")] == [50, 50, 53, 50, 50, 50, 50]
    assert starts(lake.drift("x")) == [4, 5, 6, 7, 8, 9]
    assert [row["count_delta"] for row in lake.drift("x")] == [0, 3, -3, 0, 0, 0]


def test_nothing_new_writes_nothing(lake):
    lake.write(rows(3))
    lake.refresh()
    version = DeltaTable(str(lake.root / "profile")).version()
    result = lake.refresh()
    assert (result.windows_refreshed, result.rows_read, result.rows_written) == (0, 0, 0)
    assert DeltaTable(str(lake.root / "profile")).version() == version


def test_a_new_window_reads_its_own_rows(lake):
    lake.write(*(rows(day) for day in range(3, 15)))
    lake.refresh()
    percents = [int(step.split()[0]) for step in lake.steps]
    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (0, 100)
    lake.write(rows(15))
    assert lake.refresh().rows_read == 100  # Once for their times, once for their values: no row of another window.


def test_the_same_rows_without_what_was_kept(lake):
    lake.write(rows(3), rows(4))
    lake.refresh()
    before = lake.everything()
    (lake.root / "state" / "state.json").write_text("{broken")
    assert lake.refresh().windows_refreshed == 2
    assert lake.everything() == before


def test_a_gap_has_no_consecutive_drift(lake):
    lake.write(rows(3), rows(5), rows(6))
    lake.refresh()
    assert starts(lake.drift("x")) == [6]


def test_windows_of_before_the_lookback_stay_as_they_are(lake):
    lake.write(rows(3), rows(18))
    lake.spec = replace(DAILY, lookback_days=5)
    lake.refresh()
    assert starts(lake.profile("x")) == [18]
    lake.now += timedelta(days=9)
    lake.write(rows(18, 5, seed=3), rows(28))
    lake.refresh()
    assert [(row["window"]["start"].day, row["count"]) for row in lake.profile("x")] == [(18, 50), (28, 50)]


def test_rows_of_the_future_wait_until_their_time_has_come(lake):
    lake.write(rows(19), rows(25))
    result = lake.refresh()
    assert any("future" in warning for warning in result.warnings)
    assert starts(lake.profile("x")) == [19]
    lake.now = at(26)
    lake.refresh()
    assert starts(lake.profile("x")) == [19, 25]


def test_another_configuration_measures_the_lookback_again(lake):
    lake.write(rows(3), rows(4))
    lake.refresh()
    lake.version, lake.spec = 1, replace(DAILY, slicing_expressions=("s",))
    assert lake.refresh().windows_refreshed == 2
    assert {row["monitor_version"] for row in lake.profile("x")} == {1}
    assert {row["slice_value"] for row in lake.read("profile", slice_key="s")} == {"a", "b", "c"}


def test_another_version_of_the_baseline_is_another_baseline(lake):
    lake.write(rows(3))
    lake.write_baseline(rows(1).drop_columns(["ts"]))
    lake.refresh()
    assert lake.drift("x", drift_type="BASELINE")[0]["count_delta"] == 0
    lake.write_baseline(rows(2).drop_columns(["ts"]))
    lake.refresh()
    assert [row["count_delta"] for row in lake.drift("x", drift_type="BASELINE")] == [-50]
    assert [row["count"] for row in lake.read("profile", log_type="BASELINE", column_name="x")] == [100]


def test_snapshots_are_instants_and_are_compared_with_the_one_before(lake):
    lake.spec = MonitorSpec("SNAPSHOT", slicing_expressions=("b",))
    lake.write(rows(3))
    lake.refresh()
    assert lake.drift("x") == []
    lake.write(rows(4, 30))
    lake.now += timedelta(days=1)
    lake.refresh()
    lake.refresh()  # The same instant again.
    assert [(row["window"]["start"], row["window"]["end"]) for row in lake.profile("x")] == [
        (lake.now - timedelta(days=1),) * 2,
        (lake.now,) * 2,
    ]
    (drift,) = lake.drift("x")
    assert (drift["granularity"], drift["count_delta"]) == (None, 30)
    assert {row["slice_value"] for row in lake.read("drift", slice_key="b")} == {"true", "false"}


def test_labels_that_come_later(lake):
    spec = replace(INFERENCE, granularities=("1 day",), custom_metrics=(), slicing_expressions=())
    lake.spec = replace(spec, prediction_column="b", model_id_column="n", label_column="truth")
    lake.write(rows(3).append_column("truth", [[None] * 50]).cast(_with_truth()))
    lake.refresh()
    (row,) = lake.profile(":table", n=None)
    assert row["accuracy_score"] is None
    lake.table().update({"truth": "b"})
    lake.refresh()
    (row,) = lake.profile(":table", n=None)
    assert (row["accuracy_score"], len(row["confusion_matrix"])) == (1.0, 2)


def _with_truth():
    return rows(3).schema.append(pa.field("truth", pa.bool_()))


def test_a_refresh_that_is_canceled_can_be_made_again(lake):
    lake.write(rows(3), rows(4))
    lake.refresh()
    before = lake.everything()
    lake.write(rows(5))

    def cancel(percent, step):
        if percent >= 50:
            raise Cancelled

    with pytest.raises(Cancelled):
        lake.refresh(progress=cancel)
    assert lake.everything() == before
    lake.refresh()
    again = lake.beside("again")
    again.refresh()
    assert lake.everything() == again.everything()
    assert not list((lake.root / "state").glob("work-*"))


@pytest.mark.parametrize("kind", ["series", "snapshot"])
@pytest.mark.parametrize("after", ["profile", "drift", "insights"])
def test_a_kill_between_the_tables_leaves_nothing_wrong(lake, monkeypatch, after, kind):
    if kind == "snapshot":
        lake.spec = MonitorSpec("SNAPSHOT")
    lake.write(rows(3))
    lake.refresh()
    lake.write(rows(4))
    whole = refreshing.replace

    class Killed(BaseException):
        pass

    def killed(uri, *arguments):
        whole(uri, *arguments)
        if uri.endswith(after):
            raise Killed

    monkeypatch.setattr(refreshing, "replace", killed)
    lake.now += timedelta(hours=1)
    with pytest.raises(Killed):
        lake.refresh()
    monkeypatch.setattr(refreshing, "replace", whole)
    lake.now += timedelta(hours=1)
    lake.refresh()
    moments = starts(lake.profile("x")) if kind == "series" else [r["window"]["start"] for r in lake.profile("x")]
    assert moments == ([3, 4] if kind == "series" else [lake.now - timedelta(hours=2), lake.now])
    assert len(lake.drift("x")) == 1


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.monitoring.engine.factories import Lake
def progress(percent, step):
    if percent >= 92:
        os.kill(os.getpid(), signal.SIGKILL)
Lake(Path(sys.argv[1])).refresh(progress=progress)
"""


def test_a_process_that_is_killed_mid_way(lake):
    lake.write(rows(3), rows(4))
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(lake.root)], env={**os.environ, "PYTHONPATH": "."})
    assert killed.returncode == -signal.SIGKILL
    lake.refresh()
    again = lake.beside("again")
    again.refresh()
    assert lake.everything() == again.everything()


def test_sketched_windows_agree_with_exact_ones_within_their_bounds(lake, monkeypatch):
    monkeypatch.setattr("monitoring.engine.cutting.LEAST_BUDGET", 100)
    lake.spec = replace(DAILY, slicing_expressions=("s",))
    lake.write(rows(3, 20_000), rows(4, 20_000, shift=0.3))
    lake.refresh()
    small = lake.beside("small")
    small.spec = replace(lake.spec, exact_rows=5_000)
    small.refresh()
    for exact, near in zip(lake.profile("x"), small.profile("x"), strict=True):
        for name in ("count", "num_nulls", "min", "max", "num_zeros"):
            assert exact[name] == near[name]
        assert near["avg"] == pytest.approx(exact["avg"], rel=1e-12)
        assert near["stddev"] == pytest.approx(exact["stddev"], rel=1e-12)
        assert near["median"] == pytest.approx(exact["median"], abs=0.05)
        assert near["distinct_count"] == pytest.approx(exact["distinct_count"], rel=0.04)
    (bound,) = small.read("insights", insight="APPROXIMATION", column_name="x", slice_key=None)[:1]
    assert 0 < bound["value"] < 0.02
    (exact,), (near,) = lake.drift("x"), small.drift("x")
    assert abs(near["ks_test"]["statistic"] - exact["ks_test"]["statistic"]) < 0.02
    assert small.profile("s") == lake.profile("s")
    slices = {row["slice_value"]: row["count"] for row in lake.read("profile", slice_key="s", column_name="x")}
    assert slices == {
        row["slice_value"]: row["count"] for row in small.read("profile", slice_key="s", column_name="x")
    }


def test_windows_that_do_not_fit_together_are_measured_one_after_the_other(lake, monkeypatch):
    lake.write(*(rows(day) for day in range(3, 9)))
    mixed = rows(3, 40, seed=50)
    for day in range(4, 9):  # One file with rows of every day.
        mixed = pa.concat_tables([mixed, rows(day, 40, seed=50 + day)])
    lake.write(mixed)
    lake.refresh()
    narrow = lake.beside("narrow")
    monkeypatch.setattr("monitoring.engine.cutting.LEAST_BUDGET", 100)
    narrow.spec = replace(DAILY, exact_rows=100)
    narrow.refresh()
    assert lake.everything() == narrow.everything()


def test_a_slice_keeps_its_most_frequent_values(lake):
    lake.spec = replace(DAILY, slicing_expressions=("n",), max_slice_values=2)
    lake.write(rows(3, 300))
    lake.refresh()
    counts = np.bincount(rows(3, 300)["n"].to_numpy())
    expected = {str(value) for value in np.argsort(-counts)[:2]}
    assert {row["slice_value"] for row in lake.read("profile", slice_key="n")} == expected


def test_small_files_of_metric_tables_are_put_together(lake, monkeypatch):
    monkeypatch.setattr("monitoring.engine.writing.MOST_FILES", 2)
    for day in range(3, 7):
        lake.write(rows(day))
        lake.refresh()
    assert len(DeltaTable(str(lake.root / "profile")).file_uris()) <= 2
    assert starts(lake.profile("x")) == [3, 4, 5, 6]


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(TableError, match="no Delta log"):
        Lake(tmp_path).refresh()


def test_a_spec_that_does_not_fit(lake):
    lake.write(rows(3))
    with pytest.raises(SpecError) as refused:
        lake.refresh(spec=replace(DAILY, timestamp_column="x"))
    assert refused.value.field == "timestamp_column"
    assert not (lake.root / "profile").exists()


def test_a_version_of_the_past(lake):
    lake.write(rows(3), rows(4))
    result = lake.refresh(table=TableRef(str(lake.root / "table"), version=0))
    assert (result.last_version, result.windows_refreshed) == (0, 1)
