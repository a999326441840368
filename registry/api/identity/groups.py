"""SCIM groups and their members."""

import re
from collections.abc import Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.identity.scim import (
    CORE,
    ScimView,
    list_response,
    member_ids,
    one,
    patch_operations,
    reference,
)
from registry.api.wire import actor_of, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import Principal, PrincipalKind
from registry.services.actors import Actor
from registry.services.groups import GroupEdit, create_group_with_members, edit_group
from registry.services.memberships import list_groups, list_members
from registry.services.principals import delete_principal, get_principal

_FIELDS = {"displayname": "name", "externalid": "external_id", "id": "id"}
_ONE_MEMBER = re.compile(r'members\[\s*value\s+eq\s+"([^"]+)"\s*\]', re.IGNORECASE)


def _shapes(actor: Actor, groups: Sequence[Principal]) -> list[dict[str, Any]]:
    members = list_members(actor=actor, groups=groups)
    above = list_groups(actor=actor, members=groups)
    return [
        {
            "schemas": [f"{CORE}:Group"],
            "id": str(group.pk),
            "displayName": group.name,
            "externalId": group.external_id or None,
            "members": [reference(member) for member in members[group.pk]],
            "groups": [reference(outer) for outer in above[group.pk]],
            "entitlements": [],
            "roles": [],
            "meta": {"resourceType": "Group"},
        }
        for group in groups
    ]


class Groups(ScimView):
    """GET, POST Groups."""

    def get(self, request: Request) -> Response:
        """List groups."""
        return list_response(request, actor_of(request), kind=PrincipalKind.GROUP, fields=_FIELDS, shape=_shapes)

    def post(self, request: Request) -> Response:
        """Make a group, with members where some are given: all of it or nothing."""
        actor, parameters = actor_of(request), parameters_of(request)
        group = create_group_with_members(
            actor=actor,
            display_name=text_of(parameters, "displayName", required=True),
            external_id=text_of(parameters, "externalId"),
            members=member_ids(parameters.get("members") or []),
        )
        return one(request, _shapes(actor, [group])[0], status=201)


class Group(ScimView):
    """GET, PUT, PATCH, DELETE Groups/{id}."""

    def get(self, request: Request, principal_id: str) -> Response:
        """Show a group."""
        actor = actor_of(request)
        group = get_principal(actor=actor, principal_id=principal_id, kind=PrincipalKind.GROUP)
        return one(request, _shapes(actor, [group])[0])

    def put(self, request: Request, principal_id: str) -> Response:
        """Replace name, external id and members."""
        parameters = parameters_of(request)
        edit = GroupEdit(
            name=text_of(parameters, "displayName", required=True),
            external_id=text_of(parameters, "externalId"),
            members=member_ids(parameters.get("members") or []),
        )
        return self._edit(request, principal_id, [edit])

    def patch(self, request: Request, principal_id: str) -> Response:
        """Apply the operations in their order: all of them or none."""
        operations = patch_operations(parameters_of(request))
        edits = [_edit_of(op, path, value) for op, path, value in operations]
        return self._edit(request, principal_id, edits)

    def delete(self, request: Request, principal_id: str) -> Response:
        """Delete the group, unless it owns something."""
        delete_principal(actor=actor_of(request), principal_id=principal_id, kind=PrincipalKind.GROUP)
        return Response(status=204)

    def _edit(self, request: Request, principal_id: str, edits: list[GroupEdit]) -> Response:
        actor = actor_of(request)
        group = edit_group(actor=actor, group_id=principal_id, edits=edits)
        return one(request, _shapes(actor, [group])[0])


def _edit_of(op: str, path: str, value: Any) -> GroupEdit:
    member = _ONE_MEMBER.fullmatch(path)
    if member and op == "remove":
        return GroupEdit(remove=[member.group(1)])
    match path.lower():
        case "displayname" if op != "remove":
            return GroupEdit(name=text_of({path: value}, path, required=True))
        case "externalid":
            return GroupEdit(external_id="" if op == "remove" else text_of({path: value}, path))
        case "members":
            return _member_edit(op, value)
        case "schemas" | "id" | "meta":
            return GroupEdit()
    raise InvalidParameter(f"'{path}' cannot be changed here: use displayName, externalId or members.", field="path")


def _member_edit(op: str, value: Any) -> GroupEdit:
    ids = member_ids(value if value is not None else [])
    if op == "replace" or (op == "remove" and value is None):
        return GroupEdit(members=ids)
    return GroupEdit(add=ids) if op == "add" else GroupEdit(remove=ids)
