"""Models on the move over REST: imports from other servers, archives for other Modelkeeps."""

from collections.abc import Mapping
from typing import Any, cast

from django.http import HttpRequest, StreamingHttpResponse
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.bodies import body_of
from registry.api.downloads import send_archive
from registry.api.modelkeep import shapes
from registry.api.wire import actor_of, check_text, flag_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.services import archives, imports
from registry.services.archive_imports import import_archive
from registry.services.import_mapping import DEFAULT_STAGES
from registry.services.import_reports import as_result
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


class _ArchiveParser(BaseParser):
    """Leaves the body alone: an archive is read as it comes in."""

    media_type = "*/*"

    def parse(
        self,
        stream: Any,  # noqa: ARG002
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Nothing of the body."""
        return {}


class Archive(APIView):
    """GET archive?models=a.b.c,d.e.f and POST archive?into=catalog.schema."""

    parser_classes = (_ArchiveParser,)

    def get(self, request: Request) -> StreamingHttpResponse:
        """Download models with all their READY versions as one archive."""
        names = text_of(request.query_params, "models", required=True).split(",")
        return send_archive(archives.export_models(actor=actor_of(request), names=[name.strip() for name in names]))

    def post(self, request: Request) -> Response:
        """Bring the models of an archive here; the body is the archive. What is here already is left as it is."""
        check_text(request.query_params.dict())
        source, _ = body_of(cast("HttpRequest", request))
        into = text_of(request.query_params, "into")
        reports = import_archive(actor=actor_of(request), source=source, into=into)
        return object_response({"report": as_result(reports)})
