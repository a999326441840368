"""Home, and what the pages of all objects in the explorer share."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.models import Securable
from registry.services.actors import Actor
from registry.services.catalogs import list_catalogs
from registry.services.model_summaries import recent_models
from registry.services.setup import DEFAULT_SCHEMA, WORKSPACE_CATALOG
from registry.web.context import public_host
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


def object_context(request: HttpRequest, securable: Securable, tabs: list[tuple[str, str]]) -> dict[str, Any]:
    """What the page of a catalog, schema or table shows around its tab."""
    return {
        "securable": securable,
        "crumbs": crumbs_of(securable),
        "object_tabs": tabs,
        "tab": chosen_tab(request, tabs),
        "host": public_host(request),
    }


def list_context(request: HttpRequest) -> dict[str, str]:
    """What the address says of a list: its filter and its order."""
    return {"query": request.GET.get("q", "").strip(), "order": request.GET.get("order", "")}


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
