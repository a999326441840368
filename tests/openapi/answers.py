"""Holds an answer against the document, more strictly than a client does: an undeclared field is an error."""

import json
import re
from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
from django.http import HttpResponseBase

from registry.api.openapi.document import Described, build_document, error_statuses, operations, other_spellings


def _closed(schema: Any) -> Any:
    """The shapes with nothing but what they name: clients are told that fields may come, tests are not."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    copied = {key: _closed(value) for key, value in schema.items()}
    if "properties" in copied and copied.get("type") == "object":
        copied.setdefault("additionalProperties", False)
    return copied


@cache
def _components() -> dict[str, Any]:
    return _closed(build_document()["components"])


@cache
def _patterns() -> list[tuple[re.Pattern[str], Described]]:
    found = []
    for one in sorted(operations(), key=lambda one: one.path.count("{")):
        for path in (one.path, *other_spellings(one.dialect, one.path)):
            # A placeholder at the end of a file's path stands for the rest of it.
            rest = path.endswith("{path}")
            text = re.sub(r"\\\{\w+\\\}", lambda _, rest=rest: ".*" if rest else "[^/]+", re.escape(path))
            found.append((re.compile(f"{text}/?", re.DOTALL), one))
    return found


def operation_of(method: str, path: str) -> Described | None:
    """The operation that a request asks for."""
    path = unquote(path.partition("?")[0])
    return next((one for pattern, one in _patterns() if one.method == method and pattern.fullmatch(path)), None)


@cache
def _validator(operation_id: str, status: int) -> Any:
    one = next(one for one in operations() if one.id == operation_id)
    response = build_document()["paths"][one.path][one.method.lower()]["responses"][str(status)]
    if "$ref" in response:
        response = _components()["responses"][response["$ref"].rpartition("/")[2]]
    schema = next(iter(response.get("content", {}).values()), {}).get("schema", {})
    return jsonschema_rs.validator_for({**_closed(schema), "components": _components()})


def complaints(one: Described, response: HttpResponseBase) -> Iterable[str]:
    """What an answer says that the document does not."""
    status = response.status_code
    allowed = {one.call.status, *one.call.answers, *error_statuses(one)}
    if status not in allowed:
        yield f"{status} is not documented"
    elif not one.call.passed_on and "json" in response.get("Content-Type", "") and response.content:
        for error in _validator(one.id, status).iter_errors(json.loads(response.content)):
            yield f"{status} at {'/'.join(map(str, error.instance_path))}: {error.message[:300]}"
