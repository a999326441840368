"""The tree on the left: one level at a time, loaded when it is opened, or filtered by what is typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from registry.models import Securable
from registry.privileges import SecurableType
from registry.services.actors import Actor
from registry.services.browsing import browse_only
from registry.services.catalogs import list_catalogs
from registry.services.paging import Page
from registry.services.quick_search import quick_search
from registry.services.registered_models import list_models
from registry.services.schemas import list_schemas
from registry.services.tables import list_tables
from registry.web.session import signed_in
from registry.web.template_tags import object_url, request_url

LEVEL_SIZE = 200
_ICONS = {
    SecurableType.CATALOG: "circle-stack",
    SecurableType.SCHEMA: "folder",
    SecurableType.REGISTERED_MODEL: "cube",
    SecurableType.TABLE: "table-cells",
}
_BELOW = {SecurableType.CATALOG: "tree-catalog", SecurableType.SCHEMA: "tree-schema"}


@dataclass(frozen=True)
class Node:
    """A row of the tree. `children` is where the level below it is loaded from; empty for a leaf.

    `ask` is where to request access, for what one may look at and not use.
    """

    name: str
    url: str
    icon: str
    children: str = ""
    ask: str = ""


@dataclass(frozen=True)
class Group:
    """Rows of one level, and where the rows behind them are loaded from."""

    nodes: Sequence[Node]
    more: str = ""


def _nodes(actor: Actor, rows: Sequence[Securable], *, full_names: bool = False) -> list[Node]:
    locked = browse_only(actor=actor, securables=rows)
    return [_node(row, locked, full_name=full_names) for row in rows]


def _node(row: Securable, locked: set[UUID], *, full_name: bool) -> Node:
    type_ = SecurableType(row.type)
    below = "" if full_name or type_ not in _BELOW else reverse(_BELOW[type_], args=row.full_name.split("."))
    name = row.full_name if full_name else row.name
    return Node(name, object_url(row), _ICONS[type_], below, ask=request_url(row) if row.pk in locked else "")


def _group(request: HttpRequest, actor: Actor, page: Page[Securable], *, kind: str = "") -> Group:
    query = f"kind={kind}&" if kind else ""
    more = f"{request.path}?{query}page={page.next_page_token}" if page.next_page_token else ""
    return Group(_nodes(actor, page.items), more)


def _level(request: HttpRequest, groups: Sequence[Group], *, empty: str, depth: int) -> HttpResponseBase:
    shown = [group for group in groups if group.nodes]
    return render(request, "explore/_tree_level.html", {"groups": shown, "empty": empty, "depth": depth})


@require_safe
@signed_in
def catalogs(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The first level; with `q`, everything that it names, in one flat level."""
    text = request.GET.get("q", "").strip()
    if text:
        found = quick_search(actor=actor, text=text).securables
        group = Group(_nodes(actor, found, full_names=True))
        return _level(request, [group], empty="Nothing is called that.", depth=1)
    page = list_catalogs(actor=actor, max_results=LEVEL_SIZE, page_token=request.GET.get("page", ""))
    return _level(request, [_group(request, actor, page)], empty="No catalog is open to you.", depth=1)


@require_safe
@signed_in
def schemas(request: HttpRequest, actor: Actor, catalog: str) -> HttpResponseBase:
    """The schemas of a catalog."""
    token = request.GET.get("page", "")
    page = list_schemas(actor=actor, catalog=catalog, max_results=LEVEL_SIZE, page_token=token)
    return _level(request, [_group(request, actor, page)], empty="No schemas.", depth=2)


@require_safe
@signed_in
def schema_objects(request: HttpRequest, actor: Actor, catalog: str, schema: str) -> HttpResponseBase:
    """The models of a schema and its tables; each kind has pages of its own."""
    token, kind = request.GET.get("page", ""), request.GET.get("kind", "")
    groups = []
    if kind != "tables":
        models = list_models(actor=actor, catalog=catalog, schema=schema, max_results=LEVEL_SIZE, page_token=token)
        rows = Page([model.securable for model in models.items], models.next_page_token)
        groups.append(_group(request, actor, rows, kind="models"))
    if kind != "models":
        tables = list_tables(actor=actor, catalog=catalog, schema=schema, max_results=LEVEL_SIZE, page_token=token)
        rows = Page([table.securable for table in tables.items], tables.next_page_token)
        groups.append(_group(request, actor, rows, kind="tables"))
    return _level(request, groups, empty="No models or tables.", depth=3)
