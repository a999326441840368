"""What these calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    ANYTHING,
    BYTES,
    EMPTY,
    FLAG,
    MOMENT,
    TEXT,
    WHOLE,
    Named,
    Schema,
    choice,
    fields,
    listed,
    noted,
    nullable,
)
from registry.models import StatementState

_PLACE: dict[str, Schema] = {"chunk_index": WHOLE, "row_offset": WHOLE, "row_count": WHOLE}
_NEXT: dict[str, Schema] = {"next_chunk_index": WHOLE, "next_chunk_internal_link": TEXT, "byte_count": WHOLE}
_ROWS = noted(listed(listed(nullable(TEXT))), "Every value as text, or null.")
RESULT = Named(
    "StatementResult",
    fields(
        **_PLACE,
        **_NEXT,
        data_array=_ROWS,
        external_links=listed(fields({**_PLACE, "external_link": TEXT, "expiration": MOMENT}, **_NEXT)),
    ),
)
MANIFEST = Named(
    "StatementManifest",
    fields(
        {
            "format": choice("JSON_ARRAY", "ARROW_STREAM", "CSV"),
            "schema": fields({"column_count": WHOLE, "columns": listed(ANYTHING)}),
            "total_chunk_count": WHOLE,
            "total_row_count": WHOLE,
            "total_byte_count": WHOLE,
            "truncated": FLAG,
            "chunks": listed(fields(_PLACE, byte_count=WHOLE)),
        }
    ),
)
STATEMENT = Named(
    "Statement",
    fields(
        {
            "statement_id": TEXT,
            "status": fields(
                {"state": choice(*StatementState.values)},
                error=fields({"error_code": TEXT, "message": TEXT}),
                sql_state=TEXT,
            ),
        },
        manifest=MANIFEST,
        result=RESULT,
    ),
)
WAREHOUSE = Named(
    "Warehouse",
    fields(
        {
            "id": TEXT,
            "name": TEXT,
            "state": choice("RUNNING"),
            "cluster_size": TEXT,
            "min_num_clusters": WHOLE,
            "max_num_clusters": WHOLE,
            "num_clusters": WHOLE,
            "num_active_sessions": WHOLE,
            "auto_stop_mins": WHOLE,
            "warehouse_type": TEXT,
            "enable_photon": FLAG,
            "enable_serverless_compute": FLAG,
            "health": fields({"status": TEXT}),
            "odbc_params": fields({"hostname": TEXT, "port": WHOLE, "path": TEXT, "protocol": TEXT}),
        }
    ),
)
_NEW = fields(
    {"statement": noted(TEXT, "One statement.", examples=["SELECT 1"])},
    warehouse_id=noted(TEXT, "The one there is; may be left away."),
    catalog=TEXT,
    schema=TEXT,
    parameters=listed(fields({"name": TEXT}, value=nullable(TEXT), type=TEXT)),
    wait_timeout=noted(TEXT, "0s, or 5s to 50s.", default="10s", examples=["10s"]),
    on_wait_timeout=choice("CONTINUE", "CANCEL"),
    disposition=choice("INLINE", "EXTERNAL_LINKS"),
    format=choice("JSON_ARRAY", "ARROW_STREAM", "CSV"),
    row_limit=WHOLE,
    byte_limit=WHOLE,
)

_STATEMENTS = "/api/2.0/sql/statements"
_ONE = f"{_STATEMENTS}/{{statement_id}}"
_WAREHOUSES = "/api/2.0/sql/warehouses"

DIALECT = Dialect(
    slug="sql",
    title="SQL statements",
    text="Grants, tags, system tables and rows of Delta tables by SQL, with the caller's rights.",
    parts={
        "statement_id": {"type": "string", "format": "uuid"},
        "chunk_index": {"type": "string", "pattern": "^[0-9]{1,9}$", "examples": ["0"]},
        "warehouse_id": TEXT,
        "signed": noted(TEXT, "The link's own token."),
    },
    paths={
        _STATEMENTS: {"POST": Call("execute", STATEMENT, body=_NEW)},
        _ONE: {"GET": Call("get_statement", STATEMENT)},
        f"{_ONE}/cancel": {"POST": Call("cancel_statement", EMPTY)},
        f"{_ONE}/result/chunks/{{chunk_index}}": {"GET": Call("get_chunk", RESULT)},
        "/_sql/{signed}": {
            "GET": Call(
                "get_linked_chunk",
                BYTES,
                answer_type="application/octet-stream",
                answers={},
                open=True,
                errors=(401, 403, 404),
                summary="One chunk of a result by a signed link",
                text="The link is the credential. The answer's type is that of the statement's format.",
            )
        },
        _WAREHOUSES: {"GET": Call("list_warehouses", fields({"warehouses": listed(WAREHOUSE)}))},
        f"{_WAREHOUSES}/{{warehouse_id}}": {"GET": Call("get_warehouse", WAREHOUSE)},
        f"{_WAREHOUSES}/{{warehouse_id}}/start": {"POST": Call("start_warehouse", EMPTY)},
        f"{_WAREHOUSES}/{{warehouse_id}}/stop": {"POST": Call("stop_warehouse", EMPTY)},
    },
)
