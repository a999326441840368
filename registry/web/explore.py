"""What the pages of all objects in the explorer share."""

from typing import Any

from django.http import HttpRequest

from registry.models import Securable
from registry.web.context import public_host
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
