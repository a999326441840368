"""How statements and results look on the wire."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request

from registry.models import SqlStatement, StatementState
from registry.services.actors import Actor
from registry.services.sql_results import link_to_chunk
from registry.services.sql_statements import INLINE, read_rows

_DENIED, _ANY = "42501", "HY000"


def statement(request: Request, actor: Actor, row: SqlStatement) -> dict[str, Any]:
    """A statement with its state; when it has succeeded, also the manifest and the first chunk."""
    body: dict[str, Any] = {"statement_id": str(row.pk), "status": _status(row)}
    if row.state == StatementState.SUCCEEDED:
        body["manifest"] = _manifest(row)
        body["result"] = chunk(request, actor, row, 0) if row.manifest["chunks"] else _nothing(row)
    return body


def _status(row: SqlStatement) -> dict[str, Any]:
    status: dict[str, Any] = {"state": str(row.state)}
    if row.state == StatementState.FAILED:
        status["error"] = {"error_code": row.error_code, "message": row.error_message}
        status["sql_state"] = _DENIED if row.error_message.startswith("[INSUFFICIENT_PERMISSIONS]") else _ANY
    return status


def _manifest(row: SqlStatement) -> dict[str, Any]:
    manifest = row.manifest
    return {
        "format": row.format,
        "schema": {"column_count": len(manifest["columns"]), "columns": manifest["columns"]},
        "total_chunk_count": len(manifest["chunks"]),
        "total_row_count": manifest["rows"],
        "total_byte_count": manifest["bytes"],
        "truncated": manifest["truncated"],
        "chunks": [{"chunk_index": index, **one} for index, one in enumerate(manifest["chunks"])],
    }


def _nothing(row: SqlStatement) -> dict[str, Any]:
    if row.disposition != INLINE:
        return {"external_links": []}
    return {"chunk_index": 0, "row_offset": 0, "row_count": 0, "data_array": []} if row.manifest["columns"] else {}


def chunk(request: Request, actor: Actor, row: SqlStatement, index: int) -> dict[str, Any]:
    """One chunk: its rows, or a link to them.

    Raises:
        NotFound, AccessDenied, InvalidState: as `read_chunk`.
    """
    if row.disposition == INLINE:
        rows = read_rows(actor=actor, statement_id=row.pk, index=index)
        return {**_place(row, index), "data_array": rows}
    signed, expires = link_to_chunk(actor, row, index)
    base = settings.PUBLIC_URL.rstrip("/") if settings.PUBLIC_URL else f"{request.scheme}://{request.get_host()}"
    link = {
        **_place(row, index),
        "external_link": f"{base}/_sql/{signed}",
        "expiration": expires.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    return {"external_links": [link]}


def _place(row: SqlStatement, index: int) -> dict[str, Any]:
    chunks = row.manifest["chunks"]
    place = {"chunk_index": index, **chunks[index]}
    if index + 1 < len(chunks):
        place["next_chunk_index"] = index + 1
        place["next_chunk_internal_link"] = f"/api/2.0/sql/statements/{row.pk}/result/chunks/{index + 1}"
    return place
