"""Columns together, accuracy before labels, versions compared: what is drawn, and what is said where nothing is."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from monitoring.engine.rows import insights_schema
from monitoring.engine.spec import MonitorSpec
from monitoring.models import Monitor
from monitoring.services.dashboard_board import Dashboard
from monitoring.services.dashboard_filters import Choices, Chosen, row_filter
from monitoring.services.dashboard_insights import at_or_before, bounds_in_words, read_insights
from monitoring.services.metric_rows import MetricTables
from monitoring.web.figures import estimate_chart, together_chart, versus_chart
from registry.services.table_data import TableData

DAYS = [datetime(2030, 3, day, tzinfo=UTC) for day in (1, 2)]
SCHEMA = insights_schema(
    MonitorSpec("INFERENCE_LOG", "ts", ("1 day",), model_id_column="version"), pa.schema([("version", pa.string())])
)
INTERVAL = {"metric": "accuracy_score", "compared_with": "1", "low": 0.1, "high": 0.3}


def row(insight, value, *, day=DAYS[0], version=None, details=None, **more):
    window = {"start": day, "end": day + timedelta(days=1)}
    told = details if isinstance(details, str) else json.dumps(details or {})
    known = {"window": window, "granularity": "1 day", "column_name": ":table", "version": version}
    return known | {"insight": insight, "value": value, "details": told} | more


def together(error=2.0, **more):
    details = {"reconstruction_error": error, "baseline_reconstruction_error": 1.0, "columns": ["a", "b"]}
    return row("MULTIVARIATE_DRIFT", 9.5, details=details, **more)


def estimate(accuracy, *, valid=True, statement="Valid while it stays.", **more):
    details = {"standard_error": 0.01, "valid": valid, "statement": statement}
    return row("ESTIMATED_ACCURACY", accuracy, details=details, **more)


@pytest.fixture
def insights(tmp_path):
    """Reads what is shown of some rows of insights, for a monitor with everything unless it is said otherwise."""

    def read(rows, *, windows=DAYS, chosen=None, **settings):
        if rows:
            write_deltalake(str(tmp_path / "insights"), pa.Table.from_pylist(rows, schema=SCHEMA), mode="overwrite")
        given = {"problem_type": "CLASSIFICATION", "label_column": "label", "baseline_table_name": "a.b.c"}
        everything = {"model_id_column": "version", "prediction_proba_column": "p", "kind": "INFERENCE_LOG"}
        monitor = Monitor(**{**given, **everything, **settings})
        table = TableData(uuid.uuid4(), "a.b.d_insights", tmp_path / "insights") if rows else None
        state = chosen or Chosen(granularity="1 day")
        found = read_insights(MetricTables(None, None, table), monitor, state, row_filter(state), windows)
        board = Dashboard(monitor, state, Choices([], [], [], []), windows=list(windows), insights=found)
        return found, board

    return read


def test_each_is_drawn_of_the_windows_on_show(insights):
    rows = [
        together(),
        together(3.0, day=DAYS[1]),
        estimate(0.9),
        estimate(0.8, valid=False, statement="Not valid: confidences are off <b>.", day=DAYS[1]),
        estimate(0.7, version="2"),
        row("MODEL_COMPARISON", 0.2, version="2", details=INTERVAL, pvalue=0.01),
        row("MODEL_COMPARISON", -0.1, version="2", day=DAYS[1], details={**INTERVAL, "low": -0.3, "high": 0.1}),
        row("MOST_CHANGED", 0.5, column_name="x"),
    ]
    found, board = insights(rows)
    assert found.missing == {}
    assert [one.error for one in found.together] == [2.0, 3.0]
    assert [(one.accuracy, one.valid) for one in found.estimates] == [(0.9, True), (0.8, False)]
    assert [one.verdict for one in found.versus] == ["better", "open"]
    assert at_or_before(found.estimates, DAYS[0]).accuracy == 0.9
    assert at_or_before(found.estimates, DAYS[0] - timedelta(days=1)) is None

    figure = together_chart(board, []).figure
    assert figure["layout"]["shapes"][0]["y0"] == 1.0
    (estimated,) = estimate_chart(board, []).figure["data"]
    assert estimated["marker"]["symbol"] == ["circle", "x"]
    assert estimated["text"][1] == "Not valid: confidences are off &lt;b&gt;."
    (line,) = versus_chart(board, [], {"2": ["Challenger"]}).figure["data"]
    assert line["name"] == "version 2 @Challenger"
    assert line["error_y"]["array"] == pytest.approx([0.1, 0.2])
    assert line["error_y"]["arrayminus"] == pytest.approx([0.1, 0.2])

    one, _ = insights(rows, chosen=Chosen(granularity="1 day", model="2"))
    assert ([each.accuracy for each in one.estimates], one.together) == ([0.7], [])
    assert one.missing == {"together": "Columns are looked at together in the whole table, for all versions at once."}
    early, _ = insights(rows, windows=DAYS[:1])
    assert (len(early.together), len(early.estimates), len(early.versus)) == (1, 1, 1)


def test_an_error_that_falls_is_better():
    from monitoring.services.dashboard_insights import Versus

    def verdict(difference, low, high):
        return Versus(DAYS[0], "2", "1", "mean_average_error", difference, low, high, None).verdict

    assert [verdict(-2, -3, -1), verdict(2, 1, 3), verdict(1, -1, 3)] == ["better", "worse", "open"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, {"together": "50 rows", "estimates": "No window", "versus": "two versions with labels"}),
        ({"baseline_table_name": ""}, {"together": "none is set"}),
        ({"prediction_proba_column": ""}, {"estimates": "takes a column with the probabilities"}),
        ({"chosen": Chosen(slice="a|b")}, {"together": "whole table", "versus": "not in slices"}),
    ],
)
def test_what_is_missing_is_said(insights, settings, words):
    found, board = insights([], **settings)
    for name, text in words.items():
        assert text in found.missing[name]
    assert (together_chart(board, []), estimate_chart(board, []), versus_chart(board, [], {})) == (None, None, None)


def test_what_no_monitor_can_have_is_not_missed(insights):
    found, _ = insights([], problem_type="REGRESSION", model_id_column="")
    assert set(found.missing) == {"together"}


def test_a_row_that_somebody_else_wrote_breaks_nothing(insights):
    odd = [
        row("MULTIVARIATE_DRIFT", 1.0, details="no json"),
        row("ESTIMATED_ACCURACY", 0.5, details="[1]"),
        row("ESTIMATED_ACCURACY", None, details={}),
        row("MODEL_COMPARISON", 0.5, version="2", details={"low": "low"}),
    ]
    found, _ = insights(odd)
    assert (found.together, found.estimates, found.versus) == ([], [], [])


def test_how_far_a_sketched_window_can_be_off_is_said(tmp_path):
    def told(*rows):
        write_deltalake(str(tmp_path / "sketched"), pa.Table.from_pylist(rows, schema=SCHEMA), mode="overwrite")
        tables = MetricTables(None, None, TableData(uuid.uuid4(), "a.b.c", tmp_path / "sketched"))
        wanted = row_filter(Chosen(granularity="1 day"))
        return bounds_in_words(tables, wanted, DAYS[0], model_id_column="version")

    numbers = {"quantile_rank_error_bound": 0.0019, "distinct_count_relative_standard_error": 0.008125}
    rows = [
        row("APPROXIMATION", 0.0019, column_name="x", details={**numbers, "quantile_rank_error_bound": 0.001}),
        row("APPROXIMATION", 0.0019, column_name="y", details=numbers),
        row("APPROXIMATION", 0.0, column_name="s", details={"category_count_error_bound": 1234}),
        row("APPROXIMATION", 0.5, column_name="z", details={"quantile_rank_error_bound": 0.5}, day=DAYS[1]),
    ]
    assert told(*rows) == (
        "3 columns of this window are measured in sketches: quantiles are off by at most 0.19% of the rows; "
        "distinct counts have a standard error of 0.81%; the count of a value is too low by at most 1,234."
    )
    assert told(rows[-1], together()) == ""
