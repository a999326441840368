"""Operations as their actors see them: submitted, shown, canceled, retried.

An operation is a row first and a message second: the row is written with whatever asked for it, in one transaction,
and the message that wakes a worker is sent once that is committed. Who sees an operation: who asked for it, metastore
admins, and who administers the securable it works on.
"""

import uuid
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from registry.errors import Conflict, InvalidParameter, InvalidState
from registry.models import Operation, OperationLogLine, OperationState, Securable
from registry.privileges import SecurableType
from registry.services.access import administered_by, require_visible
from registry.services.actors import Actor
from registry.services.audit import HiddenFromActor, audited, audited_read, record
from registry.services.operation_delivery import wake_worker
from registry.services.operation_kinds import cleanup_after, find_kind, require_kind
from registry.services.operation_leases import end
from registry.services.paging import Page, fetch_page, page_size
from registry.services.securables import find_securable

SERVICE = "operations"
OPEN = (OperationState.PENDING, OperationState.RUNNING)
DEFAULT_LOG_PAGE = 1000


class HiddenOperation(HiddenFromActor):
    """A missing operation, or one the actor may not know of: both read the same."""

    def __init__(self, operation_id: object, *, action: str) -> None:
        super(HiddenFromActor, self).__init__(f"Operation '{operation_id}' does not exist.")
        self.action = action


@audited
def submit_operation(
    *,
    actor: Actor,
    kind: str,
    params: dict[str, Any],
    securable: Securable | None = None,
    subject: str = "",
    retry_of: Operation | None = None,
) -> Operation:
    """Put long work down, to be run with the actor's rights as they are then. Joins the caller's transaction.

    No right is checked here: the service that calls this does. `params` must be JSON; `subject` is for people.

    Raises:
        InvalidParameter: no such kind.
    """
    found = require_kind(kind)
    operation = Operation.objects.create(
        kind=kind,
        params=params,
        actor=actor.principal,
        securable=securable,
        subject=subject[:1024],
        retry_of=retry_of,
        created_at=timezone.now(),
    )
    _record(operation, actor=actor, action="submitOperation", after={"params": params})
    transaction.on_commit(partial(wake_worker, operation.pk, queue=found.queue))
    return operation


def _record(operation: Operation, *, actor: Actor, action: str, after: dict[str, Any]) -> None:
    record(
        actor=actor,
        action=action,
        service_name=SERVICE,
        subject=("OPERATION", str(operation.pk), operation.subject),
        params={
            "kind": operation.kind,
            "securable_id": str(operation.securable_id) if operation.securable_id else None,
        },
        after=after,
    )


def visible_operations(actor: Actor) -> "QuerySet[Operation]":
    """The operations that the actor may see, decided in SQL, with what every view of them shows."""
    rows = Operation.objects.select_related("actor", "cancel_requested_by", "securable__parent__parent")
    if actor.is_metastore_admin:
        return rows
    return rows.filter(Q(actor=actor.principal) | administered_by(actor, "securable"))


def _find(*, actor: Actor, operation_id: object, action: str, lock: bool = False) -> Operation:
    try:
        key = uuid.UUID(str(operation_id))
    except ValueError as error:
        raise HiddenOperation(operation_id, action=action) from error
    rows = visible_operations(actor)
    rows = rows.select_for_update(no_key=True, of=("self",)) if lock else rows
    operation = rows.filter(pk=key).first()
    if operation is None:
        raise HiddenOperation(operation_id, action=action)
    return operation


@audited_read
def get_operation(*, actor: Actor, operation_id: object) -> Operation:
    """One operation. One query.

    Raises:
        NotFound: there is none, or the actor may not see it.
    """
    return _find(actor=actor, operation_id=operation_id, action="getOperation")


@audited_read
def list_operations(
    *,
    actor: Actor,
    state: str = "",
    kind: str = "",
    securable_type: SecurableType = SecurableType.REGISTERED_MODEL,
    securable_name: str = "",
    own: bool = False,
    max_results: int | None = None,
    page_token: str = "",
) -> Page[Operation]:
    """The operations that the actor may see, newest first. One query, three with a securable.

    `state` and `kind` may name several, with commas between. `own` leaves out what others asked for.

    Raises:
        NotFound: the securable is missing or hidden.
        InvalidParameter: an unknown state or kind, or a token of another list.
    """
    rows = visible_operations(actor)
    if state:
        rows = rows.filter(state__in=_states(state))
    if kind:
        rows = rows.filter(kind__in=[require_kind(name.strip()).name for name in kind.split(",")])
    if securable_name:
        securable = find_securable(securable_type, securable_name)
        require_visible(actor=actor, securable=securable, named=securable_name)
        rows = rows.filter(securable=securable)
    if own:
        rows = rows.filter(actor=actor.principal)
    scope = f"operations:{state}:{kind}:{securable_type}:{securable_name}:{own}"
    return fetch_page(rows, order=["-created_at", "-pk"], size=page_size(max_results), token=page_token, scope=scope)


def _states(text: str) -> list[str]:
    names = [name.strip().upper() for name in text.split(",")]
    for name in names:
        if name not in OperationState.values:
            known = ", ".join(OperationState.values)
            raise InvalidParameter(f"'state' is {name!r}: it must be one of {known}.", field="state")
    return names


@audited_read
def list_log(
    *, actor: Actor, operation_id: object, max_results: int | None = None, page_token: str = ""
) -> Page[OperationLogLine]:
    """The log of an operation, oldest line first. Two queries.

    Raises:
        NotFound, InvalidParameter.
    """
    operation = _find(actor=actor, operation_id=operation_id, action="getOperation")
    return fetch_page(
        OperationLogLine.objects.filter(operation=operation),
        order=["pk"],
        size=page_size(max_results, default=DEFAULT_LOG_PAGE),
        token=page_token,
        scope=f"operation-log:{operation.pk}",
    )


@audited
def request_cancel(*, actor: Actor, operation_id: object) -> Operation:
    """Cancel an operation. One that waits is CANCELED at once, one that runs is asked to stop.

    A worker that does not stop within OPERATION_CANCEL_GRACE_SECONDS is killed. Asking again changes nothing.

    Raises:
        NotFound.
        InvalidState: it has SUCCEEDED or FAILED already.
    """
    operation = _find(actor=actor, operation_id=operation_id, action="cancelOperation", lock=True)
    if operation.state in (OperationState.SUCCEEDED, OperationState.FAILED):
        raise InvalidState(f"Operation '{operation.pk}' has {operation.state} already and cannot be canceled.")
    return cancel_found(actor=actor, operation=operation)


@audited
def cancel_found(*, actor: Actor, operation: Operation) -> Operation:
    """As `request_cancel`, of an operation whose row the caller has locked, after asking for the right to do this.

    One that is over stays as it is.
    """
    before = operation.state
    if before in (OperationState.SUCCEEDED, OperationState.FAILED):
        return operation
    if before != OperationState.CANCELED and operation.cancel_requested_at is None:
        operation.cancel_requested_at, operation.cancel_requested_by = timezone.now(), actor.principal
        operation.save(update_fields=["cancel_requested_at", "cancel_requested_by"])
    if before == OperationState.PENDING:
        end(
            operation,
            state=OperationState.CANCELED,
            error=canceled_by(operation),
            cleanup=cleanup_after(operation, canceled=True),
        )
    _record(operation, actor=actor, action="cancelOperation", after={"state": operation.state})
    return operation


def canceled_by(operation: Operation) -> str:
    """What people read of a canceled operation."""
    who = operation.cancel_requested_by
    return f"Canceled by {who.name}." if who else "Canceled."


@audited
def retry_operation(*, actor: Actor, operation_id: object) -> Operation:
    """Ask for the work of a FAILED or CANCELED operation once more, as a new one with the rights of who asks now.

    Raises:
        NotFound, AccessDenied.
        InvalidState: it has not failed, or its kind cannot be retried.
        Conflict: it is being retried, or was with success.
    """
    operation = _find(actor=actor, operation_id=operation_id, action="retryOperation", lock=True)
    if operation.state not in (OperationState.FAILED, OperationState.CANCELED):
        raise InvalidState(
            f"Operation '{operation.pk}' is {operation.state}: only one that FAILED or was CANCELED can be retried."
        )
    kind = find_kind(operation.kind)
    if kind is None or kind.resubmit is None:
        raise InvalidState(f"Operations of kind '{operation.kind}' cannot be retried: ask for a new one.")
    earlier = operation.retries.filter(state__in=[*OPEN, OperationState.SUCCEEDED]).first()
    if earlier is not None:
        raise Conflict(f"Operation '{operation.pk}' was retried already, as operation '{earlier.pk}'.")
    again = kind.resubmit(actor=actor, operation=operation)
    _record(operation, actor=actor, action="retryOperation", after={"operation_id": str(again.pk)})
    return again


def resubmit_unchanged(*, actor: Actor, operation: Operation) -> Operation:
    """Submit the same kind, parameters and subject: the `resubmit` of kinds whose parameters stay good."""
    return submit_operation(
        actor=actor,
        kind=operation.kind,
        params=operation.params,
        securable=operation.securable,
        subject=operation.subject,
        retry_of=operation,
    )
