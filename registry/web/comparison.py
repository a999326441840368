"""Versions of a model side by side."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.services.actors import Actor
from registry.services.version_comparison import Row, compare_versions
from registry.web.actions import name_of
from registry.web.charts import bars_figure
from registry.web.explore import crumbs_of
from registry.web.session import signed_in
from registry.web.template_tags import object_url

MOST_FIGURES = 12
"""Metrics beyond these are in the table alone."""


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
        "figures": [
            _figure(row, [version.version for version in found.versions]) for row in found.metrics[:MOST_FIGURES]
        ],
        "same": not any(row.differs for _, _, rows in sections for row in rows),
    }
    return render(request, "explore/compare.html", context)


def _figure(row: Row, numbers: list[int]) -> dict[str, Any]:
    figure = bars_figure([f"v{number}" for number in numbers], row.values, best=tuple(row.best))
    return {"title": f"{row.key}, {row.direction}" if row.direction else row.key, "figure": figure}
