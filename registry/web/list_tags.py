"""Template tags of lists: column heads that sort."""

from typing import Any
from urllib.parse import urlencode

from django import template

from registry.models import ModelVersion

register = template.Library()


@register.inclusion_tag("parts/_sort_head.html", takes_context=True)
def sort_head(context: dict[str, Any], name: str, label: str, first: str = "") -> dict[str, Any]:
    """A column head that sorts the list by `name`; the order is in the address.

    `first` is the order that the first click asks for, `name` unless given. Reads `order` and `request`.
    """
    order = context.get("order") or "name"
    first = first or name
    other = name if first.startswith("-") else f"-{name}"
    states = {name: "ascending", f"-{name}": "descending"}
    return {
        "label": label,
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
