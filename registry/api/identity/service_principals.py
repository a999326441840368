"""SCIM service principals."""

from collections.abc import Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.identity.scim import CORE, ScimView, active_of, list_response, one, reference
from registry.api.identity.users import changes_of
from registry.api.wire import actor_of, parameters_of, text_of
from registry.models import Principal, PrincipalKind
from registry.services.actors import Actor
from registry.services.memberships import list_groups
from registry.services.principals import ProfileChanges, get_principal, update_principal
from registry.services.provisioning import NewAccount, offboard, provision

_FIELDS = {
    "applicationid": "name",
    "displayname": "display_name",
    "externalid": "external_id",
    "id": "id",
    "active": "active",
}
_KIND = PrincipalKind.SERVICE_PRINCIPAL


def _shapes(actor: Actor, principals: Sequence[Principal]) -> list[dict[str, Any]]:
    groups = list_groups(actor=actor, members=principals)
    return [
        {
            "schemas": [f"{CORE}:ServicePrincipal"],
            "id": str(principal.pk),
            "applicationId": principal.name,
            "displayName": principal.label,
            "externalId": principal.external_id or None,
            "active": principal.is_active,
            "groups": [reference(group) for group in groups[principal.pk]],
            "entitlements": [],
            "roles": [],
        }
        for principal in principals
    ]


class ServicePrincipals(ScimView):
    """GET, POST ServicePrincipals."""

    def get(self, request: Request) -> Response:
        """List service principals."""
        return list_response(request, actor_of(request), kind=_KIND, fields=_FIELDS, shape=_shapes)

    def post(self, request: Request) -> Response:
        """Make a service principal."""
        actor, parameters = actor_of(request), parameters_of(request)
        new = NewAccount(
            kind=_KIND,
            name=text_of(parameters, "applicationId"),
            display_name=text_of(parameters, "displayName"),
            external_id=text_of(parameters, "externalId"),
            active=active_of(parameters.get("active", True)),
        )
        return one(request, _shapes(actor, [provision(actor=actor, new=new)])[0], status=201)


class ServicePrincipal(ScimView):
    """GET, PUT, PATCH, DELETE ServicePrincipals/{id}."""

    def get(self, request: Request, principal_id: str) -> Response:
        """Show a service principal."""
        actor = actor_of(request)
        found = get_principal(actor=actor, principal_id=principal_id, kind=_KIND)
        return one(request, _shapes(actor, [found])[0])

    def put(self, request: Request, principal_id: str) -> Response:
        """Replace display name, external id and active; an application id stays what it is."""
        parameters = parameters_of(request)
        changes = ProfileChanges(
            name=text_of(parameters, "applicationId") or None,
            display_name=text_of(parameters, "displayName"),
            external_id=text_of(parameters, "externalId"),
            is_active=active_of(parameters.get("active", True)),
        )
        return self._update(request, principal_id, changes)

    def patch(self, request: Request, principal_id: str) -> Response:
        """Change the attributes that are named."""
        found = get_principal(actor=actor_of(request), principal_id=principal_id, kind=_KIND)
        return self._update(request, principal_id, changes_of(parameters_of(request), found))

    def delete(self, request: Request, principal_id: str) -> Response:
        """Delete the service principal, or disable it where something stands on its name."""
        offboard(actor=actor_of(request), principal_id=principal_id, kind=_KIND)
        return Response(status=204)

    def _update(self, request: Request, principal_id: str, changes: ProfileChanges) -> Response:
        actor = actor_of(request)
        found = update_principal(actor=actor, principal_id=principal_id, changes=changes, kind=_KIND)
        return one(request, _shapes(actor, [found])[0])
