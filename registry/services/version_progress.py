"""How far a version's registration is: from the operation that fills it, or from the files that have arrived."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.models import ModelVersion, Operation, OperationLogLine, OperationState, VersionStatus
from registry.services.actors import Actor
from registry.services.artifacts import manifest_totals
from registry.services.audit import audited_read
from registry.services.model_versions import get_version
from registry.services.operation_kinds import find_kind
from registry.services.operations import OPEN, visible_operations

_LOG_TAIL = 8


@dataclass(frozen=True)
class Progress:
    """A version on its way. `operation` is None when a client uploads, or when the actor may not see who fills it.

    `again` is the operation that retries it already, `may_retry` whether it can be retried.
    """

    version: ModelVersion
    operation: Operation | None = None
    log: Sequence[OperationLogLine] = ()
    files: int = 0
    size_bytes: int = 0
    may_retry: bool = False
    again: Operation | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.version.status != VersionStatus.PENDING_REGISTRATION


@audited_read
def progress_of(*, actor: Actor, name: object, version: object) -> Progress:
    """How far a version is. At most ten queries; nothing but the version for one that is READY.

    Raises:
        NotFound, AccessDenied.
    """
    found = get_version(actor=actor, name=name, version=version)
    if found.status == VersionStatus.READY:
        return Progress(found)
    rows = visible_operations(actor).filter(securable=found.model_id, params__version_id=str(found.pk))
    operation = rows.order_by("-created_at").first()
    files, size = manifest_totals(found)
    if operation is None:
        return Progress(found, files=files, size_bytes=size)
    log = list(OperationLogLine.objects.filter(operation=operation).order_by("-pk")[:_LOG_TAIL])
    return Progress(
        found,
        operation=operation,
        log=log[::-1],
        files=files,
        size_bytes=size,
        again=operation.retries.filter(state__in=[*OPEN, OperationState.SUCCEEDED]).first(),
        may_retry=_may_retry(operation),
    )


def _may_retry(operation: Operation) -> bool:
    kind = find_kind(operation.kind)
    over = operation.state in {OperationState.FAILED, OperationState.CANCELED}
    return over and kind is not None and kind.resubmit is not None
