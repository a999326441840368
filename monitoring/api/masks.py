"""Update masks: which fields of what is sent take the place of what is there. Fields outside of the mask survive."""

import copy
from collections.abc import Collection, Mapping
from typing import Any

from registry.errors import InvalidParameter


def paths_of(mask: str) -> list[str]:
    """The paths of a mask, without spaces and repetitions."""
    return list(dict.fromkeys(path.strip() for path in mask.split(",") if path.strip()))


def masked(
    current: Mapping[str, Any], given: Mapping[str, Any], *, mask: str, fields: Collection[str]
) -> dict[str, Any]:
    """What is there, with the masked fields of what is given; a masked field that is not given is taken away.

    `*` replaces everything; without a mask, what is given replaces what is there field by field. `fields` are the
    first parts of the paths that may be named.

    Raises:
        InvalidParameter: a path that leads nowhere.
    """
    paths = paths_of(mask)
    if not paths:
        return {**current, **given}
    if "*" in paths:
        return dict(given)
    result = copy.deepcopy(dict(current))
    for path in paths:
        parts = path.split(".")
        if parts[0] not in fields or not all(parts):
            raise InvalidParameter(
                f"'update_mask' names '{path[:200]}': use {', '.join(sorted(fields))}, or '*'.", field="update_mask"
            )
        _replace(result, given, parts, path)
    return result


def _replace(result: dict[str, Any], given: Mapping[str, Any], parts: list[str], path: str) -> None:
    target: dict[str, Any] = result
    source: Any = given
    for part in parts[:-1]:
        source = source.get(part) if isinstance(source, Mapping) else None
        inner = target.get(part)
        if not isinstance(inner, dict):
            inner = target[part] = {}
        target = inner
    if source is not None and not isinstance(source, Mapping):
        raise InvalidParameter(f"'update_mask' names '{path[:200]}', which leads into a value.", field="update_mask")
    if isinstance(source, Mapping) and source.get(parts[-1]) is not None:
        target[parts[-1]] = source[parts[-1]]
    else:
        target.pop(parts[-1], None)
