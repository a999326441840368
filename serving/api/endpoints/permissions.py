"""`/api/2.0/permissions/serving-endpoints/…`: who has which level, in the generic permissions shape."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, object_response, parameters_of
from registry.errors import InvalidParameter
from registry.models import PrincipalKind
from registry.services.experiment_permissions import FIELD_OF_KIND
from serving.models import EndpointLevel
from serving.services.endpoint_access import LEVELS, require_endpoint_by_id
from serving.services.endpoint_permissions import Permission, list_permissions, update_permissions

_DESCRIPTIONS = {
    EndpointLevel.CAN_VIEW: "Can view the endpoint, its configurations, events, logs and metrics.",
    EndpointLevel.CAN_QUERY: "Can query the endpoint.",
    EndpointLevel.CAN_MANAGE: "Can change what the endpoint serves, delete it, and change who has which level on it.",
}


class EndpointPermissionsView(APIView):
    """GET shows the list, PATCH adds to it, PUT replaces it. The creator always keeps CAN_MANAGE."""

    def get(self, request: Request, endpoint_id: str) -> Response:
        """Who has which level."""
        return _answer(endpoint_id, list_permissions(actor=actor_of(request), endpoint_id=endpoint_id))

    def put(self, request: Request, endpoint_id: str) -> Response:
        """Replace every level."""
        return self._update(request, endpoint_id, replace=True)

    def patch(self, request: Request, endpoint_id: str) -> Response:
        """Add levels, or change them."""
        return self._update(request, endpoint_id, replace=False)

    def _update(self, request: Request, endpoint_id: str, *, replace: bool) -> Response:
        entries = parameters_of(request).get("access_control_list") or []
        if not isinstance(entries, list):
            raise InvalidParameter("'access_control_list' must be a list.", field="access_control_list")
        permissions = update_permissions(
            actor=actor_of(request), endpoint_id=endpoint_id, access_control_list=entries, replace=replace
        )
        return _answer(endpoint_id, permissions)


class EndpointPermissionLevelsView(APIView):
    """The levels that there are."""

    def get(self, request: Request, endpoint_id: str) -> Response:
        """The three levels with a word on each."""
        require_endpoint_by_id(actor=actor_of(request), endpoint_id=endpoint_id, level=EndpointLevel.CAN_VIEW)
        levels = [{"permission_level": level, "description": _DESCRIPTIONS[level]} for level in LEVELS]
        return object_response({"permission_levels": levels})


def _answer(endpoint_id: str, permissions: list[Permission]) -> Response:
    return object_response(
        {
            "object_id": f"/serving-endpoints/{endpoint_id}",
            "object_type": "serving-endpoint",
            "access_control_list": [_entry(permission) for permission in permissions],
        }
    )


def _entry(permission: Permission) -> dict[str, Any]:
    principal = permission.principal
    level = {"permission_level": permission.level, "inherited": False, "inherited_from_object": []}
    return {
        FIELD_OF_KIND[PrincipalKind(principal.kind)]: principal.name,
        "display_name": principal.label,
        "all_permissions": [level],
    }
