"""GET /api/openapi.json."""

import hashlib
from functools import cache

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from rest_framework.exceptions import MethodNotAllowed

from registry.api.authentication import authenticate
from registry.api.openapi.document import document_bytes
from registry.api.wire import error_response
from registry.errors import ModelkeepError


@cache
def _etag() -> str:
    return f'"{hashlib.sha256(document_bytes()).hexdigest()[:32]}"'


def openapi_document(request: HttpRequest) -> HttpResponseBase:
    """The OpenAPI document of everything that is served here."""
    if request.method not in {"GET", "HEAD"}:
        return error_response(MethodNotAllowed(request.method or ""))
    try:
        authenticate(request)
    except ModelkeepError as error:
        return error_response(error)
    response = HttpResponse(document_bytes(), content_type="application/json")
    response["ETag"] = _etag()
    # The same for everybody; another release is noticed by its tag.
    response["Cache-Control"] = "private, no-cache"
    return get_conditional_response(request, etag=_etag(), response=response) or response
