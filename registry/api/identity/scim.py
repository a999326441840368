"""What the SCIM resources have in common: lists, patches and errors (RFC 7643 and RFC 7644)."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.identity.filters import parse_filter
from registry.api.identity.projection import project
from registry.api.wire import error_response, number_of, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import Principal, PrincipalKind
from registry.services.actors import Actor
from registry.services.principal_search import Search, search_principals

CORE = "urn:ietf:params:scim:schemas:core:2.0"
MESSAGES = "urn:ietf:params:scim:api:messages:2.0"
MAX_COUNT = 10_000
_CORE_PREFIX = re.compile(re.escape(CORE) + r":\w+:", re.IGNORECASE)

Shape = Callable[[Actor, Sequence[Principal]], list[dict[str, Any]]]
"""Turns principals into SCIM resources, at a cost that does not grow with them."""


class ScimView(APIView):
    """A view that answers errors in SCIM's shape."""

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """The error as RFC 7644 section 3.12 writes it, with the neutral code that other dialects give."""
        plain = error_response(exc)
        told = json.loads(plain.content)
        status, kind = plain.status_code, _scim_type(exc, told["error_code"])
        if kind == "uniqueness":
            status = plain.status_code = 409
        body = {
            "schemas": [f"{MESSAGES}:Error"],
            "detail": told["message"],
            "status": str(status),
            "scimType": kind,
            "error_code": told["error_code"],
            "message": told["message"],
        }
        plain.content = json.dumps(body).encode()
        return plain


def _scim_type(error: Exception, code: str) -> str:
    """RFC 7644's word for an error. Empty where it has none: clients that print it would print "None"."""
    if code == "RESOURCE_ALREADY_EXISTS":
        return "uniqueness"
    if not isinstance(error, InvalidParameter):
        return ""
    return {"filter": "invalidFilter", "path": "invalidPath"}.get(error.field, "invalidValue")


def answer(resource: Mapping[str, Any], *, status: int = 200) -> Response:
    """A resource as JSON, whatever the client says that it accepts."""
    return Response(resource, status=status, content_type="application/json")


def one(request: Request, resource: Mapping[str, Any], *, status: int = 200) -> Response:
    """One resource, with the attributes that the call asks for."""
    return answer(project(resource, parameters_of(request)), status=status)


def list_response(
    request: Request, actor: Actor, *, kind: PrincipalKind, fields: Mapping[str, str], shape: Shape
) -> Response:
    """One slice of a list. Behind the end it is empty: clients ask on until it is.

    `fields` maps the attributes that can be compared and sorted by, in lower case, to those of a search.

    Raises:
        AccessDenied, InvalidParameter.
    """
    parameters = parameters_of(request)
    start = max(1, number_of(parameters, "startIndex", default=1))
    count = min(MAX_COUNT, max(0, number_of(parameters, "count", default=MAX_COUNT)))
    wanted = Search(
        kind=kind,
        any_of=parse_filter(text_of(parameters, "filter"), fields=fields),
        order=_order(text_of(parameters, "sortBy"), fields),
        descending=text_of(parameters, "sortOrder").lower() == "descending",
    )
    rows, total = search_principals(actor=actor, wanted=wanted, start=start - 1, count=count)
    return answer(
        {
            "schemas": [f"{MESSAGES}:ListResponse"],
            "totalResults": total,
            "startIndex": start,
            "itemsPerPage": len(rows),
            "Resources": [project(resource, parameters) for resource in shape(actor, rows)],
        }
    )


def _order(attribute: str, fields: Mapping[str, str]) -> str:
    if not attribute:
        return "id"
    field = fields.get(attribute.lower())
    if field is None:
        raise InvalidParameter(f"'sortBy' is '{attribute}': use one of {', '.join(fields)}.", field="sortBy")
    return field


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

    A path may be written in full, behind the schema that it is of.

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
            yield from ((op, _CORE_PREFIX.sub("", str(key)), part) for key, part in value.items())
        else:
            yield op, _CORE_PREFIX.sub("", path), value


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
