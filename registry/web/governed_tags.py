"""Settings, Governed tags: which values a tag may have, and who may assign it."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.errors import AccessDenied, InvalidParameter
from registry.models import TagPolicy, TagRole
from registry.services.actors import Actor
from registry.services.grants import find_principal
from registry.services.tag_policies import (
    PolicyChanges,
    RoleSet,
    create_policy,
    delete_policy,
    get_policy,
    get_roles,
    list_policies,
    replace_roles,
    update_policy,
)
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done, refusals_on
from registry.web.palette import Command, add_command
from registry.web.people import PrincipalPicker, back
from registry.web.session import signed_in
from registry.web.settings_sections import Section, add_section, settings_context
from registry.web.toasts import Undo

PAGE_SIZE = 50
add_section(Section("Governed tags", "/settings/governed-tags", "tag", position=21))
add_command(Command("Govern a tag", "new-governed-tag", "tag", admins_only=True))


class RulesForm(Form):
    """What a governed tag is for, and which values it may have."""

    description = forms.CharField(required=False, widget=forms.Textarea({"rows": 2}))
    values = forms.CharField(
        label="Values",
        required=False,
        widget=forms.Textarea({"rows": 5}),
        help_text="One a line. None: any value may be set.",
    )

    def listed(self) -> list[str]:
        """The values, once the form is valid."""
        return [line.strip() for line in self.cleaned_data["values"].splitlines() if line.strip()]


class NewTagForm(RulesForm):
    """A tag to govern."""

    key = forms.CharField(max_length=255, help_text="What objects are tagged with already stays as it is.")
    field_order = ("key", "description", "values")


class RoleForm(Form):
    """Somebody who is to assign or to manage a governed tag."""

    principal = forms.CharField(label="Who", max_length=255)
    role = forms.ChoiceField(choices=TagRole.choices, widget=forms.RadioSelect, initial=TagRole.ASSIGNER)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["principal"].widget = PrincipalPicker()


def _page_of(policy: TagPolicy) -> str:
    return reverse("governed-tag", args=[policy.key])


@require_safe
@signed_in
def governed_tags(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """All of them: everybody may know the rules."""
    page = list_policies(actor=actor, max_results=PAGE_SIZE, page_token=request.GET.get("page", ""))
    return render(request, "settings/governed_tags.html", {"page": page, **settings_context(request, actor)})


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def new_governed_tag(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Govern a tag, and go to where it is said who may assign it."""
    form = NewTagForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        given = form.cleaned_data
        with refusals_on(form):
            policy = create_policy(
                actor=actor, key=given["key"], description=given["description"], values=form.listed()
            )
            return done(request, to=_page_of(policy), toast=f"{policy.key} is governed now. Say who may assign it.")
    return dialog(request, title="Govern a tag", form=form, submit="Create")


@require_safe
@signed_in
def governed_tag(request: HttpRequest, actor: Actor, tag_key: str) -> HttpResponseBase:
    """One of them, with its roles for who manages it."""
    policy = get_policy(actor=actor, key=tag_key)
    roles = _roles_for(actor, policy)
    context = {
        "policy": policy,
        "manages": roles is not None,
        "roles": [(role, label, roles.principals.get(TagRole(role), [])) for role, label in TagRole.choices]
        if roles
        else [],
        **settings_context(request, actor),
    }
    return render(request, "settings/governed_tag.html", context)


def _roles_for(actor: Actor, policy: TagPolicy) -> RoleSet | None:
    """The roles, if the actor manages the policy."""
    try:
        return get_roles(actor=actor, policy_id=str(policy.pk))
    except AccessDenied:
        return None


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def edit_governed_tag(request: HttpRequest, actor: Actor, tag_key: str) -> HttpResponseBase:
    """Other values, another description."""
    policy = get_policy(actor=actor, key=tag_key)
    asked = {"description": policy.description, "values": "\n".join(policy.values)}
    form = RulesForm(request.POST, initial=asked) if request.method == "POST" else RulesForm(initial=asked)
    if form.is_bound and form.is_valid():
        changes = PolicyChanges(description=form.cleaned_data["description"], values=form.listed())
        with refusals_on(form):
            update_policy(actor=actor, key=tag_key, changes=changes)
            return back(request, _page_of(policy), toast="Saved. Values that are set already stay.")
    return dialog(request, title=f"Rules of {policy.key}", form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def delete_governed_tag(request: HttpRequest, actor: Actor, tag_key: str) -> HttpResponseBase:
    """Govern it no longer, once that is confirmed."""
    policy = get_policy(actor=actor, key=tag_key)
    form = Form(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            delete_policy(actor=actor, key=tag_key)
            return done(request, to=reverse("governed-tags"), toast=f"{policy.key} is governed no longer.")
    intro = "Whoever may tag an object may then set it to anything. What objects are tagged with stays."
    return dialog(request, title=f"Stop governing {policy.key}?", form=form, submit="Stop", danger=True, intro=intro)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def add_role(request: HttpRequest, actor: Actor, tag_key: str) -> HttpResponseBase:
    """Let somebody assign the tag, or manage it."""
    policy = get_policy(actor=actor, key=tag_key)
    form = RoleForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            principal = find_principal(form.cleaned_data["principal"])
            role = TagRole(form.cleaned_data["role"])
            _change_roles(actor, policy, add={(principal.name, role)})
            undo = Undo(reverse("remove-tag-role", args=[tag_key]), {"principal": principal.name, "role": role})
            return back(request, _page_of(policy), toast=f"Done for {principal.label}.", undo=undo)
    return dialog(request, title=f"Who may use {policy.key}", form=form, submit="Add")


@require_POST
@signed_in
@told_in_a_toast
def remove_role(request: HttpRequest, actor: Actor, tag_key: str) -> HttpResponse:
    """Take a role away; `back=1` gives it again, which is what an undo asks for."""
    policy = get_policy(actor=actor, key=tag_key)
    name, given = request.POST.get("principal", ""), request.POST.get("role", "")
    if given not in TagRole.values:
        raise InvalidParameter(f"'{given}' is no role of a governed tag.", field="role")
    one = {(name, TagRole(given))}
    if request.POST.get("back") == "1":
        _change_roles(actor, policy, add=one)
        return back(request, _page_of(policy), toast="They have it again.")
    _change_roles(actor, policy, remove=one)
    undo = Undo(reverse("remove-tag-role", args=[tag_key]), {"principal": name, "role": given, "back": "1"})
    return back(request, _page_of(policy), toast=f"Taken from {name}.", undo=undo)


def _change_roles(
    actor: Actor,
    policy: TagPolicy,
    *,
    add: set[tuple[str, TagRole]] | None = None,
    remove: set[tuple[str, TagRole]] | None = None,
) -> None:
    now = get_roles(actor=actor, policy_id=str(policy.pk))
    held = {(principal.name, role) for role, some in now.principals.items() for principal in some}
    wanted = (held | (add or set())) - (remove or set())
    replace_roles(
        actor=actor,
        policy_id=str(policy.pk),
        revision=str(now.policy.revision),
        names={role: [name for name, one in sorted(wanted) if one == role] for role in TagRole},
    )
