"""What the SCIM resources have in common: lists, filters, patches and errors (RFC 7643 and RFC 7644)."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import error_response, number_of, parameters_of
from registry.errors import InvalidParameter
from registry.models import Principal, PrincipalKind
from registry.services.actors import Actor
from registry.services.principals import Filter, slice_principals

CORE = "urn:ietf:params:scim:schemas:core:2.0"
_MESSAGES = "urn:ietf:params:scim:api:messages:2.0"
_MAX_COUNT = 10_000
_CLAUSE = re.compile(r'(\w+)\s+(eq|co)\s+"((?:[^"\\]|\\.)*)"', re.IGNORECASE)

Shape = Callable[[Actor, Sequence[Principal]], list[dict[str, Any]]]
"""Turns principals into SCIM resources, at a cost that does not grow with them."""


class ScimView(APIView):
    """A view that answers errors in SCIM's shape."""

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """The error as RFC 7644 section 3.12 writes it, with the neutral code that other dialects give."""
        plain = error_response(exc)
        told = json.loads(plain.content)
        body = {
            "schemas": [f"{_MESSAGES}:Error"],
            "detail": told["message"],
            "status": str(plain.status_code),
            "error_code": told["error_code"],
            "message": told["message"],
        }
        if told["error_code"] == "RESOURCE_ALREADY_EXISTS":
            body["scimType"], body["status"], plain.status_code = "uniqueness", "409", 409
        plain.content = json.dumps(body).encode()
        return plain


def answer(resource: Mapping[str, Any], *, status: int = 200) -> Response:
    """A resource as JSON, whatever the client says that it accepts."""
    return Response(resource, status=status, content_type="application/json")


def parse_filter(text: str, *, kind: PrincipalKind, fields: Mapping[str, str]) -> Filter:
    """A SCIM filter: `userName eq "x"`, `displayName co "x"`, joined by `and`.

    `fields` maps an attribute in lower case to the Filter field that looks for it exactly; `<field>_contains` must
    exist for `co`.

    Raises:
        InvalidParameter: a filter that is not understood.
    """
    wanted = Filter(kind=kind)
    for clause in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE) if text.strip() else []:
        match = _CLAUSE.fullmatch(clause.strip())
        field = fields.get(match.group(1).lower()) if match else None
        if match is None or field is None:
            raise InvalidParameter(
                f"'filter' is not understood at '{clause}': use {' or '.join(fields)} with eq or co and a value in "
                "double quotes, joined by 'and'.",
                field="filter",
            )
        value = json.loads(f'"{match.group(3)}"') if "\\" in match.group(3) else match.group(3)
        suffix = "_contains" if match.group(2).lower() == "co" else ""
        changes: dict[str, Any] = {field + suffix: value}
        wanted = replace(wanted, **changes)
    return wanted


def list_response(request: Request, actor: Actor, *, wanted: Filter, shape: Shape) -> Response:
    """One slice of a list. Behind the end it is empty: clients ask on until it is.

    Raises:
        AccessDenied, InvalidParameter.
    """
    parameters = parameters_of(request)
    start = max(1, number_of(parameters, "startIndex", default=1))
    count = min(_MAX_COUNT, max(0, number_of(parameters, "count", default=_MAX_COUNT)))
    # A position beyond what PostgreSQL can count to is behind every end.
    rows, total = slice_principals(actor=actor, wanted=wanted, start=min(start, 2**31) - 1, count=count)
    return answer(
        {
            "schemas": [f"{_MESSAGES}:ListResponse"],
            "totalResults": total,
            "startIndex": start,
            "itemsPerPage": len(rows),
            "Resources": shape(actor, rows),
        }
    )


def reference(principal: Principal) -> dict[str, str]:
    """How one resource names another."""
    path = {
        PrincipalKind.USER: "Users",
        PrincipalKind.SERVICE_PRINCIPAL: "ServicePrincipals",
        PrincipalKind.GROUP: "Groups",
    }[PrincipalKind(principal.kind)]
    return {
        "display": principal.label,
        "value": str(principal.pk),
        "$ref": f"{path}/{principal.pk}",
        "type": "direct",
    }


def patch_operations(parameters: Mapping[str, Any]) -> Iterable[tuple[str, str, Any]]:
    """The operations of a PATCH as (op, path, value); an object without a path counts as one operation a key.

    Raises:
        InvalidParameter: no list of operations, or an unknown op.
    """
    operations = parameters.get("Operations", parameters.get("operations"))
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise InvalidParameter("'Operations' must be a list of objects with op, path and value.", field="Operations")
    for item in operations:
        op, path, value = str(item.get("op", "")).lower(), str(item.get("path") or ""), item.get("value")
        if op not in {"add", "remove", "replace"}:
            raise InvalidParameter(f"'op' is '{item.get('op')}': use add, remove or replace.", field="op")
        if not path and isinstance(value, dict):
            yield from ((op, str(key), part) for key, part in value.items())
        else:
            yield op, path, value


def active_of(value: object) -> bool:
    """The `active` attribute, which some identity providers send as text.

    Raises:
        InvalidParameter: neither yes nor no.
    """
    text = str(value).lower()
    if text not in {"true", "false"}:
        raise InvalidParameter("'active' must be true or false.", field="active")
    return text == "true"


def member_ids(value: object) -> list[str]:
    """The ids in a list of members, or in one member.

    Raises:
        InvalidParameter: something without a `value`.
    """
    items: list[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) and item.get("value") for item in items):
        raise InvalidParameter(
            "'members' must be a list of objects with the member's id as 'value'.", field="members"
        )
    return [str(item["value"]) for item in items]
