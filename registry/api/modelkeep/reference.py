"""What this dialect's calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.modelkeep import access_reference, audit_reference, operation_reference, webhook_reference
from registry.api.modelkeep.operation_reference import ONE_OPERATION, OPERATION
from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    ANYTHING,
    BYTES,
    FLAG,
    FULL_NAME,
    ID,
    MILLIS,
    MOMENT,
    PAGE,
    TAGS_GIVEN,
    TEXT,
    VERSION,
    WHOLE,
    Named,
    choice,
    fields,
    listed,
    noted,
    nullable,
    page_of,
    table_of,
)
from registry.models import VersionStatus
from registry.privileges import Action, SecurableType
from registry.services.table_uploads import MODES

BEGUN_VERSION = Named(
    "BegunModelVersion",
    fields(
        {
            "name": TEXT,
            "version": TEXT,
            "status": choice(*VersionStatus.values),
            "status_message": TEXT,
            "source": TEXT,
            "run_id": TEXT,
            "model_id": TEXT,
            "created_at": nullable(MILLIS),
        }
    ),
)
_BEGUN = fields({"operation": OPERATION, "model_version": BEGUN_VERSION})
_COPIED = {"source_name": FULL_NAME, "source_version": VERSION, "destination_name": FULL_NAME}
_CREATING = noted(FLAG, "Also make the catalog and the schema, where they are missing.")
_NEED = fields({"right": TEXT, "securable_type": TEXT, "securable": TEXT, "owner": TEXT, "met": FLAG})
_COPY_PLAN = fields(
    {
        "allowed": FLAG,
        "destination_name": TEXT,
        "destination_exists": FLAG,
        "creates": noted(listed(TEXT), "The catalog and the schema that would be made with the model."),
        "next_version": TEXT,
        "alias_from": nullable(WHOLE),
        "size_bytes": WHOLE,
        "moved_bytes": WHOLE,
        "needs": listed(_NEED),
        "blockers": listed(TEXT),
    }
)
_GROUND = fields({"right": TEXT, "securable_type": TEXT, "securable": TEXT, "through": TEXT, "counts": FLAG})
_EDGE = fields({"direction": TEXT, "kind": TEXT, "name": TEXT, "details": ANYTHING, "table_id": nullable(ID)})
_MOVE = fields(
    {
        "alias": TEXT,
        "from_version": nullable(WHOLE),
        "to_version": nullable(WHOLE),
        "moved_at": MILLIS,
        "moved_by": nullable(TEXT),
    }
)
_MK = "/api/modelkeep"

DIALECT = Dialect(
    slug="modelkeep",
    title="Modelkeep",
    text="What no stock protocol has: operations, registration and copy by the server, imports, archives, webhooks, "
    "access requests, the audit trail.",
    parts={
        "operation_id": ID,
        "webhook_id": ID,
        "destination_id": ID,
        "delivery_id": ID,
        "request_id": ID,
        "event_id": ID,
        "full_name": FULL_NAME,
        "version": {"type": "string", "description": "The version's number.", "examples": ["1"]},
        "alias": noted(TEXT, "The alias.", examples=["Champion"]),
    },
    paths={
        f"{_MK}/model-versions:register": {
            "POST": Call(
                "register",
                _BEGUN,
                body=fields(
                    {"name": FULL_NAME, "source": noted(TEXT, "runs:/… or models:/m-…")},
                    run_id=TEXT,
                    comment=TEXT,
                    tags=TAGS_GIVEN,
                    create_containers=_CREATING,
                ),
            )
        },
        f"{_MK}/model-versions:copy": {
            "POST": Call(
                "copy",
                _BEGUN,
                body=fields(_COPIED, create_containers=_CREATING),
            )
        },
        f"{_MK}/model-versions:promote": {
            "POST": Call(
                "promote",
                fields({"model_version": BEGUN_VERSION}),
                body=fields({**_COPIED, "alias": TEXT}, create_containers=_CREATING),
            )
        },
        f"{_MK}/model-versions:plan-copy": {
            "POST": Call("plan_copy", _COPY_PLAN, body=fields(_COPIED, alias=TEXT, create_containers=_CREATING))
        },
        f"{_MK}/imports": {
            "POST": Call(
                "import",
                ONE_OPERATION,
                body=fields(
                    {"source_url": TEXT},
                    token=TEXT,
                    username=TEXT,
                    into=noted(TEXT, "catalog.schema for models of bare names."),
                    models=listed(TEXT),
                    stages=noted(table_of(TEXT), "The alias that stands in for each stage."),
                    dry_run=FLAG,
                ),
            )
        },
        f"{_MK}/archive": {
            "GET": Call(
                "archive",
                BYTES,
                query={"models": noted(TEXT, "Full names with commas.")},
                needs=("models",),
                answer_type="application/x-tar",
            ),
            "POST": Call(
                "import_archive",
                fields({"report": ANYTHING}),
                query={"into": noted(TEXT, "A schema as catalog.schema; empty: the names of the archive.")},
                body=BYTES,
                body_type="application/x-tar",
            ),
        },
        f"{_MK}/tables/{{full_name}}/rows": {
            "POST": Call(
                "upload_rows",
                fields(
                    {
                        "table": TEXT,
                        "mode": choice(*MODES),
                        "rows": WHOLE,
                        "columns": listed(fields({"name": TEXT, "type": TEXT})),
                    }
                ),
                query={
                    "mode": noted(choice(*MODES), "append when left away."),
                    "format": noted(choice("csv", "parquet"), "By the Content-Type when left away."),
                    "comment": noted(TEXT, "Of a table that is made."),
                },
                body=BYTES,
                body_type="text/csv",
            )
        },
        f"{_MK}/explain": {
            "GET": Call(
                "explain",
                fields(
                    {
                        "principal": TEXT,
                        "action": TEXT,
                        "allowed": FLAG,
                        "grounds": listed(_GROUND),
                        "missing": nullable(TEXT),
                        "missing_on": nullable(TEXT),
                        "ask": nullable(TEXT),
                    }
                ),
                query={
                    "securable_type": choice(*SecurableType),
                    "full_name": FULL_NAME,
                    "action": choice(*Action),
                    "principal": noted(TEXT, "The caller itself when left away."),
                },
                needs=("securable_type", "full_name", "action"),
            )
        },
        f"{_MK}/models/{{full_name}}/versions/{{version}}/lineage": {
            "GET": Call("lineage", fields({"edges": listed(_EDGE)}))
        },
        f"{_MK}/models/{{full_name}}/alias-history": {
            "GET": Call("alias_history", page_of("moves", _MOVE), query={"alias": TEXT, **PAGE})
        },
        f"{_MK}/models/{{full_name}}/aliases/{{alias}}/at": {
            "GET": Call(
                "alias_at",
                fields({"alias": TEXT, "time": TEXT, "version": nullable(WHOLE)}),
                query={"time": MOMENT},
                needs=("time",),
            )
        },
        **operation_reference.PATHS,
        **audit_reference.PATHS,
        **webhook_reference.PATHS,
        **access_reference.PATHS,
    },
)
