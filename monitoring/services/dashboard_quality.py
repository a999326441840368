"""How good the predictions were: over time, by version, and by slice."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from monitoring.engine.spec import TABLE_ROW
from monitoring.models import ProblemType
from monitoring.services.dashboard_board import Dashboard, VersionRow
from monitoring.services.dashboard_filters import BASELINE
from monitoring.services.metric_rows import MetricTables, Row, RowFilter, read_rows

QUALITY = {
    ProblemType.CLASSIFICATION: (
        ("accuracy_score", "Accuracy"),
        ("f1_score", "F1, weighted"),
        ("precision", "Precision, weighted"),
        ("recall", "Recall, weighted"),
        ("roc_auc_score", "ROC AUC"),
        ("log_loss", "Log loss"),
    ),
    ProblemType.REGRESSION: (
        ("root_mean_squared_error", "RMSE"),
        ("mean_average_error", "MAE"),
        ("mean_absolute_percentage_error", "MAPE"),
        ("r2_score", "R²"),
    ),
}
"""The quality metrics of each kind of model, the most telling one first."""


def inputs(rows: Iterable[Row]) -> list[Row]:
    """The rows that are not of the baseline."""
    return [row for row in rows if row.get("log_type") != BASELINE]


def add_quality(board: Dashboard, tables: MetricTables, wanted: RowFilter) -> None:
    """The quality metrics over time, of all versions together and of each by itself."""
    monitor = board.monitor
    metrics = QUALITY.get(ProblemType(monitor.problem_type), ()) if monitor.problem_type else ()
    if not metrics or not monitor.label_column:
        return
    model = monitor.model_id_column
    fields = [name for name, _ in metrics]
    rows = inputs(
        read_rows(
            tables.profile,
            replace(wanted, columns=(TABLE_ROW,), model_id=None),
            ["log_type", "count", *fields, *([model] if model else [])],
            model_id_column=model,
        )
    )
    shown, chosen = set(board.windows), board.chosen.model
    rows = [row for row in rows if row["start"] in shown]
    board.quality_windows = sorted({row["start"] for row in rows})
    place = {start: number for number, start in enumerate(board.quality_windows)}
    for name, label in metrics:
        series: dict[str, list[float | None]] = {}
        for row in rows:
            value, whose = number_of(row.get(name)), _version_of(row, model)
            if value is not None and chosen in {"", whose}:
                series.setdefault(whose or "all", [None] * len(place))[place[row["start"]]] = value
        if series:
            board.quality[label] = series
    _add_versions(board, rows, model, [name for name, label in metrics if label in board.quality])


def _version_of(row: Row, model: str) -> str:
    return str(row[model]) if model and row.get(model) is not None else ""


def _add_versions(board: Dashboard, rows: Sequence[Row], model: str, names: Sequence[str]) -> None:
    """Every version beside the others, in the newest window with labels that is not after the one looked at."""
    judged = [
        row
        for row in rows
        if _version_of(row, model)
        and (board.last_window is None or row["start"] <= board.last_window)
        and any(number_of(row.get(name)) is not None for name in names)
    ]
    board.versions_window = max((row["start"] for row in judged), default=None)
    found = [
        VersionRow(_version_of(row, model), int(row.get("count") or 0), [number_of(row.get(name)) for name in names])
        for row in judged
        if row["start"] == board.versions_window
    ]
    board.versions = sorted(found, key=lambda one: (-one.count, one.version))


def number_of(value: Any) -> float | None:
    """A metric as one number: of several it is the weighted mean."""
    if isinstance(value, Mapping):
        value = value.get("weighted")
    return float(value) if isinstance(value, (int, float)) else None


def add_slices(board: Dashboard, tables: MetricTables, wanted: RowFilter) -> None:
    """The slices of the window that is looked at: their rows, and the first quality metric if there is one."""
    newest = board.last_window
    if newest is None or not board.choices.slices:
        return
    monitor = board.monitor
    metrics = QUALITY.get(ProblemType(monitor.problem_type), ()) if monitor.problem_type else ()
    name, label = metrics[0] if metrics and monitor.label_column else ("", "")
    rows = read_rows(
        tables.profile,
        replace(wanted, columns=(TABLE_ROW,), slice_key=None, slice_value=None, since=newest),
        ["log_type", "slice_key", "slice_value", "count", *([name] if name else [])],
        model_id_column=monitor.model_id_column,
    )
    found: dict[tuple[str, str], Row] = {}
    for row in inputs(rows):
        if row["start"] == newest and row.get("slice_key"):
            key = (row["slice_key"], str(row["slice_value"]))
            found[key] = {
                "key": key[0],
                "value": key[1],
                "count": int(row.get("count") or 0) + (found[key]["count"] if key in found else 0),
                "metric": label,
                "quality": number_of(row.get(name)) if name else None,
            }
    board.slices = [found[key] for key in sorted(found)]
