"""How numbers of metrics are written, and what a dashboard's table links to."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django import template

from monitoring.engine.spec import TABLE_ROW
from monitoring.services.dashboard_board import ColumnChange, Dashboard
from monitoring.web.figures import Chart, window_label

register = template.Library()
NOTICEABLE = 0.1
"""A distance that people look at; docs/monitoring.md says the same."""


@register.filter
def short(value: Any) -> str:
    """A number with four figures."""
    if value is None or not isinstance(value, int | float) or isinstance(value, bool):
        return "\u2013" if value is None else str(value)
    return f"{value:,.4g}" if math.isfinite(value) and abs(value) < 1e6 else f"{value:.4g}"


@register.filter
def signed(value: float) -> str:
    """A difference with four figures."""
    return f"{value:+.4g}"


@register.filter
def window_of(start: datetime, board: Dashboard) -> str:
    """A window as the rest of the dashboard names it."""
    return window_label(board, start)


@register.filter
def bound(row: Mapping[str, Any], name: str) -> str:
    """The least or greatest value of a column: a moment where the column holds moments (kept as epoch seconds)."""
    value = row.get(name)
    if value is not None and str(row.get("data_type", "")).startswith(("timestamp", "date")):
        return f"{datetime.fromtimestamp(float(value), UTC):%Y-%m-%d %H:%M}"
    return short(value)


@register.filter
def percent(value: Any) -> str:
    """A percentage, of 0 to 100."""
    return "\u2013" if value is None else f"{float(value):.1f} %"


@register.filter
def pvalue(value: float) -> str:
    """A p-value: what is tiny is no more than tiny."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


@register.filter
def moved(changes: Sequence[ColumnChange]) -> int:
    """How many columns moved noticeably, and not by chance."""
    return sum(1 for change in changes if change.significant and change.effect >= NOTICEABLE)


@register.filter
def latest(board: Dashboard, most: int) -> list[tuple[str, float, float | None]]:
    """The first quality metrics in the window that is looked at, and in the one before; of all versions together."""
    shown = [place for place, start in enumerate(board.quality_windows) if start <= (board.last_window or start)]
    found = []
    for label, series in list(board.quality.items())[:most]:
        whole = series.get("all") or next(iter(series.values()), [])
        values = [value for place in shown if (value := whole[place]) is not None]
        if values:
            found.append((label, values[-1], values[-2] if len(values) > 1 else None))
    return found


@register.filter
def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.simple_tag
def alert_address(url: str, board: Dashboard, change: ColumnChange) -> str:
    """The address of the rule editor, filled in for a column that moved."""
    is_number = any(name == "KS" for name, _ in change.measures)
    metric = "DRIFT:ks_test.statistic" if is_number else "DRIFT:tv_distance"
    return _editor(url, board, f"{change.column} of {board.monitor.table.name} drifts", metric, change.column)


@register.simple_tag
def chart_alert_address(url: str, board: Dashboard, chart: Chart) -> str:
    """The address of the rule editor, filled in for a metric of the whole table that is drawn."""
    return _editor(url, board, f"{chart.title} of {board.monitor.table.name}", chart.alert, TABLE_ROW)


def _editor(url: str, board: Dashboard, name: str, metric: str, column: str) -> str:
    given = {
        "name": name,
        "table": board.monitor.table.full_name,
        "metric": metric,
        "column_name": column,
        "granularity": board.chosen.granularity,
        "drift_type": board.chosen.drift if metric.startswith("DRIFT:") else "",
    }
    return f"{url}?{urlencode({name: value for name, value in given.items() if value})}"
