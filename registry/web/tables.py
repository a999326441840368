"""The page of a table."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.table_lineage import list_table_lineage
from registry.services.tables import get_table
from registry.web.explore import PAGE_SIZE, object_context
from registry.web.objects import edit_context
from registry.web.permissions import holders_of
from registry.web.session import signed_in

TABS = [("columns", "Columns"), ("lineage", "Lineage"), ("details", "Details"), ("permissions", "Permissions")]


@require_safe
@signed_in
def table_page(request: HttpRequest, actor: Actor, catalog: str, schema: str, table: str) -> HttpResponseBase:
    """A table: its columns, the models made from it, what is known of it, or who holds what on it."""
    name = f"{catalog}.{schema}.{table}"
    found = get_table(actor=actor, full_name=name)
    securable = found.securable
    context = {**object_context(request, securable, TABS), **edit_context(actor, securable), "table": found}
    context["may_select"] = Action.SELECT_TABLE in context["may"]
    match context["tab"]:
        case "permissions":
            context["holders"] = holders_of(request, actor=actor, securable=securable)
        case "lineage":
            context["page"] = list_table_lineage(
                actor=actor, full_name=name, max_results=PAGE_SIZE, page_token=request.GET.get("page", "")
            )
    return render(request, "explore/table.html", context)
