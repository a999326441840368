"""Tables."""

from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.unity_catalog import shapes
from registry.api.unity_catalog.catalogs import browse_only_in, changes_in, properties_in
from registry.api.wire import actor_of, flag_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import Table as TableRow
from registry.services import table_summaries, tables
from registry.services.tables import NewTable

_OMITTED = {"omit_columns": "columns", "omit_properties": "properties", "omit_username": "owner"}


def _columns(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    given = parameters.get("columns") or []
    if not isinstance(given, list) or not all(isinstance(column, dict) for column in given):
        raise InvalidParameter("'columns' must be a list of objects.", field="columns")
    return given


def _shown(table: TableRow, browse_only: set[UUID] | None) -> dict[str, Any]:
    body = shapes.table(table)
    return body if browse_only is None else shapes.shown(body, table.securable, browse_only)


class Tables(APIView):
    """POST and GET tables."""

    def post(self, request: Request) -> Response:
        """Enter a table."""
        parameters = parameters_of(request)
        table = tables.create_table(
            actor=actor_of(request),
            catalog=text_of(parameters, "catalog_name", required=True),
            schema=text_of(parameters, "schema_name", required=True),
            name=text_of(parameters, "name", required=True),
            new=NewTable(
                table_type=text_of(parameters, "table_type") or "EXTERNAL",
                data_source_format=text_of(parameters, "data_source_format") or "DELTA",
                storage_location=text_of(parameters, "storage_location"),
                columns=_columns(parameters),
                comment=text_of(parameters, "comment"),
                properties=properties_in(parameters) or {},
            ),
        )
        return object_response(shapes.table(table))

    def get(self, request: Request) -> Response:
        """List the tables of a schema."""
        parameters = parameters_of(request)
        page = tables.list_tables(
            actor=actor_of(request),
            catalog=text_of(parameters, "catalog_name", required=True),
            schema=text_of(parameters, "schema_name", required=True),
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        left_out = {field for flag, field in _OMITTED.items() if flag_of(parameters, flag)}
        found = browse_only_in(request, [table.securable for table in page.items])
        listed = [
            {key: value for key, value in _shown(table, found).items() if key not in left_out} for table in page.items
        ]
        return object_response({"tables": listed, "next_page_token": page.next_page_token})


class Table(APIView):
    """GET, PATCH and DELETE tables/{full_name}."""

    def get(self, request: Request, full_name: str) -> Response:
        """Show a table."""
        table = tables.get_table(actor=actor_of(request), full_name=full_name)
        return object_response(_shown(table, browse_only_in(request, [table.securable])))

    def patch(self, request: Request, full_name: str) -> Response:
        """Change a table; the protocol answers nothing."""
        changes = changes_in(parameters_of(request))
        tables.update_table(actor=actor_of(request), full_name=full_name, changes=changes)
        return object_response({})

    def delete(self, request: Request, full_name: str) -> Response:
        """Take a table out of the catalog."""
        tables.delete_table(actor=actor_of(request), full_name=full_name)
        return object_response({})


class TableExists(APIView):
    """GET tables/{full_name}/exists."""

    def get(self, request: Request, full_name: str) -> Response:
        """Say whether the caller may see such a table."""
        exists = tables.table_exists(actor=actor_of(request), full_name=full_name)
        return object_response({"table_exists": exists})


class TableSummaries(APIView):
    """GET table-summaries."""

    def get(self, request: Request) -> Response:
        """Names of the tables in a catalog, by LIKE patterns of schema and table."""
        parameters = parameters_of(request)
        page = table_summaries.list_table_summaries(
            actor=actor_of(request),
            catalog=text_of(parameters, "catalog_name", required=True),
            schema_pattern=text_of(parameters, "schema_name_pattern"),
            table_pattern=text_of(parameters, "table_name_pattern"),
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"tables": page.map(shapes.table_summary), "next_page_token": page.next_page_token})
