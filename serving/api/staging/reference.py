"""What this call takes and answers, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import FULL_NAME, TEXT, VERSION, fields

DIALECT = Dialect(
    slug="serving",
    title="Serving",
    text="Packed environments of versions.",
    paths={
        "/api/2.0/serving-endpoints:stageDeployment": {
            "POST": Call(
                "stage_deployment",
                fields({"operation_id": TEXT}),
                body=fields({"model_name": FULL_NAME, "model_version": VERSION}),
            )
        }
    },
)
