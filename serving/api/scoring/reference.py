"""What this dialect's calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    FLAG,
    FULL_NAME,
    ID,
    TEXT,
    VERSION,
    WHOLE,
    choice,
    fields,
    listed,
    noted,
    nullable,
)
from registry.services.table_uploads import MODES

_ASKED = fields(
    {
        "name": FULL_NAME,
        "source": noted(TEXT, "The table whose rows are scored, as catalog.schema.table."),
        "target": noted(TEXT, "The table that gets the scored rows, as catalog.schema.table."),
    },
    version=VERSION,
    alias=noted(TEXT, "Instead of a version: the one that the alias names now."),
    mode=noted(choice(*MODES), "What becomes of the target.", default="create"),
    columns=noted(listed(TEXT), "Columns of the source that scored rows keep; without it all of them."),
    input_columns=noted(listed(TEXT), "For a model that does not name its inputs: the columns for them, in order."),
)

DIALECT = Dialect(
    slug="scoring",
    title="Batch scoring",
    text="Tables scored by versions of models: planned, and begun.",
    paths={
        "/api/modelkeep/model-versions:plan-score": {
            "POST": Call(
                "plan_score",
                fields(
                    {
                        "allowed": noted(FLAG, "Whether nothing stands in the way."),
                        "version": TEXT,
                        "needs": listed(
                            fields(
                                {"right": TEXT, "securable_type": TEXT, "securable": TEXT, "owner": TEXT, "met": FLAG}
                            )
                        ),
                        "blockers": noted(listed(TEXT), "What else stands in the way, and what to do."),
                        "source_version": noted(nullable(WHOLE), "The version of the source's rows."),
                        "rows": nullable(WHOLE),
                        "inputs": listed(
                            fields(
                                {"input": TEXT, "type": TEXT, "column": TEXT, "column_type": TEXT, "problem": TEXT}
                            )
                        ),
                        "columns": noted(listed(TEXT), "What scored rows keep of the source."),
                        "prediction_type": TEXT,
                        "environment_ready": noted(FLAG, "Whether nothing has to be built first."),
                    }
                ),
                body=_ASKED,
            ),
        },
        "/api/modelkeep/model-versions:score": {
            "POST": Call(
                "score",
                fields({"operation_id": ID, "version": TEXT, "source_version": WHOLE, "rows": WHOLE}),
                body=_ASKED,
            ),
        },
    },
)
