"""Aliases over time: from when to when each named which version."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from registry.models import AliasMove
from registry.names import lookup_key
from registry.services.access import require_visible
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.model_lookup import canonical_name, find_model

MOST_MOVES = 400
"""How many of the last steps are looked at."""
_SHORTEST = timedelta(hours=1)


@dataclass(frozen=True)
class Span:
    """A time during which an alias named one version; `start` and `width` are its place in the whole, in percent."""

    version: int
    since: datetime
    until: datetime | None
    by: str
    start: float = 0.0
    width: float = 0.0

    @property
    def middle(self) -> float:
        """Where its label stands, in percent."""
        return round(self.start + self.width / 2, 3)


@dataclass(frozen=True)
class Lane:
    """One alias with its spans, oldest first."""

    name: str
    spans: Sequence[Span]


@dataclass(frozen=True)
class Timeline:
    """The lanes, and the time that they go over. `cut`: there are older steps than those shown."""

    lanes: Sequence[Lane]
    first: datetime
    last: datetime
    cut: bool = False


@audited_read
def alias_timeline(*, actor: Actor, name: object, alias: str = "", now: datetime | None = None) -> Timeline:
    """The aliases of a model over time, or one of them. Three queries.

    Raises:
        NotFound, AccessDenied.
    """
    model = find_model(name)
    require_visible(actor=actor, securable=model.securable, named=canonical_name(name))
    rows = AliasMove.objects.filter(model=model).select_related("moved_by").order_by("-id")
    if alias:
        rows = rows.filter(key=lookup_key(alias))
    moves = list(rows[: MOST_MOVES + 1])
    last = now or timezone.now()
    shown = moves[:MOST_MOVES][::-1]
    first = min([move.moved_at for move in shown[:1]] + [last - _SHORTEST])
    by_alias: dict[str, list[AliasMove]] = {}
    for move in shown:
        by_alias.setdefault(move.key, []).append(move)
    lanes = [Lane(steps[-1].name, _spans(steps, first, last)) for _, steps in sorted(by_alias.items())]
    return Timeline(lanes, first, last, cut=len(moves) > MOST_MOVES)


def _spans(steps: Sequence[AliasMove], first: datetime, last: datetime) -> list[Span]:
    whole = (last - first).total_seconds()
    spans = []
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if step.to_version is None:
            continue
        until = following.moved_at if following else None
        start = (step.moved_at - first).total_seconds() / whole
        width = ((until or last) - step.moved_at).total_seconds() / whole
        by = step.moved_by.label if step.moved_by else "deleted user"
        spans.append(
            Span(step.to_version, step.moved_at, until, by, round(100 * start, 3), round(max(100 * width, 0.0), 3))
        )
    return spans
