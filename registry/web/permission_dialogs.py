"""Granting with a look ahead, revoking with a way back, and handing over ownership."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.errors import InvalidParameter, ModelkeepError
from registry.models import Principal, PrincipalKind, Securable
from registry.privileges import Action, SecurableType
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.grant_simulation import Effect, grant_with_way, simulate_grants
from registry.services.grants import Change, ChangeAt, parse_privilege, update_grants_at
from registry.services.ownership import transfer_ownership
from registry.services.principal_suggestions import suggest_principals
from registry.services.securables import find_for, find_securable
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done, refusals_on
from registry.web.permission_addresses import KINDS, SecurableKind
from registry.web.pickers import PickerInput
from registry.web.rights_in_words import ACTIONS, NOUNS, PRIVILEGES, grantable_on, presets_on
from registry.web.session import signed_in
from registry.web.template_tags import permission_url, permissions_page, privilege_words
from registry.web.toasts import Undo

_ICONS = {
    PrincipalKind.USER: "user",
    PrincipalKind.GROUP: "user-group",
    PrincipalKind.SERVICE_PRINCIPAL: "cpu-chip",
}


class GrantForm(Form):
    """Who gets what on a securable."""

    principal = forms.CharField(label="Who", max_length=255)
    privileges = forms.MultipleChoiceField(
        label="What", error_messages={"required": "Choose at least one privilege."}
    )
    with_way = forms.BooleanField(required=False)

    def __init__(self, *args: Any, type_: SecurableType, suggestions: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        placeholder = "Name or e-mail of a user, group or service principal"
        self.fields["principal"].widget = PickerInput(suggestions, {"placeholder": placeholder})
        field: Any = self.fields["privileges"]
        field.choices = [(privilege.value, privilege.value) for privilege in grantable_on(type_)]

    def change(self) -> Change:
        """What the form asks for, once it is valid."""
        privileges = tuple(parse_privilege(one) for one in self.cleaned_data["privileges"])
        return Change(self.cleaned_data["principal"].strip(), add=privileges)


class OwnerForm(Form):
    """Who shall own a securable."""

    owner = forms.CharField(label="New owner", max_length=255)

    def __init__(self, *args: Any, suggestions: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].widget = PickerInput(suggestions)


def option_of(principal: Principal) -> dict[str, str]:
    """A principal as a suggestion below a field."""
    kind = PrincipalKind(principal.kind)
    note = principal.name if principal.display_name else kind.label
    return {"value": principal.name, "label": principal.label, "icon": _ICONS[kind], "note": note}


@require_safe
@signed_in
def suggestions(request: HttpRequest, actor: Actor, kind: SecurableType, full_name: str) -> HttpResponseBase:
    """Principals by what is typed, for who administers the securable."""
    text, only = request.GET.get("q", "").strip()[:255], request.GET.getlist("kind")
    found = suggest_principals(actor=actor, type_=kind, full_name=full_name, text=text, kinds=only)
    context = {"options": [option_of(one) for one in found], "empty": "Nobody is called that."}
    return render(request, "parts/_picker_options.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def grant(request: HttpRequest, actor: Actor, kind: SecurableType, full_name: str) -> HttpResponseBase:
    """Give privileges to a principal, and with them, if wanted, the way in."""
    securable = find_for(actor=actor, type_=kind, full_name=full_name, action=Action.GRANT)
    form = _grant_form(request, securable)
    if form.is_bound and form.is_valid():
        change = form.change()
        with refusals_on(form):
            if form.cleaned_data["with_way"]:
                changed = grant_with_way(actor=actor, type_=kind, full_name=full_name, change=change)
            else:
                changed = update_grants_at(actor=actor, changes=[(kind, full_name, change)])
            return _granted(request, securable, change, changed)
    return dialog(
        request,
        "permissions/grant.html",
        title=f"Grant on {NOUNS[kind]} {full_name}",
        form=form,
        submit="Grant",
        securable=securable,
        choices=[(one, PRIVILEGES[one]) for one in grantable_on(kind)],
        chosen=form["privileges"].value() or [],
        presets=presets_on(kind),
        preview_url=permission_url("grant-preview", securable),
    )


def _grant_form(request: HttpRequest, securable: Securable) -> GrantForm:
    extra: dict[str, Any] = {
        "type_": SecurableType(securable.type),
        "suggestions": permission_url("principal-suggestions", securable),
    }
    if request.method == "POST":
        return GrantForm(request.POST, **extra)
    asked = {"principal": request.GET.get("principal", ""), "privileges": request.GET.getlist("privilege")}
    return GrantForm(initial=asked, **extra)


def _granted(
    request: HttpRequest, securable: Securable, change: Change, changed: Sequence[ChangeAt]
) -> HttpResponseBase:
    words = ", ".join(privilege_words(one) for one in change.add)
    if not changed:
        return _back(request, securable, toast=f"{change.principal} held {words} already.")
    return _back(request, securable, toast=f"Granted {words} to {change.principal}.", undo=undo_of(changed))


def _back(request: HttpRequest, securable: Securable, *, toast: str, undo: Undo | None = None) -> HttpResponse:
    """To the page that one is on; without scripts, to the permissions."""
    to = "" if getattr(request, "htmx", False) else permissions_page(securable)
    return done(request, to=to, toast=toast, undo=undo)


def undo_of(changed: Sequence[ChangeAt]) -> Undo:
    """The button that takes exactly these changes of grants back."""
    slug = SecurableKind().to_url
    back = [
        {"on": slug(type_), "name": name, "principal": one.principal, "add": one.remove, "remove": one.add}
        for type_, name, one in reversed(changed)
    ]
    return Undo(reverse("change-grants"), {"changes": json.dumps(back)})


@require_POST
@signed_in
def preview(request: HttpRequest, actor: Actor, kind: SecurableType, full_name: str) -> HttpResponseBase:
    """What the grant in the form would change, before it is made."""
    securable = find_for(actor=actor, type_=kind, full_name=full_name, action=Action.GRANT)
    form = _grant_form(request, securable)
    with_way = not request.POST.get("way_shown") or bool(request.POST.get("with_way"))
    context: dict[str, Any] = {"waiting": not form.is_valid()}
    if form.is_valid():
        try:
            context |= outlook(actor, kind, full_name, form.change(), with_way=with_way)
        except ModelkeepError as error:
            context["refused"] = error.message
    return render(request, "permissions/_preview.html", context)


def outlook(actor: Actor, kind: SecurableType, full_name: str, change: Change, *, with_way: bool) -> dict[str, Any]:
    """What `permissions/_preview.html` shows of a change.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    found = simulate_grants(actor=actor, type_=kind, full_name=full_name, change=change, with_way=with_way)
    return {
        "found": found,
        "effects": [_in_words(effect) for effect in found.effects],
        "grantable_ways": [way for way in found.missing_ways if way.may_grant],
        "other_ways": [way for way in found.missing_ways if not way.may_grant],
        "with_way": with_way,
    }


def _in_words(effect: Effect) -> dict[str, Any]:
    return {
        "on": f"On every {NOUNS[effect.every]} in it" if effect.every else "",
        "gained": [ACTIONS[action] for action in ACTIONS if action in effect.gained],
        "lost": [ACTIONS[action] for action in ACTIONS if action in effect.lost],
    }


@require_POST
@signed_in
@told_in_a_toast
def revoke(request: HttpRequest, actor: Actor, kind: SecurableType, full_name: str) -> HttpResponseBase:
    """Take privileges that are granted here from one principal: `remove` once for each."""
    privileges = tuple(parse_privilege(one) for one in request.POST.getlist("remove"))
    change = Change(request.POST.get("principal", ""), remove=privileges)
    changed = update_grants_at(actor=actor, changes=[(kind, full_name, change)])
    if not changed:
        return done(request, toast=f"{change.principal} did not hold that here any more.")
    words = ", ".join(privilege_words(one) for one in changed[0][2].remove)
    return done(request, toast=f"Revoked {words} from {change.principal}.", undo=undo_of(changed))


@require_POST
@signed_in
@told_in_a_toast
def change_grants(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Changes on several securables at once: what an undo asks for."""
    changed = update_grants_at(actor=actor, changes=_changes(request.POST.get("changes", "")))
    toast = "The change is taken back." if changed else "There was nothing left to take back."
    return done(request, toast=toast)


def _changes(text: str) -> list[ChangeAt]:
    try:
        return [_change(entry) for entry in json.loads(text)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidParameter("'changes' cannot be read: reload the page and try again.", field="changes") from error


def _change(entry: Mapping[str, Any]) -> ChangeAt:
    add, remove = (tuple(parse_privilege(one) for one in entry[part]) for part in ("add", "remove"))
    return KINDS[entry["on"]], str(entry["name"]), Change(str(entry["principal"]), add=add, remove=remove)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def owner(request: HttpRequest, actor: Actor, kind: SecurableType, full_name: str) -> HttpResponseBase:
    """Hand over ownership."""
    securable = find_for(actor=actor, type_=kind, full_name=full_name, action=Action.TRANSFER)
    source = permission_url("principal-suggestions", securable)
    form = OwnerForm(request.POST if request.method == "POST" else None, suggestions=source)
    if form.is_bound and form.is_valid():
        new = form.cleaned_data["owner"].strip()
        with refusals_on(form):
            before = transfer_ownership(actor=actor, type_=kind, full_name=full_name, owner=new)
            undo = None
            if Action.TRANSFER in allowed_actions(actor=actor, securable=find_securable(kind, full_name)):
                undo = Undo(permission_url("transfer-owner", securable), {"owner": before})
            return _back(request, securable, toast=f"{new} owns {full_name} now.", undo=undo)
    return dialog(
        request,
        "permissions/owner.html",
        title=f"Transfer {NOUNS[kind]} {full_name}",
        form=form,
        submit="Transfer",
        securable=securable,
        keeps=securable.owner_id in actor.principal_ids,
    )
