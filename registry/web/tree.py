"""The tree on the left: one level at a time, loaded when it is opened."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from registry.models import Securable
from registry.services.actors import Actor
from registry.services.catalogs import list_catalogs
from registry.services.paging import Page
from registry.services.registered_models import list_models
from registry.services.schemas import list_schemas
from registry.web.session import signed_in
from registry.web.template_tags import object_url

LEVEL_SIZE = 200


@dataclass(frozen=True)
class Node:
    """A row of the tree. `children` is where the level below it is loaded from; empty for a leaf."""

    name: str
    url: str
    icon: str
    children: str = ""


def _level(request: HttpRequest, nodes: Sequence[Node], *, token: str, empty: str, depth: int) -> HttpResponseBase:
    more = f"{request.path}?page={token}" if token else ""
    context = {"nodes": nodes, "more": more, "empty": empty, "depth": depth}
    return render(request, "explore/tree_level.html", context)


def _nodes(page: Page[Securable], *, icon: str, below: str) -> list[Node]:
    return [
        Node(row.name, object_url(row), icon, reverse(below, args=row.full_name.split("."))) for row in page.items
    ]


@require_safe
@signed_in
def catalogs(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The first level."""
    page = list_catalogs(actor=actor, max_results=LEVEL_SIZE, page_token=request.GET.get("page", ""))
    nodes = _nodes(page, icon="circle-stack", below="tree-catalog")
    return _level(request, nodes, token=page.next_page_token, empty="No catalog is open to you.", depth=1)


@require_safe
@signed_in
def schemas(request: HttpRequest, actor: Actor, catalog: str) -> HttpResponseBase:
    """The schemas of a catalog."""
    token = request.GET.get("page", "")
    page = list_schemas(actor=actor, catalog=catalog, max_results=LEVEL_SIZE, page_token=token)
    nodes = _nodes(page, icon="folder", below="tree-schema")
    return _level(request, nodes, token=page.next_page_token, empty="No schemas.", depth=2)


@require_safe
@signed_in
def models(request: HttpRequest, actor: Actor, catalog: str, schema: str) -> HttpResponseBase:
    """The models of a schema."""
    token = request.GET.get("page", "")
    page = list_models(actor=actor, catalog=catalog, schema=schema, max_results=LEVEL_SIZE, page_token=token)
    nodes = [Node(row.securable.name, object_url(row.securable), "cube") for row in page.items]
    return _level(request, nodes, token=page.next_page_token, empty="No models.", depth=3)
