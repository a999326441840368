"""Reading nested JSON: objects, lists and texts, each refused with the name of its field."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from registry.errors import InvalidParameter


def object_of(given: Mapping[str, Any], field: str) -> dict[str, Any] | None:
    """An object; None where there is none.

    Raises:
        InvalidParameter: something else.
    """
    value = given.get(field)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidParameter(f"'{field}' must be an object.", field=field)
    return value


def objects_of(given: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """A list of objects; empty where there is none.

    Raises:
        InvalidParameter: something else.
    """
    value = given.get(field) or []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise InvalidParameter(f"'{field}' must be a list of objects.", field=field)
    return value


def texts_of(given: Mapping[str, Any], field: str) -> tuple[str, ...]:
    """A list of texts; empty where there is none.

    Raises:
        InvalidParameter: something else.
    """
    value = given.get(field) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InvalidParameter(f"'{field}' must be a list of texts.", field=field)
    return tuple(value)


def words_of(text: str, prefix: str, allowed: list[str], field: str) -> str:
    """One of some words behind a prefix, as `PROBLEM_TYPE_REGRESSION`.

    Raises:
        InvalidParameter: another word.
    """
    word = text.removeprefix(prefix)
    if not text.startswith(prefix) or word not in allowed:
        known = ", ".join(f"{prefix}{one}" for one in allowed)
        raise InvalidParameter(f"'{field}' is '{text[:100]}': use one of {known}.", field=field)
    return word


def milliseconds(moment: datetime | None) -> int | None:
    """Milliseconds since 1970."""
    return None if moment is None else int(moment.timestamp() * 1000)


def present(shape: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value: an absent one and null read the same to clients."""
    return {key: value for key, value in shape.items() if value is not None}


def plain(value: Any) -> Any:
    """A value as JSON can hold it: numbers that are none are null, moments are text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)
