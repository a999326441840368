"""Template tags of lists: column heads that sort, addresses, states and durations of runs."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django import template

from registry.models import ModelVersion

register = template.Library()

_MINUTE, _HOUR = 60, 3600


@register.inclusion_tag("parts/_sort_head.html", takes_context=True)
def sort_head(context: dict[str, Any], name: str, label: str, first: str = "", css: str = "") -> dict[str, Any]:
    """A column head that sorts the list by `name`; the order is in the address.

    `first` is the order that the first click asks for, `name` unless given; `css` is a class of the column. Reads
    `order` and `request`.
    """
    order = context.get("order") or "name"
    first = first or name
    other = name if first.startswith("-") else f"-{name}"
    states = {name: "ascending", f"-{name}": "descending"}
    return {
        "label": label,
        "css": css,
        "state": states.get(order, ""),
        "next_order": other if order == first else first,
        "request": context["request"],
    }


@register.simple_tag
def query_url(url: str, **parameters: Any) -> str:
    """The address with a query."""
    return f"{url}?{urlencode(parameters)}"


@register.simple_tag
def version_name(version: ModelVersion) -> str:
    """A version as people type it: catalog.schema.model/number."""
    return f"{version.model.securable.full_name}/{version.version}"


_RUN_STATUS = {
    "FINISHED": ("ok", "Finished"),
    "RUNNING": ("warn", "Running"),
    "SCHEDULED": ("warn", "Scheduled"),
    "FAILED": ("bad", "Failed"),
    "KILLED": ("bad", "Killed"),
}


@register.inclusion_tag("parts/_status.html")
def run_status(status: str) -> dict[str, str]:
    """The state of a run as a dot and a word."""
    tone, word = _RUN_STATUS.get(status, ("warn", status.title()))
    return {"tone": tone, "word": word}


@register.filter
def lasted(duration: timedelta | None) -> str:
    """How long something took, in the two units that say most."""
    if duration is None:
        return ""
    seconds = int(duration.total_seconds())
    if seconds < _MINUTE:
        return f"{duration.total_seconds():.1f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min {seconds % _MINUTE} s"
    return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
