"""Environments of versions. What takes long answers at once with an operation: follow it under operations/{id}."""

from datetime import datetime

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, object_response, parameters_of, text_of
from registry.models import Operation
from serving.services.environment_operations import build_environment, environment_of
from serving.services.predeployment import validate_deployment
from serving.services.requirement_edits import edit_requirements


def _begun(operation: Operation) -> Response:
    return object_response({"operation_id": str(operation.pk)})


def _millis(moment: datetime | None) -> int | None:
    return int(moment.timestamp() * 1000) if moment else None


class BuildEnvironment(APIView):
    """POST model-versions:build-environment."""

    def post(self, request: Request) -> Response:
        """Make, prove and pack the environment of a version."""
        parameters = parameters_of(request)
        name = text_of(parameters, "name", required=True)
        operation = build_environment(actor=actor_of(request), name=name, version=parameters.get("version"))
        return _begun(operation)


class EditRequirements(APIView):
    """POST model-versions:edit-requirements."""

    def post(self, request: Request) -> Response:
        """Make a new version of the same model with other requirements; no byte of it is copied."""
        parameters = parameters_of(request)
        version, operation = edit_requirements(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            version=parameters.get("version"),
            add=parameters.get("add") or [],
            remove=parameters.get("remove") or [],
        )
        answer = {
            "operation_id": str(operation.pk),
            "name": operation.params["name"],
            "version": str(version.version),
        }
        return object_response(answer)


class Validate(APIView):
    """POST model-versions:validate."""

    def post(self, request: Request) -> Response:
        """Try whether a version would deploy; the operation's result is the report."""
        parameters = parameters_of(request)
        operation = validate_deployment(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            version=parameters.get("version"),
            input_data=parameters.get("input_data"),
            content_type=text_of(parameters, "content_type"),
            pip_requirements_override=parameters.get("pip_requirements_override") or [],
        )
        return _begun(operation)


class Environment(APIView):
    """GET models/{name}/versions/{version}/environment."""

    def get(self, request: Request, full_name: str, version: str) -> Response:
        """Show what a version asks for and what it was resolved to."""
        found = environment_of(actor=actor_of(request), name=full_name, version=version)
        return object_response(
            {
                "requested": list(found.requested),
                "client_packed": found.client_packed,
                "state": found.state,
                "message": found.message,
                "digest": found.digest,
                "kind": found.kind,
                "python": found.python,
                "platform": found.platform,
                "packages": [{"name": name, "version": release} for name, release in found.packages],
                "size_bytes": found.size_bytes,
                "packed_bytes": found.packed_bytes,
                "shared_by": found.shared_by,
                "built_at": _millis(found.built_at),
                "last_used_at": _millis(found.last_used_at),
                "proved_at": _millis(found.proved_at),
                "operation_id": str(found.operation_id) if found.operation_id else None,
                "log": found.log,
            }
        )
