"""The page of an endpoint, by tab: how it is, how it is used, what happened, what it says, and what it was before."""

import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from registry.services.actors import Actor
from registry.web.context import public_host
from registry.web.explore import chosen_tab
from registry.web.object_tabs import ENDPOINT, added_context, added_tabs
from registry.web.polling import next_wait
from registry.web.session import signed_in
from serving.services.endpoint_views import WatchedEndpoint, watch_endpoint
from serving.web import endpoint_tabs

TABS = [
    ("overview", "Overview"),
    ("metrics", "Metrics"),
    ("events", "Events"),
    ("logs", "Logs"),
    ("table", "Inference table"),
    ("configs", "Configurations"),
    ("permissions", "Permissions"),
    ("settings", "Settings"),
]
_ADDED_AT = 2
"""Tabs of the apps above stand beside the metrics."""
_LONGEST_LIVE = 5
"""Seconds between two looks at an update: somebody waits in front of it."""


@require_safe
@signed_in
def endpoint_page(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """An endpoint."""
    watched = watch_endpoint(actor=actor, name=endpoint)
    tabs = [*TABS[:_ADDED_AT], *added_tabs(ENDPOINT, beside=TABS), *TABS[_ADDED_AT:]]
    tab = chosen_tab(request, tabs)
    added = added_context(ENDPOINT, request, actor, watched, open_tab=tab)
    shown = added or endpoint_tabs.context_of(request, actor, watched, tab)
    context = endpoint_context(request, watched) | live_context(request, watched) | shown
    template = shown["added_template"] if added else shown["tab_template"]
    return render(
        request, "serving/endpoint.html", context | {"object_tabs": tabs, "tab": tab, "tab_template": template}
    )


def endpoint_context(request: HttpRequest, watched: WatchedEndpoint) -> dict[str, Any]:
    """What every page about an endpoint shows around its own part."""
    host = public_host(request)
    return {
        "watched": watched,
        "endpoint": watched.endpoint,
        "may_query": watched.may_query,
        "may_manage": watched.may_manage,
        "host": host,
        "openapi_url": f"/api/2.0/serving-endpoints/{watched.endpoint.name}/openapi",
        "query_url": f"{host}/serving-endpoints/{watched.endpoint.name}/invocations",
        "timeout_seconds": int(settings.SERVING_TIMEOUT_SECONDS),
    }


def live_context(request: HttpRequest, watched: WatchedEndpoint) -> dict[str, Any]:
    """Whether the page asks again, and when."""
    return {
        "going_on": watched.is_moving,
        "wait": next_wait(request.GET.get("wait", ""), longest=_LONGEST_LIVE),
    }


@require_safe
@signed_in
def live(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """How an update goes on. Once the endpoint is another than the page shows, the page is shown anew."""
    watched = watch_endpoint(actor=actor, name=endpoint)
    if request.GET.get("mark", "") != watched.mark:
        here = request.htmx.current_url_abs_path if getattr(request, "htmx", None) else ""  # type: ignore[attr-defined]
        path = here or reverse("endpoint", args=[watched.endpoint.name])
        swap = {"path": path, "target": "#main", "select": "#main"}
        swap |= {"swap": "outerHTML show:none", "push": "false"}
        return HttpResponse(status=204, headers={"HX-Location": json.dumps(swap)})
    context = endpoint_context(request, watched) | live_context(request, watched)
    return render(request, "serving/_live.html", context)


@require_safe
@signed_in
def log(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """The log that the tab of logs shows, as it is now."""
    watched = watch_endpoint(actor=actor, name=endpoint)
    context = endpoint_context(request, watched) | endpoint_tabs.context_of(request, actor, watched, "logs")
    return render(request, "serving/_log_text.html", context)
