"""SCIM users, and the caller itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.identity.scim import (
    CORE,
    ScimView,
    active_of,
    list_response,
    one,
    patch_operations,
    reference,
)
from registry.api.wire import actor_of, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import Principal, PrincipalKind
from registry.services.actors import Actor
from registry.services.memberships import list_groups
from registry.services.principals import ProfileChanges, get_principal, update_principal
from registry.services.provisioning import NewAccount, offboard, provision

_FIELDS = {
    "username": "name",
    "displayname": "display_name",
    "externalid": "external_id",
    "emails": "name",
    "emails.value": "name",
    "id": "id",
    "active": "active",
}
_IGNORED = ("emails", "schemas", "id", "meta")
"""What identity providers send along: users are named by their address, and the rest is not theirs to say."""


def user_shape(principal: Principal, groups: Sequence[Principal]) -> dict[str, Any]:
    """A user, or a service principal where a user is asked for: the caller of `Me` may be either."""
    given, _, family = principal.display_name.partition(" ")
    emails = [{"value": principal.name, "type": "work", "primary": True}]
    return {
        "schemas": [f"{CORE}:User"],
        "id": str(principal.pk),
        "userName": principal.name,
        "displayName": principal.label,
        "externalId": principal.external_id or None,
        "active": principal.is_active,
        "name": {"givenName": given, "familyName": family},
        "emails": emails if principal.kind == PrincipalKind.USER else [],
        "groups": [reference(group) for group in groups],
        "entitlements": [],
        "roles": [],
        "meta": {"resourceType": "User", "created": principal.created_at.isoformat()},
    }


def _shapes(actor: Actor, users: Sequence[Principal]) -> list[dict[str, Any]]:
    groups = list_groups(actor=actor, members=users)
    return [user_shape(user, groups[user.pk]) for user in users]


class Me(ScimView):
    """GET Me."""

    def get(self, request: Request) -> Response:
        """Show the caller."""
        actor = actor_of(request)
        return one(request, _shapes(actor, [actor.principal])[0])


class Users(ScimView):
    """GET, POST Users."""

    def get(self, request: Request) -> Response:
        """List users."""
        return list_response(request, actor_of(request), kind=PrincipalKind.USER, fields=_FIELDS, shape=_shapes)

    def post(self, request: Request) -> Response:
        """Make a user. Its first password is given by an administrator, not here."""
        actor, parameters = actor_of(request), parameters_of(request)
        new = NewAccount(
            kind=PrincipalKind.USER,
            name=text_of(parameters, "userName", required=True),
            display_name=_display_name(parameters) or "",
            external_id=text_of(parameters, "externalId"),
            active=active_of(parameters.get("active", True)),
        )
        return one(request, _shapes(actor, [provision(actor=actor, new=new)])[0], status=201)


class User(ScimView):
    """GET, PUT, PATCH, DELETE Users/{id}."""

    def get(self, request: Request, principal_id: str) -> Response:
        """Show a user."""
        actor = actor_of(request)
        user = get_principal(actor=actor, principal_id=principal_id, kind=PrincipalKind.USER)
        return one(request, _shapes(actor, [user])[0])

    def put(self, request: Request, principal_id: str) -> Response:
        """Replace what can be replaced: name, display name, external id, active."""
        parameters = parameters_of(request)
        changes = ProfileChanges(
            name=text_of(parameters, "userName", required=True),
            display_name=_display_name(parameters) or "",
            external_id=text_of(parameters, "externalId"),
            is_active=active_of(parameters.get("active", True)),
        )
        return self._update(request, principal_id, changes)

    def patch(self, request: Request, principal_id: str) -> Response:
        """Change the attributes that are named."""
        parameters = parameters_of(request)
        user = get_principal(actor=actor_of(request), principal_id=principal_id, kind=PrincipalKind.USER)
        return self._update(request, principal_id, changes_of(parameters, user))

    def delete(self, request: Request, principal_id: str) -> Response:
        """Delete the user, or disable it where something stands on its name."""
        offboard(actor=actor_of(request), principal_id=principal_id, kind=PrincipalKind.USER)
        return Response(status=204)

    def _update(self, request: Request, principal_id: str, changes: ProfileChanges) -> Response:
        actor = actor_of(request)
        user = update_principal(actor=actor, principal_id=principal_id, changes=changes, kind=PrincipalKind.USER)
        return one(request, _shapes(actor, [user])[0])


def _display_name(parameters: Mapping[str, Any]) -> str | None:
    """The display name, or the given and family names that stand in for it; None where neither is sent."""
    name = parameters.get("name")
    if parameters.get("displayName") is None and isinstance(name, dict):
        return " ".join(str(name[part]) for part in ("givenName", "familyName") if name.get(part))
    return text_of(parameters, "displayName") if parameters.get("displayName") is not None else None


def changes_of(parameters: Mapping[str, Any], principal: Principal) -> ProfileChanges:
    """What a PATCH asks to change of a user or a service principal.

    Raises:
        InvalidParameter: an attribute that cannot be changed here.
    """
    changes: dict[str, Any] = {}
    name: dict[str, str] = {}
    for op, path, value in patch_operations(parameters):
        given = None if op == "remove" else value
        match path.lower():
            case "active":
                # databricks-sdk leaves a value away that is false.
                changes["is_active"] = active_of("false" if given is None and op == "replace" else given)
            case "displayname":
                changes["display_name"] = text_of({path: given}, path)
            case "externalid":
                changes["external_id"] = text_of({path: given}, path)
            case "username" | "applicationid":
                changes["name"] = text_of({path: given}, path, required=True)
            case "name":
                name |= _name_parts(given)
            case "name.givenname" | "name.familyname":
                name[path.lower().removeprefix("name.")] = text_of({path: given}, path)
            case ignored if ignored.startswith(_IGNORED):
                pass
            case _:
                raise InvalidParameter(
                    f"'{path}' cannot be changed here: use active, displayName, externalId, name or userName.",
                    field="path",
                )
    if name and "display_name" not in changes:
        first, _, rest = principal.display_name.partition(" ")
        parts = {"givenname": first, "familyname": rest} | name
        changes["display_name"] = f"{parts['givenname']} {parts['familyname']}".strip()
    return ProfileChanges(**changes)


def _name_parts(value: object) -> dict[str, str]:
    if value is None:
        return {"givenname": "", "familyname": ""}
    if not isinstance(value, dict):
        raise InvalidParameter("'name' must be an object with givenName and familyName.", field="name")
    return {part.lower(): text_of(value, part) for part in ("givenName", "familyName") if part in value}
