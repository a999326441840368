"""Statement execution over REST: sent, asked for, read chunk by chunk, canceled."""

import re
from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.sql import shapes
from registry.api.sql.warehouses import check_warehouse
from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter, InvalidState, NotFound
from registry.models import StatementState
from registry.services.sql_governance import Defaults
from registry.services.sql_statements import (
    EXTERNAL_LINKS,
    INLINE,
    NewStatement,
    cancel_statement,
    get_statement,
    submit_statement,
)
from registry.sql.planner import Parameter

_WAIT = re.compile(r"(\d{1,3})s")
_FORMATS = ("JSON_ARRAY", "ARROW_STREAM", "CSV")


def _wait_seconds(text: str) -> int:
    match = _WAIT.fullmatch(text or "10s")
    seconds = int(match[1]) if match else -1
    if seconds != 0 and not 5 <= seconds <= 50:
        raise InvalidParameter(f"'wait_timeout' is '{text}': use '0s', or '5s' to '50s'.", field="wait_timeout")
    return seconds


def _choice(parameters: Mapping[str, Any], field: str, choices: tuple[str, ...]) -> str:
    value = text_of(parameters, field) or choices[0]
    if value not in choices:
        raise InvalidParameter(f"'{field}' is '{value}': use one of {', '.join(choices)}.", field=field)
    return value


def _limit(parameters: Mapping[str, Any], field: str) -> int | None:
    if parameters.get(field) is None:
        return None
    limit = number_of(parameters, field, default=0)
    if limit < 1:
        raise InvalidParameter(f"'{field}' must be 1 or more.", field=field)
    return limit


def _markers(parameters: Mapping[str, Any]) -> dict[str, Parameter]:
    given = parameters.get("parameters") or []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise InvalidParameter(
            "'parameters' must be a list of objects with 'name', 'value', 'type'.", field="parameters"
        )
    markers = {}
    for one in given:
        value = one.get("value")
        text = None if value is None else text_of(one, "value")
        markers[text_of(one, "name", required=True)] = Parameter(text, text_of(one, "type") or "STRING")
    return markers


def _new_statement(parameters: Mapping[str, Any]) -> NewStatement:
    disposition = _choice(parameters, "disposition", (INLINE, EXTERNAL_LINKS))
    format_ = _choice(parameters, "format", _FORMATS)
    if disposition == INLINE and format_ != "JSON_ARRAY":
        raise InvalidParameter(
            f"'format' {format_} needs 'disposition' EXTERNAL_LINKS: inline results are JSON_ARRAY.", field="format"
        )
    return NewStatement(
        text=text_of(parameters, "statement", required=True),
        defaults=Defaults(text_of(parameters, "catalog"), text_of(parameters, "schema")),
        parameters=_markers(parameters),
        wait_seconds=_wait_seconds(text_of(parameters, "wait_timeout")),
        cancel_on_timeout=_choice(parameters, "on_wait_timeout", ("CONTINUE", "CANCEL")) == "CANCEL",
        disposition=disposition,
        format=format_,
        row_limit=_limit(parameters, "row_limit"),
        byte_limit=_limit(parameters, "byte_limit"),
    )


class Statements(APIView):
    """POST statements."""

    def post(self, request: Request) -> Response:
        """Send a statement; 200 also when it FAILED."""
        parameters, actor = parameters_of(request), actor_of(request)
        new = _new_statement(parameters)
        check_warehouse(text_of(parameters, "warehouse_id"))
        row = submit_statement(actor=actor, new=new)
        return object_response(shapes.statement(request, actor, row))


class OneStatement(APIView):
    """GET statements/{id}."""

    def get(self, request: Request, statement_id: str) -> Response:
        """Its state; when it has succeeded, also the manifest and the first chunk."""
        actor = actor_of(request)
        row = get_statement(actor=actor, statement_id=statement_id)
        return object_response(shapes.statement(request, actor, row))


class Chunk(APIView):
    """GET statements/{id}/result/chunks/{n}."""

    def get(self, request: Request, statement_id: str, chunk_index: str) -> Response:
        """One chunk of the result."""
        actor, index = actor_of(request), int(chunk_index)
        row = get_statement(actor=actor, statement_id=statement_id)
        if row.state != StatementState.SUCCEEDED:
            raise InvalidState(f"Statement '{statement_id}' is {row.state}: it has no result to read.")
        if index >= len(row.manifest["chunks"]):
            raise NotFound(f"Statement '{statement_id}' has no chunk {index}.")
        return object_response(shapes.chunk(request, actor, row, index))


class Cancel(APIView):
    """POST statements/{id}/cancel."""

    def post(self, request: Request, statement_id: str) -> Response:
        """Stop it, if it still runs."""
        cancel_statement(actor=actor_of(request), statement_id=statement_id)
        return object_response({})
