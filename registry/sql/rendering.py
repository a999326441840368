"""Rows as clients read them: types by their names in Databricks SQL, and pages of JSON, CSV or Arrow."""

import base64
import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

_SIMPLE = (
    (pa.types.is_boolean, "BOOLEAN", "BOOLEAN"),
    (pa.types.is_int8, "BYTE", "TINYINT"),
    (pa.types.is_int16, "SHORT", "SMALLINT"),
    (pa.types.is_int32, "INT", "INT"),
    (pa.types.is_int64, "LONG", "BIGINT"),
    (pa.types.is_float32, "FLOAT", "FLOAT"),
    (pa.types.is_float64, "DOUBLE", "DOUBLE"),
    (pa.types.is_date, "DATE", "DATE"),
    (pa.types.is_string, "STRING", "STRING"),
    (pa.types.is_large_string, "STRING", "STRING"),
    (pa.types.is_binary, "BINARY", "BINARY"),
    (pa.types.is_large_binary, "BINARY", "BINARY"),
    (pa.types.is_null, "NULL", "VOID"),
)


def type_of(arrow: pa.DataType) -> dict[str, Any]:
    """`type_name` and `type_text`, and for a DECIMAL also precision and scale."""
    for matches, name, text in _SIMPLE:
        if matches(arrow):
            return {"type_name": name, "type_text": text}
    if pa.types.is_decimal(arrow):
        text = f"DECIMAL({arrow.precision},{arrow.scale})"
        return {
            "type_name": "DECIMAL",
            "type_text": text,
            "type_precision": arrow.precision,
            "type_scale": arrow.scale,
        }
    if pa.types.is_timestamp(arrow):
        # The enumeration of clients has one name for both.
        return {"type_name": "TIMESTAMP", "type_text": "TIMESTAMP" if arrow.tz else "TIMESTAMP_NTZ"}
    return {"type_name": _nested_name(arrow), "type_text": _nested_text(arrow)}


def _nested_name(arrow: pa.DataType) -> str:
    if pa.types.is_struct(arrow):
        return "STRUCT"
    if pa.types.is_map(arrow):
        return "MAP"
    return "ARRAY" if pa.types.is_list(arrow) or pa.types.is_large_list(arrow) else "STRING"


def _nested_text(arrow: pa.DataType) -> str:
    def text(inner: pa.DataType) -> str:
        return str(type_of(inner)["type_text"])

    match _nested_name(arrow):
        case "STRUCT":
            fields = (arrow.field(position) for position in range(arrow.num_fields))
            return f"STRUCT<{', '.join(f'{one.name}: {text(one.type)}' for one in fields)}>"
        case "MAP":
            return f"MAP<{text(arrow.key_type)}, {text(arrow.item_type)}>"
        case "ARRAY":
            return f"ARRAY<{text(arrow.value_type)}>"
    return "STRING"


def text_of_cell(value: Any) -> str | None:
    """A cell as text; None is NULL. Structs, maps and arrays are JSON."""
    if value is None or isinstance(value, str):
        return value
    plain = _plain(value)
    if isinstance(plain, str):
        return plain
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """A value as JSON holds it."""
    match value:
        case datetime():
            if value.tzinfo is None:
                return value.isoformat(timespec="milliseconds")
            moment = value.astimezone(UTC).replace(tzinfo=None)
            return f"{moment.isoformat(timespec='milliseconds')}Z"
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case bytes():
            return base64.b64encode(value).decode()
        case float():
            return value if math.isfinite(value) else {"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN")
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case bool() | int() | str() | None:
            return value
    return str(value)


def rows_of(batch: pa.RecordBatch) -> list[list[str | None]]:
    """The cells of a batch as text, row by row."""
    columns = []
    for column in batch.columns:
        values = column.to_pylist()
        if pa.types.is_map(column.type):
            values = [None if value is None else dict(value) for value in values]
        columns.append([text_of_cell(value) for value in values])
    return [list(row) for row in zip(*columns, strict=True)]


def render(batch: pa.RecordBatch, format_: str) -> bytes:
    """A batch in the format of a result: JSON_ARRAY, CSV or ARROW_STREAM."""
    if format_ == "ARROW_STREAM":
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        return bytes(sink.getvalue())
    rows = rows_of(batch)
    if format_ == "JSON_ARRAY":
        return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(batch.schema.names)
    writer.writerows(["null" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue().encode()


class ResultTooLarge(Exception):
    """The result is larger than may be sent inline."""


@dataclass(frozen=True)
class Limits:
    """How much of a result is kept. `fail_bytes`: more than that is an error instead of a cut."""

    rows: int
    bytes: int
    fail_bytes: int | None = None
    chunk_rows: int = 10_000
    chunk_bytes: int = 4 * 1024**2


@dataclass
class Manifest:
    """What is kept of a result: its columns, and the rows and bytes of each chunk."""

    columns: list[dict[str, Any]]
    chunks: list[dict[str, int]] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    truncated: bool = False


def columns_of(schema: pa.Schema) -> list[dict[str, Any]]:
    """The columns of a manifest."""
    return [{"name": one.name, "position": position, **type_of(one.type)} for position, one in enumerate(schema)]


def write_chunks(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, folder: Path, *, format_: str, limits: Limits
) -> Manifest:
    """Write a result as files `0`, `1`, ... in a folder. Holds one chunk in memory.

    Raises:
        ResultTooLarge: more than `fail_bytes`.
    """
    manifest = Manifest(columns_of(schema))
    for batch in _pieces(batches, limits):
        kept = batch.slice(0, limits.rows - manifest.rows)
        content = render(kept, format_)
        if limits.fail_bytes is not None and manifest.bytes + len(content) > limits.fail_bytes:
            raise ResultTooLarge
        if manifest.bytes + len(content) > limits.bytes:
            kept, content = _fitting(kept, format_, limits.bytes - manifest.bytes)
        manifest.truncated = kept.num_rows < batch.num_rows
        if kept.num_rows:
            (folder / str(len(manifest.chunks))).write_bytes(content)
            chunk = {"row_offset": manifest.rows, "row_count": kept.num_rows, "byte_count": len(content)}
            manifest.chunks.append(chunk)
            manifest.rows += kept.num_rows
            manifest.bytes += len(content)
        if manifest.truncated:
            break
    return manifest


def _fitting(batch: pa.RecordBatch, format_: str, room: int) -> tuple[pa.RecordBatch, bytes]:
    """The longest start of a batch that fits, found by halving."""
    fits, too_many, best = 0, batch.num_rows, b""
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        content = render(batch.slice(0, middle), format_)
        if len(content) <= room:
            fits, best = middle, content
        else:
            too_many = middle
    return batch.slice(0, fits), best


def _pieces(batches: Iterable[pa.RecordBatch], limits: Limits) -> Iterator[pa.RecordBatch]:
    """Small batches put together and large ones taken apart, to about the size of a chunk."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            held = sum(one.num_rows for one in waiting)
            step = _rows_that_fit(batch, limits)
            piece = batch.slice(start, min(step, limits.chunk_rows - held))
            start += piece.num_rows
            waiting.append(piece)
            full = held + piece.num_rows >= limits.chunk_rows
            if full or sum(one.nbytes for one in waiting) >= limits.chunk_bytes:
                yield _joined(waiting)
                waiting = []
    if waiting:
        yield _joined(waiting)


def _rows_that_fit(batch: pa.RecordBatch, limits: Limits) -> int:
    return max(1, limits.chunk_bytes * int(batch.num_rows) // max(1, int(batch.nbytes)))


def _joined(pieces: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pieces[0] if len(pieces) == 1 else pa.concat_batches(pieces)
