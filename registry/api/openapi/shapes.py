"""A few words for JSON Schema (draft 2020-12), so that a dialect's shapes read like the code that makes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Named:
    """A shape with a name: it stands once among the document's components, and others refer to it."""

    name: str
    schema: "Schema"


Schema = dict[str, Any] | Named

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
MILLIS: Schema = {"type": "integer", "description": "Milliseconds since 1970."}
MILLIS_TEXT: Schema = {"type": "string", "description": "Milliseconds since 1970, as text; empty when unknown."}
MOMENT: Schema = {"type": "string", "format": "date-time"}
ID: Schema = {"type": "string", "format": "uuid"}
ANYTHING: Schema = {"type": "object"}
BYTES: Schema = {"type": "string", "contentMediaType": "application/octet-stream"}
VERSION: Schema = {"type": ["integer", "string"], "description": "The version's number.", "examples": [1]}
FULL_NAME: Schema = {"type": "string", "description": "catalog.schema.model", "examples": ["prod.ml.iris"]}


def choice(*values: str) -> Schema:
    """One of some words."""
    return {"type": "string", "enum": list(values)}


def listed(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def table_of(values: Schema) -> Schema:
    """An object whose keys are the caller's."""
    return {"type": "object", "additionalProperties": values}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if isinstance(schema, dict) and isinstance(schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def noted(schema: Schema, text: str, **more: Any) -> Schema:
    """The same with a sentence on what it means, and other keywords such as `default`."""
    if isinstance(schema, Named):
        return {"allOf": [schema], "description": text, **more}
    return {**schema, "description": text, **more}


def fields(always: Mapping[str, Schema] | None = None, /, **sometimes: Schema) -> dict[str, Any]:
    """An object: the fields that are always there, and those that may be left away."""
    always = always or {}
    schema: dict[str, Any] = {"type": "object", "properties": {**always, **sometimes}}
    return {**schema, "required": list(always)} if always else schema


def page_of(key: str, items: Schema) -> dict[str, Any]:
    """A page of a list, with the token of the next one."""
    return fields(
        {
            key: listed(items),
            "next_page_token": noted(TEXT, "Send it as page_token for what follows; empty at the end."),
        }
    )


PAGE: dict[str, Schema] = {
    "max_results": noted(WHOLE, "At most so many; 0 or nothing for the server's own page size."),
    "page_token": noted(TEXT, "The next_page_token of the page before."),
}
"""The query of a list."""

KEY_AND_VALUE = Named("KeyAndValue", fields({"key": TEXT, "value": TEXT}))
AWS_CREDENTIALS = Named(
    "TemporaryCredentials", fields({"access_key_id": TEXT, "secret_access_key": TEXT, "session_token": TEXT})
)
TAGS_GIVEN: Schema = listed(fields({"key": TEXT}, value=TEXT))
EMPTY: Schema = fields()
"""An answer that says nothing but that it is done: {}."""
