"""POST /api/2.0/serving-endpoints:stageDeployment."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, object_response, parameters_of, text_of
from serving.services.staging import stage_deployment


class StageDeployment(APIView):
    """Starts the check of a packed environment and answers at once."""

    def post(self, request: Request) -> Response:
        """Ask for the check."""
        parameters = parameters_of(request)
        operation = stage_deployment(
            actor=actor_of(request),
            name=text_of(parameters, "model_name", required=True),
            version=parameters.get("model_version"),
        )
        return object_response({"operation_id": str(operation.pk)})
