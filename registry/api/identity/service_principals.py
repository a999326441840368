"""SCIM service principals."""

from collections.abc import Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.identity.scim import CORE, ScimView, answer, list_response, parse_filter, reference
from registry.api.identity.users import changes_of
from registry.api.wire import actor_of, parameters_of, text_of
from registry.models import Principal, PrincipalKind
from registry.services.actors import Actor
from registry.services.memberships import list_groups
from registry.services.principals import (
    ProfileChanges,
    create_service_principal,
    get_principal,
    update_principal,
)

_FILTERS = {"applicationid": "name", "displayname": "display_name"}


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
        text = text_of(parameters_of(request), "filter")
        wanted = parse_filter(text, kind=PrincipalKind.SERVICE_PRINCIPAL, fields=_FILTERS)
        return list_response(request, actor_of(request), wanted=wanted, shape=_shapes)

    def post(self, request: Request) -> Response:
        """Make a service principal."""
        actor, parameters = actor_of(request), parameters_of(request)
        made = create_service_principal(
            actor=actor,
            display_name=text_of(parameters, "displayName"),
            application_id=text_of(parameters, "applicationId"),
            external_id=text_of(parameters, "externalId"),
        )
        return answer(_shapes(actor, [made])[0], status=201)


class ServicePrincipal(ScimView):
    """GET, PATCH, DELETE ServicePrincipals/{id}."""

    def get(self, request: Request, principal_id: str) -> Response:
        """Show a service principal."""
        actor = actor_of(request)
        found = get_principal(actor=actor, principal_id=principal_id, kind=PrincipalKind.SERVICE_PRINCIPAL)
        return answer(_shapes(actor, [found])[0])

    def patch(self, request: Request, principal_id: str) -> Response:
        """Change the attributes that are named."""
        return self._update(request, principal_id, changes_of(parameters_of(request)))

    def delete(self, request: Request, principal_id: str) -> Response:
        """Disable the service principal."""
        self._update(request, principal_id, ProfileChanges(is_active=False))
        return Response(status=204)

    def _update(self, request: Request, principal_id: str, changes: ProfileChanges) -> Response:
        actor, kind = actor_of(request), PrincipalKind.SERVICE_PRINCIPAL
        found = update_principal(actor=actor, principal_id=principal_id, changes=changes, kind=kind)
        return answer(_shapes(actor, [found])[0])
