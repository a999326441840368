"""The document, built from what the dialects declare and checked against the URLs that Django serves."""

import inspect
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.urls import ResolverMatch, URLResolver, get_resolver, resolve

from registry.api.openapi.dialects import JSON, MEANINGS, Call, Dialect
from registry.api.openapi.shapes import Named, Schema

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_WRITING = {"POST", "PUT", "PATCH", "DELETE"}
_ABOUT = """\
Everything that the product's dialects answer: the protocols of stock clients and its own REST API.

Paths answer with and without a slash at their end. `x-also-at` of a path names other spellings that mean the same.
Every answer carries `X-Request-Id`; a caller may send one of 8 to 64 letters, digits, dots, dashes or underscores.
A thing that one may not see answers exactly as a thing that does not exist.
"""


class UndescribedRoute(LookupError):
    """What a dialect declares is not what Django serves: a path without a view, or a view without that method."""


@dataclass(frozen=True)
class Described:
    """One operation, with what the page and the document tell of it."""

    id: str
    dialect: Dialect
    path: str
    method: str
    call: Call
    summary: str
    text: str


def _release() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def dialects() -> list[Dialect]:
    """Every dialect that the URLs include: those whose `urls` have a `reference` beside them, in the URLs' order."""
    found = []
    for entry in get_resolver().url_patterns:
        package = getattr(getattr(entry, "urlconf_module", None), "__package__", "")
        if isinstance(entry, URLResolver) and package and find_spec(f"{package}.reference"):
            found.append(import_module(f"{package}.reference").DIALECT)
    return found


@cache
def operations() -> tuple[Described, ...]:
    """Every operation of every dialect.

    Raises:
        UndescribedRoute: a dialect declares what is not served.
    """
    return tuple(
        _described(dialect, path, method, call)
        for dialect in dialects()
        for path, calls in dialect.paths.items()
        for method, call in calls.items()
    )


def sample_of(dialect: Dialect, path: str) -> str:
    """A path with something in place of each placeholder that its URL takes."""
    return _PLACEHOLDER.sub(lambda match: str(_sample(dialect.parts.get(match[1]))), path)


def _sample(part: Schema | None) -> object:
    described = part if isinstance(part, dict) else {}
    samples = described.get("examples") or described.get("enum") or ["1"]
    return samples[0]


def other_spellings(dialect: Dialect, path: str) -> list[str]:
    """The other paths that mean the same."""
    return [path.replace(usual, other, 1) for usual, other in dialect.spellings if path.startswith(usual)]


def _described(dialect: Dialect, path: str, method: str, call: Call) -> Described:
    summary, text = call.summary, call.text
    if not path.startswith("/.well-known/"):  # Answered before Django is asked.
        match = resolve(sample_of(dialect, path))
        summary = summary or _first_sentence(_handler(match, path, method))
    return Described(f"{dialect.slug}_{call.name}", dialect, path, method, call, summary, text)


def _handler(match: ResolverMatch, path: str, method: str) -> Any:
    view = getattr(match.func, "view_class", None)
    handler = getattr(view, method.lower(), None) if view else match.func
    if handler is None:
        raise UndescribedRoute(f"{method} {path} is declared and not served.")
    return handler


def _first_sentence(handler: Any) -> str:
    first = (inspect.getdoc(handler) or "").partition("\n")[0]
    return first.rstrip(".")


@cache
def build_document() -> dict[str, Any]:
    """The OpenAPI 3.1 document, once a process. Callers do not change it."""
    components = _Components()
    paths: dict[str, dict[str, Any]] = {}
    for one in operations():
        item = paths.setdefault(one.path, {})
        if also := other_spellings(one.dialect, one.path):
            item["x-also-at"] = also
        item[one.method.lower()] = _operation(one, components)
    tags = [{"name": dialect.title, "description": dialect.text} for dialect in dialects()]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Modelkeep", "version": _release(), "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": tags,
        "security": [{"bearer": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.schemas.items())),
            "responses": dict(sorted(components.responses.items())),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A personal access token, or an access token from /oidc/v1/token.",
                },
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "Name and password, or `token` and a token.",
                },
            },
        },
    }


@cache
def document_bytes() -> bytes:
    """The document as JSON."""
    return json.dumps(build_document(), ensure_ascii=False, separators=(",", ":")).encode()


class _Components:
    """Collects the named shapes that are referred to."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}
        self.responses: dict[str, Any] = {}
        self._sources: dict[str, Named] = {}

    def plain(self, schema: Any) -> Any:
        """The shape with a reference in place of every named one.

        Raises:
            ValueError: two shapes of one name.
        """
        if isinstance(schema, Named):
            known = self._sources.setdefault(schema.name, schema)
            if known.schema != schema.schema:
                raise ValueError(f"Two shapes are named {schema.name}.")
            if schema.name not in self.schemas:
                self.schemas[schema.name] = None
                self.schemas[schema.name] = self.plain(schema.schema)
            return {"$ref": f"#/components/schemas/{schema.name}"}
        if isinstance(schema, Mapping):
            return {key: self.plain(value) for key, value in schema.items()}
        return [self.plain(item) for item in schema] if isinstance(schema, list) else schema

    def refusal(self, error: Named, status: int) -> dict[str, str]:
        """A reference to the refusal of that status in the error's shape."""
        name = f"{error.name}{status}"
        if name not in self.responses:
            content = {JSON: {"schema": self.plain(error)}}
            self.responses[name] = {"description": MEANINGS[status], "content": content}
            if status in {429, 503}:
                wait = {"schema": {"type": "string"}, "description": "Seconds to wait."}
                self.responses[name]["headers"] = {"Retry-After": wait}
        return {"$ref": f"#/components/responses/{name}"}


def _operation(one: Described, components: _Components) -> dict[str, Any]:
    call = one.call
    described: dict[str, Any] = {
        "operationId": one.id,
        "tags": [one.dialect.title],
        "summary": one.summary,
        "responses": _responses(one, components),
    }
    if one.text:
        described["description"] = one.text
    if parameters := list(_parameters(one, components)):
        described["parameters"] = parameters
    if call.body is not None:
        content = {call.body_type: {"schema": components.plain(call.body)}}
        needed = isinstance(call.body, Named) or bool(call.body.get("required"))
        described["requestBody"] = {"required": needed, "content": content}
    if call.open:
        described["security"] = []
    return described


def _parameters(one: Described, components: _Components) -> Iterator[dict[str, Any]]:
    for name in _PLACEHOLDER.findall(one.path):
        schema = one.dialect.parts.get(name, {"type": "string"})
        yield _parameter(name, "path", {"minLength": 1, **_bare(schema)}, components, required=True)
    for name, schema in one.call.query.items():
        yield _parameter(name, "query", schema, components, required=name in one.call.needs)
    for name, schema in one.call.headers.items():
        yield _parameter(name, "header", schema, components, required=False)


def _bare(schema: Schema) -> dict[str, Any]:
    return schema if isinstance(schema, dict) else {"allOf": [schema]}


def _parameter(name: str, place: str, schema: Schema, components: _Components, *, required: bool) -> dict[str, Any]:
    plain = dict(components.plain(schema))
    text = plain.pop("description", "")
    described = {"name": name, "in": place, "required": required, "schema": plain}
    return {**described, "description": text} if text else described


def error_statuses(one: Described) -> list[int]:
    """Every refusal that the operation may answer, in order."""
    statuses = {400, 503, *one.call.errors}
    if not one.call.open:
        statuses |= {401, 403, 404}
    if one.method in _WRITING:
        statuses |= {409, 413}
    return sorted(statuses)


def _responses(one: Described, components: _Components) -> dict[str, Any]:
    call = one.call
    success: dict[str, Any] = {"description": _phrase(call.status)}
    if call.answer is not None:
        success["content"] = {call.answer_type: {"schema": components.plain(call.answer)}}
    responses = {str(call.status): success}
    for status, text in call.answers.items():
        responses[str(status)] = {**success, "description": text} if status < 300 else {"description": text}
    for status in error_statuses(one):
        responses[str(status)] = components.refusal(call.error or one.dialect.error, status)
    return responses


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
