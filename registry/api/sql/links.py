"""Chunks of results behind signed links: fetched without a credential, as files are from an object store."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import MethodNotAllowed

from registry.api.request_context import context_of
from registry.api.wire import error_response
from registry.errors import ModelkeepError
from registry.services.sql_results import open_link
from registry.services.sql_statements import get_statement, read_chunk

_CONTENT_TYPE = {
    "JSON_ARRAY": "application/json",
    "CSV": "text/csv; charset=utf-8",
    "ARROW_STREAM": "application/vnd.apache.arrow.stream",
}


@csrf_exempt
def linked_chunk(request: HttpRequest, signed: str) -> HttpResponse:
    """GET the chunk. The rights of its creator are asked for again."""
    if request.method not in {"GET", "HEAD"}:
        return error_response(MethodNotAllowed(request.method or ""))
    try:
        actor, statement_id, index = open_link(signed=signed, context=context_of(request))
        statement = get_statement(actor=actor, statement_id=statement_id)
        content = read_chunk(actor=actor, statement_id=statement_id, index=index)
    except ModelkeepError as error:
        return error_response(error)
    response = HttpResponse(content, content_type=_CONTENT_TYPE[statement.format])
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
