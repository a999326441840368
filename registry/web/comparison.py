"""Versions of a model side by side."""

import math
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.services.actors import Actor
from registry.services.version_comparison import Row, compare_versions
from registry.web.actions import name_of
from registry.web.explore import crumbs_of
from registry.web.session import signed_in
from registry.web.template_tags import object_url

_WHOLE, _THINNEST = 100, 0.4


@require_safe
@signed_in
def compare(request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str) -> HttpResponseBase:
    """What differs between the versions that the address names, as `versions=1,4` or `versions=1&versions=4`."""
    numbers = [number for given in request.GET.getlist("versions") for number in given.split(",") if number]
    found = compare_versions(actor=actor, name=name_of(catalog, schema, model), numbers=numbers)
    securable = found.model.securable
    only = request.GET.get("only", "") == "differences"
    sections = [
        ("Metrics", "metrics", found.metrics),
        ("Parameters", "params", found.params),
        ("Signature", "signature", found.signature),
        ("Requirements", "requirements", found.requirements),
        ("Tags", "tags", found.tags),
    ]
    shown = [
        (title, name, [row for row in rows if row.differs or not only], sum(row.differs for row in rows), len(rows))
        for title, name, rows in sections
    ]
    context: dict[str, Any] = {
        "model": found.model,
        "securable": securable,
        "crumbs": [*crumbs_of(securable), (securable.name, object_url(securable))],
        "versions": found.versions,
        "sections": shown,
        "only": only,
        "charts": [_chart(row, [version.version for version in found.versions]) for row in found.metrics],
        "same": not any(row.differs for _, _, rows in sections for row in rows),
    }
    return render(request, "explore/compare.html", context)


def _chart(row: Row, numbers: list[int]) -> dict[str, Any]:
    """One metric as bars from zero, in percent of the whole width; negative values go to the left of zero."""
    known = [value for value in row.values if _is_drawn(value)]
    low, high = min([0.0, *known]), max([0.0, *known])
    span = (high - low) or 1.0
    bars = []
    for place, (number, value) in enumerate(zip(numbers, row.values, strict=True)):
        drawn = value if _is_drawn(value) else 0.0
        bars.append(
            {
                "number": number,
                "value": value,
                "best": place in row.best,
                "x": round(_WHOLE * (min(drawn, 0.0) - low) / span, 2),
                "width": max(round(_WHOLE * abs(drawn) / span, 2), _THINNEST) if _is_drawn(value) else 0,
            }
        )
    return {"name": row.key, "direction": row.direction, "bars": bars}


def _is_drawn(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
