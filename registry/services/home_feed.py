"""What changed lately, as the home page tells it: news that one may see, and the models that are one's own."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from registry.models import (
    AliasMove,
    Grant,
    ModelVersion,
    Operation,
    OperationState,
    Securable,
    VersionStatus,
)
from registry.privileges import SecurableType
from registry.services.access import sees_everything, visible_to
from registry.services.actors import Actor
from registry.services.operations import visible_operations

SHOWN = 12
_MOVES = 1000
"""Moves of aliases that are looked at: more than anybody reads."""
_MODEL = "model__securable__parent__parent"

Source = ModelVersion | AliasMove | Grant | Operation


@dataclass(frozen=True)
class News:
    """One thing that happened. `kind` is `version`, `alias`, `grant` or `operation`; `what` is the row it left."""

    kind: str
    at: datetime
    what: Source


def yesterday(now: datetime | None = None) -> datetime:
    """The beginning of yesterday, in UTC."""
    today = (now or timezone.now()).date()
    return datetime.combine(today - timedelta(days=1), time(), timezone.get_default_timezone())


def list_news(*, actor: Actor, since: datetime, most: int = SHOWN) -> list[News]:
    """What happened since then that the actor may see, newest first, at most so much. Five queries.

    Versions that became READY, moves of aliases, grants by others to the actor or one of its groups, and failed
    operations of the actor or on what it administers.
    """
    models = None
    if not sees_everything(actor):
        rows = Securable.objects.filter(type=SecurableType.REGISTERED_MODEL)
        models = visible_to(actor, rows, SecurableType.REGISTERED_MODEL).values("pk")
    # A row changes no earlier than it is made, and it is the changes that have an index.
    ready = ModelVersion.objects.filter(status=VersionStatus.READY, created_at__gte=since, updated_at__gte=since)
    versions = _of_models(ready, models)
    newest = AliasMove.objects.order_by("-pk").values("pk")[:_MOVES]
    moves = _of_models(AliasMove.objects.filter(pk__in=newest, moved_at__gte=since), models)
    grants = Grant.objects.filter(principal__in=actor.principal_ids, granted_at__gte=since)
    # No news: what one granted oneself, and what the installation came with.
    grants = grants.exclude(granted_by=actor.principal).filter(granted_by__isnull=False)
    failed = visible_operations(actor).filter(state=OperationState.FAILED, finished_at__gte=since)
    # Whatever ran for longer than a day has been shown by the bell.
    failed = failed.filter(created_at__gte=since - timedelta(days=1)).order_by("-created_at")
    return _merged(
        [
            [
                News("version", one.created_at, one)
                for one in versions.select_related(_MODEL, "created_by").order_by("-updated_at")[:most]
            ],
            [
                News("alias", one.moved_at, one)
                for one in moves.select_related(_MODEL, "moved_by").order_by("-pk")[:most]
            ],
            [
                News("grant", one.granted_at, one)
                for one in grants.select_related("securable__parent__parent", "granted_by", "principal").order_by(
                    "-granted_at"
                )[:most]
            ],
            [News("operation", one.finished_at or since, one) for one in failed[:most]],
        ],
        most,
    )


def _of_models(rows: "QuerySet", models: "QuerySet | None") -> "QuerySet":  # type: ignore[type-arg]
    return rows if models is None else rows.filter(model__in=models)


def _merged(lists: Iterable[list[News]], most: int) -> list[News]:
    return sorted((news for found in lists for news in found), key=lambda news: news.at, reverse=True)[:most]
