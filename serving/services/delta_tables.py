"""Delta tables that the product itself writes: made without their engine, so that a web process needs not load it."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.models import Table
from registry.services.actors import Actor
from registry.services.table_data import adopt_table, staging_folder

TEXT_LIST = "array<string>"
TEXT_MAP = "map<string,string>"
_DELTA: dict[str, Any] = {
    TEXT_LIST: {"type": "array", "elementType": "string", "containsNull": True},
    "array<double>": {"type": "array", "elementType": "double", "containsNull": True},
    TEXT_MAP: {"type": "map", "keyType": "string", "valueType": "string", "valueContainsNull": True},
}
_CATALOG = {
    "string": ("STRING", "STRING"),
    "boolean": ("BOOLEAN", "BOOLEAN"),
    "integer": ("INT", "INT"),
    "long": ("LONG", "BIGINT"),
    "float": ("FLOAT", "FLOAT"),
    "double": ("DOUBLE", "DOUBLE"),
    "date": ("DATE", "DATE"),
    "timestamp": ("TIMESTAMP", "TIMESTAMP"),
    "binary": ("BINARY", "BINARY"),
    TEXT_LIST: ("ARRAY", "ARRAY<STRING>"),
    "array<double>": ("ARRAY", "ARRAY<DOUBLE>"),
    TEXT_MAP: ("MAP", "MAP<STRING, STRING>"),
}
_CONFIGURATION = {"delta.logRetentionDuration": "interval 7 days", "delta.checkpointInterval": "100"}
"""A table that is added to every few seconds: its log must not outgrow its rows."""


@dataclass(frozen=True)
class Column:
    """A column by its type in a Delta table: string, long, double, timestamp, array<string> …"""

    name: str
    type: str
    comment: str = ""


def storable(text: str | None) -> str | None:
    """Text that a table can hold: JSON may carry halves of characters, which are no UTF-8."""
    return text if text is None else text.encode(errors="replace").decode()


def catalog_columns(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """The columns as the catalog shows them."""
    found = []
    for position, column in enumerate(columns):
        name, text = _CATALOG[column.type]
        comment = {"comment": column.comment} if column.comment else {}
        found.append({"name": column.name, "type_name": name, "type_text": text, "position": position, **comment})
    return found


def delta_type_of(column: Mapping[str, Any]) -> str:
    """The type of a column of the catalog in its Delta table; text for one that the product does not make."""
    return next((type_ for type_, (_, text) in _CATALOG.items() if text == column.get("type_text")), "string")


def create_delta_table(
    *,
    actor: Actor,
    place: tuple[str, str],
    name: str,
    columns: Sequence[Column],
    partition_by: Sequence[str] = (),
    comment: str = "",
    properties: Mapping[str, str] | None = None,
) -> Table:
    """A governed table without rows, owned by the actor, who needs CREATE_TABLE on the schema.

    `place` is catalog and schema. Call inside an `audited` function.

    Raises:
        NotFound, AccessDenied, InvalidParameter, AlreadyExists.
    """
    staging = staging_folder(uuid.uuid4())
    write_empty_table(staging, columns, partition_by=partition_by)
    return adopt_table(
        actor=actor,
        catalog=place[0],
        schema=place[1],
        name=name,
        staging=staging,
        columns=catalog_columns(columns),
        comment=comment,
        properties=dict(properties or {}),
    )


def write_empty_table(folder: Path, columns: Sequence[Column], *, partition_by: Sequence[str] = ()) -> None:
    """The first commit of a Delta table: protocol and columns (https://github.com/delta-io/delta PROTOCOL.md)."""
    fields = [
        {"name": column.name, "type": _DELTA.get(column.type, column.type), "nullable": True, "metadata": {}}
        for column in columns
    ]
    now = int(time.time() * 1000)
    actions: list[dict[str, Any]] = [
        {"commitInfo": {"timestamp": now, "operation": "CREATE TABLE", "operationParameters": {}}},
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {
            "metaData": {
                "id": str(uuid.uuid4()),
                "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps({"type": "struct", "fields": fields}),
                "partitionColumns": list(partition_by),
                "configuration": _CONFIGURATION,
                "createdTime": now,
            }
        },
    ]
    log = folder / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020d}.json").write_text("\n".join(map(json.dumps, actions)) + "\n", encoding="utf-8")
