"""The list of catalogs, and the page of one."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.privileges import Action
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.catalogs import get_catalog, list_catalogs
from registry.services.schemas import list_schemas
from registry.services.securables import metastore
from registry.web.explore import PAGE_SIZE, list_context, object_context
from registry.web.objects import activity_page, activity_tab, edit_context
from registry.web.permissions import holders_of
from registry.web.session import signed_in

TABS = [("schemas", "Schemas"), ("details", "Details"), ("permissions", "Permissions")]


@require_safe
@signed_in
def catalogs(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Every catalog that the viewer may see."""
    listed = list_context(request)
    page = list_catalogs(
        actor=actor,
        name_contains=listed["query"],
        order=listed["order"],
        max_results=PAGE_SIZE,
        page_token=request.GET.get("page", ""),
    )
    may_create = Action.CREATE_CATALOG in allowed_actions(actor=actor, securable=metastore())
    return render(request, "explore/catalogs.html", {"page": page, "may_create": may_create, **listed})


@require_safe
@signed_in
def catalog_page(request: HttpRequest, actor: Actor, catalog: str) -> HttpResponseBase:
    """A catalog: its schemas, what is known of it, or who holds what on it."""
    found = get_catalog(actor=actor, name=catalog)
    edits = edit_context(actor, found)
    context = {**object_context(request, found, [*TABS, *activity_tab(edits)]), **edits}
    match context["tab"]:
        case "permissions":
            context["holders"] = holders_of(request, actor=actor, securable=found)
        case "activity":
            context["page"] = activity_page(request, actor, found)
        case "schemas":
            context |= list_context(request)
            context["page"] = list_schemas(
                actor=actor,
                catalog=catalog,
                name_contains=context["query"],
                order=context["order"],
                max_results=PAGE_SIZE,
                page_token=request.GET.get("page", ""),
            )
    return render(request, "explore/catalog.html", context)
