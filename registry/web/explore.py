"""Home, catalogs, schemas and tables."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.models import Securable
from registry.services.actors import Actor
from registry.services.catalogs import get_catalog, list_catalogs
from registry.services.model_summaries import list_model_summaries, recent_models
from registry.services.schemas import get_schema, list_schemas
from registry.services.setup import DEFAULT_SCHEMA, WORKSPACE_CATALOG
from registry.services.tables import get_table, list_tables
from registry.web.context import public_host
from registry.web.permissions import holders_of
from registry.web.session import signed_in
from registry.web.template_tags import object_url

PAGE_SIZE = 50


def chosen_tab(request: HttpRequest, tabs: list[tuple[str, str]]) -> str:
    """The tab in the address, if there is one of that name, else the first."""
    wanted = request.GET.get("tab", "")
    return wanted if wanted in {name for name, _ in tabs} else tabs[0][0]


def crumbs_of(securable: Securable) -> list[tuple[str, str]]:
    """Labels and addresses of everything above an object."""
    above: list[tuple[str, str]] = []
    parent = securable.parent
    while parent is not None and parent.parent_id is not None:
        above.insert(0, (parent.name, object_url(parent)))
        parent = parent.parent
    return above


@require_safe
@signed_in
def home(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Where to begin: what changed lately, or how to register a first model."""
    return render(
        request,
        "home.html",
        {
            "recent": recent_models(actor=actor),
            "catalogs": list_catalogs(actor=actor, max_results=PAGE_SIZE),
            "host": public_host(request),
            "example": f"{WORKSPACE_CATALOG}.{DEFAULT_SCHEMA}.my_model",
        },
    )


@require_safe
@signed_in
def catalogs(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Every catalog that the viewer may see."""
    page = list_catalogs(actor=actor, max_results=PAGE_SIZE, page_token=request.GET.get("page", ""))
    return render(request, "explore/catalogs.html", {"page": page})


@require_safe
@signed_in
def catalog_page(request: HttpRequest, actor: Actor, catalog: str) -> HttpResponseBase:
    """A catalog: its schemas, or who holds what on it."""
    found = get_catalog(actor=actor, name=catalog)
    tabs = [("schemas", "Schemas"), ("permissions", "Permissions")]
    context = _object_context(request, found, tabs)
    if context["tab"] == "permissions":
        context["holders"] = holders_of(actor=actor, securable=found)
    else:
        token = request.GET.get("page", "")
        context["page"] = list_schemas(actor=actor, catalog=catalog, max_results=PAGE_SIZE, page_token=token)
    return render(request, "explore/catalog.html", context)


@require_safe
@signed_in
def schema_page(request: HttpRequest, actor: Actor, catalog: str, schema: str) -> HttpResponseBase:
    """A schema: its models, its tables, or who holds what on it."""
    found = get_schema(actor=actor, full_name=f"{catalog}.{schema}")
    tabs = [("models", "Models"), ("tables", "Tables"), ("permissions", "Permissions")]
    context = _object_context(request, found, tabs)
    token = request.GET.get("page", "")
    match context["tab"]:
        case "permissions":
            context["holders"] = holders_of(actor=actor, securable=found)
        case "tables":
            context["page"] = list_tables(
                actor=actor, catalog=catalog, schema=schema, max_results=PAGE_SIZE, page_token=token
            )
        case _:
            context["query"] = request.GET.get("q", "").strip()
            context["page"] = list_model_summaries(
                actor=actor,
                catalog=catalog,
                schema=schema,
                name_contains=context["query"],
                max_results=PAGE_SIZE,
                page_token=token,
            )
            context["example"] = f"{found.full_name}.my_model"
    return render(request, "explore/schema.html", context)


@require_safe
@signed_in
def table_page(request: HttpRequest, actor: Actor, catalog: str, schema: str, table: str) -> HttpResponseBase:
    """A table: its columns, or who holds what on it."""
    found = get_table(actor=actor, full_name=f"{catalog}.{schema}.{table}")
    tabs = [("columns", "Columns"), ("permissions", "Permissions")]
    context = _object_context(request, found.securable, tabs)
    context["table"] = found
    if context["tab"] == "permissions":
        context["holders"] = holders_of(actor=actor, securable=found.securable)
    return render(request, "explore/table.html", context)


def _object_context(request: HttpRequest, securable: Securable, tabs: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "securable": securable,
        "crumbs": crumbs_of(securable),
        "object_tabs": tabs,
        "tab": chosen_tab(request, tabs),
        "host": public_host(request),
    }
