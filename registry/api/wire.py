"""JSON in and out, and the error shape shared by the dialects of the API: {"error_code", "message"}."""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.dateparse import parse_datetime
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from registry.errors import ErrorCode, InvalidParameter, ModelkeepError, TooLarge
from registry.services.actors import Actor

logger = logging.getLogger(__name__)

STATUS: dict[ErrorCode, tuple[int, str]] = {
    ErrorCode.INVALID_PARAMETER_VALUE: (400, "INVALID_PARAMETER_VALUE"),
    ErrorCode.UNAUTHENTICATED: (401, "UNAUTHENTICATED"),
    ErrorCode.PERMISSION_DENIED: (403, "PERMISSION_DENIED"),
    ErrorCode.RESOURCE_DOES_NOT_EXIST: (404, "RESOURCE_DOES_NOT_EXIST"),
    ErrorCode.FILE_NOT_FOUND: (404, "NOT_FOUND"),
    ErrorCode.ENDPOINT_NOT_FOUND: (404, "ENDPOINT_NOT_FOUND"),
    ErrorCode.RESOURCE_ALREADY_EXISTS: (400, "RESOURCE_ALREADY_EXISTS"),
    ErrorCode.RESOURCE_CONFLICT: (409, "RESOURCE_CONFLICT"),
    ErrorCode.INVALID_STATE: (400, "INVALID_PARAMETER_VALUE"),
    ErrorCode.PAYLOAD_TOO_LARGE: (413, "INVALID_PARAMETER_VALUE"),
    ErrorCode.RESOURCE_EXHAUSTED: (429, "RESOURCE_EXHAUSTED"),
    ErrorCode.TEMPORARILY_UNAVAILABLE: (503, "TEMPORARILY_UNAVAILABLE"),
    ErrorCode.NOT_IMPLEMENTED: (501, "NOT_IMPLEMENTED"),
}
"""Status and code of each neutral error. MLflow rebuilds the status from the code: only codes it knows stand here."""

_BUSY = "The database is busy or restarting, and nothing was changed. Repeat the request in a moment."
_INTERNAL = "Something failed on the server. Give your administrator the request id from the X-Request-Id header."


def error_response(error: Exception) -> JsonResponse:
    """The answer for an error, whatever it is; what nobody expected is logged and tells the caller nothing."""
    status, code, message = _describe(error)
    response = JsonResponse({"error_code": code, "message": message}, status=status)
    if status == 503:
        response["Retry-After"] = "1"
    if status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="modelkeep"'
    return response


def _describe(error: Exception) -> tuple[int, str, str]:
    if isinstance(error, ModelkeepError):
        return (*STATUS[error.code], error.message)
    if isinstance(error, Http404):
        return (*STATUS[ErrorCode.ENDPOINT_NOT_FOUND], "No API at this path.")
    if isinstance(error, exceptions.MethodNotAllowed):
        return (
            405,
            "ENDPOINT_NOT_FOUND",
            f"No API for method {error.args[0] if error.args else ''} at this path.",
        )
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return (*STATUS[ErrorCode.UNAUTHENTICATED], "Send a token as 'Authorization: Bearer <token>'.")
    if isinstance(error, exceptions.APIException):
        return error.status_code, "INVALID_PARAMETER_VALUE", str(error.detail)
    if isinstance(error, OperationalError | InterfaceError):
        # Restarting, or two changes that waited for each other: the transaction is undone, and a repeat succeeds.
        logger.warning("database unavailable", exc_info=error)
        return (*STATUS[ErrorCode.TEMPORARILY_UNAVAILABLE], _BUSY)
    logger.error("unexpected error", exc_info=error)
    return 500, "INTERNAL_ERROR", _INTERNAL


def exception_handler(error: Exception, context: dict[str, Any]) -> JsonResponse:  # noqa: ARG001
    """REST framework's hook: every error leaves in the one shape."""
    return error_response(error)


@csrf_exempt  # A client that asks for an API that is not there must read just that.
def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:  # noqa: ARG001
    """The answer for an API path that does not exist."""
    return error_response(Http404())


class LenientJSONParser(BaseParser):
    """JSON whatever the Content-Type says: clients send none with DELETE. Text that cannot be stored is refused."""

    media_type = "*/*"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """The body as an object; an empty body is an empty object.

        Raises:
            InvalidParameter: not JSON, not an object, or text with NUL or lone surrogates.
            TooLarge: more bytes than a JSON body may have; the rest is not read.
        """
        raw = _read_limited(stream, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        if not raw:
            return {}
        try:
            data = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise InvalidParameter("The request body is not valid JSON.") from error
        if not isinstance(data, dict):
            raise InvalidParameter("The request body must be a JSON object.")
        check_text(data)
        return data


def _read_limited(stream: Any, limit: int) -> bytes:
    parts: list[bytes] = []
    left = limit + 1
    while left and (piece := stream.read(left)):
        parts.append(piece)
        left -= len(piece)
    if not left:
        raise TooLarge(f"The request body is larger than {limit} bytes.")
    return b"".join(parts)


def check_text(value: Any, *, depth: int = 0) -> None:
    """Refuse text that cannot be stored: NUL characters and lone surrogates, at any depth.

    Raises:
        InvalidParameter: such text, or nesting deeper than 64 levels.
    """
    if depth > 64:
        raise InvalidParameter("The request body is nested too deeply.")
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise InvalidParameter("Text must not contain NUL characters or lone surrogates.")
    elif isinstance(value, dict):
        for key, item in value.items():
            check_text(key, depth=depth + 1)
            check_text(item, depth=depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_text(item, depth=depth + 1)


class AnyAcceptJSONRenderer(JSONRenderer):
    """JSON whatever the Accept header asks for: clients ask for text/plain and mean JSON."""

    media_type = "*/*"
    charset = None

    def get_indent(self, accepted_media_type: str, renderer_context: Mapping[str, Any]) -> int | None:  # noqa: ARG002
        """No indentation."""
        return None


def actor_of(request: Request) -> Actor:
    """The actor of an authenticated REST framework request."""
    actor = request.user
    if not isinstance(actor, Actor):  # pragma: no cover - the permission classes see to it
        raise exceptions.NotAuthenticated
    return actor


def parameters_of(request: Request) -> dict[str, Any]:
    """Body and query parameters as one mapping: GETs carry a query, DELETEs a body.

    Raises:
        InvalidParameter: text that cannot be stored.
    """
    query = {key: values[-1] for key, values in request.query_params.lists()}
    check_text(query)
    return {**query, **(request.data if isinstance(request.data, dict) else {})}


def text_of(parameters: Mapping[str, Any], field: str, *, required: bool = False) -> str:
    """A text parameter; absent and null read as empty.

    Raises:
        InvalidParameter: not text, or empty though required.
    """
    value = parameters.get(field)
    if value is None:
        value = ""
    if not isinstance(value, str):
        raise InvalidParameter(f"'{field}' must be text.", field=field)
    if required and not value:
        raise InvalidParameter(f"'{field}' is required.", field=field)
    return value


def number_of(parameters: Mapping[str, Any], field: str, *, default: int) -> int:
    """A whole-number parameter, which may arrive as text.

    Raises:
        InvalidParameter: not a whole number.
    """
    value = parameters.get(field)
    if value is None or value == "":
        return default
    try:
        return int(str(value))
    except ValueError as error:
        raise InvalidParameter(f"'{field}' must be a whole number.", field=field) from error


def parse_moment(given: str, *, field: str) -> datetime:
    """A moment in ISO 8601 with its zone; in a query, a space may stand for the plus of the zone.

    Raises:
        InvalidParameter: anything else.
    """
    with suppress(ValueError, OverflowError):
        moment = parse_datetime(given.replace(" ", "+"))
        if moment is not None and moment.tzinfo is not None:
            # In UTC: the database knows fewer zones than Python.
            return moment.astimezone(UTC)
    raise InvalidParameter(
        f"'{field}' is '{given}': write it with its zone, as in 2026-01-31T12:00:00Z.", field=field
    )


def flag_of(parameters: Mapping[str, Any], field: str, *, default: bool = False) -> bool:
    """A yes-or-no parameter: JSON booleans, or the words true and false in a query."""
    value = parameters.get(field)
    if value is None or value == "":
        return default
    return value is True or str(value).lower() == "true"


def object_response(body: Mapping[str, Any]) -> Response:
    """200 with a JSON object, the one success that every client reads."""
    return Response(body, content_type="application/json")
