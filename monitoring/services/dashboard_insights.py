"""What only the table of insights holds: columns that drift together, accuracy before labels, versions compared."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from monitoring.engine.spec import APPROXIMATION, ESTIMATED_ACCURACY, MODEL_COMPARISON, MULTIVARIATE_DRIFT, TABLE_ROW
from monitoring.models import Monitor, ProblemType
from monitoring.services.dashboard_filters import Chosen
from monitoring.services.metric_rows import MetricTables, Row, RowFilter, read_rows

_FIELDS = ("insight", "value", "pvalue", "details")


@dataclass(frozen=True)
class Together:
    """How badly the baseline's components rebuild a window's rows, and by how many standard errors that is worse."""

    start: datetime
    error: float
    baseline_error: float
    deviations: float
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Estimate:
    """The accuracy that a window's probabilities promise, and whether and why that may be believed."""

    start: datetime
    accuracy: float
    error: float
    valid: bool
    statement: str


@dataclass(frozen=True)
class Versus:
    """A version's metric minus that of the version that answered most in the window, with a 95 % interval."""

    start: datetime
    model: str
    than: str
    metric: str
    difference: float
    low: float
    high: float
    pvalue: float | None

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the interval says so, else `open`."""
        if self.low <= 0 <= self.high:
            return "open"
        return "better" if (self.difference > 0) == (self.metric == "accuracy_score") else "worse"


@dataclass
class Insights:
    """Lists over time, oldest first. What is missing says why a list is empty; empty itself where nothing is."""

    together: list[Together] = field(default_factory=list)
    estimates: list[Estimate] = field(default_factory=list)
    versus: list[Versus] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def read_insights(
    tables: MetricTables, monitor: Monitor, chosen: Chosen, wanted: RowFilter, windows: Collection[datetime]
) -> Insights:
    """The insights of the windows on show. A row that somebody else wrote into the table, and that is none, is left.

    Raises:
        LimitExceeded.
    """
    model = monitor.model_id_column
    rows = read_rows(
        tables.insights,
        replace(wanted, columns=(TABLE_ROW,), model_id=None),
        [*_FIELDS, *([model] if model else [])],
        model_id_column=model,
    )
    found, shown = Insights(), set(windows)
    for row in rows:
        if row["start"] not in shown or row.get("value") is None:
            continue
        whose = row.get(model) if model else None
        version = "" if whose is None else str(whose)
        _take(found, row, version, chosen)
    _say_what_is_missing(found, monitor, chosen)
    return found


def _take(found: Insights, row: Row, version: str, chosen: Chosen) -> None:
    value, details = float(row["value"]), _details(row)
    try:
        if row["insight"] == MULTIVARIATE_DRIFT and chosen.model == version == "":
            errors = float(details["reconstruction_error"]), float(details["baseline_reconstruction_error"])
            columns = tuple(str(name) for name in details.get("columns", ()))
            found.together.append(Together(row["start"], *errors, value, columns))
        elif row["insight"] == ESTIMATED_ACCURACY and version == chosen.model:
            error, is_valid = float(details["standard_error"]), details["valid"] is True
            found.estimates.append(Estimate(row["start"], value, error, is_valid, str(details["statement"])))
        elif row["insight"] == MODEL_COMPARISON and version and chosen.model in {"", version}:
            than, metric = str(details["compared_with"]), str(details["metric"])
            low, high = float(details["low"]), float(details["high"])
            found.versus.append(Versus(row["start"], version, than, metric, value, low, high, row.get("pvalue")))
    except (KeyError, TypeError, ValueError):
        return


def bounds_in_words(tables: MetricTables, wanted: RowFilter, window: datetime, *, model_id_column: str) -> str:
    """How far numbers of a window can be off that was too large to be measured exactly; empty where all are exact.

    Raises:
        LimitExceeded.
    """
    only = replace(wanted, columns=None, since=window, until=window + timedelta(microseconds=1))
    rows = read_rows(tables.insights, only, _FIELDS, model_id_column=model_id_column)
    details = [_details(row) for row in rows if row["insight"] == APPROXIMATION]
    told = [text for name, words in _BOUNDS if (text := _bound(details, name, words))]
    return f"{len(details)} columns of this window are measured in sketches: {'; '.join(told)}." if told else ""


_BOUNDS = (
    ("quantile_rank_error_bound", "quantiles are off by at most {:.2%} of the rows"),
    ("distinct_count_relative_standard_error", "distinct counts have a standard error of {:.2%}"),
    ("category_count_error_bound", "the count of a value is too low by at most {:,.0f}"),
)


def _bound(details: Sequence[dict[str, Any]], name: str, words: str) -> str:
    values = [each[name] for each in details if isinstance(each.get(name), int | float)]
    return words.format(max(values)) if values else ""


def _details(row: Row) -> dict[str, Any]:
    try:
        told = json.loads(row.get("details") or "{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _say_what_is_missing(found: Insights, monitor: Monitor, chosen: Chosen) -> None:
    missing = found.missing
    if not found.together:
        if chosen.slice or chosen.model:
            missing["together"] = "Columns are looked at together in the whole table, for all versions at once."
        elif not monitor.baseline_table_name:
            missing["together"] = "Columns are looked at together against a baseline table, and none is set."
        else:
            missing["together"] = (
                "Columns are looked at together where two numeric ones vary, in the baseline and in this table, and "
                "a window has 50 rows."
            )
    if not found.estimates and monitor.problem_type == ProblemType.CLASSIFICATION:
        missing["estimates"] = (
            "No window on show has probabilities of the classes that were predicted."
            if monitor.prediction_proba_column
            else "Accuracy is not estimated before labels arrive: that takes a column with the probabilities of the "
            "classes."
        )
    if not found.versus and monitor.model_id_column and monitor.label_column:
        missing["versus"] = (
            "Versions are compared by test in the whole table, not in slices."
            if chosen.slice
            else "A comparison by test takes two versions with labels in one window."
        )


def at_or_before(rows: Sequence[Any], window: datetime | None) -> Any | None:
    """The newest of some rows over time that is not after a window; None where there is none."""
    kept = [row for row in rows if window is None or row.start <= window]
    return kept[-1] if kept else None
