"""How an endpoint is used and how it answers, each served version beside the others."""

from typing import Any

from django.http import HttpRequest

from registry.services.actors import Actor
from serving.services.endpoint_views import WatchedEndpoint

RANGES = [("1h", "1 hour", 1), ("6h", "6 hours", 6), ("24h", "24 hours", 24), ("7d", "7 days", 168), ("14d", "14 days", 336)]


def metrics_context(request: HttpRequest, actor: Actor, watched: WatchedEndpoint) -> dict[str, Any]:
    """The charts of a stretch of time, and the same in numbers."""
    wanted = request.GET.get("range", "")
    chosen, hours = next(((name, hours) for name, _, hours in RANGES if name == wanted), (RANGES[0][0], RANGES[0][2]))
    return {"ranges": [(name, label) for name, label, _ in RANGES], "range": chosen, "charts": [], "totals": []}
