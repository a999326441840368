"""Operations as people watch them: one with the news of its log, a person's own at a glance, and what can be done."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from registry.models import Operation, OperationLogLine, OperationState
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.operation_kinds import find_kind
from registry.services.operations import OPEN, get_operation, visible_operations

LOG_WINDOW = 500
"""Lines of a log that one look shows; earlier ones are counted and fetched on their own."""
GLANCE_DAYS = 7
"""Failures that are older are no news."""
_GLANCE_ROWS = 8
_UNSHOWN = {"tree"}
"""Parameters that say where bytes lie on the server: of no use to people."""


@dataclass(frozen=True)
class WatchedOperation:
    """An operation and lines of its log; `left_out` tells that there are earlier lines than these."""

    operation: Operation
    lines: list[OperationLogLine]
    left_out: bool = False

    @property
    def last_line(self) -> int:
        """Where the next look goes on; 0 before the first line."""
        return self.lines[-1].pk if self.lines else 0


@audited_read
def watch_operation(*, actor: Actor, operation_id: object, after: int | None = None) -> WatchedOperation:
    """An operation with the end of its log, or with the lines that came behind the line `after`. Two queries.

    Raises:
        NotFound.
    """
    operation = get_operation(actor=actor, operation_id=operation_id)
    rows = OperationLogLine.objects.filter(operation=operation)
    if after is not None:
        return WatchedOperation(operation, list(rows.filter(pk__gt=after).order_by("pk")[:LOG_WINDOW]))
    newest = list(rows.order_by("-pk")[: LOG_WINDOW + 1])
    return WatchedOperation(operation, newest[:LOG_WINDOW][::-1], left_out=len(newest) > LOG_WINDOW)


@dataclass(frozen=True)
class Attempts:
    """The operation that this one asked for again, and the newest one that asked for this one again."""

    earlier: Operation | None
    later: Operation | None


@audited_read
def attempts_around(*, actor: Actor, operation: Operation) -> Attempts:
    """What was tried before and after, as far as the actor may see it. Two queries at most."""
    rows = visible_operations(actor)
    earlier = rows.filter(pk=operation.retry_of_id).first() if operation.retry_of_id else None
    return Attempts(earlier, rows.filter(retry_of=operation).order_by("-created_at").first())


def may_cancel(operation: Operation) -> bool:
    """Whether it waits or runs, and was not asked to stop yet. Who sees an operation may cancel it."""
    return operation.state in OPEN and operation.cancel_requested_at is None


def may_retry(operation: Operation, attempts: Attempts) -> bool:
    """Whether it ended without success, its kind can be asked for again, and nobody has done so with success."""
    kind = find_kind(operation.kind)
    if kind is None or kind.resubmit is None:
        return False
    later = attempts.later
    retried = later is not None and later.state in {*OPEN, OperationState.SUCCEEDED}
    return operation.state in {OperationState.FAILED, OperationState.CANCELED} and not retried


def title_of(operation: Operation) -> str:
    """What people read of its kind; the bare name for a kind that this process does not know."""
    kind = find_kind(operation.kind)
    return kind.title if kind else operation.kind


def summary_of_params(operation: Operation) -> list[tuple[str, str]]:
    """The parameters that say something to people: plain values, without ids and places on the server."""
    return [
        (name.replace("_", " "), in_words(value))
        for name, value in operation.params.items()
        if name not in _UNSHOWN and not name.endswith("_id") and value not in (None, "", [], {})
    ]


def in_words(value: Any) -> str:
    """A value of JSON as people read it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(in_words(one) for one in value)
        case dict():
            return ", ".join(f"{name}: {in_words(one)}" for name, one in value.items())
    return str(value)


@dataclass(frozen=True)
class Counts:
    """How many of a person's operations wait or run, and how many failures the person has not seen."""

    going_on: int
    unseen_failures: int


def count_own(*, actor: Actor, now: datetime | None = None) -> Counts:
    """What the bell shows. One query, over few rows of an index each."""
    since = (now or timezone.now()) - timedelta(days=GLANCE_DAYS)
    unseen = Q(state=OperationState.FAILED, seen_at__isnull=True, finished_at__gte=since)
    rows = Operation.objects.filter(Q(state__in=OPEN) | unseen, actor=actor.principal)
    found = rows.aggregate(open=Count("pk", filter=Q(state__in=OPEN)), failed=Count("pk", filter=unseen))
    return Counts(found["open"], found["failed"])


def newest_own(*, actor: Actor) -> list[Operation]:
    """The actor's own operations at a glance: those that wait or run, then those that ended last. Two queries."""
    rows = visible_operations(actor).filter(actor=actor.principal).order_by("-created_at")
    going_on = list(rows.filter(state__in=OPEN)[:_GLANCE_ROWS])
    return going_on + list(rows.exclude(state__in=OPEN)[: _GLANCE_ROWS - len(going_on)])


def see_failures(*, actor: Actor, now: datetime | None = None) -> None:
    """Remember that the actor has seen how its own operations ended. No audit row: it changes nothing but a dot."""
    rows = Operation.objects.filter(actor=actor.principal, state=OperationState.FAILED, seen_at__isnull=True)
    rows.update(seen_at=now or timezone.now())
