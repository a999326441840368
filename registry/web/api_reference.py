"""The API reference for people: every operation of the OpenAPI document, to search and to read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.api.openapi.dialects import JSON, MEANINGS
from registry.api.openapi.document import Described, error_statuses, operations, other_spellings, sample_of
from registry.api.openapi.shapes import Named, Schema
from registry.errors import NotFound
from registry.services.actors import Actor
from registry.web.context import public_host
from registry.web.session import signed_in

_DEEPEST = 4


@dataclass(frozen=True)
class Field:
    """One line of a table of fields; `name` holds the names of the objects around it, with dots between them."""

    name: str
    kind: str
    always: bool
    text: str


@require_safe
@signed_in
def reference_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:  # noqa: ARG001
    """Every operation by dialect, or those whose path, method or summary hold all words of `q`."""
    query = request.GET.get("q", "").strip()
    found = [one for one in operations() if _matches(one, query)]
    groups = [(dialect, list(some)) for dialect, some in groupby(found, key=lambda one: one.dialect)]
    context = {"groups": groups, "query": query, "count": len(found), "total": len(operations())}
    return render(request, "reference/index.html", context)


def _matches(one: Described, query: str) -> bool:
    told = f"{one.method} {one.path} {one.summary} {one.dialect.title} {one.id}".lower()
    return all(word in told for word in query.lower().split())


@require_safe
@signed_in
def operation_page(request: HttpRequest, actor: Actor, operation_id: str) -> HttpResponseBase:  # noqa: ARG001
    """One operation: what it takes, what it answers, and a command that asks for it.

    Raises:
        NotFound: no such operation.
    """
    one = next((one for one in operations() if one.id == operation_id), None)
    if one is None:
        raise NotFound("There is no operation of this name. Look for it in the API reference.")
    call = one.call
    context = {
        "one": one,
        "also": other_spellings(one.dialect, one.path),
        "parameters": list(_parameters(one)),
        "body": list(_fields(call.body)) if call.body is not None else None,
        "answer": list(_fields(call.answer)) if call.answer is not None else [],
        "answer_example": _pretty(call.answer) if call.answer is not None and call.answer_type == JSON else "",
        "errors": [(status, MEANINGS[status]) for status in error_statuses(one)],
        "error_example": _pretty(call.error or one.dialect.error),
        "curl": _curl(one, public_host(request)),
    }
    return render(request, "reference/operation.html", context)


def _parameters(one: Described) -> Iterator[tuple[str, Field]]:
    for name in one.dialect.parts:
        if f"{{{name}}}" in one.path:
            yield "path", _field(name, one.dialect.parts[name], always=True)
    for name, schema in one.call.query.items():
        yield "query", _field(name, schema, always=name in one.call.needs)
    for name, schema in one.call.headers.items():
        yield "header", _field(name, schema, always=False)


def _field(name: str, schema: Schema, *, always: bool) -> Field:
    plain = _plain(schema)
    return Field(name, _kind(schema), always, str(plain.get("description", "")))


def _plain(schema: Schema) -> dict[str, Any]:
    while isinstance(schema, Named):
        schema = schema.schema
    return schema


def _kind(schema: Schema) -> str:
    plain = _plain(schema)
    if "anyOf" in plain:
        return " or ".join(_kind(one) for one in plain["anyOf"])
    if "enum" in plain:
        return " | ".join(map(str, plain["enum"]))
    if plain.get("type") == "array":
        return f"list of {_kind(plain['items'])}"
    given = plain.get("type", "any")
    words = given if isinstance(given, list) else [given]
    return " or ".join(str(plain.get("format", word)) if word == "string" else str(word) for word in words)


def _fields(schema: Schema, before: str = "", depth: int = 0) -> Iterator[Field]:
    plain = _plain(schema)
    if plain.get("type") == "array":
        yield from _fields(plain["items"], f"{before}[]." if not before else f"{before.rstrip('.')}[].", depth)
        return
    for name, part in plain.get("properties", {}).items():
        yield _field(f"{before}{name}", part, always=name in plain.get("required", ()))
        if depth < _DEEPEST:
            yield from _fields(part, f"{before}{name}.", depth + 1)


def _example(schema: Schema, depth: int = 0) -> Any:
    plain = _plain(schema)
    for key in ("examples", "enum"):
        if plain.get(key):
            return plain[key][0]
    if "anyOf" in plain:
        return _example(plain["anyOf"][0], depth)
    match plain.get("type"):
        case "object":
            return {name: _example(part, depth + 1) for name, part in plain.get("properties", {}).items()}
        case "array":
            return [_example(plain["items"], depth + 1)] if depth < _DEEPEST else []
        case "integer" | ["integer", *_]:
            return 1
        case "boolean" | ["boolean", *_]:
            return True
    return {"date-time": "2026-01-31T12:00:00Z", "uuid": "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11"}.get(
        plain.get("format", ""), "…"
    )


def _pretty(schema: Schema) -> str:
    return json.dumps(_example(schema), indent=2, ensure_ascii=False)


def _curl(one: Described, host: str) -> str:
    call = one.call
    url = host + sample_of(one.dialect, one.path)
    lines = ["curl" if one.method == "GET" else "curl --head" if one.method == "HEAD" else f"curl -X {one.method}"]
    if not call.open:
        lines.append('-H "Authorization: Bearer $DATABRICKS_TOKEN"')
    if call.needs:
        lines.append("-G" if one.method == "GET" else "")
        lines += [f"--data-urlencode {_quoted(f'{name}={_example(call.query[name])}')}" for name in call.needs]
    if call.body is not None and call.body_type == JSON:
        lines.append("-H 'Content-Type: application/json'")
        lines.append(f"-d {_quoted(json.dumps(_required(call.body), ensure_ascii=False))}")
    elif call.body is not None and call.body_type.endswith("urlencoded"):
        lines.append('-u "$DATABRICKS_CLIENT_ID:$DATABRICKS_CLIENT_SECRET"')
        lines += [f"-d {_quoted(f'{name}={value}')}" for name, value in _required(call.body).items()]
    elif call.body is not None:
        lines.append("--data-binary @file")
    if call.answer is not None and call.answer_type != JSON:
        lines.append("-o file")
    return " \\\n  ".join([*(line for line in lines if line), _quoted(url)])


def _required(schema: Schema) -> dict[str, Any]:
    plain = _plain(schema)
    wanted = plain.get("required") or list(plain.get("properties", {}))[:2]
    return {name: _example(plain["properties"][name]) for name in wanted}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
