"""The Quality tab of an endpoint: what of it is watched, what broke since when, and how to have it watched."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse_lazy
from django.views.decorators.http import require_http_methods

from monitoring.services.endpoint_monitors import create_endpoint_metrics_monitor
from monitoring.services.monitored_endpoints import ANSWERS, METRICS, watched_tables
from registry.privileges import Action, SecurableType
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.creation_places import places_to_create
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.pickers import PickerInput
from registry.web.session import signed_in
from registry.web.template_tags import object_url
from serving.models import EndpointLevel
from serving.services.endpoint_access import require_endpoint
from serving.services.endpoint_views import WatchedEndpoint


def endpoint_tab(_request: HttpRequest, actor: Actor, watched: WatchedEndpoint) -> Mapping[str, Any]:
    """The tables of an endpoint that the viewer may see, with how they stand."""
    found = watched_tables(actor=actor, endpoint=watched.endpoint)
    unwatched = [one for one in found if one.row is None and _may_watch(actor, one.table)]
    kinds = {one.holds for one in found}
    return {
        "tables": [one for one in found if one.row],
        "unwatched": unwatched,
        "no_answers": ANSWERS not in kinds,
        "may_keep_metrics": METRICS not in kinds and bool(_places(actor)),
    }


def _may_watch(actor: Actor, table: Any) -> bool:
    return Action.MANAGE_MONITOR in allowed_actions(actor=actor, securable=table)


def _places(actor: Actor) -> list[Any]:
    return places_to_create(actor=actor, type_=SecurableType.SCHEMA, action=Action.CREATE_TABLE, limit=1)


class MetricsForm(Form):
    """Where the minutes of an endpoint are kept."""

    output_schema_name = forms.CharField(
        label="Schema",
        max_length=520,
        help_text="As catalog.schema. It takes CREATE TABLE there; the tables are yours.",
        widget=PickerInput(reverse_lazy("capture-places")),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def watch_metrics(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """The dialog that has latency, errors and saturation of an endpoint monitored."""
    found = require_endpoint(actor=actor, name=endpoint, level=EndpointLevel.CAN_VIEW)
    beside = next((one.table for one in watched_tables(actor=actor, endpoint=found) if one.table.parent), None)
    place = beside.parent if beside else next(iter(_places(actor)), None)
    form = MetricsForm(posted(request), initial={"output_schema_name": place.full_name if place else ""})
    if form.is_valid():
        with refusals_on(form):
            made = create_endpoint_metrics_monitor(actor=actor, endpoint=endpoint, **form.cleaned_data)
            to = f"{object_url(made.table)}?tab=quality"
            return done(request, to=to, toast="Latency and errors are watched. The first numbers are being computed.")
    intro = (
        f"Each minute of {endpoint} becomes a row of {endpoint}_metrics, the last two weeks included, and is "
        "measured every hour: latency, errors, queue, processor and memory, by served entity."
    )
    return dialog(request, title=f"Watch latency and errors of {endpoint}", form=form, submit="Watch", intro=intro)
