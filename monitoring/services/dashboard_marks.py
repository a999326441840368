"""What happened to the models behind a table, beside its metrics: deploys, and aliases that moved."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from monitoring.charts.marks import MOST_MARKS, Mark
from monitoring.models import Monitor
from monitoring.services.monitored_endpoints import endpoint_behind
from registry.models import AliasMove, ModelAlias, Securable
from registry.privileges import SecurableType
from registry.services.access import visible_to
from registry.services.actors import Actor
from serving.models import EndpointEvent, ServedEntity
from serving.services.endpoint_access import visible_endpoints

_DEPLOYS = {
    "UPDATE_SUCCEEDED": "deploy",
    "UPDATE_FAILED": "failed deploy",
    "ROLLOUT_DONE": "rollout",
    "ROLLOUT_REVERTED": "turned back",
}


def marks_of(*, actor: Actor, monitor: Monitor, windows: Sequence[datetime]) -> list[Mark]:
    """The newest things that happened since the first window, of endpoints and models that the actor may see.

    None for a table that is not an endpoint's. At most seven queries.
    """
    endpoint = endpoint_behind(monitor)
    if endpoint is None or not windows:
        return []
    return [*_deploys(actor, endpoint, since=windows[0]), *_alias_moves(actor, endpoint, since=windows[0])]


def aliases_of(*, actor: Actor, monitor: Monitor) -> dict[str, list[str]]:
    """The aliases that versions in the table have now, by version, of models that the actor may see.

    None for a table that is not an endpoint's. At most five queries.
    """
    endpoint = endpoint_behind(monitor)
    if endpoint is None:
        return {}
    rows = ModelAlias.objects.filter(model__in=_seen_models(actor, endpoint)).order_by("key")
    found: dict[str, list[str]] = {}
    for name, version in rows.values_list("name", "version__version"):
        found.setdefault(str(version), []).append(name)
    return found


def _seen_models(actor: Actor, endpoint: UUID) -> "QuerySet[Securable, Any]":
    served = ServedEntity.objects.filter(config__endpoint=endpoint, version__isnull=False)
    models = Securable.objects.filter(pk__in=served.values("version__model_id"))
    return visible_to(actor, models, SecurableType.REGISTERED_MODEL).values("pk")


def _deploys(actor: Actor, endpoint: UUID, *, since: datetime) -> list[Mark]:
    seen = visible_endpoints(actor).filter(pk=endpoint)
    events = EndpointEvent.objects.filter(endpoint__in=seen.values("pk"), kind__in=_DEPLOYS, at__gte=since)
    return [Mark(event.at, _DEPLOYS[event.kind], event.message) for event in events.order_by("-pk")[:MOST_MARKS]]


def _alias_moves(actor: Actor, endpoint: UUID, *, since: datetime) -> list[Mark]:
    seen = _seen_models(actor, endpoint)
    moves = AliasMove.objects.filter(model__in=seen, moved_at__gte=since, to_version__isnull=False)
    return [
        Mark(move.moved_at, f"@{move.name} → {move.to_version}", _moved(move))
        for move in moves.select_related("model__securable", "moved_by").order_by("-pk")[:MOST_MARKS]
    ]


def _moved(move: AliasMove) -> str:
    by = f", by {move.moved_by.label}" if move.moved_by else ""
    before = f" from version {move.from_version}" if move.from_version else ""
    return f"@{move.name} of {move.model.securable.full_name} moved{before} to version {move.to_version}{by}"
