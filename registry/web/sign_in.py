"""Signing in and out, and replacing a password."""

from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from registry.api.request_context import context_of
from registry.errors import InvalidParameter, Unauthenticated
from registry.services.actors import Actor
from registry.services.passwords import SignInThrottled, change_password, sign_in
from registry.web.session import safe_next, signed_in_with_any_password

_BACKEND = "django.contrib.auth.backends.ModelBackend"


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_page(request: HttpRequest) -> HttpResponseBase:
    """Ask for name and password; go on to where the person wanted to be."""
    name, target = request.POST.get("name", ""), safe_next(request)
    if request.method != "POST":
        return render(request, "sign_in.html", {"next": target})
    try:
        principal = sign_in(name=name, password=request.POST.get("password", ""), context=context_of(request))
    except Unauthenticated as error:
        status = 429 if isinstance(error, SignInThrottled) else 401
        context = {"next": target, "name": name, "error": error.message}
        return render(request, "sign_in.html", context, status=status)
    login(request, principal, backend=_BACKEND)
    if principal.password_change_required:
        return redirect(f"{reverse('password')}?{urlencode({'next': target})}")
    return redirect(target)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponseBase:
    """End this browser's session."""
    logout(request)
    return redirect("sign-in")


@sensitive_post_parameters("current", "new", "again")
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in_with_any_password
def password_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Replace one's own password; forced where somebody else has set it."""
    context = {"next": safe_next(request), "forced": actor.principal.password_change_required}
    if request.method != "POST":
        return render(request, "password.html", context)
    try:
        change_password(actor=actor, current=request.POST.get("current", ""), new=_typed_twice(request))
    except InvalidParameter as error:
        return render(request, "password.html", {**context, "error": error}, status=400)
    actor.principal.refresh_from_db()
    request.user = actor.principal
    update_session_auth_hash(request, actor.principal)
    messages.success(request, "Your password is changed.")
    return redirect(safe_next(request))


def _typed_twice(request: HttpRequest) -> str:
    new = request.POST.get("new", "")
    if new != request.POST.get("again", ""):
        raise InvalidParameter("The two new passwords differ: type the same one twice.", field="again")
    return new
