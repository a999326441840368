"""Pages for what went wrong; on API paths the same facts as JSON."""

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string

from registry.api.authentication import authenticate
from registry.api.wire import STATUS, error_response
from registry.errors import AccessDenied, InvalidParameter, ModelkeepError, NotFound, Unavailable
from registry.privileges import SecurableType
from registry.services.audit import DeniedOnSecurable
from registry.web.rights_in_words import named_privilege
from registry.web.template_tags import request_url

_API_PREFIXES = ("/api/", "/ajax-api/", "/mlflow/api/", "/mlflow/ajax-api/", "/oidc/", "/.well-known/")

_TITLES: list[tuple[type[ModelkeepError], str, str]] = [
    (NotFound, "Not here", "magnifying-glass"),
    (AccessDenied, "You lack a right for this", "lock-closed"),
    (Unavailable, "Not available just now", "clock"),
    (InvalidParameter, "This cannot be used", "exclamation-triangle"),
]


def is_api(request: HttpRequest) -> bool:
    """Whether a program, not a browser, reads the answer."""
    return request.path.startswith(_API_PREFIXES) and not request.path.startswith("/api/docs")


def error_page(request: HttpRequest, error: ModelkeepError) -> HttpResponseBase:
    """What a service refused, as a page that says what to do next."""
    if is_api(request):
        return error_response(error)
    title, icon = next(
        ((title, icon) for kind, title, icon in _TITLES if isinstance(error, kind)),
        ("This is not possible", "exclamation-triangle"),
    )
    status = STATUS[error.code][0]
    context = {"error": error, "title": title, "icon": icon, "status": status}
    if isinstance(error, AccessDenied):
        context["denied"] = error
        context["ask_url"] = _where_to_ask(error)
    return render(request, "errors/refused.html", context, status=status)


def _where_to_ask(error: AccessDenied) -> str:
    """The dialog that asks for the right that is missing, where a right on a securable is."""
    securable = error.denied_on if isinstance(error, DeniedOnSecurable) else None
    while securable is not None and securable.full_name != error.securable:
        securable = securable.parent
    if securable is None:
        return ""
    return request_url(securable, named_privilege(error.missing, SecurableType(securable.type)))


def _know_actor(request: HttpRequest) -> None:
    """Show the usual frame around an error where somebody is signed in."""
    if hasattr(request, "actor"):
        return
    try:
        request.actor = authenticate(request)  # type: ignore[attr-defined]
    except ModelkeepError:
        return


def handler404(request: HttpRequest, exception: Exception) -> HttpResponseBase:  # noqa: ARG001
    """No such page, or no such API."""
    if is_api(request):
        return error_response(Http404())
    _know_actor(request)
    return error_page(request, NotFound("There is no page at this address. It may have been mistyped or moved."))


def handler403(request: HttpRequest, exception: Exception) -> HttpResponseBase:  # noqa: ARG001
    """Refused by the framework rather than by a service."""
    _know_actor(request)
    return error_page(request, AccessDenied("This page is not open to you."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:  # noqa: ARG001
    """A form whose token is missing or too old."""
    _know_actor(request)
    return error_page(
        request, AccessDenied("This form has expired or was sent from another site. Go back, reload, and try again.")
    )


def handler500(request: HttpRequest) -> HttpResponseBase:
    """Something failed. Reads neither database nor session, which may be what failed."""
    if is_api(request):
        return error_response(RuntimeError("see the log above"))
    request_id = getattr(getattr(request, "context", None), "request_id", "")
    return HttpResponse(render_to_string("errors/failed.html", {"request_id": request_id}), status=500)
