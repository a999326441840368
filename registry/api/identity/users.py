"""SCIM users, and the caller itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.identity.scim import (
    CORE,
    ScimView,
    active_of,
    answer,
    list_response,
    parse_filter,
    patch_operations,
    reference,
)
from registry.api.wire import actor_of, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import Principal, PrincipalKind
from registry.services.actors import Actor
from registry.services.memberships import list_groups
from registry.services.principals import (
    ProfileChanges,
    create_user,
    get_principal,
    update_principal,
)

_FILTERS = {"username": "name", "displayname": "display_name"}


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
        return answer(_shapes(actor, [actor.principal])[0])


class Users(ScimView):
    """GET, POST Users."""

    def get(self, request: Request) -> Response:
        """List users."""
        text = text_of(parameters_of(request), "filter")
        wanted = parse_filter(text, kind=PrincipalKind.USER, fields=_FILTERS)
        return list_response(request, actor_of(request), wanted=wanted, shape=_shapes)

    def post(self, request: Request) -> Response:
        """Make a user. Its first password is given by an administrator, not here."""
        actor, parameters = actor_of(request), parameters_of(request)
        user = create_user(
            actor=actor,
            email=text_of(parameters, "userName", required=True),
            display_name=_display_name(parameters) or "",
            external_id=text_of(parameters, "externalId"),
        )
        return answer(_shapes(actor, [user])[0], status=201)


class User(ScimView):
    """GET, PUT, PATCH, DELETE Users/{id}."""

    def get(self, request: Request, principal_id: str) -> Response:
        """Show a user."""
        actor = actor_of(request)
        user = get_principal(actor=actor, principal_id=principal_id, kind=PrincipalKind.USER)
        return answer(_shapes(actor, [user])[0])

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
        return self._update(request, principal_id, changes_of(parameters_of(request)))

    def delete(self, request: Request, principal_id: str) -> Response:
        """Disable the user: what it owns and what the audit trail says of it stay."""
        self._update(request, principal_id, ProfileChanges(is_active=False))
        return Response(status=204)

    def _update(self, request: Request, principal_id: str, changes: ProfileChanges) -> Response:
        actor = actor_of(request)
        user = update_principal(actor=actor, principal_id=principal_id, changes=changes, kind=PrincipalKind.USER)
        return answer(_shapes(actor, [user])[0])


def _display_name(parameters: Mapping[str, Any]) -> str | None:
    """The display name, or the given and family names that stand in for it; None where neither is sent."""
    name = parameters.get("name")
    if parameters.get("displayName") is None and isinstance(name, dict):
        return " ".join(str(name[part]) for part in ("givenName", "familyName") if name.get(part))
    return text_of(parameters, "displayName") if parameters.get("displayName") is not None else None


def changes_of(parameters: Mapping[str, Any]) -> ProfileChanges:
    """What a PATCH asks to change of a user, a service principal or a group's own attributes.

    Raises:
        InvalidParameter: an attribute that cannot be changed here.
    """
    changes: dict[str, Any] = {}
    for op, path, value in patch_operations(parameters):
        match path.lower():
            case "active":
                changes["is_active"] = active_of(value)
            case "displayname":
                changes["display_name"] = text_of({"displayName": value}, "displayName") if op != "remove" else ""
            case "externalid":
                changes["external_id"] = text_of({"externalId": value}, "externalId") if op != "remove" else ""
            case "username":
                changes["name"] = text_of({"userName": value}, "userName", required=True)
            case _:
                raise InvalidParameter(
                    f"'{path}' cannot be changed here: use active, displayName, externalId or userName.", field="path"
                )
    return ProfileChanges(**changes)
