"""One's own profile and tokens."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from registry.errors import InvalidParameter
from registry.services.actors import Actor
from registry.services.memberships import list_groups
from registry.services.principals import ProfileChanges, update_principal
from registry.services.tokens import create_token, list_tokens, revoke_token
from registry.web.context import public_host
from registry.web.session import signed_in

LIFETIMES = [(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year"), (0, "No end")]
_DAY = 24 * 3600


def _page(request: HttpRequest, actor: Actor, *, status: int = 200, **more: Any) -> HttpResponseBase:
    context = {
        "groups": list_groups(actor=actor, members=[actor.principal])[actor.principal.pk],
        "tokens": list_tokens(actor=actor),
        "lifetimes": LIFETIMES,
        "host": public_host(request),
        **more,
    }
    return render(request, "profile.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def profile_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Show the profile; a POST changes the display name."""
    if request.method != "POST":
        return _page(request, actor)
    changes = ProfileChanges(display_name=request.POST.get("display_name", ""))
    try:
        update_principal(actor=actor, principal_id=actor.principal.pk, changes=changes)
    except InvalidParameter as error:
        return _page(request, actor, status=400, profile_error=error.message)
    messages.success(request, "Your profile is saved.")
    return redirect("profile")


@require_POST
@signed_in
def make_token(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Make a token and show its value on this one answer."""
    days = request.POST.get("days", "")
    if days not in {str(choice) for choice, _ in LIFETIMES}:
        return _page(request, actor, status=400, making_error="Choose how long the token is valid.")
    try:
        new = create_token(
            actor=actor, comment=request.POST.get("comment", "").strip(), lifetime_seconds=int(days) * _DAY or None
        )
    except InvalidParameter as error:
        return _page(request, actor, status=400, making_error=error.message)
    return _page(request, actor, new_token=new)


@require_POST
@signed_in
def end_token(request: HttpRequest, actor: Actor, token_id: str) -> HttpResponseBase:
    """Revoke one of one's own tokens."""
    revoke_token(actor=actor, token_id=token_id)
    messages.success(request, "The token is revoked.")
    return redirect("profile")
