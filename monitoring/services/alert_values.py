"""Looking: the number of an alert, read with the rights of the actor that is given."""

import contextlib
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from monitoring.engine.spec import TABLE_ROW
from monitoring.models import Aggregation, AlertSource, Comparison, Monitor
from monitoring.services.alert_rules import Found, number_of
from monitoring.services.alert_settings import AlertSettings
from monitoring.services.metric_rows import Row, RowFilter, open_metric_table, read_rows
from monitoring.services.monitor_lookup import metric_table_name
from registry.errors import InvalidParameter, InvalidState, ModelkeepError
from registry.models import StatementState
from registry.services.actors import Actor
from registry.services.sql_statements import NewStatement, submit_statement, walk_rows
from registry.sql.parser import is_data
from registry.sql.planner import Parameter as SqlParameter
from registry.sql.planner import plan
from registry.sql.statements import CreateTable, Insert

MAX_ROWS = 100_000
"""How many rows of a query's result an alert looks at."""
_LOW_IS_BAD = {Comparison.LESS_THAN, Comparison.LESS_THAN_OR_EQUAL}


@dataclass(frozen=True)
class Look:
    """What was found, and of which window it speaks."""

    found: Found
    window_start: datetime | None = None
    window_end: datetime | None = None


def look(*, actor: Actor, alert: AlertSettings, monitor: Monitor | None, now: datetime | None = None) -> Look:
    """Find the number of an alert. Never raises for what is refused or fails: that is what was found."""
    try:
        if alert.source == AlertSource.METRIC:
            if monitor is None:
                return Look(Found(error="The monitor is gone."))
            return _look_at_metric(actor, alert, monitor, now or timezone.now())
        return Look(_look_at_query(actor, alert))
    except ModelkeepError as error:
        return Look(Found(error=error.message))


# --- A metric ----------------------------------------------------------------------------------------------------


def _look_at_metric(actor: Actor, alert: AlertSettings, monitor: Monitor, now: datetime) -> Look:
    rows = _metric_rows(actor, alert, monitor)
    if alert.selector.get("window") == "LATEST_COMPLETE":
        rows = [row for row in rows if row["end"] <= now]
    if not rows:
        return Look(Found(is_empty=True))
    window = [row for row in rows if row["start"] == rows[-1]["start"]]
    values = [_within(row[alert.metric.partition(".")[0]], alert.metric) for row in window]
    return Look(Found(value=_worst(values, alert.comparison)), window[0]["start"], window[0]["end"])


def _metric_rows(actor: Actor, alert: AlertSettings, monitor: Monitor) -> list[Row]:
    """The rows of the metric table that the selector means, of every window in order of time."""
    table = open_metric_table(actor=actor, monitor=monitor, which=alert.metric_table)
    selector, column = alert.selector, alert.metric.partition(".")[0]
    wanted = RowFilter(
        columns=(selector.get("column_name", TABLE_ROW),),
        slice_key=selector.get("slice_key") or "",
        slice_value=selector.get("slice_value") or "",
        granularity=selector.get("granularity"),
        drift_type=selector.get("drift_type"),
        log_type=selector.get("log_type", "INPUT"),
        model_id=selector.get("model_id"),
    )
    rows = read_rows(table, wanted, [column], model_id_column=monitor.model_id_column, most=None)
    if table is not None and rows and column not in rows[0]:
        raise InvalidState(f"Metric table '{table.full_name}' has no column '{column}'.")
    return rows


def _within(value: Any, metric: str) -> Any:
    """The part of a struct or a map that a path means; None where there is none."""
    for name in metric.split(".")[1:]:
        entries = dict(value) if isinstance(value, list) and all(isinstance(one, tuple) for one in value) else value
        value = entries.get(name) if isinstance(entries, dict) else None
    return value


def _worst(values: list[Any], comparison: str) -> Any:
    """Several rows of one window, as of several models: the one that comes nearest to a breach."""
    numbers = [number for number in map(number_of, values) if number is not None]
    if len(values) == 1 or not numbers:
        return values[0]
    return min(numbers) if comparison in _LOW_IS_BAD else max(numbers)


def query_of(alert: AlertSettings, monitor: Monitor) -> str:
    """A query that shows the number of a metric alert window by window, for people who want to see for themselves."""
    selector = dict(alert.selector)
    conditions = [f"column_name = {_quoted(selector.get('column_name', TABLE_ROW))}"]
    for name in ("slice_key", "slice_value"):
        value = selector.get(name)
        conditions.append(f"{name} IS NULL" if value is None else f"{name} = {_quoted(value)}")
    if alert.metric_table == "PROFILE":
        selector.setdefault("log_type", "INPUT")
    conditions += [
        f"{name} = {_quoted(selector[name])}"
        for name in ("granularity", "drift_type", "log_type")
        if selector.get(name) is not None
    ]
    if selector.get("model_id") is not None and monitor.model_id_column:
        conditions.append(f"CAST(`{monitor.model_id_column}` AS STRING) = {_quoted(selector['model_id'])}")
    table = ".".join(f"`{part}`" for part in metric_table_name(monitor, alert.metric_table).split("."))
    return (
        f"SELECT window.start, window.end, {alert.metric}\nFROM {table}\n"
        f"WHERE {' AND '.join(conditions)}\nORDER BY window.start DESC"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# --- A query -----------------------------------------------------------------------------------------------------


def check_query(*, actor: Actor, alert: AlertSettings) -> None:
    """Whether the text of a SQL alert is one query. What it reads is asked for when it runs.

    Raises:
        InvalidParameter.
    """
    if not is_data(alert.query_text):
        raise InvalidParameter("'query_text' must be a query: SELECT or WITH.", field="query_text")
    planned = plan(alert.query_text, user=actor.name, parameters=_parameters(alert))
    if isinstance(planned, CreateTable | Insert):
        raise InvalidParameter("'query_text' must only read: SELECT or WITH.", field="query_text")


def _parameters(alert: AlertSettings) -> dict[str, SqlParameter]:
    return {one.name: SqlParameter(one.value, one.type or "STRING") for one in alert.parameters}


def _look_at_query(actor: Actor, alert: AlertSettings) -> Found:
    check_query(actor=actor, alert=alert)
    statement = submit_statement(
        actor=actor,
        new=NewStatement(
            alert.query_text,
            parameters=_parameters(alert),
            wait_seconds=settings.ALERT_SQL_SECONDS,
            cancel_on_timeout=True,
            row_limit=MAX_ROWS,
        ),
    )
    if statement.state != StatementState.SUCCEEDED:
        reason = statement.error_message or f"It took longer than {settings.ALERT_SQL_SECONDS} seconds."
        return Found(error=f"The query failed: {reason}")
    names = [column["name"] for column in statement.manifest.get("columns", [])]
    wanted = [alert.value_column, *([alert.threshold_column] if alert.threshold_column else [])]
    places = [_place(name, names) for name in wanted]
    rows = [[row[place] for place in places] for row in walk_rows(actor=actor, statement_id=statement.pk)]
    if not rows and alert.aggregation not in {Aggregation.COUNT, Aggregation.COUNT_DISTINCT}:
        return Found(is_empty=True)
    value = aggregate([row[0] for row in rows], alert.aggregation)
    if not alert.threshold_column:
        return Found(value=value)
    threshold = aggregate([row[1] for row in rows], alert.threshold_column_aggregation)
    return Found(value=value, threshold=threshold) if threshold is not None else Found(error="The threshold is NULL.")


def _place(name: str, names: Sequence[str]) -> int:
    keys = [one.lower() for one in names]
    if name.lower() not in keys:
        raise InvalidState(f"The query has no column '{name}': it has {', '.join(names[:20])}.")
    return keys.index(name.lower())


def aggregate(values: Sequence[Any], aggregation: str) -> Any:
    """One value of a column, without NULLs; without an aggregation the first row's.

    Raises:
        InvalidState: numbers are needed and there is text.
    """
    if not aggregation:
        return _typed(values[0])
    present = [value for value in values if value is not None]
    if aggregation == Aggregation.COUNT:
        return len(present)
    if aggregation == Aggregation.COUNT_DISTINCT:
        return len(set(present))
    if not present:
        return None
    return _ranked(present, aggregation) if aggregation in _RANKS else _counted(present, aggregation)


_RANKS: dict[str, Callable[[Iterable[Any]], Any]] = {Aggregation.MAX: max, Aggregation.MIN: min}


def _typed(value: Any) -> Any:
    """Results are text: a number is a number again."""
    number = number_of(value)
    return value if number is None else number


def _ranked(present: Sequence[Any], aggregation: str) -> Any:
    numbers = [number_of(value) for value in present]
    known = [number for number in numbers if number is not None]
    return _RANKS[aggregation](known if len(known) == len(present) else map(str, present))


def _counted(present: Sequence[Any], aggregation: str) -> float | None:
    numbers = []
    for value in present:
        number = number_of(value)
        if number is None:
            raise InvalidState(f"{aggregation} needs numbers, and there is '{str(value)[:50]}'.")
        numbers.append(float(number))
    with contextlib.suppress(OverflowError, ValueError):
        match aggregation:
            case Aggregation.SUM:
                return math.fsum(numbers)
            case Aggregation.AVG:
                return math.fsum(numbers) / len(numbers)
            case Aggregation.MEDIAN:
                return statistics.median(numbers)
            case _:
                # As SQL has it: of a sample, and none of a single row.
                return statistics.stdev(numbers) if len(numbers) > 1 else None
    return None
