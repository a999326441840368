"""Model versions: made, filled, finalized, described, tagged, deleted."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.mlflow_unity_catalog.filters import name_in_filter
from registry.api.mlflow_unity_catalog.registered_models import tags_in
from registry.api.mlflow_unity_catalog.shapes import model_version, temporary_credentials
from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter, NotFound
from registry.privileges import Action
from registry.services import lineage, model_versions
from registry.services.model_versions import NewVersion
from registry.services.tags import Tags, tag_version
from registry.services.temporary_credentials import Operation, create_temporary_credentials

LINEAGE_HEADER = "X-Databricks-Lineage-Identifier"
_OPERATIONS = {
    "MODEL_VERSION_OPERATION_READ": Operation.READ,
    "MODEL_VERSION_OPERATION_READ_WRITE": Operation.READ_WRITE,
}


class Create(APIView):
    """POST model-versions/create."""

    def post(self, request: Request) -> Response:
        """Make a version, pending until its files are there."""
        parameters = parameters_of(request)
        version = model_versions.begin_version(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            new=NewVersion(
                source=text_of(parameters, "source"),
                run_id=text_of(parameters, "run_id"),
                run_workspace_id=text_of(parameters, "run_tracking_server_id"),
                logged_model_id=text_of(parameters, "model_id"),
                comment=text_of(parameters, "description"),
                tags=tags_in(parameters),
                dependencies=_dependencies(parameters),
                feature_deps=text_of(parameters, "feature_deps"),
                lineage=lineage.decode_header(request.headers.get(LINEAGE_HEADER, "")),
            ),
        )
        return object_response({"model_version": model_version(version)})


def _dependencies(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    given = parameters.get("model_version_dependencies") or []
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise InvalidParameter(
            "'model_version_dependencies' must be a list of objects.", field="model_version_dependencies"
        )
    return given


class Finalize(APIView):
    """POST model-versions/finalize."""

    def post(self, request: Request) -> Response:
        """Close the upload; the answer is READY or an error."""
        parameters = parameters_of(request)
        version = model_versions.finalize_version(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            version=parameters.get("version"),
        )
        return object_response({"model_version": model_version(version)})


class Get(APIView):
    """GET model-versions/get."""

    def get(self, request: Request) -> Response:
        """Show a version."""
        parameters = parameters_of(request)
        version = model_versions.get_version(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            version=parameters.get("version"),
        )
        return object_response({"model_version": model_version(version)})


class Update(APIView):
    """PATCH model-versions/update: the description."""

    def patch(self, request: Request) -> Response:
        """Describe a version."""
        parameters = parameters_of(request)
        version = model_versions.update_version(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            version=parameters.get("version"),
            comment=text_of(parameters, "description"),
        )
        return object_response({"model_version": model_version(version)})


class Delete(APIView):
    """DELETE model-versions/delete."""

    def delete(self, request: Request) -> Response:
        """Delete a version."""
        parameters = parameters_of(request)
        model_versions.delete_version(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            version=parameters.get("version"),
        )
        return object_response({})


class Search(APIView):
    """GET model-versions/search: the versions of one model; of an unknown or hidden model, none."""

    def get(self, request: Request) -> Response:
        """List versions."""
        parameters = parameters_of(request)
        if parameters.get("order_by"):
            raise InvalidParameter(
                "'order_by' is not part of this API: versions come newest first.", field="order_by"
            )
        name = name_in_filter(text_of(parameters, "filter"))
        try:
            page = model_versions.list_versions(
                actor=actor_of(request),
                name=name,
                max_results=number_of(parameters, "max_results", default=10_000),
                page_token=text_of(parameters, "page_token"),
            )
        except NotFound:
            return object_response({"model_versions": [], "next_page_token": ""})
        return object_response({"model_versions": page.map(model_version), "next_page_token": page.next_page_token})


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
            name=text_of(parameters, "name", required=True),
            version=parameters.get("version"),
            change=change,
        )
        return object_response({})


class Credentials(APIView):
    """POST model-versions/generate-temporary-credentials: the right to move files through this server."""

    def post(self, request: Request) -> Response:
        """Give credentials under the right to use them; every transfer is checked again."""
        parameters = parameters_of(request)
        operation = _OPERATIONS.get(asked := text_of(parameters, "operation"))
        if operation is None:
            raise InvalidParameter(f"'operation' is '{asked}': use {' or '.join(_OPERATIONS)}.", field="operation")
        credentials = create_temporary_credentials(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            version=parameters.get("version"),
            operation=operation,
        )
        return object_response({"credentials": temporary_credentials(credentials)})


class DownloadUri(APIView):
    """GET model-versions/get-download-uri."""

    def get(self, request: Request) -> Response:
        """Where the files are, as stock clients spell it."""
        parameters = parameters_of(request)
        version = model_versions.find_version(
            actor=actor_of(request),
            full_name=text_of(parameters, "name", required=True),
            version=parameters.get("version"),
            action=Action.LOAD_VERSION,
        )
        return object_response({"artifact_uri": model_version(version)["storage_location"]})


class EmitLineage(APIView):
    """POST model-versions/emit-lineage: a client says that it loads a version."""

    def post(self, request: Request) -> Response:
        """Keep who loads."""
        parameters = parameters_of(request)
        info = parameters.get("model_version_lineage_info")
        lineage.report_load(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            version=parameters.get("version"),
            entities=info.get("entities") if isinstance(info, dict) else None,
        )
        return object_response({})


class ArtifactRepository(APIView):
    """GET registered-models:is-databricks-sdk-models-artifact-repository-enabled."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Yes: clients then stream through the Files API instead of reading whole files into memory."""
        return object_response({"is_databricks_sdk_models_artifact_repository_enabled": True})
