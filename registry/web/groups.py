"""Settings, Groups: metastore admins change them, everybody sees their own."""

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.models import ACCOUNT_USERS, PrincipalKind
from registry.services.actors import Actor
from registry.services.grants import find_principal
from registry.services.groups import create_group_with_members
from registry.services.memberships import (
    change_members,
    count_members,
    list_groups,
    list_own_groups,
    page_members,
)
from registry.services.principals import Filter, get_principal, list_principals
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done, refusals_on
from registry.web.explore import list_context
from registry.web.palette import Command, add_command
from registry.web.people import PAGE_SIZE, PrincipalPicker, back, find, page_of
from registry.web.session import signed_in
from registry.web.settings_sections import Section, add_section, settings_context
from registry.web.toasts import Undo

add_section(Section("Groups", "/settings/groups", "user-group", position=11))
add_command(Command("Create group", "new-group", "user-group", admins_only=True))


class GroupForm(Form):
    """A new group."""

    display_name = forms.CharField(label="Name", max_length=255, help_text="Grants name the group by it.")


class MemberForm(Form):
    """Somebody to put into a group."""

    members = forms.CharField(
        label="Who", max_length=255, help_text="A user, a service principal, or a group with all its members."
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["members"].widget = PrincipalPicker()


class JoinForm(Form):
    """A group to put somebody into."""

    members = forms.CharField(label="Group", max_length=255)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["members"].widget = PrincipalPicker(PrincipalKind.GROUP)


@require_safe
@signed_in
def groups(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """All groups for a metastore admin, one's own for everybody else."""
    context = settings_context(request, actor)
    if not actor.is_metastore_admin:
        return render(request, "people/own_groups.html", {**context, "groups": list_own_groups(actor=actor)})
    listed = list_context(request)
    page = list_principals(
        actor=actor,
        wanted=Filter(kind=PrincipalKind.GROUP, text=listed["query"][:255]),
        order=listed["order"],
        max_results=PAGE_SIZE,
        page_token=request.GET.get("page", ""),
    )
    counts = count_members(actor=actor, groups=page.items)
    rows = [(group, counts.get(group.pk, 0)) for group in page.items]
    context |= {"page": page, "rows": rows, **listed, "everybody": ACCOUNT_USERS}
    return render(request, "people/groups.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def new_group(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Make an empty group and go to it."""
    form = GroupForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            group = create_group_with_members(actor=actor, display_name=form.cleaned_data["display_name"])
            return done(request, to=page_of(group), toast=f"{group.name} is there. Add its first members.")
    return dialog(request, title="Create group", form=form, submit="Create")


@require_safe
@signed_in
def group_page(request: HttpRequest, actor: Actor, principal_id: int) -> HttpResponseBase:
    """One group: its members, and the groups that it lies in."""
    group = get_principal(actor=actor, principal_id=principal_id, kind=PrincipalKind.GROUP)
    query = request.GET.get("q", "").strip()[:255]
    page = page_members(
        actor=actor, group=group, text=query, max_results=PAGE_SIZE, page_token=request.GET.get("page", "")
    )
    context = {
        "person": group,
        "page": page,
        "query": query,
        "groups": list_groups(actor=actor, members=[group])[group.pk],
        "is_everybody": group.key == ACCOUNT_USERS,
        **settings_context(request, actor),
    }
    return render(request, "people/group.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def add_member(request: HttpRequest, actor: Actor, principal_id: int) -> HttpResponseBase:
    """Put somebody into the group."""
    group = get_principal(actor=actor, principal_id=principal_id, kind=PrincipalKind.GROUP)
    form = MemberForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            return _join(request, actor, group.pk, find_principal(form.cleaned_data["members"]).pk, page_of(group))
    return dialog(request, title=f"Add to {group.name}", form=form, submit="Add")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def join_group(request: HttpRequest, actor: Actor, principal_id: int) -> HttpResponseBase:
    """Put the one whose page it is into a group."""
    person = find(actor, principal_id)
    form = JoinForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            group = find_principal(form.cleaned_data["members"])
            return _join(request, actor, group.pk, person.pk, page_of(person))
    return dialog(request, title=f"Put {person.label} into a group", form=form, submit="Add")


def _join(request: HttpRequest, actor: Actor, group_id: int, member_id: int, to: str) -> HttpResponse:
    member = find(actor, member_id)
    group = change_members(actor=actor, group_id=group_id, add=[member_id])
    undo = Undo(reverse("remove-member", args=[group_id]), {"member": str(member_id)})
    return back(request, to, toast=f"{member.label} belongs to {group.name} now.", undo=undo)


@require_POST
@signed_in
@told_in_a_toast
def remove_member(request: HttpRequest, actor: Actor, principal_id: int) -> HttpResponse:
    """Take a member out; `back=1` puts it in again, which is what an undo asks for."""
    member_id, again = request.POST.get("member", ""), request.POST.get("back") == "1"
    changed = {"add": [member_id]} if again else {"remove": [member_id]}
    group = change_members(actor=actor, group_id=principal_id, **changed)
    if again:
        return back(request, page_of(group), toast="They belong to it again.")
    undo = Undo(reverse("remove-member", args=[principal_id]), {"member": member_id, "back": "1"})
    return back(request, page_of(group), toast=f"Taken out of {group.name}.", undo=undo)
