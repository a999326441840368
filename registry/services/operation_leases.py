"""The worker's side of an operation: every write is a compare-and-set on (id, fence).

A worker holds an operation while the row is RUNNING with the fence that its claim gave it. Whoever takes the row away
(the sweep, a hard stop) changes the state, and the next claim raises the fence: the old worker's writes then match no
row and raise LeaseLost. Times are given or are now; leases compare the clocks of the machines that share a database.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from registry.models import Operation, OperationLogLine, OperationState

logger = logging.getLogger(__name__)

MAX_STEP = 255
MAX_LOG_LINE = 8192

Cleanup = Callable[[Operation], None]
"""Puts in order what an operation leaves behind. Runs inside the transaction that ends the operation."""


class LeaseLost(Exception):
    """The operation is no longer this worker's: it must stop, and may write nothing more."""


class OperationCanceled(Exception):
    """Somebody asked for the operation to be canceled: its handler must stop."""


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.OPERATION_LEASE_SECONDS)


def _held(operation_id: UUID, fence: int) -> "QuerySet[Operation]":
    return Operation.objects.filter(pk=operation_id, fence=fence, state=OperationState.RUNNING)


def _require_one(matched: int, operation_id: UUID) -> None:
    if matched != 1:
        raise LeaseLost(f"operation {operation_id} is held by another worker, or has ended")


@transaction.atomic
def claim(
    *, operation_id: UUID, worker: str = "", task_id: str = "", now: datetime | None = None
) -> Operation | None:
    """Take a PENDING operation; None when there is none to take, as after a duplicate message."""
    now = now or timezone.now()
    pending = Operation.objects.filter(pk=operation_id, state=OperationState.PENDING)
    operation = pending.select_related("actor").select_for_update(no_key=True, of=("self",)).first()
    if operation is None:
        return None
    operation.state = OperationState.RUNNING
    operation.fence += 1
    operation.attempts += 1
    operation.worker, operation.task_id = worker[:255], task_id[:64]
    operation.lease_until, operation.started_at = _lease_end(now), operation.started_at or now
    operation.step = ""
    operation.save(
        update_fields=[
            *("state", "fence", "attempts", "worker", "task_id", "lease_until", "started_at", "step"),
        ]
    )
    return operation


def heartbeat(*, operation_id: UUID, fence: int, now: datetime | None = None) -> None:
    """Extend the lease.

    Raises:
        LeaseLost.
    """
    matched = _held(operation_id, fence).update(lease_until=_lease_end(now or timezone.now()))
    _require_one(matched, operation_id)


def check_held(*, operation_id: UUID, fence: int) -> None:
    """Let pass a worker that holds the lease and was not asked to stop. One query.

    Raises:
        LeaseLost, OperationCanceled.
    """
    row = _held(operation_id, fence).values_list("cancel_requested_at").first()
    if row is None:
        raise LeaseLost(f"operation {operation_id} is held by another worker, or has ended")
    if row[0] is not None:
        raise OperationCanceled(f"operation {operation_id} is to be canceled")


def lock_held(*, operation_id: UUID, fence: int) -> Operation:
    """The row, locked until the transaction ends: nobody can take the operation away before that.

    A process that hangs in the transaction loses it after a lease's time, or the sweep could never get to the row.

    Raises:
        LeaseLost.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', %s, true)",
            [f"{settings.OPERATION_LEASE_SECONDS}s"],
        )
    operation = _held(operation_id, fence).select_for_update(no_key=True).first()
    if operation is None:
        raise LeaseLost(f"operation {operation_id} is held by another worker, or has ended")
    return operation


def report_progress(*, operation_id: UUID, fence: int, percent: float, step: str = "") -> None:
    """Say how far the work is. An empty `step` leaves the one before.

    Raises:
        LeaseLost.
    """
    values: dict[str, Any] = {"progress": max(0, min(100, int(percent)))}
    if step:
        values["step"] = step[:MAX_STEP]
    _require_one(_held(operation_id, fence).update(**values), operation_id)


@transaction.atomic
def append_log(
    *, operation_id: UUID, fence: int, text: str, level: str = "INFO", now: datetime | None = None
) -> None:
    """Add a line to the operation's log, cut at 8,192 characters.

    Raises:
        LeaseLost.
    """
    operation = lock_held(operation_id=operation_id, fence=fence)
    write_log(operation, text, level=level, now=now)


def write_log(operation: Operation, text: str, *, level: str = "INFO", now: datetime | None = None) -> None:
    """Add a line to the log of an operation whose row the caller has locked."""
    OperationLogLine.objects.create(
        operation=operation,
        at=now or timezone.now(),
        level=level,
        text=text.replace("\x00", "")[:MAX_LOG_LINE],
    )


@transaction.atomic
def give_back(*, operation_id: UUID, fence: int, reason: str, now: datetime | None = None) -> None:
    """Leave the operation to a later attempt, which the sweep starts when a lease's time has passed.

    Raises:
        LeaseLost.
    """
    now = now or timezone.now()
    operation = lock_held(operation_id=operation_id, fence=fence)
    write_log(operation, f"Attempt {operation.attempts} was interrupted: {reason}", level="WARNING", now=now)
    operation.state, operation.step = OperationState.PENDING, "Waiting to try again"
    # As if a message had just been sent: that is what the sweep counts the wait from.
    operation.lease_until, operation.sent_at = None, now
    operation.save(update_fields=["state", "step", "lease_until", "sent_at"])


@transaction.atomic
def finish(
    *,
    operation_id: UUID,
    fence: int,
    state: OperationState,
    result: dict[str, Any] | None = None,
    error: str = "",
    cleanup: Cleanup | None = None,
    now: datetime | None = None,
) -> Operation:
    """End the operation. `cleanup` runs in the same transaction.

    Raises:
        LeaseLost.
    """
    operation = lock_held(operation_id=operation_id, fence=fence)
    end(operation, state=state, result=result, error=error, cleanup=cleanup, now=now)
    return operation


def end(
    operation: Operation,
    *,
    state: OperationState,
    result: dict[str, Any] | None = None,
    error: str = "",
    cleanup: Cleanup | None = None,
    now: datetime | None = None,
) -> None:
    """Write an end state to an operation whose row the caller has locked. No worker holds it afterwards."""
    operation.state = state
    operation.fence += 1
    operation.result, operation.error = result or {}, error
    operation.lease_until = None
    operation.finished_at = now or timezone.now()
    if state == OperationState.SUCCEEDED:
        operation.progress, operation.step = 100, ""
    operation.save(
        update_fields=[
            *("state", "fence", "result", "error", "lease_until", "finished_at", "progress", "step"),
        ]
    )
    if cleanup is not None:
        _clean_up(operation, cleanup)


def _clean_up(operation: Operation, cleanup: Cleanup) -> None:
    """A cleanup that fails must not keep the row open for ever: its work is undone, told and left to a person."""
    try:
        with transaction.atomic():
            cleanup(operation)
    except Exception:
        logger.exception("cleanup after operation %s (%s) failed", operation.pk, operation.kind)
        write_log(operation, "Cleaning up failed; the server's log says why.", level="ERROR")
