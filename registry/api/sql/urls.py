"""Paths of SQL statements and warehouses; each answers with and without a slash at its end."""

from django.urls import re_path

from registry.api.sql import statements, warehouses
from registry.api.sql.links import linked_chunk

_ID = r"(?P<statement_id>[^/]+)"
_WAREHOUSE = r"(?P<warehouse_id>[^/]+)"

urlpatterns = [
    re_path(r"^api/2\.0/sql/statements/?$", statements.Statements.as_view()),
    re_path(rf"^api/2\.0/sql/statements/{_ID}/?$", statements.OneStatement.as_view()),
    re_path(rf"^api/2\.0/sql/statements/{_ID}/cancel/?$", statements.Cancel.as_view()),
    re_path(
        rf"^api/2\.0/sql/statements/{_ID}/result/chunks/(?P<chunk_index>[0-9]{{1,9}})/?$", statements.Chunk.as_view()
    ),
    re_path(r"^api/2\.0/sql/warehouses/?$", warehouses.Warehouses.as_view()),
    re_path(rf"^api/2\.0/sql/warehouses/{_WAREHOUSE}/?$", warehouses.OneWarehouse.as_view()),
    re_path(rf"^api/2\.0/sql/warehouses/{_WAREHOUSE}/(start|stop)/?$", warehouses.Switch.as_view()),
    re_path(r"^_sql/(?P<signed>[^/]+)$", linked_chunk),
]
