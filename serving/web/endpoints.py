"""The list of endpoints: which of them answer, what they serve, and how much they are used."""

from collections.abc import Iterable

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from registry.services.actors import Actor
from registry.web.context import Tab, add_tab, public_host
from registry.web.explore import PAGE_SIZE, list_context
from registry.web.palette import Command, Entry, add_command, add_source
from registry.web.polling import next_wait
from registry.web.session import signed_in
from serving.models import ConfigUpdate
from serving.services.endpoint_metrics import recent_traffic
from serving.services.endpoint_views import endpoint_names, search_endpoints, standing_of
from serving.web.words import STANDINGS

_STATES = [
    ("", "All"),
    ("ready", "Ready"),
    ("updating", "Updating"),
    ("failed", "Update failed"),
    ("stopped", "Stopped"),
]
_HOURS, _POINTS = 1, 30

add_tab(Tab("Serving", "/serving", "bolt", "/serving", "v"), after="Experiments")
add_command(Command("Create serving endpoint", "create-endpoint", "bolt", is_dialog=False))


@require_safe
@signed_in
def endpoints_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The endpoints that the viewer may see. While one of them is updated, the rows are asked for again."""
    listed = list_context(request)
    state, own = request.GET.get("state", ""), request.GET.get("own") == "1"
    page = search_endpoints(
        actor=actor,
        text=listed["query"],
        state=state,
        own=own,
        order=listed["order"],
        max_results=PAGE_SIZE,
        page_token=request.GET.get("page", ""),
    )
    context = {
        "page": page,
        "usage": recent_traffic([one.pk for one in page.items], hours=_HOURS, points=_POINTS),
        **listed,
        "state": state,
        "states": _STATES,
        "own": own,
        "going_on": any(one.config_update == ConfigUpdate.IN_PROGRESS for one in page.items),
        "wait": next_wait(request.GET.get("wait", "")),
        "host": public_host(request),
    }
    partial = getattr(request, "htmx", None) and "wait" in request.GET
    return render(request, "serving/_endpoint_rows.html" if partial else "serving/endpoints.html", context)


def _endpoints_called(actor: Actor, text: str) -> Iterable[Entry]:
    """Endpoints for the palette."""
    for endpoint in endpoint_names(actor=actor, text=text):
        word = STANDINGS[standing_of(endpoint)][1]
        yield Entry(endpoint.name, reverse("endpoint", args=[endpoint.name]), "bolt", "Endpoint", word)


add_source(_endpoints_called)
