"""Model versions: registered from what the tracking server holds, copied, shown, loaded, tagged, deleted."""

from typing import Any

from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.downloads import send_file
from registry.api.mlflow_registry import shapes
from registry.api.mlflow_registry.names import (
    ModelName,
    flat_schema,
    name_of,
    order_of,
    page_size_of,
    spelling_of_search,
)
from registry.api.mlflow_registry.registered_models import tags_in
from registry.api.mlflow_registry.sources import copied_version
from registry.api.wire import actor_of, object_response, parameters_of, text_of
from registry.models import ModelVersion
from registry.services import model_search, model_versions
from registry.services.files import open_file
from registry.services.registrations import copy_version_at_once, register_from_source
from registry.services.tags import Tags, tag_version
from registry.services.version_files import artifact_path

_MOST_VERSIONS = 200_000
"""What may be asked for, as with MLflow's own server; a page of ours holds fewer, and its token leads on."""


def _answer(version: ModelVersion, name: ModelName) -> Response:
    return object_response({"model_version": shapes.model_version(version, name.spell)})


class Create(APIView):
    """POST model-versions/create. The client uploads nothing: an operation copies the files, the client polls.

    A copy of another version is READY at once: clients do not wait for it.
    """

    def post(self, request: Request) -> Response:
        """Register from a run, a logged model or another version."""
        parameters = parameters_of(request)
        actor, name = actor_of(request), name_of(parameters)
        source = text_of(parameters, "source")
        comment, tags = text_of(parameters, "description"), tags_in(parameters)
        if copied := copied_version(actor=actor, source=source):
            version = copy_version_at_once(
                actor=actor,
                source_name=copied.name,
                source_version=copied.version,
                destination_name=name.full,
                comment=comment,
                tags=tags,
            )
        else:
            model_id = text_of(parameters, "model_id")
            version, _ = register_from_source(
                actor=actor,
                name=name.full,
                source=f"models:/{model_id}" if model_id else text_of(parameters, "source", required=True),
                run_id=text_of(parameters, "run_id"),
                comment=comment,
                tags=tags,
            )
        return _answer(model_versions.get_version(actor=actor, name=name.full, version=version.version), name)


class Get(APIView):
    """GET model-versions/get."""

    def get(self, request: Request) -> Response:
        """Show a version."""
        parameters = parameters_of(request)
        name = name_of(parameters)
        found = model_versions.get_version(actor=actor_of(request), name=name.full, version=parameters.get("version"))
        return _answer(found, name)


class Update(APIView):
    """PATCH model-versions/update."""

    def patch(self, request: Request) -> Response:
        """Describe a version."""
        parameters = parameters_of(request)
        name = name_of(parameters)
        updated = model_versions.update_version(
            actor=actor_of(request),
            name=name.full,
            version=parameters.get("version"),
            comment=text_of(parameters, "description"),
        )
        return _answer(updated, name)


class Delete(APIView):
    """DELETE model-versions/delete."""

    def delete(self, request: Request) -> Response:
        """Delete a version."""
        parameters = parameters_of(request)
        model_versions.delete_version(
            actor=actor_of(request), name=name_of(parameters).full, version=parameters.get("version")
        )
        return object_response({})


class Search(APIView):
    """GET model-versions/search."""

    def get(self, request: Request) -> Response:
        """A page of the versions that the caller may see."""
        parameters = {**parameters_of(request), "order_by": request.query_params.getlist("order_by")}
        filter_text = text_of(parameters, "filter")
        page = model_search.search_versions(
            actor=actor_of(request),
            filter_text=filter_text,
            order_by=order_of(parameters),
            max_results=page_size_of(parameters, default=10_000, most=_MOST_VERSIONS),
            page_token=text_of(parameters, "page_token"),
            flat_schema=flat_schema(),
        )
        spell = spelling_of_search(filter_text)
        versions = [shapes.model_version(version, spell) for version in page.items]
        return object_response({"model_versions": versions, "next_page_token": page.next_page_token})


class DownloadUri(APIView):
    """GET model-versions/get-download-uri."""

    def get(self, request: Request) -> Response:
        """Where clients of plain MLflow find the files: a folder of our own below the artifacts' root."""
        parameters = parameters_of(request)
        version = model_versions.authorize_load(
            actor=actor_of(request), name=name_of(parameters).full, version=parameters.get("version")
        )
        return object_response({"artifact_uri": f"mlflow-artifacts:/{artifact_path(version)}"})


class Artifact(APIView):
    """GET model-versions/get-artifact: the UI reads a version's MLmodel file with it."""

    def get(self, request: Request) -> HttpResponseBase:
        """Stream one file of a version."""
        parameters = parameters_of(request)
        version = model_versions.get_version(
            actor=actor_of(request), name=name_of(parameters).full, version=parameters.get("version")
        )
        folder = f"/Models/{version.model.securable.full_name.replace('.', '/')}/{version.version}"
        path = text_of(parameters, "path", required=True)
        opened = open_file(actor=actor_of(request), path=f"{folder}/{path}")
        response = send_file(request._request, opened)  # noqa: SLF001  (REST framework offers no public name)
        response["Content-Security-Policy"] = "sandbox; default-src 'none'"
        return response


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
            name=name_of(parameters).full,
            version=parameters.get("version"),
            change=change,
        )
        return object_response({})
