"""Rows of the metric tables as plain dictionaries, for dashboards and alerts; who reads them may SELECT from them.

The tables are governed like any other. Only the columns and files that a question needs are read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from monitoring.engine.spec import TABLE_ROW
from monitoring.models import Monitor
from monitoring.services.monitor_lookup import metric_table_of
from registry.errors import InvalidState, LimitExceeded
from registry.services.actors import Actor
from registry.services.table_data import TableData, open_tables

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

Row = dict[str, Any]
MOST_ROWS = 200_000
"""More rows than that are no picture any more."""


@dataclass(frozen=True)
class RowFilter:
    """Which rows are wanted; None filters nothing, the empty text asks for rows where the column is NULL.

    Beside a slice the empty value is that of rows whose slice is the empty text. `since` is inclusive and `until`
    exclusive, both for the start of a window.
    """

    granularity: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    slice_key: str | None = ""
    slice_value: str | None = None
    model_id: str | None = None
    columns: tuple[str, ...] | None = None
    drift_type: str | None = None
    log_type: str | None = None


@dataclass(frozen=True)
class MetricTables:
    """The metric tables of a monitor that the actor may read; None: there is none yet, or somebody dropped it."""

    profile: TableData | None
    drift: TableData | None
    insights: TableData | None


def open_metric_tables(*, actor: Actor, monitor: Monitor) -> MetricTables:
    """Ask for the right to read the metric tables. Puts the reads on the audit trail.

    Raises:
        AccessDenied, NotFound: SELECT is missing on one of them.
    """
    names = {which: metric_table_of(monitor, which) for which in ("PROFILE", "DRIFT", "INSIGHTS")}
    reads = [table.full_name for table in names.values() if table]
    opened = open_tables(actor=actor, reads=reads) if reads else {}
    found = {which: opened.get(table.full_name) if table else None for which, table in names.items()}
    return MetricTables(found["PROFILE"], found["DRIFT"], found["INSIGHTS"])


def open_metric_table(*, actor: Actor, monitor: Monitor, which: str) -> TableData | None:
    """Ask for the right to read one metric table, as `open_metric_tables` does for all."""
    table = metric_table_of(monitor, which)
    return open_tables(actor=actor, reads=[table.full_name])[table.full_name] if table else None


def read_rows(
    table: TableData | None,
    wanted: RowFilter,
    fields: Sequence[str],
    *,
    model_id_column: str = "",
    most: int | None = MOST_ROWS,
) -> list[Row]:
    """The rows of a metric table that are wanted, in the order of their windows and columns.

    Fields that the table lacks are left out of every row.

    Args:
        most: None for any number.

    Raises:
        LimitExceeded: there are more.
        InvalidState: the files of the table cannot be read.
    """
    if table is None:
        return []
    with _dataset(table) as dataset:
        names = [name for name in dict.fromkeys((*fields, "window", "column_name")) if name in dataset.schema.names]
        condition = _condition(wanted, dataset.schema.names, model_id_column)
        if most is not None and dataset.count_rows(filter=condition) > most:
            raise LimitExceeded(f"More than {most:,} rows of metrics: choose fewer windows, or one column.")
        rows: list[Row] = dataset.to_table(columns=names, filter=condition).to_pylist()
    for row in rows:
        _name_window(row)
    return sorted(rows, key=lambda row: (row["start"], row["column_name"]))


def distinct(
    table: TableData | None, fields: Sequence[str], wanted: RowFilter, *, model_id_column: str = ""
) -> list[Row]:
    """The distinct combinations of some columns, of rows that speak of the whole table."""
    if table is None:
        return []
    with _dataset(table) as dataset:
        names = [name for name in fields if name in dataset.schema.names]
        condition = _condition(wanted, dataset.schema.names, model_id_column)
        found: pa.Table = dataset.to_table(columns=names, filter=condition)
        rows: list[Row] = found.group_by(names).aggregate([]).to_pylist()
    return rows


@contextmanager
def _dataset(table: TableData) -> Iterator[Any]:
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        yield DeltaTable(table.folder).to_pyarrow_dataset()
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise InvalidState(f"The files of table '{table.full_name}' cannot be read.") from error


def _name_window(row: Row) -> None:
    window = row.pop("window", None) or {}
    row["start"] = _moment(window.get("start"))
    row["end"] = _moment(window.get("end"))


def _moment(value: datetime | None) -> datetime:
    if value is None:
        return datetime.fromtimestamp(0, UTC)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _condition(wanted: RowFilter, names: Sequence[str], model_id_column: str) -> "pc.Expression | None":
    import pyarrow.compute as pc

    conditions = [
        _equal(name, value, null=name != "slice_value" or not wanted.slice_key)
        for name, value in (
            ("granularity", wanted.granularity),
            ("slice_key", wanted.slice_key),
            ("slice_value", wanted.slice_value),
            (model_id_column, wanted.model_id),
            ("drift_type", wanted.drift_type),
            ("log_type", wanted.log_type),
        )
        if value is not None and name in names
    ]
    if wanted.columns is not None:
        conditions.append(pc.field("column_name").isin(list(wanted.columns)))
    if wanted.since:
        conditions.append(pc.field("window", "start") >= _bound(wanted.since))
    if wanted.until:
        conditions.append(pc.field("window", "start") < _bound(wanted.until))
    whole = None
    for condition in conditions:
        whole = condition if whole is None else whole & condition
    return whole


def _equal(name: str, value: str, *, null: bool) -> "pc.Expression":
    import pyarrow.compute as pc

    if not value and null:
        return pc.field(name).is_null()
    return pc.field(name).cast("string") == value  # A model's version may be a number.


def _bound(moment: datetime) -> "pa.Scalar":
    import pyarrow as pa

    return pa.scalar(moment, pa.timestamp("us", tz="UTC"))


__all__ = [
    "TABLE_ROW",
    "MetricTables",
    "Row",
    "RowFilter",
    "distinct",
    "open_metric_table",
    "open_metric_tables",
    "read_rows",
]
