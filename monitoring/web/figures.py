"""The charts of a dashboard: its numbers as figures, with the titles that they stand under."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.charts.distributions import category_distribution, numeric_distribution
from monitoring.charts.heatmaps import drift_heatmap
from monitoring.charts.judgements import Difference, difference_lines, estimate_lines
from monitoring.charts.lines import time_bars, time_lines
from monitoring.charts.marks import Figure, Mark, with_marks
from monitoring.services.dashboard_board import ColumnDetail, Dashboard
from monitoring.services.dashboard_quality import QUALITY
from monitoring.services.dashboards import effect_of
from monitoring.services.metric_rows import Row


@dataclass(frozen=True)
class Chart:
    """A figure with the id that it has on the page, and its title; `alert` is the metric that one may be made on."""

    id: str
    title: str
    figure: Figure
    low: bool = False
    alert: str = ""


Aliases = Mapping[str, Sequence[str]]
"""The aliases of versions that have some."""
Address = Callable[..., str]
"""The address of a dashboard in its present state with some changes, by keyword."""


def heat_chart(board: Dashboard, address: Address) -> Chart | None:
    """Columns by windows; a click on a cell looks at that column in that window."""
    links = [
        [f"{address(column=name, window=start.isoformat())}#column" for start in board.heat_windows]
        for name in board.heat
    ]
    names = [window_label(board, start) for start in board.heat_windows]
    figure = drift_heatmap(list(board.heat), names, list(board.heat.values()), links)
    return Chart("drift-heatmap", "How far each column moved", figure, low=True) if figure else None


def window_label(board: Dashboard, start: datetime) -> str:
    """A window by its start in UTC, no finer than its granularity."""
    is_long = board.chosen.granularity.endswith(("day", "week", "weeks", "month", "year"))
    return f"{start:%Y-%m-%d}" if is_long else f"{start:%Y-%m-%d %H:%M}"


def row_chart(board: Dashboard) -> Chart | None:
    """How many rows each window has."""
    figure = time_bars(board.windows, [float(count) for count in board.rows_per_window], axis="rows")
    return Chart("rows", "Rows per window", figure, low=True) if figure else None


_SCORES = {"f1_score", "precision", "recall", "roc_auc_score"}
"""Metrics that hold several numbers, of which the weighted mean is drawn."""
_ALERTS = {
    label: f"PROFILE:{name}.weighted" if name in _SCORES else f"PROFILE:{name}"
    for metrics in QUALITY.values()
    for name, label in metrics
}


def own_charts(board: Dashboard, marks: Sequence[Mark]) -> list[Chart]:
    """A chart for each metric of people's own over the whole table."""
    found = []
    for place, (name, values) in enumerate(board.own_metrics.items()):
        if figure := time_lines(board.windows, {name: values}, axis=name):
            found.append(Chart(f"own-{place}", name, with_marks(figure, marks), alert=f"PROFILE:{name}"))
    return found


def quality_charts(board: Dashboard, marks: Sequence[Mark], aliases: Aliases) -> list[Chart]:
    """A chart a quality metric, a line a model, with what happened to the models."""
    charts = []
    for place, (label, series) in enumerate(board.quality.items()):
        named = {_whose(version, aliases): values for version, values in series.items()}
        figure = time_lines(board.quality_windows, named, axis=label)
        if figure:
            charts.append(Chart(f"quality-{place}", label, with_marks(figure, marks), alert=_ALERTS[label]))
    return charts


def _whose(version: str, aliases: Aliases) -> str:
    return "all versions" if version == "all" else f"version {version_label(version, aliases)}"


def version_label(version: str, aliases: Aliases) -> str:
    """A version with the aliases that it has now."""
    return " ".join([version, *(f"@{name}" for name in aliases.get(version, []))])


def estimate_chart(board: Dashboard, marks: Sequence[Mark]) -> Chart | None:
    """Accuracy as the probabilities promise it, beside the accuracy that labels show."""
    rows = board.insights.estimates
    series = board.quality.get("Accuracy", {})
    figure = estimate_lines(
        [one.start for one in rows],
        [one.accuracy for one in rows],
        [one.error for one in rows],
        valid=[one.valid for one in rows],
        statements=[one.statement for one in rows],
        measured=(board.quality_windows, series.get(board.chosen.model or "all", [])),
        axis="accuracy",
    )
    return Chart("estimated", "Accuracy, estimated and measured", with_marks(figure, marks)) if figure else None


def versus_chart(board: Dashboard, marks: Sequence[Mark], aliases: Aliases) -> Chart | None:
    """How much better or worse each version is than the one that answers most, window by window."""
    series: dict[str, list[Difference]] = {}
    for one in board.insights.versus:
        than = f"version {version_label(one.than, aliases)}"
        point = (one.start, one.difference, one.low, one.high, than)
        series.setdefault(_whose(one.model, aliases), []).append(point)
    if not series:
        return None
    metric = metric_label(board)
    figure = with_marks(difference_lines(series, axis=f"difference of {metric}"), marks)
    return Chart("versus", f"{metric}, minus that of the version that answers most", figure)


def metric_label(board: Dashboard) -> str:
    """What versions are compared by."""
    names = {one.metric for one in board.insights.versus}
    return "Mean absolute error" if "mean_average_error" in names else "Accuracy"


def together_chart(board: Dashboard, marks: Sequence[Mark]) -> Chart | None:
    """How badly the numeric columns of each window fit together as they did in the baseline."""
    rows = board.insights.together
    figure = time_lines(
        [one.start for one in rows],
        {"reconstruction error": [one.error for one in rows]},
        axis="reconstruction error",
        from_zero=True,
        threshold=rows[-1].baseline_error if rows else None,
    )
    title = "Numeric columns together, against the baseline (dashed)"
    return Chart("together", title, with_marks(figure, marks)) if figure else None


def column_charts(detail: ColumnDetail, marks: Sequence[Mark]) -> list[Chart]:
    """The shape of a column now and before, how far it moved, and what is wrong with its values over time."""
    charts = [_shape(detail), _distance(detail, marks), *_values(detail)]
    return [chart for chart in charts if chart]


def _shape(detail: ColumnDetail) -> Chart | None:
    if detail.is_numeric:
        samples = {name: row.get("quantiles") or [] for name, row in detail.shapes.items()}
        figure = numeric_distribution(samples)
    else:
        items = {
            name: {str(item["item"]): int(item["count"]) for item in row.get("frequent_items") or []}
            for name, row in detail.shapes.items()
        }
        totals = {
            name: int(row.get("count") or 0) - int(row.get("num_nulls") or 0) for name, row in detail.shapes.items()
        }
        figure = category_distribution(items, totals)
    return Chart("column-shape", f"Values of {detail.name}", figure) if figure else None


def _distance(detail: ColumnDetail, marks: Sequence[Mark]) -> Chart | None:
    known = [row for row in detail.drift if effect_of(row) is not None]
    name = "KS statistic" if detail.is_numeric else "total variation"
    figure = time_lines(
        [row["start"] for row in known], {name: [effect_of(row) for row in known]}, axis=name, from_zero=True
    )
    return Chart("column-drift", "How far it moved", with_marks(figure, marks)) if figure else None


def _values(detail: ColumnDetail) -> list[Chart]:
    times = [row["start"] for row in detail.history]
    faults = {
        label: [_number(row, name) for row in detail.history]
        for name, label in (("percent_null", "null"), ("percent_zeros", "zero"), ("percent_distinct", "distinct"))
    }
    charts = []
    if detail.is_numeric:
        middle = {
            name: [_number(row, field) for row in detail.history]
            for field, name in (("avg", "mean"), ("median", "median"))
        }
        if figure := time_lines(times, middle, axis="value"):
            charts.append(Chart("column-middle", "Mean and median", figure))
    if figure := time_lines(times, faults, axis="% of rows", from_zero=True):
        charts.append(Chart("column-faults", "Null, zero and distinct values", figure))
    for place, name in enumerate(detail.own_metrics):
        own = [_number(row, name) for row in detail.history]
        if figure := time_lines(times, {name: own}, axis=name):
            charts.append(Chart(f"column-own-{place}", f"{name} of {detail.name}", figure))
    return charts


def _number(row: Row, name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None
