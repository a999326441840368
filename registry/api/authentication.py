"""Who calls: a bearer token, a name and password, or a browser session. One function for every door."""

import base64
import binascii
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import get_user
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from registry.api.request_context import context_of
from registry.errors import AccessDenied, PasswordChangeRequired, Unauthenticated
from registry.models import Principal
from registry.services.actors import Actor, load_actor
from registry.services.passwords import check_basic
from registry.services.tokens import authenticate_token

_SAFE = {"GET", "HEAD", "OPTIONS"}


def authenticate(request: HttpRequest, *, before_password_change: bool = False) -> Actor:
    """The actor behind a request. Two or three queries.

    Raises:
        Unauthenticated: no credential, or one that is not valid.
        AccessDenied: a browser session on an unsafe method from another origin.
        PasswordChangeRequired: a password that its owner has not chosen, unless `before_password_change`.
    """
    actor = _identify(request)
    if actor.token is None and actor.principal.password_change_required and not before_password_change:
        raise PasswordChangeRequired("Sign in with a browser and choose a password of your own first.")
    return actor


def _identify(request: HttpRequest) -> Actor:
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return authenticate_token(credential.strip(), context=context_of(request))
        case "basic":
            return _authenticate_basic(request, credential)
        case "":
            return _authenticate_session(request)
        case _:
            raise Unauthenticated("Send the token as 'Authorization: Bearer <token>'.")


def _authenticate_basic(request: HttpRequest, credential: str) -> Actor:
    try:
        name, _, password = base64.b64decode(credential, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unauthenticated("The Basic credential cannot be read: send name:password in base64.") from error
    if name == "token":  # Stock tools write a token as the password of the user "token".
        return authenticate_token(password, context=context_of(request))
    context = context_of(request)
    return load_actor(check_basic(name=name, password=password, context=context), context=context)


def _authenticate_session(request: HttpRequest) -> Actor:
    principal = get_user(request) if hasattr(request, "session") else None
    if not isinstance(principal, Principal) or not principal.is_active:
        raise Unauthenticated("Sign in, or send a token as 'Authorization: Bearer <token>'.")
    if request.method not in _SAFE and not _same_origin(request):
        raise AccessDenied("This browser session may not be used from another site.")
    return load_actor(principal, context=context_of(request))


def _same_origin(request: HttpRequest) -> bool:
    """Whether a browser says that our own page sent this (https://fetch.spec.whatwg.org/#origin-header)."""
    fetch_site = request.headers.get("Sec-Fetch-Site")
    if fetch_site is not None:
        return fetch_site in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc == request.get_host()


class CredentialAuthentication(BaseAuthentication):
    """The same for REST framework views: `request.user` is an Actor."""

    def authenticate(self, request: Request) -> tuple[Any, None]:
        """The actor; never None, so an anonymous call fails here and not somewhere behind."""
        return authenticate(request._request), None  # noqa: SLF001  (REST framework offers no public name)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        """Makes REST framework answer 401 rather than 403."""
        return "Bearer"
