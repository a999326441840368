"""What the pages of users, groups and service principals have in common: lists, profiles, switching off, deleting."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from registry.models import Principal, PrincipalKind
from registry.privileges import SecurableType
from registry.services.actors import Actor
from registry.services.principals import (
    Filter,
    ProfileChanges,
    delete_principal,
    get_principal,
    list_principals,
    update_principal,
)
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done, refusals_on
from registry.web.explore import list_context
from registry.web.pickers import PickerInput
from registry.web.session import signed_in
from registry.web.settings_sections import settings_context
from registry.web.toasts import Undo

PAGE_SIZE = 50
_PAGES = {
    PrincipalKind.USER: "user",
    PrincipalKind.GROUP: "group",
    PrincipalKind.SERVICE_PRINCIPAL: "service-principal",
}
_LISTS = {
    PrincipalKind.USER: "users",
    PrincipalKind.GROUP: "groups",
    PrincipalKind.SERVICE_PRINCIPAL: "service-principals",
}


class PrincipalPicker(PickerInput):
    """Completes names from the whole directory, for metastore admins; `kinds` leaves only those."""

    def __init__(self, *kinds: PrincipalKind) -> None:
        source = reverse("principal-suggestions", args=[SecurableType.METASTORE, "metastore"])
        super().__init__(source + ("?" + "&".join(f"kind={kind}" for kind in kinds) if kinds else ""))


class ProfileForm(Form):
    """What people read of somebody; a user's e-mail or a group's name is what grants name."""

    name = forms.CharField(max_length=255)
    display_name = forms.CharField(label="Display name", max_length=255, required=False)

    def __init__(self, data: Any, *, principal: Principal) -> None:
        super().__init__(data, initial={"name": principal.name, "display_name": principal.display_name})
        match principal.kind:
            case PrincipalKind.USER:
                self.fields["name"].label = "E-mail"
                self.fields["name"].help_text = "Grants and tokens stay with the person."
            case PrincipalKind.SERVICE_PRINCIPAL:
                del self.fields["name"]
            case PrincipalKind.GROUP:
                del self.fields["display_name"]

    def changes(self) -> ProfileChanges:
        """What the form asks for, once it is valid."""
        return ProfileChanges(name=self.cleaned_data.get("name"), display_name=self.cleaned_data.get("display_name"))


def page_of(principal: Principal) -> str:
    """The page of a user, a group or a service principal."""
    return reverse(_PAGES[PrincipalKind(principal.kind)], args=[principal.pk])


def people_list(
    request: HttpRequest, actor: Actor, kind: PrincipalKind, template: str, **more: Any
) -> HttpResponseBase:
    """A page of one kind of principals, by what is typed and whether they are disabled."""
    listed, disabled = list_context(request), request.GET.get("disabled") == "1"
    page = list_principals(
        actor=actor,
        wanted=Filter(kind=kind, text=listed["query"][:255], is_active=False if disabled else None),
        order=listed["order"],
        max_results=PAGE_SIZE,
        page_token=request.GET.get("page", ""),
    )
    context = {"page": page, **listed, "disabled": disabled, **settings_context(request, actor), **more}
    return render(request, template, context)


def find(actor: Actor, principal_id: int) -> Principal:
    """Somebody of any kind, for the dialogs that all kinds share.

    Raises:
        NotFound, AccessDenied.
    """
    return get_principal(actor=actor, principal_id=principal_id)


def back(request: HttpRequest, to: str, *, toast: str, undo: Undo | None = None) -> HttpResponse:
    """To the page that one is on; without scripts, to `to`."""
    return done(request, to="" if getattr(request, "htmx", False) else to, toast=toast, undo=undo)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def edit(request: HttpRequest, actor: Actor, principal_id: int) -> HttpResponseBase:
    """Another name or display name."""
    principal = find(actor, principal_id)
    form = ProfileForm(request.POST if request.method == "POST" else None, principal=principal)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            update_principal(actor=actor, principal_id=principal_id, changes=form.changes())
            return back(request, page_of(principal), toast="Saved.")
    return dialog(request, title=f"Edit {principal.label}", form=form)


@require_POST
@signed_in
@told_in_a_toast
def set_active(request: HttpRequest, actor: Actor, principal_id: int) -> HttpResponse:
    """Switch somebody off (`active=0`) or on again."""
    active = request.POST.get("active") == "1"
    changes = ProfileChanges(is_active=active)
    principal = update_principal(actor=actor, principal_id=principal_id, changes=changes)
    undo = Undo(reverse("principal-active", args=[principal_id]), {"active": "0" if active else "1"})
    words = "can act again" if active else "is disabled: sessions, tokens and secrets are refused"
    return back(request, page_of(principal), toast=f"{principal.label} {words}.", undo=undo)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def delete(request: HttpRequest, actor: Actor, principal_id: int) -> HttpResponseBase:
    """Delete somebody for ever, once it is confirmed."""
    principal = find(actor, principal_id)
    form = Form(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            delete_principal(actor=actor, principal_id=principal_id)
            to = reverse(_LISTS[PrincipalKind(principal.kind)])
            return done(request, to=to, toast=f"{principal.label} is deleted.")
    what = "its grants and memberships" if principal.kind == PrincipalKind.GROUP else "tokens, grants and memberships"
    intro = f"For ever, with {what}. The audit trail keeps the name. To keep what they hold, disable them instead."
    if principal.kind == PrincipalKind.GROUP:
        intro = f"For ever, with {what}; its members stay. The audit trail keeps the name."
    return dialog(request, title=f"Delete {principal.label}?", form=form, submit="Delete", danger=True, intro=intro)
