"""`/api/2.0/permissions/experiments/…`: who has which level, in the generic permissions shape."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, object_response, parameters_of
from registry.errors import InvalidParameter
from registry.models import ExperimentLevel, PrincipalKind
from registry.services.experiment_permissions import (
    FIELD_OF_KIND,
    Permission,
    list_permissions,
    update_permissions,
)
from registry.services.experiments import LEVELS, require_level

_DESCRIPTIONS = {
    ExperimentLevel.CAN_READ: "Can view the experiment, its runs, models, traces and files.",
    ExperimentLevel.CAN_EDIT: "Can log to the experiment, and change or delete what is in it.",
    ExperimentLevel.CAN_MANAGE: "Can rename and delete the experiment and change who has which level on it.",
}


class ExperimentPermissionsView(APIView):
    """GET shows the list, PATCH adds to it, PUT replaces it. The owner always keeps CAN_MANAGE."""

    def get(self, request: Request, experiment_id: str) -> Response:
        """Who has which level."""
        permissions = list_permissions(actor=actor_of(request), experiment_id=experiment_id)
        return object_response(_wire(experiment_id, permissions))

    def put(self, request: Request, experiment_id: str) -> Response:
        """Replace every grant."""
        return self._update(request, experiment_id, replace=True)

    def patch(self, request: Request, experiment_id: str) -> Response:
        """Add grants, or change their levels."""
        return self._update(request, experiment_id, replace=False)

    def _update(self, request: Request, experiment_id: str, *, replace: bool) -> Response:
        entries = parameters_of(request).get("access_control_list", [])
        if not isinstance(entries, list):
            raise InvalidParameter("'access_control_list' must be a list.", field="access_control_list")
        permissions = update_permissions(
            actor=actor_of(request), experiment_id=experiment_id, access_control_list=entries, replace=replace
        )
        return object_response(_wire(experiment_id, permissions))


class ExperimentPermissionLevelsView(APIView):
    """The levels that there are."""

    def get(self, request: Request, experiment_id: str) -> Response:
        """The three levels with a word on each."""
        require_level(actor=actor_of(request), experiment_id=experiment_id, level=ExperimentLevel.CAN_READ)
        levels = [{"permission_level": level, "description": _DESCRIPTIONS[level]} for level in LEVELS]
        return object_response({"permission_levels": levels})


def _wire(experiment_id: str, permissions: list[Permission]) -> dict[str, Any]:
    return {
        "object_id": f"/experiments/{experiment_id}",
        "object_type": "mlflowExperiment",
        "access_control_list": [_entry(permission) for permission in permissions],
    }


def _entry(permission: Permission) -> dict[str, Any]:
    principal = permission.principal
    return {
        FIELD_OF_KIND[PrincipalKind(principal.kind)]: principal.name,
        "display_name": principal.label,
        "all_permissions": [{"permission_level": permission.level, "inherited": False}],
    }
