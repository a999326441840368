"""SCIM filters (RFC 7644, section 3.4.2.2), as far as clients use them: comparisons joined by `and` and `or`."""

import json
import re
from collections.abc import Iterator, Mapping

from registry.api.wire import check_text
from registry.errors import InvalidParameter
from registry.services.principal_search import OPERATORS, Condition

_MAX_LENGTH = 10_000
_MAX_CONDITIONS = 100
_PART = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|([^\s"()]+))')

Parts = list[tuple[bool, str]]
"""Each part of a filter, and whether it stands in quotes."""


def parse_filter(text: str, *, fields: Mapping[str, str]) -> list[list[Condition]]:
    """The sets of conditions of a filter, one of which must be met; none for an empty filter.

    `fields` maps the attributes that can be compared, in lower case, to those of `Condition`. `and` binds before
    `or`.

    Raises:
        InvalidParameter: a filter that is not understood; the message says where.
    """
    if not text.strip():
        return []
    parts = _parts(text, fields)
    sets: list[list[Condition]] = [[]]
    while True:
        condition, parts = _condition(parts, text, fields)
        sets[-1].append(condition)
        if sum(map(len, sets)) > _MAX_CONDITIONS:
            raise InvalidParameter(f"'filter' has more than {_MAX_CONDITIONS} conditions.", field="filter")
        if not parts:
            return sets
        (quoted, word), parts = parts[0], parts[1:]
        if quoted or word.lower() not in {"and", "or"}:
            raise _not_understood(word, fields)
        if word.lower() == "or":
            sets.append([])


def _parts(text: str, fields: Mapping[str, str]) -> Parts:
    if len(text) > _MAX_LENGTH:
        raise InvalidParameter(f"'filter' is longer than {_MAX_LENGTH} characters.", field="filter")
    return list(_scan(text.strip(), fields))


def _scan(text: str, fields: Mapping[str, str]) -> Iterator[tuple[bool, str]]:
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            raise _not_understood(text[position:], fields)
        position = match.end()
        yield (True, _unquoted(match.group(1), fields)) if match.group(1) else (False, match.group(2))


def _unquoted(quoted: str, fields: Mapping[str, str]) -> str:
    try:
        value = str(json.loads(quoted))
        check_text(value)
    except (ValueError, InvalidParameter) as error:
        raise _not_understood(quoted, fields) from error
    return value


def _condition(parts: Parts, text: str, fields: Mapping[str, str]) -> tuple[Condition, Parts]:
    if len(parts) < 2 or parts[0][0] or parts[1][0]:
        raise _not_understood(parts[0][1] if parts else text, fields)
    attribute, operator = parts[0][1].lower(), parts[1][1].lower()
    field = fields.get(attribute)
    if field is None or operator not in OPERATORS:
        raise _not_understood(f"{parts[0][1]} {parts[1][1]}", fields)
    if operator == "pr":
        return Condition(field, operator), parts[2:]
    if len(parts) < 3 or not (parts[2][0] or field in {"active", "id"}):
        raise _not_understood(parts[0][1], fields)
    return Condition(field, operator, parts[2][1]), parts[3:]


def _not_understood(at: str, fields: Mapping[str, str]) -> InvalidParameter:
    return InvalidParameter(
        f"'filter' is not understood at '{at[:100]}': compare {', '.join(fields)} by {', '.join(OPERATORS)} with a "
        "value in double quotes, and join comparisons by 'and' or 'or'.",
        field="filter",
    )
