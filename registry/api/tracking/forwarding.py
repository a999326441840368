"""Passing a checked request on, and its answer back: headers by allow-list, files as they stream by."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator

import httpx
from django.http import HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse

from registry.api.tracking.artifact_uris import speaks_workspace_uris, spell_for_workspace
from registry.api.tracking.calls import CHUNK, Call
from registry.errors import Unavailable
from registry.services.tracking import error_of, readable_message, send

logger = logging.getLogger(__name__)

_FROM_CLIENT = ("Accept", "Range", "If-Range", "If-None-Match", "If-Modified-Since")
_TO_CLIENT = (
    "Content-Type",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "Accept-Ranges",
    "ETag",
    "Last-Modified",
    "Cache-Control",
)


def forward_get(call: Call) -> HttpResponse:
    """Pass a GET on with its parameters; the answer is JSON."""
    return _json_answer(call, send("GET", call.target, query=call.query(), headers=_headers(call)))


def forward_json(call: Call) -> HttpResponse:
    """Pass a JSON request on with its parameters as the body; the answer is JSON."""
    headers = {**_headers(call), "Content-Type": "application/json"}
    content = json.dumps(call.parameters).encode()
    return _json_answer(call, send(call.method, call.target, headers=headers, content=content))


def forward_upload(call: Call, chunks: Iterable[bytes], *, query: bool = False) -> HttpResponse:
    """Pass a body on as it arrives."""
    headers = _headers(call)
    for name in ("Content-Type", "Content-Length"):
        if value := call.request.headers.get(name):
            headers[name] = value
    pairs = call.query() if query else []
    return _json_answer(call, send(call.method, call.target, query=pairs, headers=headers, content=chunks))


def held_back(chunks: Iterable[bytes], recheck: Callable[[], object]) -> Iterator[bytes]:
    """The chunks; the last one only when `recheck` does not raise: a body may come for longer than a right lasts."""
    last = b""
    for chunk in chunks:
        if last:
            yield last
        last = chunk
    recheck()
    if last:
        yield last


def forward_file(call: Call) -> HttpResponseBase:
    """Pass a GET on and stream what comes back."""
    response = send(call.method, call.target, query=call.query(), headers=_headers(call))
    if response.status_code >= httpx.codes.BAD_REQUEST:
        return _json_answer(call, response)
    body = _Body(response)
    answer = StreamingHttpResponse(body, status=response.status_code)
    _copy_headers(response, answer)
    return answer


def keep_from_running(response: HttpResponseBase) -> HttpResponseBase:
    """A file of a user's: the browser saves it, and runs nothing that it holds, in our pages' name."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    if not response.get("Content-Disposition", "").startswith("attachment"):
        response["Content-Disposition"] = "attachment"
    return response


def _headers(call: Call) -> dict[str, str]:
    return {name: call.request.headers[name] for name in _FROM_CLIENT if name in call.request.headers}


def _json_answer(call: Call, response: httpx.Response) -> HttpResponse:
    try:
        raw = response.read()
    except httpx.TransportError as error:
        raise Unavailable("The tracking server broke off its answer. Repeat the request.") from error
    finally:
        response.close()
    if response.status_code >= httpx.codes.BAD_REQUEST:
        return refusal(response.status_code, raw)
    if speaks_workspace_uris(call.request):
        raw = spell_for_workspace(raw)
    answer = HttpResponse(raw, status=response.status_code)
    answer["Content-Type"] = response.headers.get("Content-Type", "application/json")
    return answer


def refusal(status: int, raw: bytes) -> HttpResponse:
    """The tracking server's refusal: its code and status, and of its message what is meant for people."""
    try:
        answer = json.loads(raw)
        code, message = str(answer["error_code"]), str(answer["message"])
    except (ValueError, KeyError, TypeError) as error:
        raise error_of(status, raw) from error
    if code == "INTERNAL_ERROR":
        logger.warning("the tracking server failed: %s", message)
        message = "The tracking server failed on this request. Ask your administrator if it goes on."
    return JsonResponse({"error_code": code, "message": readable_message(message)}, status=status)


class _Body(Iterator[bytes]):
    """The rest of an answer. Closing it frees the connection, read to the end or not."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._chunks = response.iter_raw(CHUNK)

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        """Called by the server when the answer is out, or when the client is gone."""
        self._response.close()


def _copy_headers(response: httpx.Response, answer: HttpResponseBase) -> None:
    for name in _TO_CLIENT:
        if name in response.headers:
            answer[name] = response.headers[name]
