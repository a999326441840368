"""What one does to a catalog, a schema or a table from its page: describe, rename, delete."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from registry.errors import NotFound
from registry.models import AuditEvent, Securable
from registry.privileges import Action, SecurableType
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.audit_trail import list_activity
from registry.services.catalogs import delete_catalog, get_catalog, update_catalog
from registry.services.container_deletion import ContainerDeletion, plan_container_deletion
from registry.services.paging import Page
from registry.services.schemas import delete_schema, get_schema, update_schema
from registry.services.securables import Changes
from registry.services.tables import delete_table, get_table, update_table
from registry.services.tags import tag_action
from registry.web.descriptions import DescriptionForm
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.explore import PAGE_SIZE
from registry.web.model_changes import ConfirmNameForm, RenameForm
from registry.web.session import signed_in
from registry.web.template_tags import object_url
from registry.web.toasts import Undo


@dataclass(frozen=True)
class Kind:
    """The services of one kind of object. All take `actor` and the full name."""

    word: str
    type: SecurableType
    noun: str
    edit_action: Action
    delete_action: Action
    find: Callable[[Actor, str], Securable]
    update: Callable[[Actor, str, Changes], object]
    delete: Callable[[Actor, str, bool], None]


_KINDS = {
    "catalogs": Kind(
        "catalogs",
        SecurableType.CATALOG,
        "catalog",
        Action.UPDATE_CATALOG,
        Action.DELETE_CATALOG,
        find=lambda actor, name: get_catalog(actor=actor, name=name),
        update=lambda actor, name, changes: update_catalog(actor=actor, name=name, changes=changes),
        delete=lambda actor, name, force: delete_catalog(actor=actor, name=name, force=force),
    ),
    "schemas": Kind(
        "schemas",
        SecurableType.SCHEMA,
        "schema",
        Action.UPDATE_SCHEMA,
        Action.DELETE_SCHEMA,
        find=lambda actor, name: get_schema(actor=actor, full_name=name),
        update=lambda actor, name, changes: update_schema(actor=actor, full_name=name, changes=changes),
        delete=lambda actor, name, force: delete_schema(actor=actor, full_name=name, force=force),
    ),
    "tables": Kind(
        "tables",
        SecurableType.TABLE,
        "table",
        Action.UPDATE_TABLE,
        Action.DELETE_TABLE,
        find=lambda actor, name: get_table(actor=actor, full_name=name).securable,
        update=lambda actor, name, changes: update_table(actor=actor, full_name=name, changes=changes),
        delete=lambda actor, name, force: delete_table(actor=actor, full_name=name),  # noqa: ARG005  (holds nothing)
    ),
}
_OF_TYPE = {kind.type: kind for kind in _KINDS.values()}


def edit_context(actor: Actor, securable: Securable) -> dict[str, Any]:
    """What a page needs to offer these dialogs: their addresses, and which the viewer may use. One query."""
    kind = _OF_TYPE[SecurableType(securable.type)]
    allowed = allowed_actions(actor=actor, securable=securable)
    where = [kind.word, securable.full_name]
    verbs = ("describe", "tag", "untag", "rename", "delete")
    edit = {verb: reverse(f"{verb}-object", args=where) for verb in verbs}
    edit["transfer"] = reverse("transfer-owner", args=[kind.type, securable.full_name])
    return {
        "edit": edit,
        "may": allowed,
        "may_edit": kind.edit_action in allowed,
        "may_rename": kind.edit_action in allowed,
        "may_tag": tag_action(kind.type) in allowed,
        "may_delete": kind.delete_action in allowed,
        "may_transfer": Action.TRANSFER in allowed,
    }


def activity_tab(edits: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The tab with what happened to an object, for who may read its part of the audit trail."""
    return [("activity", "Activity")] if Action.READ_GRANTS in edits["may"] else []


def activity_page(request: HttpRequest, actor: Actor, securable: Securable) -> Page[AuditEvent]:
    """The page of that tab that the address asks for."""
    token = request.GET.get("page", "")
    return list_activity(actor=actor, securable=securable, max_results=PAGE_SIZE, page_token=token)


def kind_of(word: str) -> Kind:
    """The kind that an address names.

    Raises:
        NotFound.
    """
    kind = _KINDS.get(word)
    if kind is None:
        raise NotFound("There is no page at this address. It may have been mistyped or moved.")
    return kind


def _page_of(request: HttpRequest, securable: Securable) -> str:
    """Where a change ends: on the page below the dialog, or without scripts on the page of the object."""
    return "" if getattr(request, "htmx", False) else object_url(securable)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def describe(request: HttpRequest, actor: Actor, kind: str, full_name: str) -> HttpResponseBase:
    """The dialog with the description of an object."""
    services = kind_of(kind)
    found = services.find(actor, full_name)
    before = found.comment
    form = DescriptionForm(posted(request), initial={"comment": before})
    if form.is_valid():
        with refusals_on(form):
            services.update(actor, full_name, Changes(comment=form.cleaned_data["comment"]))
            undo = Undo(request.path, {"comment": before})
            return done(request, to=_page_of(request, found), toast="Description saved.", undo=undo)
    return dialog(request, "dialogs/description.html", title=f"Description of {found.name}", form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def rename(request: HttpRequest, actor: Actor, kind: str, full_name: str) -> HttpResponseBase:
    """The dialog that gives an object another name."""
    services = kind_of(kind)
    found = services.find(actor, full_name)
    before = found.name
    form = RenameForm(posted(request), initial={"new_name": before})
    if form.is_valid():
        new_name = form.cleaned_data["new_name"]
        with refusals_on(form):
            services.update(actor, full_name, Changes(new_name=new_name))
            found.name = new_name
            undo = Undo(reverse("rename-object", args=[kind, found.full_name]), {"new_name": before})
            toast = f"{before} is now called {new_name}."
            return done(request, to=object_url(found), toast=toast, undo=undo, tree=True)
    intro = (
        "Clients that use the old name stop finding it. Versions, grants and history stay."
        if services.type != SecurableType.TABLE
        else "Clients that use the old name stop finding it. Data, grants and history stay."
    )
    return dialog(request, title=f"Rename {before}", form=form, submit="Rename", intro=intro)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def delete(request: HttpRequest, actor: Actor, kind: str, full_name: str) -> HttpResponseBase:
    """The dialog that says what goes with an object, and deletes it."""
    services = kind_of(kind)
    found = services.find(actor, full_name)
    plan = ContainerDeletion()
    if services.type != SecurableType.TABLE:
        plan = plan_container_deletion(actor=actor, type_=services.type, full_name=full_name)
    data = posted(request)
    form: Form = Form(data)
    if not plan.is_empty:
        form = typed = ConfirmNameForm(data)
        typed.expect(found.name)
    if form.is_valid():
        with refusals_on(form):
            services.delete(actor, full_name, not plan.is_empty)
            above = found.parent
            to = object_url(above) if above is not None and above.parent_id else reverse("catalogs")
            toast = f"The {services.noun} {found.full_name} is deleted."
            return done(request, to=to, toast=toast, tree=True)
    return dialog(
        request,
        "dialogs/delete_object.html",
        title=f"Delete the {services.noun} {found.name}?",
        form=form,
        submit="Delete for ever",
        danger=True,
        plan=plan,
        noun=services.noun,
    )
