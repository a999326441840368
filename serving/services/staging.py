"""Staging: after a registration with env_pack, the packed environment is made ready before anybody deploys it."""

from typing import Any

from registry.models import Operation
from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.audit import audited, record
from registry.services.model_lookup import find_version_for
from registry.services.operation_context import OperationContext
from registry.services.operation_kinds import operation_kind
from registry.services.operations import resubmit_unchanged, submit_operation
from serving.services.environment_operations import SERVICE, prove_version, result_of, version_of, watch_of
from serving.services.environments import ensure_client_packed
from serving.services.packed_environments import inspect_packed_environment

STAGE = "stage_deployment"


@audited
def stage_deployment(*, actor: Actor, name: object, version: object) -> Operation:
    """Ask for the packed environment of a READY version to be staged, so that deploying it builds nothing.

    Returns at once.

    Raises:
        NotFound, AccessDenied, InvalidParameter, InvalidState.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.LOAD_VERSION)
    securable = found.model.securable
    record(
        actor=actor,
        action="stageDeployment",
        service_name=SERVICE,
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
    """Read the packed environment, unpack it, and make a prediction in it. Nothing is resolved or downloaded."""
    context.progress(0, "Reading the packed environment")
    version = version_of(context)
    found = inspect_packed_environment(version)
    context.log(f"Python {found.python}, mlflow {found.mlflow}, {found.files:,} files, {found.size_bytes:,} bytes")
    context.progress(20, "Unpacking")
    watch = watch_of(context)
    environment = ensure_client_packed(version, watch)
    context.progress(70, "Trying a prediction")
    prove_version(version, environment, watch)
    return {**found.as_result(), **result_of(environment)}
