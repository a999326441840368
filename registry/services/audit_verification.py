"""The audit trail checked from its first row to its last, as an operation, against what was there the last time."""

from typing import Any

from registry.errors import InvalidState
from registry.models import AuditEvent, Operation, OperationState
from registry.services.actors import Actor
from registry.services.audit import ChainFault, audited, missing_heads, verify_chains
from registry.services.directory import require_administrator
from registry.services.operation_context import OperationContext
from registry.services.operation_kinds import operation_kind
from registry.services.operations import OPEN, submit_operation

VERIFY = "verify_audit"
_TOLD = 100
_SUBJECT = "audit trail"


@audited
def submit_verification(*, actor: Actor, retry_of: Operation | None = None) -> Operation:
    """Ask for the trail to be checked.

    Raises:
        AccessDenied: the actor does not administer the metastore.
        InvalidState: a check is waiting or running.
    """
    require_administrator(actor)
    if Operation.objects.filter(kind=VERIFY, state__in=OPEN).exists():
        raise InvalidState("The audit trail is being verified already: wait for that to end.")
    return submit_operation(actor=actor, kind=VERIFY, params={}, subject=_SUBJECT, retry_of=retry_of)


def last_verification(*, actor: Actor) -> Operation | None:
    """The newest check, in whatever state; nothing for who does not administer the metastore. One query."""
    if not actor.is_metastore_admin:
        return None
    return Operation.objects.select_related("actor").filter(kind=VERIFY).order_by("-created_at").first()


def _again(*, actor: Actor, operation: Operation) -> Operation:
    return submit_verification(actor=actor, retry_of=operation)


@operation_kind(VERIFY, title="Verify the audit trail", resubmit=_again)
def verify_audit(context: OperationContext) -> dict[str, Any]:
    """Walk every chain; each fault is a line of the log. The last row of each chain is kept for the next check.

    Raises:
        InvalidState: the trail is damaged.
    """
    expected = _heads_of_last_check()
    total = max(AuditEvent.objects.count(), 1)

    def report(rows: int) -> None:
        context.progress(min(99 * rows / total, 99), f"{rows} of {total} events")

    count, faults, heads = verify_chains(progress=report)
    faults += missing_heads(expected.items())
    for fault in faults[:_TOLD]:
        context.log(_in_words(fault), level="ERROR")
    if faults:
        raise InvalidState(f"The audit trail is damaged, {len(faults)} faults. The first: {_in_words(faults[0])}.")
    context.log(f"{count} events in {len(heads)} chains are as they were written.")
    return {"events": count, "chains": len(heads), "heads": {str(chain): head for chain, head in heads.items()}}


def _heads_of_last_check() -> dict[int, str]:
    rows = Operation.objects.filter(kind=VERIFY, state=OperationState.SUCCEEDED).order_by("-created_at")
    found = rows.values_list("result", flat=True).first() or {}
    return {int(chain): head for chain, head in found.get("heads", {}).items()}


def _in_words(fault: ChainFault) -> str:
    return f"chain {fault.chain}, row {fault.sequence}: {fault.problem}"
