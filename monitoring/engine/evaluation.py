"""Checked expressions computed over Arrow data by an engine without files, network, extensions or settings."""

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from monitoring.engine.columns import spark_name
from monitoring.engine.expressions import Expression
from monitoring.engine.spec import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DATA = "mk_data"
_MEMORY = "512MB"
_SETTINGS: dict[str, Any] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "memory_limit": _MEMORY,
    "ieee_floating_point_ops": False,
    "error_on_division_by_zero": False,  # What is divided by zero is null.
    "threads": 1,  # One thread adds up in one order: the same data gives the same sum.
}


@contextmanager
def _engine(spill: Path | None = None) -> "Iterator[Any]":
    import duckdb

    settings = dict(_SETTINGS)
    if spill is not None:
        settings |= {"temp_directory": str(spill), "enable_external_access": True}
    connection = duckdb.connect(":memory:", config=settings)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def evaluate(data: Any, expressions: Mapping[str, Expression], types: Mapping[str, Any] | None = None) -> Any:
    """Scalar expressions over each row of a table: a table with a column for each, rows in order.

    Args:
        types: SQL types to cast to, by name; what cannot be cast is null.

    Raises:
        SpecError: the data is of a type that an expression cannot take.
    """
    wanted = ", ".join(
        f"{_cast(e.sql, (types or {}).get(name))} AS {_quoted(name)}" for name, e in expressions.items()
    )
    return _query(data, f"SELECT {wanted} FROM {_DATA}")  # noqa: S608  Generated from checked trees.


def aggregate(
    data: Any, expressions: Mapping[str, Expression], types: Mapping[str, Any], *, key: str, spill: Path | None = None
) -> Any:
    """Aggregates by the integer column `key`: a table with the key and a column for each.

    Args:
        data: a table, or a reader of record batches, which is not held in memory.
        spill: a folder for what does not fit.
    """
    wanted = ", ".join(f"{_cast(e.sql, types.get(name))} AS {_quoted(name)}" for name, e in expressions.items())
    query = f"SELECT {_quoted(key)}, {wanted} FROM {_DATA} WHERE {_quoted(key)} >= 0 GROUP BY {_quoted(key)}"  # noqa: S608
    return _query(data, query, spill)


def result_type(schema: Any, expression: Expression, field: str) -> Any:
    """The Arrow type of an expression over columns of a schema; the way to find out that it can be computed.

    Raises:
        SpecError: it cannot.
    """
    empty = schema.empty_table()
    try:
        return _query(empty, f"SELECT {expression.sql} AS x FROM {_DATA}").schema.field("x").type  # noqa: S608
    except SpecError as error:
        raise SpecError(field, error.message) from error


def _query(data: Any, sql: str, spill: Path | None = None) -> Any:
    import duckdb

    with _engine(spill) as connection:
        connection.register(_DATA, _plain(data))
        try:
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise SpecError("custom_metrics", f"An expression cannot be computed: {_first_line(error)}") from error


def _plain(data: Any) -> Any:
    """A table without columns would have no rows."""
    if isinstance(data, pa.Table) and not data.num_columns:
        return data.append_column("mk_row", pa.nulls(data.num_rows, pa.int8()))
    return data


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _cast(sql: str, type_: str | None) -> str:
    return f"TRY_CAST({sql} AS {type_})" if type_ else sql


_SQL_TYPES = {
    "double": ("DOUBLE", pa.float64()),
    "float": ("FLOAT", pa.float32()),
    "byte": ("TINYINT", pa.int8()),
    "tinyint": ("TINYINT", pa.int8()),
    "short": ("SMALLINT", pa.int16()),
    "smallint": ("SMALLINT", pa.int16()),
    "integer": ("INTEGER", pa.int32()),
    "int": ("INTEGER", pa.int32()),
    "long": ("BIGINT", pa.int64()),
    "bigint": ("BIGINT", pa.int64()),
    "string": ("VARCHAR", pa.string()),
    "boolean": ("BOOLEAN", pa.bool_()),
    "date": ("DATE", pa.date32()),
    "timestamp": ("TIMESTAMPTZ", pa.timestamp("us", tz="UTC")),
}


def output_type(text: str) -> tuple[str, Any]:
    """The SQL and Arrow type of a metric's output type: a Spark name, or the JSON of a type or StructField.

    Raises:
        SpecError: it is none that a metric may have.
    """
    import json

    name: Any = text.strip()
    if name.startswith(("{", '"')):
        try:
            name = json.loads(name)
        except ValueError as error:
            raise SpecError("custom_metrics", f"The output type {text} is not JSON: {error}.") from error
        name = name.get("type") if isinstance(name, dict) else name
    found = _SQL_TYPES.get(name.lower().removesuffix("type")) if isinstance(name, str) else None
    if found is None:
        if isinstance(name, str) and name.lower().startswith("decimal"):
            return _SQL_TYPES["double"]
        raise SpecError(
            "custom_metrics", f"The output type {text} is not known: use double, long, string or boolean."
        )
    return found


def described(types: Sequence[Any]) -> str:
    """Types as Spark spells them, for messages."""
    return ", ".join(spark_name(type_) for type_ in types)
