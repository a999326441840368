"""Staging: after a registration with env_pack, the packed environment is checked before anybody deploys it."""

from typing import Any

from registry.models import Operation
from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.audit import audited, record
from registry.services.model_lookup import find_version_for
from registry.services.operation_context import OperationContext
from registry.services.operation_kinds import operation_kind
from registry.services.operations import resubmit_unchanged, submit_operation
from serving.services.packed_environments import inspect_packed_environment

STAGE = "stage_deployment"


@audited
def stage_deployment(*, actor: Actor, name: object, version: object) -> Operation:
    """Ask for the packed environment of a READY version to be checked. Returns at once.

    Raises:
        NotFound, AccessDenied, InvalidParameter, InvalidState.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.LOAD_VERSION)
    securable = found.model.securable
    record(
        actor=actor,
        action="stageDeployment",
        service_name="serverlessRealTimeInference",
        securable=securable,
        params={"version": found.version},
    )
    return submit_operation(
        actor=actor,
        kind=STAGE,
        params={"name": securable.full_name, "version": found.version},
        securable=securable,
        subject=f"{securable.full_name} version {found.version}",
    )


@operation_kind(STAGE, title="Stage a packed environment", queue="build", resubmit=resubmit_unchanged)
def run_stage_deployment(context: OperationContext) -> dict[str, Any]:
    """Read the packed environment and say what it holds."""
    context.progress(0, "Reading the packed environment")
    version = find_version_for(
        actor=context.actor,
        name=context.params["name"],
        version=context.params["version"],
        action=Action.LOAD_VERSION,
    )
    found = inspect_packed_environment(version)
    context.log(f"Python {found.python}, mlflow {found.mlflow}, {found.files:,} files, {found.size_bytes:,} bytes")
    return found.as_result()
