"""The sweep: what no worker looks after any more is taken up again, and what must stop is stopped.

Runs every few seconds, also beside itself. Each row is decided under its lock, so two sweeps never decide twice.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import Error, transaction
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from registry.models import Operation, OperationState
from registry.services.operation_delivery import kill_task, waiting_messages, wake_worker
from registry.services.operation_kinds import QUEUES, cleanup_after, find_kind
from registry.services.operation_leases import end, write_log
from registry.services.operations import canceled_by

logger = logging.getLogger(__name__)

_BATCH = 500


@dataclass
class Swept:
    """What one sweep did."""

    stopped: int = 0
    released: int = 0
    failed: int = 0
    sent: int = 0


def wake_operations(*, now: datetime | None = None) -> Swept:
    """Stop what was canceled and does not stop, take back expired leases, send the messages that are missing."""
    now = now or timezone.now()
    swept = Swept()
    _each(_overdue_cancels(now), lambda pk: _stop(pk, now, swept))
    _each(_expired(now), lambda pk: _take_back(pk, now, swept))
    _send_messages(now, swept)
    return swept


def _each(rows: Iterable[UUID], decide: Callable[[UUID], None]) -> None:
    """One transaction a row, and no row in the way of the next."""
    for pk in rows:
        try:
            with transaction.atomic():
                decide(pk)
        except (Error, BrokerError):
            logger.exception("operation %s could not be swept; the next sweep tries again", pk)


def _lock(pk: UUID, condition: Q) -> Operation | None:
    rows = Operation.objects.select_related("cancel_requested_by")
    rows = rows.select_for_update(no_key=True, skip_locked=True, of=("self",))
    return rows.filter(condition, pk=pk).first()


def _cancel_overdue(now: datetime) -> Q:
    grace = timedelta(seconds=settings.OPERATION_CANCEL_GRACE_SECONDS)
    return Q(state=OperationState.RUNNING, cancel_requested_at__lt=now - grace)


def _lease_over(now: datetime) -> Q:
    return Q(state=OperationState.RUNNING, lease_until__lt=now)


def _overdue_cancels(now: datetime) -> list[UUID]:
    return list(Operation.objects.filter(_cancel_overdue(now)).values_list("pk", flat=True)[:_BATCH])


def _expired(now: datetime) -> list[UUID]:
    return list(Operation.objects.filter(_lease_over(now)).values_list("pk", flat=True)[:_BATCH])


def _stop(pk: UUID, now: datetime, swept: Swept) -> None:
    """Kill first, then write: a sweep that dies in between kills once more. The row's lock holds off effects."""
    operation = _lock(pk, _cancel_overdue(now))
    if operation is None:
        return
    if operation.task_id:
        kill_task(operation.task_id)
    write_log(operation, "The worker did not stop in time and was killed.", level="WARNING", now=now)
    _cancel(operation, now)
    swept.stopped += 1


def _cancel(operation: Operation, now: datetime) -> None:
    cleanup = cleanup_after(operation, canceled=True)
    end(operation, state=OperationState.CANCELED, error=canceled_by(operation), cleanup=cleanup, now=now)


def _take_back(pk: UUID, now: datetime, swept: Swept) -> None:
    """An operation whose worker went silent: CANCELED, given up, or PENDING for the next worker."""
    operation = _lock(pk, _lease_over(now))
    if operation is None:
        return
    write_log(operation, f"Worker {operation.worker or 'unknown'} went silent.", level="WARNING", now=now)
    if operation.cancel_requested_at is not None:
        _cancel(operation, now)
        swept.stopped += 1
    elif operation.attempts >= settings.OPERATION_MAX_ATTEMPTS:
        _give_up(operation, now, reason=f"Given up after {operation.attempts} attempts: each time its worker died.")
        swept.failed += 1
    else:
        _release(operation)
        swept.released += 1


def _give_up(operation: Operation, now: datetime, *, reason: str) -> None:
    cleanup = cleanup_after(operation, canceled=False)
    end(operation, state=OperationState.FAILED, error=reason, cleanup=cleanup, now=now)


def _release(operation: Operation) -> None:
    operation.state = OperationState.PENDING
    operation.fence += 1
    operation.lease_until = operation.sent_at = None
    operation.save(update_fields=["state", "fence", "lease_until", "sent_at"])


def _send_messages(now: datetime, swept: Swept) -> None:
    """Send for rows that were never sent, and for as many others as their queue has messages too few.

    A long queue is thus not filled with copies, and one that was emptied is filled again in one sweep.
    """
    pending = Operation.objects.filter(state=OperationState.PENDING)
    unsent = list(pending.filter(sent_at=None).order_by("created_at").values_list("pk", "kind")[:_BATCH])
    swept.sent += sum(_send(pk, kind, now) for pk, kind in unsent)
    before = now - timedelta(seconds=settings.OPERATION_LEASE_SECONDS)
    stale = list(pending.filter(sent_at__lt=before).order_by("sent_at").values_list("pk", "kind")[:_BATCH])
    for queue in QUEUES if stale else ():
        candidates = [(pk, kind) for pk, kind in stale if _queue_of(kind) == queue]
        missing = _missing_messages(queue) if candidates else 0
        swept.sent += sum(_send(pk, kind, now) for pk, kind in candidates[:missing])


def _missing_messages(queue: str) -> int:
    waiting = waiting_messages(queue)
    if waiting is None:
        return 0
    kinds = Operation.objects.filter(state=OperationState.PENDING).values_list("kind", flat=True)
    return max(0, sum(1 for kind in kinds if _queue_of(kind) == queue) - waiting)


def _queue_of(kind: str) -> str:
    found = find_kind(kind)
    return found.queue if found else QUEUES[0]


def _send(pk: UUID, kind: str, now: datetime) -> bool:
    return wake_worker(pk, queue=_queue_of(kind), now=now)
