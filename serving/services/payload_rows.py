"""The two documented forms of a payload table: their columns, and a row of the spool in each."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from serving.models import CaptureForm
from serving.services.delta_tables import TEXT_LIST, TEXT_MAP, Column, storable

COLUMNS: dict[str, tuple[Column, ...]] = {
    CaptureForm.AI_GATEWAY: (
        Column("databricks_request_id", "string", "Id of the request, as its answer's headers give it."),
        Column("request_date", "date", "Day of the request, UTC."),
        Column("client_request_id", "string", "What the caller sent as client_request_id."),
        Column("request_time", "timestamp", "When the request was received."),
        Column("status_code", "integer", "HTTP status of the answer."),
        Column("sampling_fraction", "double", "Share of the requests that is kept, 0 to 1."),
        Column("execution_duration_ms", "long", "How long the model took, without the way there and back."),
        Column("request", "string", "Body of the request."),
        Column("response", "string", "Body of the answer."),
        Column("logging_error_codes", TEXT_LIST, "Why a body is missing."),
        Column("served_entity_id", "string", "Id of the served entity that answered."),
        Column("requester", "string", "Id of the user or service principal who asked."),
    ),
    CaptureForm.LEGACY: (
        Column("databricks_request_id", "string", "Id of the request, as its answer's headers give it."),
        Column("client_request_id", "string", "What the caller sent as client_request_id."),
        Column("date", "date", "Day of the request, UTC."),
        Column("timestamp_ms", "long", "When the request was received, in milliseconds since 1970."),
        Column("status_code", "integer", "HTTP status of the answer."),
        Column("execution_time_ms", "long", "How long the model took, without the way there and back."),
        Column("request", "string", "Body of the request."),
        Column("response", "string", "Body of the answer."),
        Column("sampling_fraction", "double", "Share of the requests that is kept, 0 to 1."),
        Column("request_metadata", TEXT_MAP, "endpoint_name, model_name and model_version."),
    ),
}
"""In their documented order."""
DATE_COLUMN: dict[str, str] = {CaptureForm.AI_GATEWAY: "request_date", CaptureForm.LEGACY: "date"}
"""What a payload table is partitioned by."""


def received_at(row: Mapping[str, Any]) -> datetime:
    """When the request of a spooled row came in."""
    return datetime.fromtimestamp(float(row["request_time"]), UTC)


def text_of_body(body: bytes | str | None) -> str | None:
    """A body as the table holds it. Bytes that are no UTF-8 show as replacement characters."""
    return body.decode(errors="replace") if isinstance(body, bytes) else storable(body)


def _ai_gateway(row: Mapping[str, Any]) -> dict[str, Any]:
    moment = received_at(row)
    entity_id = row.get("entity_id")
    return {
        "databricks_request_id": row["request_id"],
        "request_date": moment.date(),
        "client_request_id": storable(row.get("client_request_id")),
        "request_time": moment,
        "status_code": row["status_code"],
        "sampling_fraction": row.get("sampling", 1.0),
        "execution_duration_ms": row.get("execution_ms"),
        "request": text_of_body(row.get("request")),
        "response": text_of_body(row.get("response")),
        "logging_error_codes": row.get("error_codes") or [],
        "served_entity_id": UUID(entity_id).hex if entity_id else None,
        "requester": row.get("requester"),
    }


def _legacy(row: Mapping[str, Any]) -> dict[str, Any]:
    moment = received_at(row)
    metadata = {
        "endpoint_name": row.get("endpoint"),
        "model_name": row.get("model"),
        "model_version": row.get("version"),
    }
    return {
        "databricks_request_id": row["request_id"],
        "client_request_id": storable(row.get("client_request_id")),
        "date": moment.date(),
        "timestamp_ms": int(moment.timestamp() * 1000),
        "status_code": row["status_code"],
        "execution_time_ms": row.get("execution_ms"),
        "request": text_of_body(row.get("request")),
        "response": text_of_body(row.get("response")),
        "sampling_fraction": row.get("sampling", 1.0),
        "request_metadata": [(key, value) for key, value in metadata.items() if value is not None],
    }


_FORMS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    CaptureForm.AI_GATEWAY: _ai_gateway,
    CaptureForm.LEGACY: _legacy,
}


def payload_row(form: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the spool as the payload table of that form holds it."""
    return _FORMS[form](row)
