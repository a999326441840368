"""Where monitoring shows itself in the pages of the apps below."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.urls import reverse

from monitoring.services.alerts import list_alerts
from monitoring.services.model_alerts import triggered_of_models
from monitoring.services.monitor_lookup import list_monitors
from monitoring.web.endpoints import endpoint_tab
from monitoring.web.quality import model_tab, quality_tab
from registry.models import RegisteredModel
from registry.services.actors import Actor
from registry.web.context import Tab, add_tab
from registry.web.model_badges import Badge, add_badges
from registry.web.object_tabs import ENDPOINT, MODEL, TABLE, ObjectTab, add_object_tab
from registry.web.palette import Command, Entry, add_command, add_source
from registry.web.template_tags import object_url

_MOST = 5


def show() -> None:
    """Add the navigation's entry, the Quality tabs and what the palette finds. Call once, at start."""
    add_tab(Tab("Monitoring", "/monitoring", "chart-bar-square", ("/monitoring", "/alerts"), "m"), after="SQL")
    add_object_tab(TABLE, ObjectTab("quality", "Quality", "monitoring/_quality.html", quality_tab))
    add_object_tab(MODEL, ObjectTab("quality", "Quality", "monitoring/_model_quality.html", model_tab))
    add_object_tab(ENDPOINT, ObjectTab("quality", "Quality", "monitoring/_endpoint_quality.html", endpoint_tab))
    add_badges(_badges)
    add_source(_found)
    add_command(Command("Create alert", "new-alert", "bell-alert"))


def _badges(actor: Actor, models: Sequence[RegisteredModel]) -> dict[UUID, Badge]:
    return {
        key: Badge("bell-alert", count, f"{count} alert{'s' if count > 1 else ''} triggered", "quality", is_bad=True)
        for key, count in triggered_of_models(actor, models).items()
    }


def _found(actor: Actor, text: str) -> Iterable[Entry]:
    """Monitors by their table, and alerts by their name."""
    for row in list_monitors(actor=actor, name_contains=text, max_results=_MOST).items:
        table = row.monitor.table
        url = f"{object_url(table)}?tab=quality"
        yield Entry(table.full_name, url, "chart-bar-square", "Monitor", row.monitor.get_status_display())
    for found in list_alerts(actor=actor, name_contains=text, max_results=_MOST).items:
        url = reverse("alert", args=[found.alert.pk])
        yield Entry(found.alert.name, url, "bell-alert", "Alert", found.alert.get_state_display())
