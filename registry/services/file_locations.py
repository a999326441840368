"""Paths of the Files API, and what they lead to, once the actor's right is checked."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from registry.errors import FileMissing, InvalidParameter, NotFound
from registry.models import ExperimentLevel, ModelVersion
from registry.names import check_version_number
from registry.privileges import Action
from registry.services import tracking
from registry.services.access import require
from registry.services.actors import Actor
from registry.services.artifacts import check_path, check_pending, check_ready
from registry.services.audit import DeniedOnSecurable
from registry.services.experiments import require_level
from registry.services.model_lookup import find_version_for
from registry.storage.trees import split_path, tree_store


@dataclass(frozen=True)
class VersionPath:
    """`Models/<catalog>/<schema>/<model>/<version>/<path>`; an empty path is the version's root."""

    full_name: str
    version: int
    path: str


@dataclass(frozen=True)
class RunPath:
    """A file of a run; an empty path is the root of its artifacts."""

    experiment_id: str
    run_id: str
    path: str

    @property
    def tree(self) -> str:
        """Where it lies below the tracking root."""
        return _join(self.experiment_id, self.run_id, "artifacts", self.path)


@dataclass(frozen=True)
class LoggedModelPath:
    """A file of a logged model; an empty path is its root."""

    experiment_id: str
    model_id: str
    path: str

    @property
    def tree(self) -> str:
        """Where it lies below the tracking root."""
        return _join(self.experiment_id, "models", self.model_id, "artifacts", self.path)


def _join(*names: str) -> str:
    return "/".join(name for name in names if name)


def parse_path(path: str) -> VersionPath | RunPath | LoggedModelPath:
    """What kind of thing a path speaks of. Nothing is looked up.

    Raises:
        InvalidParameter: a path that tries to climb, or is empty.
        FileMissing: a path that leads to nothing this server keeps.
    """
    trimmed = path.removeprefix("/").removesuffix("/")
    if not trimmed:
        raise InvalidParameter("'path' is required: /Models/<catalog>/<schema>/<model>/<version>/…", field="path")
    names = split_path(trimmed)
    match names:
        case ["Models", catalog, schema, model, version, *rest] if "." not in catalog + schema + model:
            return VersionPath(f"{catalog}.{schema}.{model}", _number(version, trimmed), "/".join(rest))
        case ["WorkspaceInternal", "Mlflow", "Artifacts", experiment, "Runs", run, "artifacts", *rest]:
            return RunPath(experiment, run, "/".join(rest))
        case ["WorkspaceInternal", "Mlflow", "Artifacts", experiment, "LoggedModels", model, "artifacts", *rest]:
            return LoggedModelPath(experiment, model, "/".join(rest))
    raise FileMissing(f"'{trimmed}' does not exist: this server keeps /Models/… and the files of runs.")


def _number(version: str, path: str) -> int:
    try:
        return check_version_number(version)
    except InvalidParameter as error:
        raise FileMissing(f"'{path}' does not exist.") from error


# --- Where a path leads, for an actor that holds the right -----------------------------------------------------


@dataclass(frozen=True)
class VersionPlace:
    """A path in a version."""

    version: ModelVersion
    path: str


@dataclass(frozen=True)
class TreePlace:
    """A path below the tracking root, in an experiment. `is_root`: the top folder of a run or logged model."""

    experiment_id: str
    path: str
    is_root: bool = False


Place = VersionPlace | TreePlace


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file without reading it. `etag` changes whenever the bytes do."""

    name: str
    size: int
    modified_at: datetime
    etag: str


def readable_place(*, actor: Actor, path: str) -> Place:
    """Where a file lies that the actor may read. A file that a run lacks may be its logged model's.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
        InvalidState: the version is not READY.
    """
    parsed = parse_path(path)
    if isinstance(parsed, VersionPath):
        return VersionPlace(
            find_version_for(actor=actor, name=parsed.full_name, version=parsed.version, action=Action.LOAD_VERSION),
            parsed.path,
        )
    return _tree_place(parsed, actor=actor, level=ExperimentLevel.CAN_READ)


def writable_place(*, actor: Actor, path: str, follow: bool = True) -> Place:
    """Where the actor may write a file: a pending version of its own making, or an experiment it may edit.

    With `follow`, a file that a run lacks and its logged model has is the logged model's.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
        InvalidState: the version is READY or has failed.
    """
    parsed = parse_path(path)
    if not isinstance(parsed, VersionPath):
        _check_file(parsed.path)
        find = _tree_place if follow else _own_tree_place
        return find(parsed, actor=actor, level=ExperimentLevel.CAN_EDIT)
    version = find_version_for(
        actor=actor, name=parsed.full_name, version=parsed.version, action=Action.CREATE_VERSION
    )
    check_pending(version)
    _require_maker(version, actor)
    _check_file(parsed.path)
    check_path(parsed.path)
    return VersionPlace(version, parsed.path)


def listable_place(*, actor: Actor, path: str) -> Place:
    """A folder whose names the actor may see. Folders of runs never show files of logged models.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    parsed = parse_path(path)
    if isinstance(parsed, VersionPath):
        return VersionPlace(
            find_version_for(actor=actor, name=parsed.full_name, version=parsed.version, action=Action.READ_VERSION),
            parsed.path,
        )
    return _own_tree_place(parsed, actor=actor, level=ExperimentLevel.CAN_READ)


def _check_file(path: str) -> None:
    if not path:
        raise InvalidParameter("'path' names a folder: name a file in it.", field="path")


def _require_maker(version: ModelVersion, actor: Actor) -> None:
    """Nobody slips a file into a version that somebody else is uploading."""
    if version.created_by_id == actor.principal.pk:
        return
    maker = version.created_by.name if version.created_by else "nobody any more"
    securable = version.model.securable
    raise DeniedOnSecurable(
        f"Version {version.version} of model '{securable.full_name}' is being uploaded by {maker}: "
        "register a version of your own.",
        action=Action.CREATE_VERSION,
        on=securable,
        missing="being its uploader",
        securable=securable.full_name,
        owner=maker,
    )


def _own_tree_place(parsed: RunPath | LoggedModelPath, *, actor: Actor, level: ExperimentLevel) -> TreePlace:
    """A path in a run or logged model, if it really belongs to the experiment that the path names."""
    require_level(actor=actor, experiment_id=parsed.experiment_id, level=level)
    missing = FileMissing(f"'{parsed.tree}' does not exist.")
    try:
        if isinstance(parsed, RunPath):
            experiment_id = tracking.run_experiment(parsed.run_id)
        else:
            experiment_id = tracking.logged_model_experiment(parsed.model_id)
    except NotFound as error:
        raise missing from error
    if experiment_id != parsed.experiment_id:
        raise missing
    return TreePlace(experiment_id, parsed.tree, is_root=not parsed.path)


def _tree_place(parsed: RunPath | LoggedModelPath, *, actor: Actor, level: ExperimentLevel) -> TreePlace:
    place = _own_tree_place(parsed, actor=actor, level=level)
    if isinstance(parsed, LoggedModelPath) or _is_file(place.path):
        return place
    below = _logged_model_place(parsed)
    return below if below is not None and _is_file(below.path) else place


def _logged_model_place(parsed: RunPath) -> TreePlace | None:
    """The same file in the logged model that the run made under the first name of the path."""
    name, _, rest = parsed.path.partition("/")
    model = tracking.find_logged_model(parsed.experiment_id, parsed.run_id, name) if rest else None
    if model is None:
        return None
    return TreePlace(
        parsed.experiment_id, LoggedModelPath(parsed.experiment_id, model["info"]["model_id"], rest).tree
    )


def overlaid_tree(tree: str) -> str:
    """Where the file at a path below the tracking root really lies: one that a run lacks may be its logged model's.

    Stays in the experiment that the path names, on which the caller has checked the right.
    """
    experiment_id, run_id, folder, path = [*tree.split("/", 3), "", "", ""][:4]
    if folder != "artifacts" or not path or _is_file(tree):
        return tree
    below = _logged_model_place(RunPath(experiment_id, run_id, path))
    return below.path if below is not None and _is_file(below.path) else tree


def _is_file(tree: str) -> bool:
    try:
        return not tree_store().stat(tree).is_directory
    except FileMissing:
        return False


# --- The same right again, for who comes with a signed link, or at the end of a long upload ----------------------


def recheck_version(*, actor: Actor, version_id: UUID, for_write: bool) -> ModelVersion:
    """The version, if the actor may still read (or write) its files now.

    Raises:
        NotFound, AccessDenied, InvalidState.
    """
    rows = ModelVersion.objects.select_related("model__securable__parent__parent__parent", "created_by")
    version = rows.filter(pk=version_id).first()
    if version is None:
        raise FileMissing("The version of this file does not exist any more.")
    action = Action.CREATE_VERSION if for_write else Action.LOAD_VERSION
    require(actor=actor, action=action, securable=version.model.securable)
    if for_write:
        check_pending(version)
        _require_maker(version, actor)
    else:
        check_ready(version)
    return version
