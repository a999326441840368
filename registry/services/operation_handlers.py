"""The operation kinds of the registry. Importing this module registers them.

Each handler may be stopped at any point and run again from its start: it first looks at what is there already.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from registry.errors import InvalidState, NotFound
from registry.models import ModelVersion, Operation, VersionStatus
from registry.privileges import Action
from registry.services import audit_verification, imports  # noqa: F401  (register their kinds)
from registry.services.access import require
from registry.services.actors import Actor, system_actor
from registry.services.artifacts import copy_manifest, ingest_tree
from registry.services.audit import audited, audited_read
from registry.services.blob_sweep import sweep_blobs
from registry.services.model_versions import fail_version, finalize_version
from registry.services.operation_context import OperationContext
from registry.services.operation_kinds import operation_kind
from registry.services.operations import OPEN, resubmit_unchanged, submit_operation
from registry.services.registrations import (
    COPY,
    REGISTER,
    copy_again,
    register_again,
    require_readable,
)

SWEEP = "sweep_artifacts"
_INGESTED_PERCENT = 95


def fail_pending_version(operation: Operation) -> None:
    """An operation that ends without success leaves no version pending."""
    reason = operation.error or "The operation that should have filled it was canceled."
    rows = ModelVersion.objects.select_for_update(of=("self",)).select_related("model__securable__parent__parent")
    version = rows.filter(pk=operation.params["version_id"], status=VersionStatus.PENDING_REGISTRATION).first()
    if version is not None:
        _fail(actor=system_actor(), version=version, reason=reason)


@audited
def _fail(*, actor: Actor, version: ModelVersion, reason: str) -> None:
    fail_version(version, actor=actor, reason=reason)


def version_with_id(version_id: str, *, what: str) -> ModelVersion:
    """A version, whoever asks. `what` is for the message.

    Raises:
        NotFound: deleted meanwhile.
    """
    rows = ModelVersion.objects.select_related("model__securable__parent__parent", "model__securable__owner")
    version = rows.filter(pk=version_id).first()
    if version is None:
        raise NotFound(f"{what} was deleted meanwhile.")
    return version


def version_to_fill(context: OperationContext) -> ModelVersion:
    """The version that an operation has begun, pending still or READY from an earlier attempt.

    Raises:
        NotFound, InvalidState: deleted or failed meanwhile.
    """
    params = context.params
    version = version_with_id(params["version_id"], what=f"Version {params['version']} of '{params['name']}'")
    if version.status == VersionStatus.FAILED_REGISTRATION:
        raise InvalidState(f"Version {version.version} has failed meanwhile: {version.status_message}")
    return version


@audited_read
def require_on_version(*, actor: Actor, action: Action, version: ModelVersion) -> None:
    """The rights of who asked may have gone since; names may have changed too, so the row itself is checked."""
    require(actor=actor, action=action, securable=version.model.securable)


def finalize_filled(context: OperationContext, version: ModelVersion) -> None:
    """Make a filled version READY, under the name that its model has now.

    Raises:
        As `finalize_version`.
    """
    name = version.model.securable.full_name
    finalize_version(actor=context.actor, name=name, version=version.version)


def result_of_version(version_id: Any) -> dict[str, Any]:
    """What an operation that made a version answers.

    Raises:
        NotFound: deleted meanwhile.
    """
    version = version_with_id(version_id, what="The version")
    return {
        "name": version.model.securable.full_name,
        "version": str(version.version),
        "file_count": version.file_count,
        "size_bytes": version.size_bytes,
    }


@operation_kind(
    REGISTER,
    title="Register a model version",
    on_failure=fail_pending_version,
    resubmit=register_again,
)
def register_model_version(context: OperationContext) -> dict[str, Any]:
    """Copy the files of a run or logged model into a pending version and make it READY."""
    version = version_to_fill(context)
    if version.status == VersionStatus.PENDING_REGISTRATION:
        tree = context.params["tree"]
        require_readable(actor=context.actor, tree=tree)
        require_on_version(actor=context.actor, action=Action.CREATE_VERSION, version=version)
        context.log(f"Copying {context.params['source']}")
        ingest_tree(version, tree, progress=_report_to(context), cancelled=lambda: False, effect=context.effect)
        context.progress(_INGESTED_PERCENT, "Checking the model")
        with context.effect():
            finalize_filled(context, version)
    return result_of_version(version.pk)


def _report_to(context: OperationContext) -> Callable[[int, int, str], None]:
    """Tells an operation how many bytes are done; raises out of the copying when the operation must stop."""

    def report(done: int, total: int, path: str) -> None:
        percent = _INGESTED_PERCENT * done / total if total else 0
        context.progress(percent, f"Copying {path}" if path else "")

    return report


@operation_kind(COPY, title="Copy a model version", on_failure=fail_pending_version, resubmit=copy_again)
def copy_model_version(context: OperationContext) -> dict[str, Any]:
    """Give a pending version the files of a READY one and make it READY, in one transaction."""
    version = version_to_fill(context)
    if version.status == VersionStatus.PENDING_REGISTRATION:
        source = version_with_id(context.params["source_version_id"], what="The version to copy")
        require_on_version(actor=context.actor, action=Action.LOAD_VERSION, version=source)
        require_on_version(actor=context.actor, action=Action.CREATE_VERSION, version=version)
        with context.effect():
            copy_manifest(source, version)
            finalize_filled(context, version)
    return result_of_version(version.pk)


@operation_kind(SWEEP, title="Sweep artifacts", resubmit=resubmit_unchanged)
def sweep_artifacts(context: OperationContext) -> dict[str, Any]:
    """Give back the disk that nothing names any more. The sweep is safe beside itself and needs no lease."""
    report = asdict(sweep_blobs(dry_run=bool(context.params.get("dry_run"))))
    context.log(", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in report.items()))
    return report


def submit_artifact_sweep() -> Operation | None:
    """Ask for a sweep in the name of housekeeping; None when one is waiting or running already."""
    if Operation.objects.filter(kind=SWEEP, state__in=OPEN).exists():
        return None
    return submit_operation(actor=system_actor(), kind=SWEEP, params={}, subject="artifacts")
