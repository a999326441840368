"""Whether a monitor can work on a table, found out before it is made."""

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from monitoring.engine.columns import ColumnKind, kind_of
from monitoring.engine.custom_metrics import definitions_of
from monitoring.engine.evaluation import result_type
from monitoring.engine.expressions import parse
from monitoring.engine.rows import reserved_names
from monitoring.engine.spec import GRANULARITIES, MonitorSpec, SpecError

if TYPE_CHECKING:
    import pyarrow as pa

_NAME_LIMIT = 255


def validate_spec(spec: MonitorSpec, schema: "pa.Schema") -> None:
    """Check a spec against the columns of its table; expressions are compiled on no rows.

    Raises:
        SpecError: names the field and the remedy.
    """
    if spec.kind != "SNAPSHOT":
        _times(spec, schema)
    if spec.kind == "INFERENCE_LOG":
        _roles(spec, schema)
    if spec.exact_rows < 1 or spec.max_slice_values < 1 or spec.lookback_days < 1:
        raise SpecError("exact_rows", "exact_rows, max_slice_values and lookback_days are at least 1.")
    for text in spec.slicing_expressions:
        _slice(text, schema)
    _metric_names(spec)
    definitions_of(spec, schema)


def _times(spec: MonitorSpec, schema: Any) -> None:
    column = spec.timestamp_column
    if not column:
        raise SpecError("timestamp_column", "Name the timestamp column.")
    if kind_of(_type(schema, column, "timestamp_column")) is not ColumnKind.TEMPORAL:
        raise SpecError("timestamp_column", f"'{column}' is neither a timestamp nor a date: cast it in the table.")
    if not spec.granularities:
        raise SpecError("granularities", f"Name at least one granularity, such as '{GRANULARITIES[3]}'.")
    for granularity in spec.granularities:
        if granularity not in GRANULARITIES:
            raise SpecError("granularities", f"'{granularity}' is none of {', '.join(GRANULARITIES)}.")
    try:
        ZoneInfo(spec.time_zone)
    except (ValueError, OSError, KeyError) as error:
        raise SpecError("time_zone", f"'{spec.time_zone}' is no IANA time zone, such as Europe/Berlin.") from error


def _roles(spec: MonitorSpec, schema: Any) -> None:
    if spec.problem_type is None:
        raise SpecError("problem_type", "Say whether the model classifies or is a regression.")
    if not spec.prediction_column:
        raise SpecError("prediction_column", "Name the column that holds the predictions.")
    if not spec.model_id_column:
        raise SpecError("model_id_column", "Name the column that tells which model answered.")
    roles = ("prediction_column", "label_column", "prediction_proba_column", "model_id_column")
    for field in roles:
        column = getattr(spec, field)
        if not column:
            continue
        kind = kind_of(_type(schema, column, field))
        if field != "prediction_proba_column" and kind is ColumnKind.OPAQUE:
            raise SpecError(field, f"'{column}' is of a nested type: name a column of plain values.")
        measured = field in {"prediction_column", "label_column"} and spec.problem_type == "REGRESSION"
        if measured and kind is not ColumnKind.NUMERIC:
            raise SpecError(field, f"'{column}' is not numeric, as a regression needs it.")
    if str(spec.model_id_column).lower() in reserved_names():
        raise SpecError("model_id_column", f"'{spec.model_id_column}' is a column of the metric tables: rename it.")


def _type(schema: Any, column: str, field: str) -> Any:
    if column not in schema.names:
        raise SpecError(field, f"The table has no column '{column}'.")
    return schema.field(column).type


def _slice(text: str, schema: Any) -> None:
    field = "slicing_expressions"
    if text in schema.names:
        type_ = schema.field(text).type
    else:
        type_ = result_type(schema, parse(text, columns=schema.names, field=field), field)
    if kind_of(type_) is ColumnKind.OPAQUE:
        raise SpecError(field, f"'{text}' gives values of a nested or binary type, which make no slices.")


def _metric_names(spec: MonitorSpec) -> None:
    taken = set(reserved_names())
    if spec.model_id_column:
        taken.add(spec.model_id_column.lower())
    for metric in spec.custom_metrics:
        name = metric.name
        if not name or len(name) > _NAME_LIMIT or not name.isprintable() or set(name) & set(" ,;{}()\n\t=."):
            raise SpecError("custom_metrics", f"'{name}' cannot be the name of a column: use letters, digits and _.")
        if name.lower() in taken:
            raise SpecError("custom_metrics", f"There is a column '{name}' in the metric tables already: rename it.")
        taken.add(name.lower())
