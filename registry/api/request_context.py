"""Gives every request an id, and every answer the headers that clients look for."""

import re
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from registry.services.actors import RequestContext

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestContextMiddleware:
    """Sets `request.context`; answers carry `X-Request-Id` and the workspace id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Wrap one request."""
        given = request.headers.get("X-Request-Id", "")
        request.context = RequestContext(  # type: ignore[attr-defined]
            request_id=given if _ACCEPTED_ID.fullmatch(given) else uuid.uuid4().hex,
            source_ip=request.META.get("REMOTE_ADDR", ""),
            user_agent=request.headers.get("User-Agent", ""),
        )
        response = self.get_response(request)
        response.headers.setdefault("X-Request-Id", context_of(request).request_id)
        response.headers.setdefault("x-databricks-org-id", settings.WORKSPACE_ID)
        return response


def context_of(request: HttpRequest) -> RequestContext:
    """The context that the middleware made for this request."""
    context = getattr(request, "context", None)
    return context if isinstance(context, RequestContext) else RequestContext()
