"""How an endpoint is used and how it answers, each served version beside the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from registry.services.actors import Actor
from registry.web.charts import Figure
from serving.services.endpoint_metrics import Point, Series, endpoint_series
from serving.services.endpoint_views import WatchedEndpoint

_POINTS = 120
_HEIGHT = 230


@dataclass(frozen=True)
class Range:
    """A stretch of time that can be chosen."""

    name: str
    label: str
    length: timedelta


RANGES = [
    Range("1h", "1 hour", timedelta(hours=1)),
    Range("6h", "6 hours", timedelta(hours=6)),
    Range("24h", "24 hours", timedelta(hours=24)),
    Range("7d", "7 days", timedelta(days=7)),
    Range("14d", "14 days", timedelta(days=14)),
]
Value = Callable[[Point], float | None]
_CHARTS: Sequence[tuple[str, str, str, Value]] = [
    ("requests", "Requests a second", "/s", lambda point: round(point.per_second, 4)),
    ("latency", "Latency, 95th percentile", "ms", lambda point: point.p95_ms),
    ("errors", "Errors, 4xx and 5xx", "%", lambda point: _percent(point.error_rate)),
    ("median", "Latency, median", "ms", lambda point: point.p50_ms),
    ("queue", "Waiting, mean", "ms", lambda point: point.queue_ms),
    ("model", "In the model, mean", "ms", lambda point: point.model_ms),
    ("cpu", "Processor", "%", lambda point: point.cpu_percent),
    ("memory", "Memory", "%", lambda point: point.memory_percent),
]


def metrics_context(request: HttpRequest, actor: Actor, watched: WatchedEndpoint) -> dict[str, Any]:
    """The charts of a stretch of time, and the same in numbers."""
    wanted = request.GET.get("range", "")
    chosen = next((one for one in RANGES if one.name == wanted), RANGES[0])
    until = timezone.now()
    found = endpoint_series(
        actor=actor, name=watched.endpoint.name, since=until - chosen.length, until=until, points=_POINTS
    )
    # In the order of the page's other tabs, so that an entity has the same colour on all of them.
    shown = [one.entity.name for one in watched.active.entities] if watched.active else []
    places = {name: place for place, name in enumerate(shown)}
    series = sorted((one for one in found if one.total.requests), key=lambda one: places.get(one.entity, len(places)))
    return {
        "ranges": RANGES,
        "range": chosen.name,
        "series": series,
        "charts": [
            (name, title, lines_figure(series, value, unit)) for name, title, unit, value in _CHARTS if series
        ],
    }


def lines_figure(series: Sequence[Series], value: Value, unit: str) -> Figure:
    """One line a served entity over time, in the page's colours in their order; None leaves a gap."""
    lines = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"{one.entity} (v{one.version})" if one.version else one.entity,
            "x": [point.at.isoformat() for point in one.points],
            "y": [value(point) for point in one.points],
            "hovertemplate": f"%{{y:.4g}} {unit}<extra>%{{fullData.name}}</extra>",
            "line": {"width": 1.5},
        }
        for one in series
    ]
    layout = {
        "height": _HEIGHT,
        "margin": {"l": 44, "r": 12, "t": 8, "b": 28},
        "showlegend": len(lines) > 1,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "yaxis": {"rangemode": "tozero", "ticksuffix": f" {unit}" if unit != "/s" else ""},
        "hovermode": "x unified",
    }
    return {"data": lines, "layout": layout}


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
