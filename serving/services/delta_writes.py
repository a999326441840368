"""Rows into Delta tables: what every worker that writes them shares. The engine is loaded when it is first used."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from registry.models import Securable
from registry.services.table_data import folder_of
from serving.services.unpacking import FACTS, fitted

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_BATCH_ROWS = 2_000


def open_table(securable: Securable | None) -> "DeltaTable | None":
    """The Delta table of a governed one; None if it is gone."""
    from deltalake import DeltaTable

    folder = folder_of(securable.pk) if securable is not None else None
    if folder is None or not (folder / "_delta_log").is_dir():
        return None
    return DeltaTable(folder)


def write_rows(table: "DeltaTable", rows: Iterable[Mapping[str, Any]], mark: tuple[str, int]) -> None:
    """Add rows in one commit that also keeps the number of their batch; values must fit their columns."""
    import pyarrow as pa
    from deltalake import CommitProperties, Transaction, write_deltalake

    schema = pa.schema(table.schema().to_arrow())
    reader = pa.RecordBatchReader.from_batches(schema, _record_batches(rows, schema))
    write_deltalake(
        table, reader, mode="append", commit_properties=CommitProperties(app_transactions=[Transaction(*mark)])
    )


def _record_batches(rows: Iterable[Mapping[str, Any]], schema: "pa.Schema") -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa

    waiting: list[Mapping[str, Any]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == _BATCH_ROWS:
            yield pa.RecordBatch.from_pylist(waiting, schema=schema)
            waiting = []
    yield pa.RecordBatch.from_pylist(waiting, schema=schema)


def typed_rows(table: "DeltaTable", records: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The records with every value in the type of its column; what does not fit is null."""
    import pyarrow as pa

    facts = {column.name for column in FACTS}
    schema = pa.schema(table.schema().to_arrow())
    types = {field.name: type_name(field.type) for field in schema}
    names = {name.lower(): name for name in types}
    for one in records:
        yield {
            names[key.lower()]: value if key in facts else fitted(value, types[names[key.lower()]])
            for key, value in one.items()
            if key.lower() in names
        }


def type_name(arrow: "pa.DataType") -> str:
    """The name that `fitted` knows a column's type by."""
    import pyarrow as pa

    for matches, name in (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "long"),
        (pa.types.is_floating, "double"),
        (pa.types.is_timestamp, "timestamp"),
        (pa.types.is_binary, "binary"),
    ):
        if matches(arrow):
            return name
    return "string"
