"""An endpoint's own calls as an OpenAPI document, from the signatures of what it serves."""

import json
from collections.abc import Mapping
from typing import Any

from registry.services.actors import Actor
from registry.services.audit import audited_read
from serving.models import EndpointLevel, EntityRole, ServedEntity
from serving.services.endpoint_access import require_endpoint

_TYPES: dict[str, dict[str, Any]] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int32"},
    "long": {"type": "integer", "format": "int64"},
    "float": {"type": "number", "format": "float"},
    "double": {"type": "number", "format": "double"},
    "string": {"type": "string"},
    "binary": {"type": "string", "format": "byte"},
    "datetime": {"type": "string", "format": "date-time"},
}
_DTYPES = (("float", "double"), ("int", "long"), ("uint", "long"), ("bool", "boolean"), ("datetime", "datetime"))
_ERROR = {
    "type": "object",
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
    "required": ["error_code", "message"],
}
_REFUSALS = {
    "400": "The input does not fit the model, or the model failed on it.",
    "401": "No token, or one that is unknown, expired or revoked.",
    "403": "The token may not query the endpoint.",
    "404": "No such endpoint, or none that the token may know of.",
    "413": "The body is too large.",
    "429": "Too many requests at a time, or in a minute: wait as Retry-After says.",
    "504": "The model took too long.",
}
_MAX_DEPTH = 8


@audited_read
def openapi_text(*, actor: Actor, name: str, url: str) -> str:
    """The OpenAPI 3.1 document of an endpoint that is reached at `url`, as JSON text. Needs CAN_VIEW. Two queries.

    It describes the configuration that answers, or before the first one does, the one that is on its way.

    Raises:
        NotFound, AccessDenied.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_VIEW)
    config = endpoint.active_config_id or endpoint.pending_config_id
    entities = ServedEntity.objects.filter(config=config, role=EntityRole.LIVE).select_related("version")
    served = {entity.name: entity.version.signature if entity.version else {} for entity in entities}
    root = f"/serving-endpoints/{endpoint.name}"
    paths = {f"{root}/invocations": _path("Query the endpoint, by its traffic split", list(served.values()))}
    for entity, signature in served.items():
        path = f"{root}/served-models/{entity}/invocations"
        paths[path] = _path(f"Query {entity}, outside of the traffic split", [signature])
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": endpoint.name,
            "version": str(endpoint.last_config_version),
            "description": endpoint.description,
        },
        "servers": [{"url": url.rstrip("/")}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR},
        },
    }
    return json.dumps(document)


def _path(summary: str, signatures: list[Mapping[str, Any]]) -> dict[str, Any]:
    requests = _either([_request(signature) for signature in signatures])
    answers = _either([_answer(signature) for signature in signatures])
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": requests}}},
            "responses": {
                "200": {"description": "The predictions.", "content": {"application/json": {"schema": answers}}},
                **{status: {"description": text, "content": error} for status, text in _REFUSALS.items()},
            },
        }
    }


def _either(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    different = [schema for place, schema in enumerate(schemas) if schema not in schemas[:place]]
    if len(different) == 1:
        return different[0]
    return {"anyOf": different} if different else {}


def _request(signature: Mapping[str, Any]) -> dict[str, Any]:
    """One of the forms in which models take rows."""
    inputs = _specs(signature.get("inputs"))
    rest: dict[str, Any] = {"client_request_id": {"type": "string"}}
    params = _specs(signature.get("params"))
    if params:
        rest["params"] = {"type": "object", "properties": {_name(spec): _schema(spec) for spec in params}}
    forms = _named_forms(inputs) if any(_name(spec) for spec in inputs) else _unnamed_forms(inputs)
    return {
        "oneOf": [
            {"type": "object", "properties": {form: schema, **rest}, "required": [form]}
            for form, schema in forms.items()
        ]
    }


def _named_forms(inputs: list[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    row: dict[str, Any] = {
        "type": "object",
        "properties": {_name(spec): _cell(spec) for spec in inputs},
        "required": [_name(spec) for spec in inputs if _is_required(spec)],
    }
    split = {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}, "examples": [[_name(spec) for spec in inputs]]},
            "index": {"type": "array"},
            "data": {"type": "array", "items": {"type": "array"}},
        },
        "required": ["columns", "data"],
    }
    columns = {
        "type": "object",
        "properties": {_name(spec): {"type": "array", "items": _cell(spec)} for spec in inputs},
    }
    rows = {"type": "array", "items": row}
    return {"dataframe_records": rows, "dataframe_split": split, "instances": rows, "inputs": columns}


def _unnamed_forms(inputs: list[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    if len(inputs) == 1:
        rows = (
            _schema(inputs[0]) if inputs[0].get("type") == "tensor" else {"type": "array", "items": _cell(inputs[0])}
        )
    else:
        rows = {"type": "array"}
    return {"inputs": rows, "instances": rows}


def _answer(signature: Mapping[str, Any]) -> dict[str, Any]:
    outputs = _specs(signature.get("outputs"))
    if not outputs:
        predictions: dict[str, Any] = {}
    elif len(outputs) == 1:
        one = outputs[0]
        predictions = _schema(one) if one.get("type") == "tensor" else {"type": "array", "items": _loose(one)}
    else:
        row = {"type": "object", "properties": {_name(spec) or str(i): _cell(spec) for i, spec in enumerate(outputs)}}
        predictions = {"type": "array", "items": row}
    return {"type": "object", "properties": {"predictions": predictions}, "required": ["predictions"]}


def _loose(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A single output comes bare, or as a row of one column."""
    cell = _cell(spec)
    name = _name(spec)
    return {"anyOf": [cell, {"type": "object", "properties": {name: cell}}]} if name else cell


def _specs(schema: Any) -> list[Mapping[str, Any]]:
    entries = [schema] if isinstance(schema, Mapping) else schema
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _name(spec: Mapping[str, Any]) -> str:
    name = spec.get("name")
    return "" if name is None else str(name)


def _is_required(spec: Mapping[str, Any]) -> bool:
    return spec.get("required") is not False and spec.get("optional") is not True


def _cell(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The value of one row: of a tensor, without its first dimension."""
    schema = _schema(spec, drop=1)
    if _is_required(spec) or "type" not in schema:
        return schema
    return {**schema, "type": [schema["type"], "null"]}


def _schema(spec: Any, *, drop: int = 0, depth: int = 0) -> dict[str, Any]:
    if not isinstance(spec, Mapping) or depth > _MAX_DEPTH:
        return {}
    kind = str(spec.get("type", ""))
    match kind:
        case "tensor":
            return _tensor(spec.get("tensor-spec"), drop)
        case "array":
            return {"type": "array", "items": _schema(spec.get("items"), depth=depth + 1)}
        case "map":
            return {"type": "object", "additionalProperties": _schema(spec.get("values"), depth=depth + 1)}
        case "object":
            properties = spec.get("properties")
            known = properties if isinstance(properties, Mapping) else {}
            inner = {str(name): _schema(value, depth=depth + 1) for name, value in known.items()}
            return {"type": "object", "properties": inner}
    found = dict(_TYPES.get(kind, {}))
    default = spec.get("default")
    return found if default is None else {**found, "default": default}


def _tensor(spec: Any, drop: int) -> dict[str, Any]:
    facts = spec if isinstance(spec, Mapping) else {}
    dtype = str(facts.get("dtype", ""))
    kind = next((kind for beginning, kind in _DTYPES if dtype.startswith(beginning)), "string")
    schema = dict(_TYPES[kind])
    for size in reversed(list(facts.get("shape") or [])[drop:]):
        bounds = {"minItems": size, "maxItems": size} if isinstance(size, int) and size >= 0 else {}
        schema = {"type": "array", "items": schema, **bounds}
    return schema
