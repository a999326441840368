"""Metastore, catalogs and schemas."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.unity_catalog import shapes
from registry.api.wire import actor_of, flag_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.services import catalogs, schemas
from registry.services.securables import Changes, metastore


def properties_in(parameters: dict[str, Any]) -> dict[str, Any] | None:
    """The `properties` of a call, None when absent.

    Raises:
        InvalidParameter: not an object.
    """
    given = parameters.get("properties")
    if given is not None and not isinstance(given, dict):
        raise InvalidParameter("'properties' must be an object of texts.", field="properties")
    return given


def changes_in(parameters: dict[str, Any]) -> Changes:
    """What a PATCH asks for.

    Raises:
        InvalidParameter: a field of the wrong kind.
    """
    return Changes(
        new_name=text_of(parameters, "new_name") or None,
        owner=text_of(parameters, "owner") or None,
        comment=text_of(parameters, "comment") if parameters.get("comment") is not None else None,
        properties=properties_in(parameters),
    )


class MetastoreSummary(APIView):
    """GET metastore_summary."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Show the metastore."""
        return object_response(shapes.metastore(metastore()))


class MetastoreAssignment(APIView):
    """GET current-metastore-assignment."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Say which metastore and default catalog this workspace has."""
        return object_response(
            {
                "workspace_id": int(settings.WORKSPACE_ID),
                "metastore_id": str(metastore().pk),
                "default_catalog_name": settings.DEFAULT_CATALOG,
            }
        )


class Catalogs(APIView):
    """POST and GET catalogs."""

    def post(self, request: Request) -> Response:
        """Make a catalog."""
        parameters = parameters_of(request)
        catalog = catalogs.create_catalog(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            comment=text_of(parameters, "comment"),
            properties=properties_in(parameters),
        )
        return object_response(shapes.catalog(catalog))

    def get(self, request: Request) -> Response:
        """List catalogs."""
        parameters = parameters_of(request)
        page = catalogs.list_catalogs(
            actor=actor_of(request),
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"catalogs": page.map(shapes.catalog), "next_page_token": page.next_page_token})


class Catalog(APIView):
    """GET, PATCH and DELETE catalogs/{name}."""

    def get(self, request: Request, name: str) -> Response:
        """Show a catalog."""
        return object_response(shapes.catalog(catalogs.get_catalog(actor=actor_of(request), name=name)))

    def patch(self, request: Request, name: str) -> Response:
        """Change a catalog."""
        changes = changes_in(parameters_of(request))
        catalog = catalogs.update_catalog(actor=actor_of(request), name=name, changes=changes)
        return object_response(shapes.catalog(catalog))

    def delete(self, request: Request, name: str) -> Response:
        """Delete a catalog."""
        force = flag_of(parameters_of(request), "force")
        catalogs.delete_catalog(actor=actor_of(request), name=name, force=force)
        return object_response({})


class Schemas(APIView):
    """POST and GET schemas."""

    def post(self, request: Request) -> Response:
        """Make a schema."""
        parameters = parameters_of(request)
        schema = schemas.create_schema(
            actor=actor_of(request),
            catalog=text_of(parameters, "catalog_name", required=True),
            name=text_of(parameters, "name", required=True),
            comment=text_of(parameters, "comment"),
            properties=properties_in(parameters),
        )
        return object_response(shapes.schema(schema))

    def get(self, request: Request) -> Response:
        """List the schemas of a catalog."""
        parameters = parameters_of(request)
        page = schemas.list_schemas(
            actor=actor_of(request),
            catalog=text_of(parameters, "catalog_name", required=True),
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"schemas": page.map(shapes.schema), "next_page_token": page.next_page_token})


class Schema(APIView):
    """GET, PATCH and DELETE schemas/{full_name}."""

    def get(self, request: Request, full_name: str) -> Response:
        """Show a schema."""
        return object_response(shapes.schema(schemas.get_schema(actor=actor_of(request), full_name=full_name)))

    def patch(self, request: Request, full_name: str) -> Response:
        """Change a schema."""
        changes = changes_in(parameters_of(request))
        schema = schemas.update_schema(actor=actor_of(request), full_name=full_name, changes=changes)
        return object_response(shapes.schema(schema))

    def delete(self, request: Request, full_name: str) -> Response:
        """Delete a schema."""
        force = flag_of(parameters_of(request), "force")
        schemas.delete_schema(actor=actor_of(request), full_name=full_name, force=force)
        return object_response({})
