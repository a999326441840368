"""A request to begin with: the input example that came with a model, else one made up from its signature."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from typing import Any

from registry.models import ModelVersion
from registry.privileges import Action
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.audit import audited, record
from serving.models import ServedEntity
from serving.services.input_examples import SERVING_EXAMPLE, example_request

MOST_CHARACTERS = 64 * 1024
_SAMPLES: Mapping[str, Any] = {
    "boolean": True,
    "integer": 1,
    "long": 1,
    "float": 1.0,
    "double": 1.0,
    "string": "text",
    "datetime": "2026-01-31T12:00:00",
    "binary": "AA==",
}
_MAX_DEPTH = 4
_MOST, _LINE = 4096, 88


@dataclass(frozen=True)
class Example:
    """The body of a request, and where it comes from."""

    body: str
    is_own: bool
    """Whether it came with the model, rather than being made up."""

    @property
    def rows(self) -> int:
        """How high a field is that shows it."""
        return min(max(self.body.count("\n") + 2, 5), 18)

    @property
    def note(self) -> str:
        """Where it comes from, for people."""
        return "The input example of the model" if self.is_own else "Made up from the model's signature"


def version_of(entity: ServedEntity) -> ModelVersion | None:
    """The version behind an entity with its model, as `example_of` takes it; None when it was deleted. One query."""
    rows = ModelVersion.objects.select_related("model__securable__parent__parent", "model__securable__owner")
    return rows.filter(served_by=entity).first()


def example_of(*, actor: Actor, version: ModelVersion | None) -> Example:
    """A request for a version. Its own example only for who may load it: examples are data. Three queries at most."""
    if version is None:
        return Example(_written({"dataframe_records": [{}]}), is_own=False)
    if Action.LOAD_VERSION in allowed_actions(actor=actor, securable=version.model.securable):
        found = _own(actor, version)
        if found is not None:
            return Example(_written(found), is_own=True)
    return Example(_written(from_signature(version.signature or {})), is_own=False)


def _own(actor: Actor, version: ModelVersion) -> Any:
    """What came with the model; None when nothing did that can be shown."""
    text = example_request(version)
    if text is None or len(text) > MOST_CHARACTERS:
        return None
    with suppress(ValueError):
        found = json.loads(text)
        _note_reading(actor=actor, version=version)
        return found
    return None


@audited
def _note_reading(*, actor: Actor, version: ModelVersion) -> None:
    """Put on the audit trail that the actor saw data of a version, as any reading of its files."""
    record(
        actor=actor,
        action=Action.LOAD_VERSION,
        securable=version.model.securable,
        params={"version": version.version, "operation": "READ", "path": SERVING_EXAMPLE},
    )


def from_signature(signature: Mapping[str, Any]) -> dict[str, Any]:
    """A request that the schema of these inputs lets pass, with values that mean nothing."""
    inputs = [entry for entry in signature.get("inputs") or [] if isinstance(entry, Mapping)]
    if inputs and all(entry.get("name") for entry in inputs) and not _has_tensors(inputs):
        body: dict[str, Any] = {"dataframe_records": [{str(entry["name"]): _sample(entry) for entry in inputs}]}
    elif inputs and all(entry.get("name") for entry in inputs):
        body = {"inputs": {str(entry["name"]): _sample(entry) for entry in inputs}}
    elif inputs:
        body = {"inputs": _sample(inputs[0]) if _has_tensors(inputs) else [[_sample(entry) for entry in inputs]]}
    else:
        body = {"inputs": [[1.0]]}
    params = [entry for entry in signature.get("params") or [] if isinstance(entry, Mapping) and entry.get("name")]
    if params:
        body["params"] = {str(entry["name"]): entry.get("default") for entry in params}
    return body


def _has_tensors(entries: list[Mapping[str, Any]]) -> bool:
    return any(entry.get("type") == "tensor" for entry in entries)


def _sample(entry: Any, depth: int = 0) -> Any:
    if not isinstance(entry, Mapping) or depth > _MAX_DEPTH:
        return None
    match entry.get("type"):
        case "tensor":
            spec = entry.get("tensor-spec")
            shape = spec.get("shape") if isinstance(spec, Mapping) else None
            return _filled([size if isinstance(size, int) else 1 for size in shape or [1]])
        case "array":
            return [_sample(entry.get("items"), depth + 1)]
        case "map":
            return {"key": _sample(entry.get("values"), depth + 1)}
        case "object":
            properties = entry.get("properties")
            if not isinstance(properties, Mapping):
                return {}
            return {str(name): _sample(one, depth + 1) for name, one in properties.items()}
        case kind:
            return _SAMPLES.get(str(kind))


def _filled(shape: list[int]) -> Any:
    """Ones in that shape, an open length as 1. Very large ones are left small: they are for people to look at."""
    sizes = [1 if size < 0 else size for size in shape]
    if prod(sizes) > _MOST:
        sizes = [min(size, 2) for size in sizes]
    found: Any = 1.0
    for size in reversed(sizes):
        found = [found] * size
    return found


def _written(value: Any, indent: int = 0) -> str:
    """JSON as people read it: indented, with short rows on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= _LINE or not isinstance(value, list | dict) or not value:
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, list):
        parts = [f"{inner}{_written(one, indent + 2)}" for one in value]
        return "[\n" + ",\n".join(parts) + "\n" + " " * indent + "]"
    parts = [
        f"{inner}{json.dumps(key, ensure_ascii=False)}: {_written(one, indent + 2)}" for key, one in value.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
