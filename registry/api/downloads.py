"""A file as an HTTP answer: ranges, conditions, and headers that keep a browser from running what it gets."""

import re

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date, parse_http_date_safe

from registry.services.archives import Export
from registry.services.file_locations import FileFacts
from registry.services.files import OpenFile

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def send_file(request: HttpRequest, opened: OpenFile) -> HttpResponseBase:
    """200 with the file, 206 with the part that was asked for, 304, 412 or 416. Streams in bounded memory."""
    try:
        refused = _unless(request, opened.facts)
        window = _window(request, opened.facts)
        if refused is not None or window is None:
            opened.close()
            return refused or _unsatisfiable(opened.facts)
        start, length = window
        response = StreamingHttpResponse(opened.stream(start, length))
    except BaseException:
        opened.close()
        raise
    _describe(response, opened.facts, length=length)
    if length != opened.facts.size:
        response.status_code = 206
        response["Content-Range"] = f"bytes {start}-{start + length - 1}/{opened.facts.size}"
    return response


def send_archive(export: Export) -> StreamingHttpResponse:
    """An archive of models, as it is made."""
    response = StreamingHttpResponse(export.pieces(), content_type="application/x-tar")
    response["Content-Length"] = str(export.size)
    response["Content-Disposition"] = 'attachment; filename="models.tar"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def describe_file(request: HttpRequest, facts: FileFacts) -> HttpResponseBase:
    """The answer to HEAD: the headers of the whole file, or 304 or 412."""
    refused = _unless(request, facts)
    if refused is not None:
        return refused
    response = HttpResponse()
    _describe(response, facts, length=facts.size)
    return response


def _describe(response: HttpResponseBase, facts: FileFacts, *, length: int) -> None:
    response["Content-Type"] = "application/octet-stream"
    response["Content-Length"] = str(length)
    response["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=facts.name) or "attachment"
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = f'"{facts.etag}"'
    response["Last-Modified"] = http_date(facts.modified_at.timestamp())


def _unless(request: HttpRequest, facts: FileFacts) -> HttpResponseBase | None:
    """304 or 412, when the request's conditions say so."""
    answer = get_conditional_response(
        request, etag=f'"{facts.etag}"', last_modified=int(facts.modified_at.timestamp())
    )
    if answer is not None and answer.status_code == 412:
        message = "The file has changed since: read it from its start."
        return JsonResponse({"error_code": "FAILED_PRECONDITION", "message": message}, status=412)
    return answer


def _window(request: HttpRequest, facts: FileFacts) -> tuple[int, int] | None:
    """Start and length of what to send; None when the range lies outside. Anything unusual gets the whole file."""
    whole = (0, facts.size)
    match = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if match is None or match.group() == "bytes=-" or not _range_still_applies(request, facts):
        return whole
    first, last = match.groups()
    if not first:
        length = min(int(last), facts.size)
        return (facts.size - length, length) if length else None
    start = int(first)
    if last and int(last) < start:
        return whole
    end = min(int(last), facts.size - 1) if last else facts.size - 1
    return (start, end - start + 1) if start < facts.size else None


def _range_still_applies(request: HttpRequest, facts: FileFacts) -> bool:
    condition = request.headers.get("If-Range")
    if condition is None:
        return True
    return condition == f'"{facts.etag}"' or parse_http_date_safe(condition) == int(facts.modified_at.timestamp())


def _unsatisfiable(facts: FileFacts) -> HttpResponse:
    message = f"The file has {facts.size} bytes: the range lies outside."
    response = JsonResponse({"error_code": "INVALID_PARAMETER_VALUE", "message": message}, status=416)
    response["Content-Range"] = f"bytes */{facts.size}"
    return response
