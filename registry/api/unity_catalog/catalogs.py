"""Catalogs and schemas."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.unity_catalog import shapes
from registry.api.wire import actor_of, flag_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import Securable
from registry.services import catalogs, schemas
from registry.services.browsing import browse_only
from registry.services.securables import Changes


def properties_in(parameters: dict[str, Any]) -> dict[str, Any] | None:
    """The `properties` of a call, None when absent.

    Raises:
        InvalidParameter: not an object of texts.
    """
    given = parameters.get("properties")
    if given is None:
        return None
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
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


def browse_only_in(request: Request, rows: Sequence[Securable]) -> set[UUID] | None:
    """Which of these the caller may only look at; None unless it asks with `include_browse`."""
    if not flag_of(parameters_of(request), "include_browse"):
        return None
    return browse_only(actor=actor_of(request), securables=rows)


def _with_browse(
    request: Request, rows: Sequence[Securable], shape: Callable[[Securable], dict[str, Any]]
) -> list[dict[str, Any]]:
    found = browse_only_in(request, rows)
    return [shape(row) if found is None else shapes.shown(shape(row), row, found) for row in rows]


def _check_isolation(parameters: dict[str, Any]) -> None:
    mode = text_of(parameters, "isolation_mode")
    if mode not in {"", "OPEN"}:
        raise InvalidParameter(
            f"'isolation_mode' is '{mode}': it can only be OPEN, because there is one workspace. "
            "Use grants to say who sees the catalog.",
            field="isolation_mode",
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
        listed = _with_browse(request, page.items, shapes.catalog)
        return object_response({"catalogs": listed, "next_page_token": page.next_page_token})


class Catalog(APIView):
    """GET, PATCH and DELETE catalogs/{name}."""

    def get(self, request: Request, name: str) -> Response:
        """Show a catalog."""
        catalog = catalogs.get_catalog(actor=actor_of(request), name=name)
        return object_response(_with_browse(request, [catalog], shapes.catalog)[0])

    def patch(self, request: Request, name: str) -> Response:
        """Change a catalog."""
        parameters = parameters_of(request)
        _check_isolation(parameters)
        changes = changes_in(parameters)
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
        listed = _with_browse(request, page.items, shapes.schema)
        return object_response({"schemas": listed, "next_page_token": page.next_page_token})


class Schema(APIView):
    """GET, PATCH and DELETE schemas/{full_name}."""

    def get(self, request: Request, full_name: str) -> Response:
        """Show a schema."""
        schema = schemas.get_schema(actor=actor_of(request), full_name=full_name)
        return object_response(_with_browse(request, [schema], shapes.schema)[0])

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
