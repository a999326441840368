"""Secrets under Settings: scopes, the keys in them, who may use them. A value is written, and never shown."""

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.services.actors import Actor
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.session import signed_in
from registry.web.settings_sections import Section, add_section, settings_context
from registry.web.toasts import Undo
from serving.models import SecretLevel
from serving.services.secret_scopes import (
    covers,
    create_scope,
    delete_grant,
    delete_scope,
    get_scope,
    list_grants,
    list_scopes,
    put_grant,
)
from serving.services.secrets import delete_secret, list_secrets, put_secret

add_section(Section("Secrets", "/settings/secrets", "lock-closed", position=55))
_BOTH = ["GET", "HEAD", "POST"]
_PLAIN = {"autocomplete": "off", "spellcheck": "false"}
MEANING = {
    SecretLevel.READ: "use the secrets in endpoints that they create",
    SecretLevel.WRITE: "set and delete secrets besides",
    SecretLevel.MANAGE: "say who may, and delete the scope",
}


class ScopeForm(Form):
    """A new scope."""

    scope = forms.CharField(
        label="Name", max_length=128, widget=forms.TextInput(_PLAIN), help_text="Letters, digits, - _ @ and dots."
    )


class SecretForm(Form):
    """A secret."""

    key = forms.CharField(max_length=128, widget=forms.TextInput(_PLAIN), help_text="Letters, digits, - _ and dots.")
    string_value = forms.CharField(
        label="Value",
        strip=False,
        widget=forms.Textarea({"rows": 3, "class": "mono", **_PLAIN}),
        help_text="Sealed when you save it, and never shown again, to anybody.",
    )


class GrantForm(Form):
    """Who gets which level on a scope."""

    principal = forms.CharField(label="Who", max_length=255, help_text="E-mail, group or service principal.")
    permission = forms.ChoiceField(
        label="May",
        choices=[(level, f"{level}: {meaning}") for level, meaning in MEANING.items()],
        widget=forms.RadioSelect,
        initial=SecretLevel.READ,
    )


@require_safe
@signed_in
def scopes_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The scopes that the viewer may see."""
    query = request.GET.get("q", "").strip()
    found = [scope for scope in list_scopes(actor=actor) if query.lower() in scope.name.lower()]
    context = {"scopes": found, "query": query}
    return render(request, "serving/secret_scopes.html", {**context, **settings_context(request, actor)})


@require_safe
@signed_in
def scope_page(request: HttpRequest, actor: Actor, scope: str) -> HttpResponseBase:
    """A scope: its keys, and who may use them."""
    found, level = get_scope(actor=actor, name=scope)
    may_manage = covers(level, SecretLevel.MANAGE)
    context = {
        "scope": found,
        "level": level,
        "meaning": MEANING[level],
        "secrets": list_secrets(actor=actor, scope=found.name),
        "may_write": covers(level, SecretLevel.WRITE),
        "may_manage": may_manage,
        "grants": list_grants(actor=actor, scope=found.name) if may_manage else [],
    }
    return render(request, "serving/secret_scope.html", {**context, **settings_context(request, actor)})


def _page(request: HttpRequest, scope: str) -> str:
    return "" if getattr(request, "htmx", False) else reverse("secret-scope", args=[scope])


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def new_scope(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Make a scope; its page is shown next."""
    form = ScopeForm(posted(request))
    if form.is_valid():
        with refusals_on(form):
            made = create_scope(actor=actor, name=form.cleaned_data["scope"].strip())
            return done(request, to=reverse("secret-scope", args=[made.name]), toast=f"Scope {made.name} is made.")
    intro = "A folder of secrets with its own access. You can manage it."
    return dialog(request, title="New secret scope", form=form, submit="Create scope", intro=intro)


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def remove_scope(request: HttpRequest, actor: Actor, scope: str) -> HttpResponseBase:
    """Delete a scope with its secrets, after having asked."""
    get_scope(actor=actor, name=scope)
    form = Form(posted(request))
    if form.is_valid():
        with refusals_on(form):
            delete_scope(actor=actor, name=scope)
            return done(request, to=reverse("secret-scopes"), toast=f"Scope {scope} is deleted.")
    intro = "Its secrets go with it, for ever. Endpoints that refer to them keep running, and fail to start anew."
    return dialog(request, title=f"Delete scope {scope}", form=form, submit="Delete", danger=True, intro=intro)


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def secret(request: HttpRequest, actor: Actor, scope: str) -> HttpResponseBase:
    """Set a secret, new or in place of the one that is there."""
    get_scope(actor=actor, name=scope)
    known = request.GET.get("key", "")
    form = SecretForm(posted(request), initial={"key": known})
    if form.is_valid():
        with refusals_on(form):
            key, value = form.cleaned_data["key"].strip(), form.cleaned_data["string_value"]
            put_secret(actor=actor, scope=scope, key=key, value=value.encode())
            toast = f"{key} is set. Replicas get it when they start."
            return done(request, to=_page(request, scope), toast=toast)
    title = f"Replace {known}" if known else f"New secret in {scope}"
    return dialog(request, title=title, form=form, submit="Seal and save")


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def remove_secret(request: HttpRequest, actor: Actor, scope: str) -> HttpResponseBase:
    """Delete a secret, after having asked: nobody can bring its value back."""
    get_scope(actor=actor, name=scope)
    key = request.GET.get("key", "")
    form = Form(posted(request))
    if form.is_valid():
        with refusals_on(form):
            delete_secret(actor=actor, scope=scope, key=key)
            return done(request, to=_page(request, scope), toast=f"{key} is deleted.")
    intro = "Nobody can bring its value back. Endpoints that refer to it keep running, and fail to start anew."
    return dialog(request, title=f"Delete secret {key}", form=form, submit="Delete", danger=True, intro=intro)


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def grant(request: HttpRequest, actor: Actor, scope: str) -> HttpResponseBase:
    """Give somebody a level on a scope."""
    list_grants(actor=actor, scope=scope)
    form = GrantForm(posted(request), initial={"principal": request.GET.get("who", "")})
    if form.is_valid():
        with refusals_on(form):
            asked = form.cleaned_data
            made = put_grant(
                actor=actor, scope=scope, principal=asked["principal"].strip(), level=asked["permission"]
            )
            undo = Undo(reverse("secret-revoke", args=[scope]), {"principal": made.principal.name})
            toast = f"{made.principal.name} has {made.level} on {scope}."
            return done(request, to=_page(request, scope), toast=toast, undo=undo)
    return dialog(request, title=f"Access to {scope}", form=form, submit="Give access")


@require_POST
@signed_in
@told_in_a_toast
def revoke(request: HttpRequest, actor: Actor, scope: str) -> HttpResponseBase:
    """Take somebody's level away, with a way back."""
    who = request.POST.get("principal", "")
    had = next((one.level for one in list_grants(actor=actor, scope=scope) if one.principal.name == who), "")
    delete_grant(actor=actor, scope=scope, principal=who)
    undo = Undo(reverse("secret-grant", args=[scope]), {"principal": who, "permission": had})
    return done(request, to=_page(request, scope), toast=f"{who} has nothing on {scope} any more.", undo=undo)
