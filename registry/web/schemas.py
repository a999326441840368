"""The page of a schema."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.services.actors import Actor
from registry.services.model_summaries import list_model_summaries
from registry.services.schemas import get_schema
from registry.services.tables import list_tables
from registry.web.explore import PAGE_SIZE, list_context, object_context
from registry.web.model_badges import badges_of
from registry.web.objects import activity_page, activity_tab, edit_context
from registry.web.permissions import holders_of
from registry.web.session import signed_in

TABS = [("models", "Models"), ("tables", "Tables"), ("details", "Details"), ("permissions", "Permissions")]


@require_safe
@signed_in
def schema_page(request: HttpRequest, actor: Actor, catalog: str, schema: str) -> HttpResponseBase:
    """A schema: its models, its tables, what is known of it, or who holds what on it."""
    found = get_schema(actor=actor, full_name=f"{catalog}.{schema}")
    edits = edit_context(actor, found)
    context = {**object_context(request, found, [*TABS, *activity_tab(edits)]), **edits, **list_context(request)}
    context["own"] = request.GET.get("own", "") == "1"
    context["example"] = f"{found.full_name}.my_model"
    token = request.GET.get("page", "")
    match context["tab"]:
        case "permissions":
            context["holders"] = holders_of(request, actor=actor, securable=found)
        case "activity":
            context["page"] = activity_page(request, actor, found)
        case "tables":
            context["page"] = list_tables(
                actor=actor,
                catalog=catalog,
                schema=schema,
                name_contains=context["query"],
                order=context["order"],
                max_results=PAGE_SIZE,
                page_token=token,
            )
        case "models":
            context["page"] = list_model_summaries(
                actor=actor,
                catalog=catalog,
                schema=schema,
                name_contains=context["query"],
                own=context["own"],
                order=context["order"],
                max_results=PAGE_SIZE,
                page_token=token,
            )
            context["badges"] = badges_of(actor, [one.model for one in context["page"].items])
    return render(request, "explore/schema.html", context)
