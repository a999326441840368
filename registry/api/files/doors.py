"""What every view of the Files API shares: who calls, the error shape, parameters and links."""

import functools
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, cast
from xml.sax.saxutils import escape

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.request import UnreadablePostError
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import MethodNotAllowed

from registry.api.authentication import authenticate
from registry.api.wire import LenientJSONParser, check_text, error_response
from registry.errors import FileMissing, InvalidParameter, NotFound, TooLarge
from registry.services.actors import Actor
from registry.storage.signing import ExpiredLink


class ActorView(Protocol):
    """A view that is told who calls."""

    def __call__(self, request: HttpRequest, actor: Actor, **parts: str) -> HttpResponseBase:
        """Answer one request."""
        ...


View = Callable[..., HttpResponseBase]


def open_door(**methods: View) -> View:
    """One URL: the view of each method; every error leaves as JSON. Nobody is authenticated."""

    @csrf_exempt
    def answer(request: HttpRequest, **parts: str) -> HttpResponseBase:
        try:
            view = methods.get(request.method or "")
            return view(request, **parts) if view else error_response(MethodNotAllowed(request.method or ""))
        except Exception as error:  # noqa: BLE001  (the outermost handler of this API)
            return _refusal(error)

    return answer


def door(**methods: ActorView) -> View:
    """As `open_door`, for callers with a credential. It is checked before anything of the body is read.

    A browser session counts only from our own pages: `authenticate` sees to it, so no CSRF token is asked for.
    """
    return open_door(**{method: _identified(view) for method, view in methods.items()})


def _identified(view: ActorView) -> View:
    @functools.wraps(cast("Callable[..., HttpResponseBase]", view))
    def answer(request: HttpRequest, **parts: str) -> HttpResponseBase:
        return view(request, authenticate(request), **parts)

    return answer


def _refusal(error: Exception) -> HttpResponse:
    if isinstance(error, ExpiredLink):
        return _expired()
    if isinstance(error, NotFound) and not isinstance(error, FileMissing):
        # Clients of this API know one word for all that is missing, and go on when they read it.
        return error_response(FileMissing(error.message))
    if isinstance(error, RequestDataTooBig):
        return error_response(TooLarge("The request body is larger than a request of this kind may be."))
    if isinstance(error, UnreadablePostError):
        return error_response(InvalidParameter("The request body broke off: send the request again."))
    return error_response(error)


_EXPIRED = "<Error><Code>AccessDenied</Code><Message>{}</Message></Error>"


def _expired() -> HttpResponse:
    """The answer that stock clients know from object stores: they ask for a new link and try again."""
    return HttpResponse(_EXPIRED.format(escape("Request has expired")), status=403, content_type="application/xml")


def parameters(request: HttpRequest) -> dict[str, Any]:
    """Query and JSON body as one mapping; a field of the body wins.

    Raises:
        InvalidParameter: a body that is not a JSON object.
    """
    query = {key: values[-1] for key, values in request.GET.lists()}
    check_text(query)
    body: Mapping[str, Any] = LenientJSONParser().parse(io.BytesIO(request.body))
    return {**query, **body}


def expire_time(given: Mapping[str, Any]) -> datetime | None:
    """When the client wants a link to end (RFC 3339); None when it leaves that to us.

    Raises:
        InvalidParameter: not a date and time with a zone.
    """
    text = given.get("expire_time")
    if text is None or text == "":
        return None
    try:
        moment = parse_datetime(str(text))
    except ValueError:
        moment = None
    if moment is None or is_naive(moment):
        raise InvalidParameter(f"'expire_time' is {text!r}: write it as 2030-01-31T12:00:00Z.", field="expire_time")
    return moment


def link_url(request: HttpRequest, signed: str) -> str:
    """The absolute URL of a signed link, as the caller reaches us."""
    base = settings.PUBLIC_URL.rstrip("/") if settings.PUBLIC_URL else f"{request.scheme}://{request.get_host()}"
    return f"{base}/_blob/{signed}"
