"""Model versions: registered from what the tracking server holds, shown, described, tagged, deleted."""

from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.mlflow_registry import shapes
from registry.api.mlflow_registry.names import full_name, name_of, order_of
from registry.api.mlflow_registry.registered_models import tags_in
from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.errors import NotImplementedHere
from registry.models import ModelVersion
from registry.services import model_search, model_versions
from registry.services.files import open_file
from registry.services.registrations import register_from_source
from registry.services.tags import Tags, tag_version


def _answer(version: ModelVersion) -> Response:
    return object_response({"model_version": shapes.model_version(version)})


class Create(APIView):
    """POST model-versions/create. The client uploads nothing: an operation copies the files, the client polls."""

    def post(self, request: Request) -> Response:
        """Register from a run or a logged model."""
        parameters = parameters_of(request)
        actor, name = actor_of(request), name_of(parameters)
        model_id = text_of(parameters, "model_id")
        version, _ = register_from_source(
            actor=actor,
            name=name,
            source=f"models:/{model_id}" if model_id else text_of(parameters, "source", required=True),
            run_id=text_of(parameters, "run_id"),
            comment=text_of(parameters, "description"),
            tags=tags_in(parameters),
        )
        return _answer(model_versions.get_version(actor=actor, name=name, version=version.version))


class Get(APIView):
    """GET model-versions/get."""

    def get(self, request: Request) -> Response:
        """Show a version."""
        parameters = parameters_of(request)
        return _answer(
            model_versions.get_version(
                actor=actor_of(request), name=name_of(parameters), version=parameters.get("version")
            )
        )


class Update(APIView):
    """PATCH model-versions/update."""

    def patch(self, request: Request) -> Response:
        """Describe a version."""
        parameters = parameters_of(request)
        return _answer(
            model_versions.update_version(
                actor=actor_of(request),
                name=name_of(parameters),
                version=parameters.get("version"),
                comment=text_of(parameters, "description"),
            )
        )


class Delete(APIView):
    """DELETE model-versions/delete."""

    def delete(self, request: Request) -> Response:
        """Delete a version."""
        parameters = parameters_of(request)
        model_versions.delete_version(
            actor=actor_of(request), name=name_of(parameters), version=parameters.get("version")
        )
        return object_response({})


class Search(APIView):
    """GET model-versions/search."""

    def get(self, request: Request) -> Response:
        """A page of the versions that the caller may see."""
        parameters = {**parameters_of(request), "order_by": request.query_params.getlist("order_by")}
        page = model_search.search_versions(
            actor=actor_of(request),
            filter_text=text_of(parameters, "filter"),
            order_by=order_of(parameters),
            max_results=number_of(parameters, "max_results", default=10_000),
            page_token=text_of(parameters, "page_token"),
            full_name=full_name,
        )
        return object_response(
            {"model_versions": page.map(shapes.model_version), "next_page_token": page.next_page_token}
        )


class DownloadUri(APIView):
    """GET model-versions/get-download-uri."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Refused: the files of a version are no tracking artifacts."""
        raise NotImplementedHere(
            "Loading a registered version over plain http is not offered yet. "
            "Set MLFLOW_REGISTRY_URI=databricks-uc with DATABRICKS_HOST and DATABRICKS_TOKEN, and load it again."
        )


class Artifact(APIView):
    """GET model-versions/get-artifact: the UI reads a version's MLmodel file with it."""

    def get(self, request: Request) -> StreamingHttpResponse:
        """Stream one file of a version."""
        parameters = parameters_of(request)
        version = model_versions.get_version(
            actor=actor_of(request), name=name_of(parameters), version=parameters.get("version")
        )
        folder = f"/Models/{version.model.securable.full_name.replace('.', '/')}/{version.version}"
        path = text_of(parameters, "path", required=True)
        opened = open_file(actor=actor_of(request), path=f"{folder}/{path}")
        headers = {
            "Content-Length": str(opened.facts.size),
            "Content-Disposition": "attachment",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
        }
        return StreamingHttpResponse(
            opened.stream(0, opened.facts.size), content_type="application/octet-stream", headers=headers
        )


class Tag(APIView):
    """POST model-versions/set-tag, DELETE model-versions/delete-tag."""

    def post(self, request: Request) -> Response:
        """Set one tag."""
        parameters = parameters_of(request)
        key = text_of(parameters, "key", required=True)
        return self._change(request, parameters, Tags(set={key: text_of(parameters, "value")}))

    def delete(self, request: Request) -> Response:
        """Remove one tag."""
        parameters = parameters_of(request)
        return self._change(request, parameters, Tags(remove=(text_of(parameters, "key", required=True),)))

    def _change(self, request: Request, parameters: dict[str, Any], change: Tags) -> Response:
        tag_version(
            actor=actor_of(request),
            name=name_of(parameters),
            version=parameters.get("version"),
            change=change,
        )
        return object_response({})
