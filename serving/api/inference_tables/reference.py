"""What these calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import FLAG, MILLIS, TEXT, WHOLE, Named, choice, fields, listed, noted, nullable
from serving.models import CaptureForm

_FORM = noted(choice(*CaptureForm.values), "Which of the two documented sets of columns.")
_TABLE = Named(
    "InferenceTable",
    fields(
        {
            "form": _FORM,
            "enabled": FLAG,
            "table": noted(TEXT, "Full name of the payload table; empty when it was deleted."),
            "unpacked_table": noted(TEXT, "The table with a column for each input and prediction."),
            "label_table": TEXT,
            "retention_days": noted(WHOLE, "0: for ever."),
            "appended_rows": WHOLE,
            "dropped_rows": noted(WHOLE, "Requests that were answered and could not be kept."),
            "unparsed_rows": noted(WHOLE, "Requests that are in the payload table and could not be unpacked."),
            "appended_at": nullable(MILLIS),
            "message": noted(TEXT, "Why rows wait in the spool; empty when they do not."),
        }
    ),
)
_LABEL = fields(
    request_id=noted(TEXT, "Of the answer's headers."),
    client_request_id=noted(TEXT, "Instead of request_id: what the request was sent with."),
    row_index=noted(WHOLE, "Which row of the request, from 0."),
    label=noted({}, "What really was, of the prediction's type."),
    labels=noted(listed({}), "Instead of label: of each row of the request."),
)
_ENDPOINT = "/api/modelkeep/endpoints/{endpoint}"

DIALECT = Dialect(
    slug="inference-tables",
    title="Inference tables",
    text="What is kept of an endpoint's requests, and labels for it.",
    parts={"endpoint": noted(TEXT, "The endpoint's name.")},
    paths={
        f"{_ENDPOINT}/inference-tables": {
            "GET": Call("list_inference_tables", fields({"inference_tables": listed(_TABLE)})),
            "PATCH": Call(
                "set_retention",
                fields({"inference_table": _TABLE}),
                body=fields({"retention_days": WHOLE}, form=_FORM),
            ),
        },
        f"{_ENDPOINT}/labels": {
            "POST": Call(
                "upload_labels",
                fields({"labels": WHOLE, "table": TEXT}),
                body=fields({"labels": listed(_LABEL)}),
                query={"form": _FORM},
                errors=(413, 503),
                text="Also text/csv and application/vnd.apache.parquet, with the same names as columns.",
            )
        },
    },
)
