"""A model's signature as rows of a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MAX_DEPTH = 6


@dataclass(frozen=True)
class Field:
    """One input, output or parameter."""

    name: str
    type: str
    required: bool
    default: Any = None


def fields_of(schema: Any) -> list[Field]:
    """The rows of one part of a signature, whatever a client wrote there."""
    if isinstance(schema, Mapping):
        schema = [schema]
    if not isinstance(schema, list):
        return []
    return [_field(entry, position) for position, entry in enumerate(schema) if isinstance(entry, Mapping)]


def _field(entry: Mapping[str, Any], position: int) -> Field:
    name = entry.get("name")
    optional = entry.get("optional") is True
    return Field(
        name=str(name) if name not in (None, "") else f"[{position}]",
        type=_type_text(entry),
        required=entry.get("required") is not False and not optional,
        default=entry.get("default"),
    )


def _type_text(entry: Any, depth: int = 0) -> str:
    if not isinstance(entry, Mapping) or depth > _MAX_DEPTH:
        return "…"
    kind = str(entry.get("type", "unknown"))
    match kind:
        case "tensor":
            spec = entry.get("tensor-spec")
            spec = spec if isinstance(spec, Mapping) else {}
            shape = ", ".join(str(size) for size in spec.get("shape") or [])
            return f"tensor({spec.get('dtype', '?')}, [{shape}])"
        case "array":
            return f"array<{_type_text(entry.get('items'), depth + 1)}>"
        case "map":
            return f"map<string, {_type_text(entry.get('values'), depth + 1)}>"
        case "object":
            return f"object{{{_properties(entry.get('properties'), depth)}}}"
    return kind


def _properties(properties: Any, depth: int) -> str:
    if not isinstance(properties, Mapping):
        return ""
    return ", ".join(f"{name}: {_type_text(entry, depth + 1)}" for name, entry in properties.items())
