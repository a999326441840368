"""Models on the move over REST: imports from other servers, archives for other Modelkeeps."""

from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.modelkeep import shapes
from registry.api.wire import actor_of, flag_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.services import archives, imports
from registry.services.import_mapping import DEFAULT_STAGES
from registry.services.imports import ImportRequest


class Imports(APIView):
    """POST imports."""

    def post(self, request: Request) -> Response:
        """Ask for an import from another MLflow server or workspace registry."""
        parameters = parameters_of(request)
        wanted = ImportRequest(
            source_url=text_of(parameters, "source_url", required=True),
            token=text_of(parameters, "token"),
            username=text_of(parameters, "username"),
            into=text_of(parameters, "into"),
            models=_names(parameters.get("models")),
            stages=_stages(parameters.get("stages")),
            dry_run=flag_of(parameters, "dry_run"),
        )
        operation = imports.submit_import(actor=actor_of(request), wanted=wanted)
        return object_response({"operation": shapes.operation(operation)})


def _names(given: Any) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise InvalidParameter("'models' must be a list of names.", field="models")
    return given


def _stages(given: Any) -> dict[str, str]:
    if given is None:
        return dict(DEFAULT_STAGES)
    if not isinstance(given, dict) or not all(isinstance(alias, str) for alias in given.values()):
        raise InvalidParameter("'stages' must be an object of stages with their aliases.", field="stages")
    return given


class Archive(APIView):
    """GET archive?models=a.b.c,d.e.f."""

    def get(self, request: Request) -> StreamingHttpResponse:
        """Download models with all their READY versions as one archive."""
        names = text_of(parameters_of(request), "models", required=True).split(",")
        export = archives.export_models(actor=actor_of(request), names=[name.strip() for name in names])
        response = StreamingHttpResponse(export.pieces(), content_type="application/x-tar")
        response["Content-Length"] = str(export.size)
        response["Content-Disposition"] = 'attachment; filename="models.tar"'
        response["Cache-Control"] = "private, no-store"
        response["X-Content-Type-Options"] = "nosniff"
        return response
