"""Making environments ahead of a deployment: asked for by people and by clients that packed them, shown to people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from registry.models import ModelVersion, Operation
from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.model_lookup import find_version_for, visible_version
from registry.services.operation_context import OperationContext
from registry.services.operation_kinds import operation_kind
from registry.services.operations import resubmit_unchanged, submit_operation
from serving.models import EnvironmentKind, EnvironmentState, ServingEnvironment, VersionEnvironment
from serving.services.environment_builds import Watch
from serving.services.environment_errors import EnvironmentFailed
from serving.services.environment_folders import is_on_disk, read_log
from serving.services.environment_packing import pack_environment
from serving.services.environment_trials import Trial, try_prediction
from serving.services.environments import ensure_environment, environment_path
from serving.services.input_examples import example_request
from serving.services.model_files import materialise_version
from serving.services.package_resolver import locked_packages

BUILD = "build_environment"
SERVICE = "serverlessRealTimeInference"


@audited
def build_environment(*, actor: Actor, name: object, version: object) -> Operation:
    """Ask for the environment of a READY version to be made, proved with its input example, and packed.

    Returns at once. Deployments of this version, and of every other that resolves to the same packages, then build
    nothing.

    Raises:
        NotFound, AccessDenied, InvalidParameter, InvalidState.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.LOAD_VERSION)
    securable = found.model.securable
    record(
        actor=actor,
        action="buildEnvironment",
        service_name=SERVICE,
        securable=securable,
        params={"version": found.version},
    )
    return submit_operation(
        actor=actor,
        kind=BUILD,
        params={"name": securable.full_name, "version": found.version},
        securable=securable,
        subject=f"{securable.full_name} version {found.version}",
    )


def watch_of(context: OperationContext) -> Watch:
    """Tells an operation what is built, and ends the building when the operation has to end."""

    def canceled() -> bool:
        context.check()
        return False

    return Watch(context.log, canceled, context.operation_id)


def version_of(context: OperationContext) -> ModelVersion:
    """The version that an operation names, with the rights that its actor has now.

    Raises:
        NotFound, AccessDenied, InvalidState.
    """
    return _loadable(actor=context.actor, name=context.params["name"], version=context.params["version"])


@audited_read
def _loadable(*, actor: Actor, name: object, version: object) -> ModelVersion:
    return find_version_for(actor=actor, name=name, version=version, action=Action.LOAD_VERSION)


@operation_kind(BUILD, title="Build an environment", queue="build", resubmit=resubmit_unchanged)
def run_build_environment(context: OperationContext) -> dict[str, Any]:
    """Make, prove and pack; each step finds what an earlier attempt left."""
    context.progress(0, "Resolving and installing packages")
    version = version_of(context)
    watch = watch_of(context)
    environment = ensure_environment(
        version=version, log=watch.log, canceled=watch.canceled, operation_id=context.operation_id
    )
    context.progress(60, "Trying a prediction")
    prove_version(version, environment, watch)
    context.progress(80, "Packing")
    pack_environment(environment, watch=watch)
    return result_of(environment)


def result_of(environment: ServingEnvironment) -> dict[str, Any]:
    """What operations answer of an environment."""
    return {
        "environment": environment.digest,
        "kind": environment.kind,
        "python": environment.python,
        "packages": len(locked_packages(environment.lock)),
        "size_bytes": environment.size_bytes,
        "packed_bytes": environment.packed_bytes,
    }


def prove_version(version: ModelVersion, environment: ServingEnvironment, watch: Watch) -> Trial | None:
    """Make a real prediction of the input example in the sandbox; None when the version has no example.

    Raises:
        EnvironmentFailed: the model does not answer; kept beside the version.
        BuildCanceled, Unavailable.
    """
    given = example_request(version)
    if given is None:
        watch.log("The model has no input example: no prediction was tried")
        return None
    folder = materialise_version(version)
    found = try_prediction(environment_path(environment), folder, given, canceled=watch.canceled)
    links = VersionEnvironment.objects.filter(version=version, environment=environment)
    if found.error:
        message = f"The model does not predict its input example: {found.error}"
        for line in found.trace.splitlines()[-20:]:
            watch.log(line)
        links.update(message=f"{message} {found.remedy}".strip(), proved_at=None)
        raise EnvironmentFailed(message, line=found.missing_module, suggestion=found.remedy)
    links.update(message="", proved_at=timezone.now())
    watch.log(f"The input example was predicted in {found.predict_seconds:.1f} s")
    return found


@dataclass(frozen=True)
class EnvironmentView:
    """What is known of the environment of a version. All but `requested` is empty until somebody asks for one.

    `packages` are the resolved ones, name and release. `log` is what was told while it was made on this machine;
    `operation_id` the operation that last made or proved it. `proved_at`: when the input example was predicted there.
    """

    requested: Sequence[str]
    client_packed: bool
    state: str = "NONE"
    message: str = ""
    digest: str = ""
    kind: str = ""
    python: str = ""
    platform: str = ""
    packages: Sequence[tuple[str, str]] = ()
    size_bytes: int | None = None
    packed_bytes: int | None = None
    shared_by: int = 0
    is_here: bool = False
    built_at: datetime | None = None
    last_used_at: datetime | None = None
    proved_at: datetime | None = None
    operation_id: UUID | None = None
    log: str = field(default="", repr=False)


@audited_read
def environment_of(*, actor: Actor, name: object, version: object) -> EnvironmentView:
    """The environment of a version, for who may see its model. Six queries at most.

    `shared_by` counts the versions that have the same one, seen or not.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    found = visible_version(actor=actor, name=name, version=version)
    requested = [line for line in found.requirements.splitlines() if line.strip()]
    packed = found.packed_environment_bytes is not None
    link = VersionEnvironment.objects.select_related("environment").filter(version=found).first()
    if link is None:
        return EnvironmentView(requested=requested, client_packed=packed)
    row = link.environment
    return EnvironmentView(
        requested=requested,
        client_packed=row.kind == EnvironmentKind.CLIENT_PACKED or packed,
        state=row.state,
        message=link.message or row.message,
        digest=row.digest,
        kind=row.kind,
        python=row.python,
        platform=row.platform,
        packages=locked_packages(row.lock),
        size_bytes=row.size_bytes,
        packed_bytes=row.packed_bytes,
        shared_by=VersionEnvironment.objects.filter(environment=row).count(),
        is_here=row.state == EnvironmentState.READY and is_on_disk(row.digest),
        built_at=row.built_at,
        last_used_at=row.last_used_at,
        proved_at=link.proved_at,
        operation_id=link.operation_id,
        log=read_log(row.digest),
    )
