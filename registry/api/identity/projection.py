"""Which attributes of a resource a client wants to read (RFC 7644, section 3.9)."""

from collections.abc import Mapping
from typing import Any

_ALWAYS = {"id", "schemas"}

Names = dict[str, set[str]]
"""Attributes in lower case, each with the sub-attributes that are named; none where all of it is meant."""


def project(resource: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The resource with the `attributes` that the call asks for alone, or without its `excludedAttributes`."""
    wanted, excluded = _names(parameters.get("attributes")), _names(parameters.get("excludedAttributes"))
    shown: dict[str, Any] = {}
    for key, value in resource.items():
        name = key.lower()
        if name in _ALWAYS:
            shown[key] = value
        elif wanted:
            if name in wanted:
                shown[key] = _only(value, wanted[name])
        elif name not in excluded:
            shown[key] = value
        elif excluded[name]:
            shown[key] = _without(value, excluded[name])
    return shown


def _names(text: object) -> Names:
    names: Names = {}
    for name in str(text or "").split(","):
        # A name may be written in full, behind the schema that it is of.
        head, _, part = name.strip().rpartition(":")[2].lower().partition(".")
        if head:
            names.setdefault(head, set()).update({part} - {""})
    return names


def _only(value: Any, parts: set[str]) -> Any:
    if isinstance(value, list):
        return [_only(item, parts) for item in value]
    if not parts or not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if key.lower() in parts}


def _without(value: Any, parts: set[str]) -> Any:
    if isinstance(value, list):
        return [_without(item, parts) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if key.lower() not in parts}
