"""Where a version comes from: what the caller may not read cannot be a source, and what can be told is kept."""

from dataclasses import dataclass, field
from typing import Any

from registry.errors import NotFound
from registry.models import ExperimentLevel, ModelVersion
from registry.names import find_model_id
from registry.privileges import Action
from registry.services import tracking
from registry.services.actors import Actor
from registry.services.experiments import require_level
from registry.services.model_lookup import find_version_for

_MODELS = "models:/"


@dataclass(frozen=True)
class Origin:
    """What is known of a version's run and source at the time it is made."""

    experiment_id: str = ""
    params: list[dict[str, str]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    copied_from: ModelVersion | None = None


def read_origin(*, actor: Actor, source: str, run_id: str) -> Origin:
    """Check that the actor may read the run and the source, and read what they say.

    A run or logged model that this installation's tracking server does not know belongs to another one: it is kept as
    text and never followed.

    Raises:
        NotFound: the run, its experiment, the logged model or the source version is hidden from the actor.
        AccessDenied: the source version may be seen and not be loaded.
        Unavailable: the tracking server cannot be asked now.
    """
    copied_from = _copied_version(actor, source)
    _check_logged_model(actor, source)
    if not run_id:
        return Origin(copied_from=copied_from)
    run = _known_run(run_id)
    if run is None:
        return Origin(copied_from=copied_from)
    experiment_id = str(run.get("info", {}).get("experiment_id", ""))
    if not _copied_from_run(copied_from, run_id):
        _require_readable(actor, experiment_id, what=f"Run '{run_id}' does not exist.")
    data = run.get("data", {})
    return Origin(
        experiment_id=experiment_id,
        params=[{"name": p.get("key", ""), "value": p.get("value", "")} for p in data.get("params", [])],
        metrics=list(data.get("metrics", [])),
        inputs=list(run.get("inputs", {}).get("dataset_inputs", [])),
        copied_from=copied_from,
    )


def _copied_version(actor: Actor, source: str) -> ModelVersion | None:
    """The version that `models:/catalog.schema.model/version` names, if the actor may take its bytes."""
    name, separator, version = source.removeprefix(_MODELS).partition("/")
    if not source.startswith(_MODELS) or not separator or "." not in name:
        return None
    return find_version_for(actor=actor, name=name, version=version, action=Action.LOAD_VERSION)


def _copied_from_run(copied_from: ModelVersion | None, run_id: str) -> bool:
    """Whether the run is the one of a version whose bytes the actor may take: then its id tells nothing new."""
    return copied_from is not None and copied_from.run_id == run_id


def _check_logged_model(actor: Actor, source: str) -> None:
    model_id = find_model_id(source)
    if model_id is None:
        return
    try:
        experiment_id = tracking.logged_model_experiment(model_id)
    except NotFound:
        return
    _require_readable(actor, experiment_id, what=f"Logged model '{model_id}' does not exist.")


def _known_run(run_id: str) -> dict[str, Any] | None:
    try:
        return tracking.get_run(run_id)
    except NotFound:
        return None


def _require_readable(actor: Actor, experiment_id: str, *, what: str) -> None:
    try:
        require_level(actor=actor, experiment_id=experiment_id, level=ExperimentLevel.CAN_READ)
    except NotFound as error:
        raise NotFound(what) from error
