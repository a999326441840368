"""One's own profile and tokens."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from registry.errors import AccessDenied, InvalidParameter
from registry.services.actors import Actor
from registry.services.memberships import list_groups
from registry.services.principals import ProfileChanges, update_principal
from registry.services.tokens import create_token, describe_token, get_token, list_tokens, revoke_token
from registry.services.workspace_settings import token_rules
from registry.web.actions import told_in_a_toast
from registry.web.context import THEME_COOKIE, THEMES, public_host
from registry.web.dialogs import Form, dialog, done, refusals_on
from registry.web.session import signed_in
from registry.web.settings_sections import Section, add_section, settings_context

LIFETIMES = [(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year"), (0, "No end")]
_USUAL_DAYS = 90
_DAY = 24 * 3600
_YEAR = 365 * _DAY

add_section(Section("Profile", "/profile", "user-circle", position=1))
add_section(Section("Tokens", "/profile/tokens", "ticket", position=2))


class CommentForm(Form):
    """What a token is for."""

    comment = forms.CharField(label="What it is for", max_length=255, required=False)


def _profile(request: HttpRequest, actor: Actor, *, status: int = 200, **more: Any) -> HttpResponseBase:
    theme = request.COOKIES.get(THEME_COOKIE, "")
    context = {
        "groups": list_groups(actor=actor, members=[actor.principal])[actor.principal.pk],
        "themes": [("", "As the system"), ("light", "Light"), ("dark", "Dark")],
        "chosen_theme": theme if theme in THEMES else "",
        **settings_context(request, actor),
        **more,
    }
    return render(request, "profile.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def profile_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Show the profile; a POST changes the display name."""
    if request.method != "POST":
        return _profile(request, actor)
    changes = ProfileChanges(display_name=request.POST.get("display_name", ""))
    try:
        update_principal(actor=actor, principal_id=actor.principal.pk, changes=changes)
    except InvalidParameter as error:
        return _profile(request, actor, status=400, profile_error=error.message)
    messages.success(request, "Your profile is saved.")
    return redirect("profile")


@require_POST
@signed_in
def choose_theme(request: HttpRequest, actor: Actor) -> HttpResponseBase:  # noqa: ARG001  (the browser keeps it)
    """Light, dark, or as the system: kept in this browser."""
    theme = request.POST.get("theme", "")
    response = redirect("profile")
    if theme in THEMES:
        # Readable by the page's script, which has the same switch at the top of every page.
        response.set_cookie(THEME_COOKIE, theme, max_age=_YEAR, samesite="Lax")
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response


def _tokens(request: HttpRequest, actor: Actor, *, status: int = 200, **more: Any) -> HttpResponseBase:
    rules = token_rules()
    lifetimes = [(days, label) for days, label in LIFETIMES if not rules.max_days or 0 < days <= rules.max_days]
    if rules.max_days and rules.max_days not in dict(lifetimes):
        lifetimes.append((rules.max_days, f"{rules.max_days} days"))
    offered = [days for days, _ in lifetimes]
    context = {
        "tokens": list_tokens(actor=actor),
        "now": timezone.now(),
        "rules": rules,
        "lifetimes": lifetimes,
        "usual_days": _USUAL_DAYS if _USUAL_DAYS in offered else offered[-1],
        "host": public_host(request),
        **settings_context(request, actor),
        **more,
    }
    return render(request, "settings/tokens.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def tokens_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """One's own tokens; a POST makes another, whose value is shown on this one answer."""
    if request.method != "POST":
        return _tokens(request, actor)
    days = request.POST.get("days", "")
    if not (days.isascii() and days.isdigit() and len(days) <= len("3650")):
        return _tokens(request, actor, status=400, making_error="Choose how long the token is valid.")
    try:
        new = create_token(
            actor=actor, comment=request.POST.get("comment", "").strip(), lifetime_seconds=int(days) * _DAY or None
        )
    except InvalidParameter as error:
        return _tokens(request, actor, status=400, making_error=error.message)
    except AccessDenied as error:
        return _tokens(request, actor, status=403, making_error=error.message)
    return _tokens(request, actor, new_token=new)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def describe(request: HttpRequest, actor: Actor, token_id: str) -> HttpResponseBase:
    """Give a token another comment."""
    token = get_token(actor=actor, token_id=token_id)
    form = CommentForm(request.POST if request.method == "POST" else None, initial={"comment": token.comment})
    if form.is_valid():
        with refusals_on(form):
            describe_token(actor=actor, token_id=token_id, comment=form.cleaned_data["comment"].strip())
            return done(request, to=reverse("tokens"), toast="The token is described anew.")
    return dialog(request, title=f"Token {token.prefix}…", form=form)


@require_POST
@signed_in
def end_token(request: HttpRequest, actor: Actor, token_id: str) -> HttpResponseBase:
    """Revoke one of one's own tokens."""
    revoke_token(actor=actor, token_id=token_id)
    messages.success(request, "The token is revoked.")
    return redirect("tokens")
