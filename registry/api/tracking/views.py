"""The one door to the tracking server: sign-in, table, handler; every refusal in the one error shape."""

import logging

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_exempt

from registry.api.authentication import authenticate
from registry.api.tracking import pages
from registry.api.tracking.calls import Call, canonical_path, target_path
from registry.api.tracking.routes import find_route
from registry.api.wire import error_response, not_found
from registry.errors import ErrorCode, ModelkeepError, PasswordChangeRequired, Unauthenticated

logger = logging.getLogger(__name__)

_STARTING_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tracking is starting</title>
<meta http-equiv="refresh" content="3"></head>
<body><h1>Tracking is starting</h1><p>This page opens by itself in a few seconds.</p></body></html>"""


@csrf_exempt  # A session counts for requests of our own pages only: `authenticate` looks at their origin.
def proxy(request: HttpRequest) -> HttpResponseBase:
    """Answer any path of the tracking server."""
    try:
        return _handle(request)
    except Unauthenticated as error:
        return pages.sign_in(request) if _is_page(request) else error_response(error)
    except PasswordChangeRequired as error:
        return redirect("password") if _is_page(request) else error_response(error)
    except Exception as error:
        if _is_page(request) and getattr(error, "code", None) == ErrorCode.TEMPORARILY_UNAVAILABLE:
            return HttpResponse(_STARTING_PAGE, status=503, headers={"Retry-After": "3"})
        if not isinstance(error, ModelkeepError):
            logger.exception("tracking request failed")
        return error_response(error)


def _handle(request: HttpRequest) -> HttpResponseBase:
    actor = authenticate(request)
    # A slash at the end changes nothing; the tracking server itself would not know the path.
    for address in dict.fromkeys((request.path, request.path.rstrip("/"))):
        path = canonical_path(address)
        route = find_route(request.method or "GET", path)
        if route is not None:
            handler, in_path = route
            call = Call(
                request=request,
                actor=actor,
                method=request.method or "GET",
                path=path,
                target=target_path(address),
                in_path=in_path,
            )
            return handler(call)
    return not_found(request)


def _is_page(request: HttpRequest) -> bool:
    """Whether a person's browser asks for the UI itself, not a script for data."""
    return request.method == "GET" and request.path == "/mlflow/" and "text/html" in request.headers.get("Accept", "")
