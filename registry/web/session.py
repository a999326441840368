"""Every page but the sign-in page needs somebody signed in: the decorator that yields the actor."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect

from registry.api.authentication import authenticate
from registry.errors import ModelkeepError, PasswordChangeRequired, Unauthenticated
from registry.services.actors import Actor
from registry.web.errors import error_page

P = ParamSpec("P")
PageView = Callable[Concatenate[HttpRequest, Actor, P], HttpResponseBase]


def signed_in(view: PageView[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A page for signed-in people: it gets the actor, and what services refuse becomes a designed page.

    Who must choose a new password first is sent to do so.
    """
    return _guarded(view, before_password_change=False)


def signed_in_with_any_password(view: PageView[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """As `signed_in`, for the pages on which a password given by somebody else is replaced."""
    return _guarded(view, before_password_change=True)


def _guarded(
    view: PageView[P], *, before_password_change: bool
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    @functools.wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            actor = authenticate(request, before_password_change=before_password_change)
            request.actor = actor  # type: ignore[attr-defined]
            response = view(request, actor, *args, **kwargs)
        except Unauthenticated:
            return _go(request, "sign-in")
        except PasswordChangeRequired:
            return _go(request, "password")
        except ModelkeepError as error:
            response = error_page(request, error)
        # A page shows what one person may see: no cache keeps it, nor the browser after signing out.
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return guarded


def _go(request: HttpRequest, name: str) -> HttpResponse:
    """To another page and, after it, back to where the person is."""
    htmx = bool(getattr(request, "htmx", False))
    here = request.htmx.current_url_abs_path if htmx else request.get_full_path()  # type: ignore[attr-defined]
    if htmx and (here or "").partition("?")[0] == reverse(name):
        # A part of the very page that the person was sent to, such as its bell: it has nothing to show yet.
        return HttpResponse(status=204)
    target = f"{reverse(name)}?{urlencode({'next': here or '/'})}" if request.method == "GET" else reverse(name)
    return HttpResponseClientRedirect(target) if htmx else redirect(target)


def safe_next(request: HttpRequest) -> str:
    """Where to go afterwards: a path of ours, or the home page."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    allowed = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if allowed else "/"
