"""The dashboard of a monitor, computed from its metric tables alone: what moved, since when, and what it is now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from monitoring.engine.spec import TABLE_ROW
from monitoring.models import Monitor
from monitoring.services.dashboard_board import ColumnChange, ColumnDetail, Dashboard
from monitoring.services.dashboard_filters import (
    BASELINE,
    CONSECUTIVE,
    DEFAULT_WINDOWS,
    Chosen,
    complete,
    find_choices,
    row_filter,
)
from monitoring.services.dashboard_insights import bounds_in_words, read_insights
from monitoring.services.dashboard_quality import add_quality, add_slices, inputs, number_of
from monitoring.services.metric_rows import MetricTables, Row, RowFilter, open_metric_tables, read_rows
from monitoring.services.monitor_lookup import find_shown_monitor
from registry.services.actors import Actor
from registry.services.audit import audited_read

_DRIFT_FIELDS = (
    "data_type",
    "ks_test",
    "chi_squared_test",
    "tv_distance",
    "js_distance",
    "l_infinity_distance",
    "wasserstein_distance",
    "population_stability_index",
    "percent_null_delta",
    "avg_delta",
)
_PROFILE_FIELDS = (
    "count",
    "data_type",
    "num_nulls",
    "percent_null",
    "percent_zeros",
    "percent_distinct",
    "distinct_count",
    "avg",
    "median",
    "stddev",
    "min",
    "max",
)
_SHAPE_FIELDS = ("quantiles", "frequent_items", "count", "num_nulls", "data_type", "log_type")


@audited_read
def build_dashboard(*, actor: Actor, table: str, chosen: Chosen, now: datetime | None = None) -> Dashboard:
    """The dashboard of a table's monitor. Reads the metric tables, never the monitored one.

    Raises:
        NotFound: no such table, a hidden one, or one without a monitor.
        AccessDenied: SELECT on the metric tables is missing.
        InvalidParameter, LimitExceeded.
    """
    monitor = find_shown_monitor(actor=actor, table=table)
    tables = open_metric_tables(actor=actor, monitor=monitor)
    choices = find_choices(tables, monitor)
    board = Dashboard(monitor, complete(chosen, choices), choices)
    wanted = row_filter(board.chosen)
    fields = (*_PROFILE_FIELDS, *_own_metrics(monitor))
    profiles = inputs(read_rows(tables.profile, wanted, fields, model_id_column=monitor.model_id_column))
    _add_windows(board, profiles, now=now or timezone.now())
    board.own_metrics = _own_over_time([row for row in profiles if row["column_name"] == TABLE_ROW], board)
    _add_drift(board, tables, wanted)
    add_quality(board, tables, wanted)
    board.insights = read_insights(tables, monitor, board.chosen, wanted, board.windows)
    _add_columns(board, profiles)
    add_slices(board, tables, wanted)
    _add_detail(board, tables, wanted, profiles)
    _add_notices(board, tables)
    if (window := board.last_window) is not None:
        bounds = bounds_in_words(tables, wanted, window, model_id_column=monitor.model_id_column)
        board.notices.extend([bounds] if bounds else [])
    return board


def _own_metrics(monitor: Monitor) -> list[str]:
    """The metrics that people defined for rows of the profile table."""
    return [metric["name"] for metric in monitor.custom_metrics if metric["type"] != "DRIFT"]


def _own_over_time(rows: Iterable[Row], board: Dashboard) -> dict[str, list[float | None]]:
    """Each metric of people's own that is a number, over the windows on show."""
    by_start = {row["start"]: row for row in rows}
    found = {}
    for name in _own_metrics(board.monitor):
        values = [number_of(by_start.get(start, {}).get(name)) for start in board.windows]
        if any(value is not None for value in values):
            found[name] = values
    return found


def _add_windows(board: Dashboard, profiles: Sequence[Row], *, now: datetime) -> None:
    counts: dict[datetime, int] = {}
    for row in profiles:
        if row["column_name"] == TABLE_ROW:
            counts[row["start"]] = counts.get(row["start"], 0) + int(row.get("count") or 0)
            board.window_ends[row["start"]] = row["end"]
            if row["end"] > now and board.chosen.granularity:
                board.open_window = row["start"]
    starts = sorted(counts)
    if not board.chosen.since:
        starts = starts[-DEFAULT_WINDOWS:]
    board.windows = starts
    board.rows_per_window = [counts[start] for start in starts]


def _add_drift(board: Dashboard, tables: MetricTables, wanted: RowFilter) -> None:
    rows = read_rows(
        tables.drift,
        replace(wanted, drift_type=board.chosen.drift),
        _DRIFT_FIELDS,
        model_id_column=board.monitor.model_id_column,
    )
    shown = set(board.windows)
    rows = [row for row in rows if row["start"] in shown and row["column_name"] != TABLE_ROW]
    board.heat_windows = sorted({row["start"] for row in rows})
    place = {start: number for number, start in enumerate(board.heat_windows)}
    scores: dict[str, list[float | None]] = {}
    for row in rows:
        score = effect_of(row)
        line = scores.setdefault(row["column_name"], [None] * len(place))
        if score is not None:
            line[place[row["start"]]] = max(score, line[place[row["start"]]] or 0.0)
    kept = {name: line for name, line in scores.items() if any(score is not None for score in line)}
    # What moved most in the newest windows comes first.
    board.heat = dict(sorted(kept.items(), key=lambda item: (-max(s or 0.0 for s in item[1][-3:]), item[0])))
    newest = board.last_window if board.last_window in place else max(place, default=None)
    board.changes = _ranked([row for row in rows if row["start"] == newest])


def effect_of(row: Mapping[str, Any]) -> float | None:
    """How far a column moved, from 0 to 1 and comparable between kinds of columns.

    The Kolmogorov-Smirnov statistic of a numeric column, the total variation of a categorical one: both are the
    largest difference in probability that the two samples give to any one event of their kind.
    """
    test = row.get("ks_test")
    if test and test.get("statistic") is not None:
        return float(test["statistic"])
    distance = row.get("tv_distance")
    return None if distance is None else float(distance)


def _ranked(rows: Sequence[Row]) -> list[ColumnChange]:
    from monitoring.metrics.ranking import ranked

    tested = {row["column_name"]: row for row in rows if effect_of(row) is not None}
    order = ranked([(name, effect_of(row) or 0.0, _pvalue(row)) for name, row in tested.items()])
    return [
        ColumnChange(one.column, one.effect, one.adjusted, one.significant, _measures(tested[one.column]))
        for one in order
    ]


def _pvalue(row: Row) -> float:
    test = row.get("ks_test") or row.get("chi_squared_test") or {}
    value = test.get("pvalue")
    return 1.0 if value is None else float(value)


def _measures(row: Row) -> list[tuple[str, float]]:
    named = (
        ("KS", (row.get("ks_test") or {}).get("statistic")),
        ("PSI", row.get("population_stability_index")),
        ("Wasserstein", row.get("wasserstein_distance")),
        ("total variation", row.get("tv_distance")),
        ("Jensen-Shannon", row.get("js_distance")),
        ("L-infinity", row.get("l_infinity_distance")),
        ("nulls", row.get("percent_null_delta")),
    )
    return [(name, float(value)) for name, value in named if value is not None]


def _add_columns(board: Dashboard, profiles: Sequence[Row]) -> None:
    newest = board.last_window
    board.columns = [row for row in profiles if row["start"] == newest and row["column_name"] != TABLE_ROW]


def _add_detail(board: Dashboard, tables: MetricTables, wanted: RowFilter, profiles: Sequence[Row]) -> None:
    name, window = board.chosen.column, board.last_window
    history = [row for row in profiles if row["column_name"] == name and row["start"] in set(board.windows)]
    if not name or not history or window is None:
        return
    model = board.monitor.model_id_column
    only = replace(wanted, columns=(name,))
    drift = read_rows(
        tables.drift, replace(only, drift_type=board.chosen.drift), _DRIFT_FIELDS, model_id_column=model
    )
    starts = [row["start"] for row in history]
    current = window if window in starts else starts[-1]
    before = [start for start in starts if start < current]
    shapes = read_rows(
        tables.profile,
        replace(only, since=before[-1] if before else current),
        _SHAPE_FIELDS,
        model_id_column=model,
    )
    named = _first("this window", [row for row in inputs(shapes) if row["start"] == current])
    if board.chosen.drift == BASELINE:
        base = read_rows(
            tables.profile,
            replace(only, log_type=BASELINE, since=None, until=None, granularity=None),
            _SHAPE_FIELDS,
            model_id_column="",
        )
        named |= _first("baseline", base)
    elif before:
        named |= _first("window before", [row for row in inputs(shapes) if row["start"] == before[-1]])
    numeric = any(row.get("quantiles") for row in named.values())
    board.detail = ColumnDetail(name, numeric, history, _own_metrics(board.monitor), drift, current, named)


def _first(name: str, rows: Sequence[Row]) -> dict[str, Row]:
    return {name: rows[0]} if rows else {}


def _add_notices(board: Dashboard, tables: MetricTables) -> None:
    monitor, count = board.monitor, len(board.windows)
    if tables.profile is None:
        board.notices.append("No metrics yet: they are there after the first refresh.")
        return
    chosen = board.chosen
    if count == 0 and not (chosen.since or chosen.until or chosen.slice or chosen.model):
        board.notices.append("There were no rows to measure yet: numbers come with a refresh that finds some.")
    elif count == 0:
        board.notices.append("No rows fall into these filters. Widen the range, or choose another slice or model.")
    elif count == 1 and board.chosen.drift == CONSECUTIVE:
        board.notices.append("There is one window: drift from window to window needs a second one.")
    if board.open_window and not board.chosen.window and count > 1:
        board.notices.append(
            "The newest window is not over yet: what is told of the latest one is of the one before."
        )
    if not monitor.baseline_table and not monitor.baseline_table_name and BASELINE not in board.choices.drifts:
        board.notices.append(
            "No baseline table is set, so windows are held against the ones before them. "
            "A baseline, as the training data, shows slow drift that this cannot."
        )
    if monitor.problem_type and not monitor.label_column:
        board.notices.append("No label column is set: quality cannot be measured, only drift.")
    elif monitor.problem_type and count and not board.quality:
        board.notices.append("No labels have arrived for these windows yet: quality appears when they do.")
