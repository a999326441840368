"""Model versions and the right to move their files."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.unity_catalog import shapes
from registry.api.unity_catalog.models import tag_list
from registry.api.wire import actor_of, flag_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.services import lineage, model_versions
from registry.services.model_versions import NewVersion
from registry.services.temporary_credentials import Operation, create_temporary_credentials

LINEAGE_HEADER = "X-Databricks-Lineage-Identifier"
_OPERATIONS = {"READ_MODEL_VERSION": Operation.READ, "READ_WRITE_MODEL_VERSION": Operation.READ_WRITE}


class Create(APIView):
    """POST models/versions."""

    def post(self, request: Request) -> Response:
        """Make a version, pending until its files are there."""
        parameters = parameters_of(request)
        parts = [text_of(parameters, key) for key in ("catalog_name", "schema_name", "model_name")]
        version = model_versions.begin_version(
            actor=actor_of(request),
            name=".".join(part for part in parts if part),
            new=NewVersion(
                source=text_of(parameters, "source"),
                run_id=text_of(parameters, "run_id"),
                run_workspace_id=str(parameters.get("run_tracking_server_id") or ""),
                logged_model_id=text_of(parameters, "model_id"),
                comment=text_of(parameters, "comment"),
                tags=tag_list(parameters),
                dependencies=_dependencies(parameters),
                feature_deps=text_of(parameters, "feature_deps"),
                lineage=lineage.decode_header(request.headers.get(LINEAGE_HEADER, "")),
            ),
        )
        return object_response(shapes.model_version(version))


def _dependencies(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    given = parameters.get("model_version_dependencies") or {}
    listed = given.get("dependencies") if isinstance(given, dict) else given
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise InvalidParameter(
            "'model_version_dependencies' must hold a list of 'dependencies'.", field="model_version_dependencies"
        )
    return listed


class Versions(APIView):
    """GET models/{full_name}/versions."""

    def get(self, request: Request, full_name: str) -> Response:
        """List versions, newest first."""
        parameters = parameters_of(request)
        page = model_versions.list_versions(
            actor=actor_of(request),
            name=full_name,
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response(
            {"model_versions": page.map(shapes.model_version), "next_page_token": page.next_page_token}
        )


class Version(APIView):
    """GET, PATCH and DELETE models/{full_name}/versions/{version}."""

    def get(self, request: Request, full_name: str, version: str) -> Response:
        """Show a version."""
        found = model_versions.get_version(actor=actor_of(request), name=full_name, version=version)
        include_aliases = flag_of(parameters_of(request), "include_aliases")
        return object_response(shapes.model_version(found, include_aliases=include_aliases))

    def patch(self, request: Request, full_name: str, version: str) -> Response:
        """Describe a version."""
        comment = text_of(parameters_of(request), "comment")
        found = model_versions.update_version(
            actor=actor_of(request), name=full_name, version=version, comment=comment
        )
        return object_response(shapes.model_version(found))

    def delete(self, request: Request, full_name: str, version: str) -> Response:
        """Delete a version."""
        model_versions.delete_version(actor=actor_of(request), name=full_name, version=version)
        return object_response({})


class Finalize(APIView):
    """PATCH models/{full_name}/versions/{version}/finalize."""

    def patch(self, request: Request, full_name: str, version: str) -> Response:
        """Close the upload."""
        found = model_versions.finalize_version(actor=actor_of(request), name=full_name, version=version)
        return object_response(shapes.model_version(found))


class Credentials(APIView):
    """POST temporary-model-version-credentials."""

    def post(self, request: Request) -> Response:
        """Give credentials to read or write a version's files, under the right to do it."""
        parameters = parameters_of(request)
        operation = _OPERATIONS.get(asked := text_of(parameters, "operation"))
        if operation is None:
            raise InvalidParameter(f"'operation' is '{asked}': use {' or '.join(_OPERATIONS)}.", field="operation")
        parts = [text_of(parameters, key) for key in ("catalog_name", "schema_name", "model_name")]
        credentials = create_temporary_credentials(
            actor=actor_of(request),
            name=".".join(part for part in parts if part),
            version=parameters.get("version"),
            operation=operation,
        )
        return object_response(shapes.temporary_credentials(credentials))
