"""Which experiments a request touches: every id in it, wherever it stands and however it is spelled.

The tracking server reads some ids from the path, some from the body, some twice. Therefore all of them are checked,
and none is trusted to be the one that counts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from registry.api.tracking.calls import Call, snake
from registry.errors import InvalidParameter, NotFound
from registry.models import ExperimentLevel
from registry.services.actors import Actor
from registry.services.experiments import LEVELS, levels_of, require_level
from registry.services.tracking import (
    logged_model_experiment,
    missing_experiment,
    missing_logged_model,
    missing_run,
    missing_trace,
    run_experiment,
    trace_experiments,
)


class Kind(StrEnum):
    """What an id names."""

    EXPERIMENT = "experiment"
    RUN = "run"
    LOGGED_MODEL = "logged model"
    TRACE = "trace"


KINDS = {
    "experiment_id": Kind.EXPERIMENT,
    "experiment_ids": Kind.EXPERIMENT,
    "run_id": Kind.RUN,
    "run_ids": Kind.RUN,
    "run_uuid": Kind.RUN,
    "source_run_id": Kind.RUN,
    "model_id": Kind.LOGGED_MODEL,
    "model_ids": Kind.LOGGED_MODEL,
    "trace_id": Kind.TRACE,
    "trace_ids": Kind.TRACE,
    "request_id": Kind.TRACE,
    "request_ids": Kind.TRACE,
}
"""The fields that name something with rights."""

_FREE = {"trace_metadata", "request_metadata", "metadata", "feedback", "expectation", "value", "attributes"}
"""Fields that hold the user's own data: no id in there means anything to the tracking server."""

_MISSING = {
    Kind.EXPERIMENT: missing_experiment,
    Kind.RUN: missing_run,
    Kind.LOGGED_MODEL: missing_logged_model,
    Kind.TRACE: missing_trace,
}
_MOST_REFERENCES = 5000
_DEEPEST = 64


@dataclass(frozen=True)
class Reference:
    """An id in a request and the level that its experiment needs."""

    field: str
    id: str
    level: ExperimentLevel

    @property
    def kind(self) -> Kind:
        """What the id names."""
        return KINDS[self.field]


def references_of(call: Call, level: ExperimentLevel, *, reading: frozenset[str]) -> list[Reference]:
    """Every id in the request. Fields named in `reading` need CAN_READ only, all others `level`.

    Raises:
        InvalidParameter: an id that is no text or number, or too many of them.
    """
    found: dict[Reference, None] = {}
    # What the path names is checked even where the body has a field of the same name.
    for field in call.in_path.keys() & KINDS.keys():
        found[Reference(field, call.in_path[field], level)] = None
    for field, value in _sweep(call.parameters):
        found[Reference(field, value, ExperimentLevel.CAN_READ if field in reading else level)] = None
    if len(found) > _MOST_REFERENCES:
        raise InvalidParameter(f"The request names more than {_MOST_REFERENCES} objects: split it.")
    return list(found)


def _sweep(value: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST:
        raise InvalidParameter("The request body is nested too deeply.")
    if isinstance(value, list):
        for item in value:
            yield from _sweep(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            name = snake(str(key))
            if name in KINDS:
                yield from ((name, id_) for id_ in _ids(name, item))
            elif name not in _FREE and not (name == "tags" and isinstance(item, dict)):
                yield from _sweep(item, depth + 1)


def _ids(field: str, value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if item is None or item == "":
            continue
        if isinstance(item, bool) or not isinstance(item, str | int):
            raise InvalidParameter(f"'{field}' must be text.", field=field)
        yield str(item)


def experiments_of(references: Iterable[Reference], *, new_traces: bool = False) -> dict[Reference, str]:
    """The experiment behind each reference. With `new_traces`, a trace that does not exist yet is left out.

    Raises:
        NotFound: a run, logged model or trace that does not exist.
    """
    listed = list(references)
    traces = trace_experiments(ref.id for ref in listed if ref.kind == Kind.TRACE) if listed else {}
    found: dict[Reference, str] = {}
    for reference in listed:
        match reference.kind:
            case Kind.EXPERIMENT:
                found[reference] = reference.id
            case Kind.RUN:
                found[reference] = run_experiment(reference.id)
            case Kind.LOGGED_MODEL:
                found[reference] = logged_model_experiment(reference.id)
            case Kind.TRACE if reference.id in traces:
                found[reference] = traces[reference.id]
            case Kind.TRACE if not new_traces:
                raise NotFound(missing_trace(reference.id))
    return found


def require_references(actor: Actor, experiments: dict[Reference, str], *, action: str = "") -> None:
    """Let pass an actor that has the needed level behind every reference. Costs one query when it does.

    Raises:
        NotFound: a reference that the actor may not know of; it reads as if it did not exist.
        AccessDenied: a reference that the actor may read, with too low a level.
    """
    levels = levels_of(actor=actor, experiment_ids=experiments.values())
    # Experiments come first: a hidden one says nothing of whether the rest exists.
    for reference, experiment_id in sorted(experiments.items(), key=lambda item: item[0].kind != Kind.EXPERIMENT):
        held = levels.get(experiment_id)
        if held is None or LEVELS.index(held) < LEVELS.index(reference.level):
            require_level(
                actor=actor,
                experiment_id=experiment_id,
                level=reference.level,
                hidden_as=_MISSING[reference.kind](reference.id),
                action=action,
            )
