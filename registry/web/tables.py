"""The page of a table, and its first rows."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.errors import ModelkeepError
from registry.models import StatementState
from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.sql_statements import NewStatement, read_rows, submit_statement
from registry.services.table_lineage import list_table_lineage
from registry.services.tables import get_table
from registry.web.explore import PAGE_SIZE, object_context
from registry.web.object_tabs import TABLE, added_context, added_tabs
from registry.web.objects import activity_page, activity_tab, edit_context
from registry.web.permissions import holders_of
from registry.web.session import signed_in

_SAMPLE_ROWS, _SAMPLE_SECONDS = 20, 15
_FIRST, _SAMPLE = ("columns", "Columns"), ("sample", "Sample")
_OTHERS = [("lineage", "Lineage"), ("details", "Details"), ("permissions", "Permissions")]


@require_safe
@signed_in
def table_page(request: HttpRequest, actor: Actor, catalog: str, schema: str, table: str) -> HttpResponseBase:
    """A table: its columns, the models made from it, what is known of it, or who holds what on it."""
    name = f"{catalog}.{schema}.{table}"
    found = get_table(actor=actor, full_name=name)
    securable = found.securable
    edits = edit_context(actor, securable)
    tabs = [
        _FIRST,
        *([_SAMPLE] if Action.SELECT_TABLE in edits["may"] else []),
        *added_tabs(TABLE),
        *_OTHERS,
        *activity_tab(edits),
    ]
    context = {**object_context(request, securable, tabs), **edits, "table": found}
    context |= added_context(TABLE, request, actor, found, open_tab=context["tab"])
    match context["tab"]:
        case "permissions":
            context["holders"] = holders_of(request, actor=actor, securable=securable)
        case "lineage":
            context["page"] = list_table_lineage(
                actor=actor, full_name=name, max_results=PAGE_SIZE, page_token=request.GET.get("page", "")
            )
        case "activity":
            context["page"] = activity_page(request, actor, securable)
    return render(request, "explore/table.html", context)


@require_safe
@signed_in
def table_sample(request: HttpRequest, actor: Actor, catalog: str, schema: str, table: str) -> HttpResponseBase:
    """The first rows of a table, read by the engine that answers SQL, with the viewer's right to select."""
    name = ".".join("`{}`".format(part.replace("`", "``")) for part in (catalog, schema, table))
    text = f"SELECT * FROM {name} LIMIT {_SAMPLE_ROWS}"  # noqa: S608  (names are quoted)
    context: dict[str, Any] = {"retry_url": request.get_full_path()}
    try:
        statement = submit_statement(
            actor=actor, new=NewStatement(text, wait_seconds=_SAMPLE_SECONDS, cancel_on_timeout=True)
        )
        if statement.state == StatementState.SUCCEEDED:
            context["columns"] = statement.manifest["columns"]
            context["rows"] = [
                row
                for index in range(len(statement.manifest["chunks"]))
                for row in read_rows(actor=actor, statement_id=statement.pk, index=index)
            ]
        else:
            context["refused"] = statement.error_message or "Reading took too long and was stopped."
    except ModelkeepError as error:
        context["refused"] = error.message
    return render(request, "explore/_table_sample.html", context)
