"""Server-side registration: a version from files that the server has already, filled by an operation."""

from collections.abc import Mapping
from typing import Any

from registry.errors import FileMissing, InvalidParameter, NotFound
from registry.models import ExperimentLevel, ModelVersion, Operation, RegisteredModel
from registry.names import check_alias, find_model_id
from registry.privileges import Action
from registry.services import tracking
from registry.services.actors import Actor
from registry.services.aliases import set_alias
from registry.services.artifacts import copy_manifest
from registry.services.audit import audited
from registry.services.experiments import require_level
from registry.services.missing_containers import create_missing_containers
from registry.services.mlmodel import MLMODEL
from registry.services.model_lookup import (
    canonical_name,
    find_model_for,
    find_version_for,
    versions_with_everything,
)
from registry.services.model_versions import NewVersion, begin_version, finalize_version
from registry.services.operations import submit_operation
from registry.services.registered_models import create_model
from registry.storage.trees import tree_store

REGISTER = "register_model_version"
COPY = "copy_model_version"

_SOURCES = (
    "runs:/<run id>/<path>, models:/<logged model id>, or the mlflow-artifacts:/ or "
    "dbfs:/databricks/mlflow-tracking/ location of a folder"
)


@audited
def register_from_source(
    *,
    actor: Actor,
    name: object,
    source: str,
    run_id: str = "",
    comment: str = "",
    tags: Mapping[str, str] | None = None,
    create_containers: bool = False,
    retry_of: Operation | None = None,
) -> tuple[ModelVersion, Operation]:
    """Begin a version whose files an operation then copies from a run's artifacts or a logged model.

    The model is made when it is missing, which takes CREATE_MODEL on the schema; with `create_containers` so are its
    schema and catalog, with the actor's rights. Rights are checked now, and again when the operation runs. Asks the
    tracking server once or twice.

    Raises:
        NotFound: the run, the logged model, its experiment or the schema is missing or hidden.
        InvalidParameter: not a source that the server can read, or no model in it.
        AccessDenied, AlreadyExists, Unavailable.
    """
    tree = source_tree(actor=actor, source=source)
    model = _model_for(actor=actor, name=name, create_containers=create_containers)
    new = _described(source, tree, run_id=run_id, comment=comment, tags=tags or {})
    version = begin_version(actor=actor, name=name, new=new)
    asked = {"source": source, "run_id": run_id, "comment": comment, "tags": dict(tags or {})}
    operation = _submit(REGISTER, version, model, actor=actor, params={"tree": tree, **asked}, retry_of=retry_of)
    return version, operation


def source_tree(*, actor: Actor, source: str) -> str:
    """The folder below the tracking root that a source names, if the actor may read its experiment.

    Raises:
        NotFound, InvalidParameter, Unavailable.
    """
    tree = tracking.artifact_tree(source)
    if tree is None:
        raise InvalidParameter(
            f"'source' is '{source}', which the server cannot read: give {_SOURCES}.", field="source"
        )
    missing = f"There is no model at '{source}'."
    require_readable(actor=actor, tree=tree, hidden_as=missing)
    try:
        tree_store().stat(f"{tree}/{MLMODEL}")
    except FileMissing as error:
        raise InvalidParameter(
            f"{missing[:-1]}: no {MLMODEL} file lies there. Name the folder that holds it.", field="source"
        ) from error
    return tree


def require_readable(*, actor: Actor, tree: str, hidden_as: str = "") -> None:
    """Let pass an actor that may read the experiment in whose folder a tree lies.

    Raises:
        NotFound.
    """
    experiment_id = tree.partition("/")[0]
    require_level(actor=actor, experiment_id=experiment_id, level=ExperimentLevel.CAN_READ, hidden_as=hidden_as)


def _described(source: str, tree: str, *, run_id: str, comment: str, tags: Mapping[str, str]) -> NewVersion:
    """What a stock client would say of the same source."""
    model_id = find_model_id(tree)
    if model_id is not None:
        return NewVersion(
            source=f"models:/{model_id}",
            run_id=run_id or _run_of(model_id),
            logged_model_id=model_id,
            comment=comment,
            tags=tags,
        )
    return NewVersion(
        source=f"dbfs:/databricks/mlflow-tracking/{tree}",
        run_id=run_id or _run_in(source),
        comment=comment,
        tags=tags,
    )


def _run_of(model_id: str) -> str:
    return str(tracking.logged_model(model_id)["info"].get("source_run_id", ""))


def _run_in(source: str) -> str:
    scheme, _, rest = source.partition(":/")
    return rest.partition("/")[0] if scheme == "runs" else ""


def _model_for(*, actor: Actor, name: object, create_containers: bool = False) -> RegisteredModel:
    """The model that takes a new version; made where there is none."""
    if create_containers:
        create_missing_containers(actor=actor, model_name=name)
    try:
        return find_model_for(actor=actor, name=name, action=Action.CREATE_VERSION)
    except NotFound:
        return create_model(actor=actor, name=name)


@audited
def copy_version(
    *,
    actor: Actor,
    source_name: object,
    source_version: object,
    destination_name: object,
    create_containers: bool = False,
    retry_of: Operation | None = None,
) -> tuple[ModelVersion, Operation]:
    """Begin a copy of a READY version as the next version of another model, or of the same. No byte is copied.

    Takes the right to load the source; the destination is made when it is missing, which takes CREATE_MODEL, and with
    `create_containers` its schema and catalog are too.

    Raises:
        NotFound, AccessDenied, InvalidParameter, AlreadyExists.
        InvalidState: the source is not READY.
    """
    found = find_version_for(actor=actor, name=source_name, version=source_version, action=Action.LOAD_VERSION)
    model = _model_for(actor=actor, name=destination_name, create_containers=create_containers)
    source = f"models:/{found.model.securable.full_name}/{found.version}"
    version = begin_version(actor=actor, name=destination_name, new=NewVersion(source=source, run_id=found.run_id))
    asked = {"source_name": canonical_name(source_name), "source_version": found.version}
    params = {"source_version_id": str(found.pk), **asked}
    return version, _submit(COPY, version, model, actor=actor, params=params, retry_of=retry_of)


@audited
def copy_version_at_once(
    *,
    actor: Actor,
    source_name: object,
    source_version: object,
    destination_name: object,
    comment: str = "",
    tags: Mapping[str, str] | None = None,
    create_containers: bool = False,
) -> ModelVersion:
    """As `copy_version`, and the copy is READY when this returns: for clients that load it without waiting.

    Costs a few statements, whatever the size: the copy names the same bytes.

    Raises:
        As `copy_version`.
    """
    found = find_version_for(actor=actor, name=source_name, version=source_version, action=Action.LOAD_VERSION)
    _model_for(actor=actor, name=destination_name, create_containers=create_containers)
    source = f"models:/{found.model.securable.full_name}/{found.version}"
    new = NewVersion(source=source, run_id=found.run_id, comment=comment, tags=tags or {})
    version = begin_version(actor=actor, name=destination_name, new=new)
    copy_manifest(found, version)
    return finalize_version(actor=actor, name=destination_name, version=version.version)


@audited
def promote_version(
    *,
    actor: Actor,
    source_name: object,
    source_version: object,
    destination_name: object,
    alias: object,
    create_containers: bool = False,
) -> ModelVersion:
    """Copy a READY version to another model and point an alias there at the copy, both or neither.

    Takes what `copy_version` takes, and the right to set aliases on the destination. No byte is copied.

    Raises:
        As `copy_version` and `set_alias`.
    """
    checked = check_alias(alias)
    version = copy_version_at_once(
        actor=actor,
        source_name=source_name,
        source_version=source_version,
        destination_name=destination_name,
        create_containers=create_containers,
    )
    set_alias(actor=actor, name=destination_name, alias=checked, version=version.version)
    return versions_with_everything(ModelVersion.objects.filter(pk=version.pk)).get()


def _submit(
    kind: str,
    version: ModelVersion,
    model: RegisteredModel,
    *,
    actor: Actor,
    params: dict[str, Any],
    retry_of: Operation | None,
) -> Operation:
    name = model.securable.full_name
    return submit_operation(
        actor=actor,
        kind=kind,
        params={"version_id": str(version.pk), "name": name, "version": version.version, **params},
        securable=model.securable,
        subject=f"{name} version {version.version}",
        retry_of=retry_of,
    )


def register_again(*, actor: Actor, operation: Operation) -> Operation:
    """Register from the same source as a new version: numbers are never given twice."""
    params = operation.params
    _, again = register_from_source(
        actor=actor,
        name=params["name"],
        source=params["source"],
        run_id=params["run_id"],
        comment=params["comment"],
        tags=params["tags"],
        retry_of=operation,
    )
    return again


def copy_again(*, actor: Actor, operation: Operation) -> Operation:
    """Copy the same version as a new version."""
    params = operation.params
    _, again = copy_version(
        actor=actor,
        source_name=params["source_name"],
        source_version=params["source_version"],
        destination_name=params["name"],
        retry_of=operation,
    )
    return again
