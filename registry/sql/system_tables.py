"""Tables that the product keeps by itself, in the columns that are documented for them."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

AUDIT = ("system", "access", "audit")

_TEXT = pa.string()
AUDIT_SCHEMA = pa.schema(
    [
        ("account_id", _TEXT),
        ("workspace_id", _TEXT),
        ("version", _TEXT),
        ("event_time", pa.timestamp("us", tz="UTC")),
        ("event_date", pa.date32()),
        ("source_ip_address", _TEXT),
        ("user_agent", _TEXT),
        ("session_id", _TEXT),
        ("user_identity", pa.struct([("email", _TEXT), ("subject_name", _TEXT)])),
        ("service_name", _TEXT),
        ("action_name", _TEXT),
        ("request_id", _TEXT),
        ("request_params", pa.map_(_TEXT, _TEXT)),
        ("response", pa.struct([("status_code", pa.int32()), ("error_message", _TEXT), ("result", _TEXT)])),
        ("audit_level", _TEXT),
        ("event_id", _TEXT),
        ("identity_metadata", pa.struct([("run_by", _TEXT), ("run_as", _TEXT)])),
    ]
)
_PLAIN = {
    "STRING": _TEXT,
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}
_BATCH_ROWS = 5_000


def plain_schema(columns: Iterable[tuple[str, str]]) -> pa.Schema:
    """Columns by their names and types in SQL."""
    return pa.schema([(name, _PLAIN[type_]) for name, type_ in columns])


def batches_of(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows in a file of one JSON object a line; at least one batch, so that the columns are known."""
    waiting: list[dict[str, Any]] = []
    yield pa.RecordBatch.from_pylist([], schema=schema)
    with path.open() as lines:
        for line in lines:
            waiting.append(_row(json.loads(line)))
            if len(waiting) == _BATCH_ROWS:
                yield pa.RecordBatch.from_pylist(waiting, schema=schema)
                waiting = []
    yield pa.RecordBatch.from_pylist(waiting, schema=schema)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    moment = datetime.fromisoformat(row["event_time"])
    params = {"request_params": list(row["request_params"].items())} if "request_params" in row else {}
    return {**row, "event_time": moment, "event_date": moment.date(), **params}
