"""Runs one operation: claims it, keeps the lease alive beside the work, and writes how it ended."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection, connections

from registry.errors import AccessDenied, ModelkeepError, Unavailable
from registry.models import Operation, OperationState
from registry.services.actors import Actor, RequestContext, load_actor
from registry.services.audit import audited_read
from registry.services.operation_context import OperationContext
from registry.services.operation_kinds import cleanup_after, kind_to_run
from registry.services.operation_leases import (
    LeaseLost,
    OperationCanceled,
    claim,
    finish,
    give_back,
    heartbeat,
)
from registry.services.operations import canceled_by

logger = logging.getLogger(__name__)

_UNEXPECTED = "Something failed on the server. Give your administrator the operation's id: {id}."
_DATABASE_AWAY = "the database was away"


def run_operation(*, operation_id: UUID, worker: str = "", task_id: str = "") -> bool:
    """Run an operation to its end, here and now; False when there was nothing to run, as after a second message.

    Never raises for what the operation does. A database that goes away leaves the row to the sweep.
    """
    operation = claim(operation_id=operation_id, worker=worker, task_id=task_id)
    if operation is None:
        return False
    with _kept_alive(operation) as lost:
        try:
            _attempt(operation, lost)
        except LeaseLost as error:
            logger.warning("%s", error)
        except Error:
            _drop_broken_connection()
            logger.exception("operation %s could not be written; the sweep takes it up", operation.pk)
    return True


def _attempt(operation: Operation, lost: threading.Event) -> None:
    """One attempt, and its ending."""
    try:
        result = _run_handler(operation, lost)
    except LeaseLost:
        raise
    except OperationCanceled:
        _end(operation, OperationState.CANCELED)
    except Error as error:
        _after_database_error(operation, error)
    except Unavailable as error:
        _interrupted(operation, error.message)
    except ModelkeepError as error:
        _end(operation, OperationState.FAILED, error=error.message)
    except Exception as error:  # noqa: BLE001  (a handler may do anything; the row must not stay open)
        _failed_unexpectedly(operation, error)
    else:
        _end(operation, OperationState.SUCCEEDED, result=result)


def _after_database_error(operation: Operation, error: Error) -> None:
    """A database that restarted, dropped the session or found a deadlock is worth another try; the rest is not."""
    if _drop_broken_connection() or isinstance(error, OperationalError | InterfaceError):
        logger.warning("operation %s lost the database", operation.pk, exc_info=error)
        _interrupted(operation, _DATABASE_AWAY)
    else:
        _failed_unexpectedly(operation, error)


def _drop_broken_connection() -> bool:
    """Whether the connection was of no more use; the next query then opens another."""
    if connection.is_usable():
        return False
    connection.close()
    return True


def _failed_unexpectedly(operation: Operation, error: Exception) -> None:
    """The person reads an id, the server's log has the rest."""
    logger.error("operation %s (%s) failed", operation.pk, operation.kind, exc_info=error)
    _end(operation, OperationState.FAILED, error=_UNEXPECTED.format(id=operation.pk))


def _run_handler(operation: Operation, lost: threading.Event) -> dict[str, Any]:
    kind = kind_to_run(operation)
    actor = load_actor(
        operation.actor,
        context=RequestContext(request_id=operation.pk.hex, user_agent=f"operation/{operation.kind}"),
    )
    _require_active(actor=actor)
    return kind.handler(OperationContext(operation=operation, actor=actor, lost=lost)) or {}


@audited_read
def _require_active(*, actor: Actor) -> None:
    if not actor.is_active:
        raise AccessDenied(f"{actor.name} was disabled after asking for this.", missing="active principal")


def _end(
    operation: Operation, state: OperationState, *, result: dict[str, Any] | None = None, error: str = ""
) -> None:
    canceled = state == OperationState.CANCELED
    if canceled:
        operation.refresh_from_db(fields=["cancel_requested_by"])
        error = canceled_by(operation)
    succeeded = state == OperationState.SUCCEEDED
    finish(
        operation_id=operation.pk,
        fence=operation.fence,
        state=state,
        result=result,
        error=error,
        cleanup=None if succeeded else cleanup_after(operation, canceled=canceled),
    )


def _interrupted(operation: Operation, reason: str) -> None:
    """Something that operations need is away: try again later, but not for ever."""
    if operation.attempts >= settings.OPERATION_MAX_ATTEMPTS:
        _end(operation, OperationState.FAILED, error=f"Given up after {operation.attempts} attempts: {reason}")
    else:
        give_back(operation_id=operation.pk, fence=operation.fence, reason=reason)


@contextmanager
def _kept_alive(operation: Operation) -> Iterator[threading.Event]:
    """Extend the lease from a thread of its own; the event is set once the lease is lost."""
    lost, done = threading.Event(), threading.Event()
    thread = threading.Thread(
        target=_keep_alive, args=(operation.pk, operation.fence, lost, done), name="heartbeat", daemon=True
    )
    thread.start()
    try:
        yield lost
    finally:
        done.set()
        thread.join()


def _keep_alive(operation_id: UUID, fence: int, lost: threading.Event, done: threading.Event) -> None:
    """Beat until done. A database that is away is tried again; if the lease ran out meanwhile, a later beat tells."""
    try:
        while not done.wait(settings.OPERATION_HEARTBEAT_SECONDS):
            try:
                heartbeat(operation_id=operation_id, fence=fence)
            except LeaseLost:
                lost.set()
                return
            except Error:
                logger.warning("operation %s: no heartbeat", operation_id, exc_info=True)
                connection.close()
    finally:
        connections.close_all()
