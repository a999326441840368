"""Server-side registration and copy over REST: both answer at once, and the operation does the work."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.modelkeep import shapes
from registry.api.wire import actor_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import ModelVersion, Operation
from registry.services import registrations


def _begun(version: ModelVersion, operation: Operation) -> Response:
    return object_response({"operation": shapes.operation(operation), "model_version": shapes.model_version(version)})


def _tags_in(parameters: dict[str, Any]) -> dict[str, Any]:
    """The `tags` list as a mapping.

    Raises:
        InvalidParameter: not a list of {key, value}.
    """
    tags = parameters.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
        raise InvalidParameter("'tags' must be a list of objects with 'key' and 'value'.", field="tags")
    return {text_of(tag, "key", required=True): text_of(tag, "value") for tag in tags}


class Register(APIView):
    """POST model-versions:register."""

    def post(self, request: Request) -> Response:
        """Register a run's artifacts or a logged model as the next version."""
        parameters = parameters_of(request)
        version, operation = registrations.register_from_source(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            source=text_of(parameters, "source", required=True),
            run_id=text_of(parameters, "run_id"),
            comment=text_of(parameters, "comment"),
            tags=_tags_in(parameters),
        )
        return _begun(version, operation)


class Copy(APIView):
    """POST model-versions:copy."""

    def post(self, request: Request) -> Response:
        """Copy a version to another model."""
        parameters = parameters_of(request)
        version, operation = registrations.copy_version(
            actor=actor_of(request),
            source_name=text_of(parameters, "source_name", required=True),
            source_version=parameters.get("source_version"),
            destination_name=text_of(parameters, "destination_name", required=True),
        )
        return _begun(version, operation)
