"""Settings of the workspace that are changed while it runs, as texts by key."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, object_response, parameters_of, text_of
from registry.services.workspace_settings import get_settings, update_settings


class WorkspaceConf(APIView):
    """GET and PATCH workspace-conf."""

    def get(self, request: Request) -> Response:
        """The values of the settings that `keys` names, with commas between them."""
        keys = text_of(parameters_of(request), "keys", required=True).split(",")
        return object_response(get_settings(actor=actor_of(request), keys=[key.strip() for key in keys]))

    def patch(self, request: Request) -> Response:
        """Change settings, all or none."""
        values = parameters_of(request)
        return object_response(update_settings(actor=actor_of(request), values=values))
