"""Metrics that users define: aggregates over rows, derived of them, and their drift."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from monitoring.engine.evaluation import aggregate, evaluate, output_type, result_type
from monitoring.engine.expressions import Expression, parse
from monitoring.engine.grouping import Key
from monitoring.engine.segments import Segment
from monitoring.engine.spec import TABLE_ROW, CustomMetric, MonitorSpec, SpecError

_FIELD = "custom_metrics"
_KEY = "mk__group"
_CURRENT, _BASE = "current.", "base."
STATISTICS = (
    "count num_nulls avg min max stddev median num_zeros num_nan distinct_count min_length max_length avg_length "
    "percent_nan percent_null percent_zeros percent_distinct"
).split()
"""What derived metrics may use beside aggregates: columns of the same row of the profile table."""


@dataclass(frozen=True)
class Checked:
    """A metric for one of its input columns."""

    metric: CustomMetric
    column: str
    expression: Expression
    sql_type: str


@dataclass(frozen=True)
class Definitions:
    """All metrics of a monitor, each once for each of its input columns; and the Arrow types of their columns."""

    aggregates: Sequence[Checked] = ()
    derived: Sequence[Checked] = ()
    drift: Sequence[Checked] = ()
    profile_types: Mapping[str, Any] = field(default_factory=dict)
    drift_types: Mapping[str, Any] = field(default_factory=dict)


def definitions_of(spec: MonitorSpec, schema: Any, *, lenient: bool = False) -> Definitions:
    """The checked metrics of a monitor over a table.

    Args:
        lenient: leave out aggregates that cannot be computed over this table, as a baseline may lack columns.

    Raises:
        SpecError: a metric is refused.
    """
    found: dict[str, list[Checked]] = {"AGGREGATE": [], "DERIVED": [], "DRIFT": []}
    types: dict[str, dict[str, Any]] = {"AGGREGATE": {}, "DERIVED": {}, "DRIFT": {}}
    for kind, checked in found.items():
        for metric in spec.custom_metrics:
            if metric.type != kind:
                continue
            sql_type, arrow_type = output_type(metric.output_type)
            if not metric.input_columns:
                raise SpecError(_FIELD, f"'{metric.name}' has no input columns: name some, or \":table\".")
            for column in metric.input_columns:
                try:
                    expression = _expression(spec, metric, column, schema, types)
                except SpecError:
                    if lenient and kind == "AGGREGATE":
                        continue
                    raise
                checked.append(Checked(metric, column, expression, sql_type))
            types[kind][metric.name] = arrow_type
    profile_types = types["AGGREGATE"] | types["DERIVED"]
    return Definitions(found["AGGREGATE"], found["DERIVED"], found["DRIFT"], profile_types, types["DRIFT"])


def _expression(
    spec: MonitorSpec, metric: CustomMetric, column: str, schema: Any, types: Mapping[str, Mapping[str, Any]]
) -> Expression:
    if column != TABLE_ROW and column not in schema.names:
        raise SpecError(_FIELD, f"'{metric.name}' is to be computed for '{column}', which the table does not have.")
    try:
        if metric.type == "AGGREGATE":
            roles = {"prediction_col": spec.prediction_column, "label_col": spec.label_column}
            placeholders = {name: value for name, value in roles.items() if value}
            if column != TABLE_ROW:
                placeholders["input_column"] = column
            expression = parse(
                metric.definition, columns=schema.names, field=_FIELD, placeholders=placeholders, aggregate=True
            )
            result_type(schema, expression, _FIELD)
            return expression
        earlier = [*types["AGGREGATE"], *types["DERIVED"]]
        if metric.type == "DERIVED":
            return parse(metric.definition, columns=[*earlier, *STATISTICS], field=_FIELD)
        both = [prefix + name for prefix in (_CURRENT, _BASE) for name in earlier]
        sides = {"current_df": _CURRENT, "base_df": _BASE}
        return parse(metric.definition, columns=both, field=_FIELD, rows=sides)
    except SpecError as error:
        raise SpecError(_FIELD, f"'{metric.name}': {error.message}") from error


Values = dict[Key, dict[str, dict[str, Any]]]
"""Values of aggregates by group, column and name."""


def compute_aggregates(segment: Segment, checked: Sequence[Checked], spill: Path) -> Values:
    """Every aggregate in every group of a segment; rows are streamed."""
    if not checked:
        return {}
    names = {f"m{position}": each for position, each in enumerate(checked)}
    columns = sorted({name for each in checked for name in each.expression.columns})
    keys: dict[Key, int] = {}
    schema = pa.schema(
        [segment.source.schema.field(name) for name in columns if name in segment.source.schema.names]
        + [pa.field(_KEY, pa.int64())]
    )
    reader = pa.RecordBatchReader.from_batches(schema, _keyed(segment, columns, keys, schema))
    answer = aggregate(
        reader,
        {name: each.expression for name, each in names.items()},
        {name: each.sql_type for name, each in names.items()},
        key=_KEY,
        spill=spill,
    )
    by_number = {number: key for key, number in keys.items()}
    found: Values = {}
    for row in answer.to_pylist():
        of_key = found.setdefault(by_number[row[_KEY]], {})
        for name, each in names.items():
            of_key.setdefault(each.column, {})[each.metric.name] = finite(row[name])
    return found


def _keyed(segment: Segment, columns: Sequence[str], keys: dict[Key, int], schema: Any) -> Iterator[Any]:
    for piece, table in segment.tables(columns):
        for ordering in piece.orderings:
            numbers = np.array([keys.setdefault(key, len(keys)) for key in ordering.keys] or [-1], np.int64)
            codes = np.zeros(piece.rows, np.int64) if ordering.codes is None else ordering.codes
            groups = np.where(codes < 0, -1, numbers[codes])
            whole = table.append_column(_KEY, pa.array(groups)).cast(schema)
            yield from whole.to_batches()


def finite(value: Any) -> Any:
    """A value for a metric table: NaN is null there."""
    return None if isinstance(value, float) and value != value else value


def derive(rows: Sequence[dict[str, Any]], definitions: Definitions) -> None:
    """Add derived metrics to profile rows, which hold their aggregates already."""
    for each in definitions.derived:
        chosen = [row for row in rows if row["column_name"] == each.column]
        _fill(chosen, each, {name: [row.get(name) for row in chosen] for name in each.expression.columns})


def compare(pairs: Sequence[tuple[dict[str, Any], Mapping[str, Any], Mapping[str, Any]]], given: Definitions) -> None:
    """Add drift metrics to drift rows, each with the values of its metrics now and of what it is compared with."""
    for each in given.drift:
        chosen = [pair for pair in pairs if pair[0]["column_name"] == each.column]
        data = {}
        for name in each.expression.columns:
            side, metric = (1, name[len(_CURRENT) :]) if name.startswith(_CURRENT) else (2, name[len(_BASE) :])
            data[name] = [pair[side].get(metric) for pair in chosen]
        _fill([pair[0] for pair in chosen], each, data)


def _fill(rows: Sequence[dict[str, Any]], each: Checked, data: Mapping[str, Sequence[Any]]) -> None:
    if not rows:
        return
    arrays = {name: pa.array(values) for name, values in data.items()}
    table = pa.table({name: a.cast(pa.float64()) if pa.types.is_null(a.type) else a for name, a in arrays.items()})
    if not arrays:
        table = pa.table({"mk_row": pa.nulls(len(rows), pa.int8())})
    answer = evaluate(table, {"x": each.expression}, {"x": each.sql_type}).column("x").to_pylist()
    for row, value in zip(rows, answer, strict=True):
        row[each.metric.name] = finite(value)
