"""The page of a model: what it is, its versions, where its aliases have been, what it came from, who did what."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from registry.errors import InvalidParameter
from registry.models import RegisteredModel, VersionStatus
from registry.privileges import Action
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.alias_timelines import alias_timeline
from registry.services.aliases import alias_at, alias_history
from registry.services.audit_trail import list_activity
from registry.services.lineage_graphs import model_graph
from registry.services.model_details import model_storage
from registry.services.model_versions import get_version, list_versions
from registry.services.registered_models import browse_model
from registry.services.version_comparison import MOST_VERSIONS
from registry.services.version_lists import DEFAULT_ORDER, VersionFilter, filter_versions
from registry.web.actions import name_of
from registry.web.explore import PAGE_SIZE, object_context
from registry.web.lineage_layout import lay_out
from registry.web.model_edits import model_edits
from registry.web.object_tabs import MODEL, added_actions, added_context, added_tabs, menu_items
from registry.web.permissions import holders_of
from registry.web.session import signed_in
from registry.web.template_tags import champion

_FIRST_TABS = [("overview", "Overview"), ("versions", "Versions"), ("aliases", "Aliases")]
_LAST_TABS = [("lineage", "Lineage"), ("permissions", "Permissions"), ("details", "Details")]
_ACTIVITY = ("activity", "Activity")
_NEWEST = 5


@require_safe
@signed_in
def model_page(request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str) -> HttpResponseBase:
    """A model, by tab."""
    name = name_of(catalog, schema, model)
    view = browse_model(actor=actor, name=name)
    securable = view.model.securable
    may = allowed_actions(actor=actor, securable=securable)
    tabs = [*_FIRST_TABS, *added_tabs(MODEL), *_LAST_TABS, *([_ACTIVITY] if Action.READ_GRANTS in may else [])]
    context = object_context(request, securable, tabs)
    context |= {
        "model": view.model,
        "browse_only": view.browse_only,
        **model_edits(may, securable),
        "alias_limit": settings.MAX_ALIASES_PER_MODEL,
        "may_load": Action.LOAD_VERSION in may,
        "added_actions": added_actions(MODEL),
        "menu_items": menu_items(MODEL, may) if view.model.last_version else [],
    }
    context |= added_context(MODEL, request, actor, view.model, open_tab=context["tab"])
    context |= _tab_context(request, actor, view.model, context["tab"])
    return render(request, "explore/model.html", context)


def _tab_context(request: HttpRequest, actor: Actor, model: RegisteredModel, tab: str) -> dict[str, Any]:
    name, token = model.securable.full_name, request.GET.get("page", "")
    match tab:
        case "versions":
            return _versions(request, actor, name, token)
        case "aliases":
            return _aliases(request, actor, model, token)
        case "lineage":
            graph = model_graph(actor=actor, name=name)
            return {"graph": graph, "picture": lay_out(graph)}
        case "permissions":
            return {"holders": holders_of(request, actor=actor, securable=model.securable)}
        case "details":
            return {"storage": model_storage(actor=actor, name=name)}
        case "activity":
            page = list_activity(actor=actor, securable=model.securable, max_results=PAGE_SIZE, page_token=token)
            return {"page": page}
    newest = list_versions(actor=actor, name=name, max_results=_NEWEST)
    best = champion(model)
    return {
        "newest": newest.items,
        "more_versions": bool(newest.next_page_token),
        "best": get_version(actor=actor, name=name, version=best) if best else None,
    }


def _versions(request: HttpRequest, actor: Actor, name: str, token: str) -> dict[str, Any]:
    wanted = VersionFilter(text=request.GET.get("q", "").strip(), status=request.GET.get("status", ""))
    order = request.GET.get("order", "") or DEFAULT_ORDER
    page = filter_versions(
        actor=actor, name=name, wanted=wanted, order=order, max_results=PAGE_SIZE, page_token=token
    )
    return {
        "page": page,
        "wanted": wanted,
        "order": order,
        "statuses": [(status.value, status.label.partition(" ")[0]) for status in VersionStatus],
        "most_compared": MOST_VERSIONS,
        "compare_url": reverse("compare-versions", args=name.split(".")),
        "move_url": reverse("alias-moves", args=name.split(".")),
    }


def _aliases(request: HttpRequest, actor: Actor, model: RegisteredModel, token: str) -> dict[str, Any]:
    name, chosen = model.securable.full_name, request.GET.get("alias", "")
    context: dict[str, Any] = {
        "chosen": chosen,
        "timeline": alias_timeline(actor=actor, name=name, alias=chosen),
        "page": alias_history(actor=actor, name=name, alias=chosen, max_results=PAGE_SIZE, page_token=token),
        "on_now": {alias.key: alias.version.version for alias in model.aliases.all()},
        "move_url": reverse("alias-moves", args=name.split(".")),
        "asked_alias": request.GET.get("who", "Champion"),
        "asked_at": request.GET.get("at", ""),
    }
    if context["asked_at"]:
        context |= _who_was(actor, name, context["asked_alias"], context["asked_at"])
    return context


def _who_was(actor: Actor, name: str, alias: str, text: str) -> dict[str, Any]:
    """Which version an alias named at a moment, given in UTC as the browser's field writes it."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return {"asked_error": "This is no date and time: write it as 2026-03-31T12:00."}
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    try:
        return {"asked_moment": at, "answer": alias_at(actor=actor, name=name, alias=alias, at=at)}
    except InvalidParameter as error:
        return {"asked_error": error.message}
