"""What this dialect's calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    EMPTY,
    FLAG,
    ID,
    MILLIS,
    PAGE,
    TEXT,
    WHOLE,
    Named,
    Schema,
    choice,
    fields,
    listed,
    noted,
    page_of,
)
from registry.models import WebhookStatus

_EVENT = Named("MlflowWebhookEvent", fields({"entity": TEXT, "action": TEXT}))
_STATUS = choice(*WebhookStatus.values)
WEBHOOK = Named(
    "MlflowWebhook",
    fields(
        {
            "webhook_id": ID,
            "name": TEXT,
            "description": TEXT,
            "url": TEXT,
            "events": listed(_EVENT),
            "status": _STATUS,
            "creation_timestamp": MILLIS,
            "last_updated_timestamp": MILLIS,
        }
    ),
)
_ONE = fields({"webhook": WEBHOOK})
_REST: dict[str, Schema] = {
    "description": TEXT,
    "secret": noted(TEXT, "Signs what is sent. It is never shown again."),
    "status": _STATUS,
}
_TRIED = fields({"success": FLAG, "response_body": TEXT, "error_message": TEXT}, response_status=WHOLE)
_ROOT = "/api/2.0/mlflow/webhooks"

DIALECT = Dialect(
    slug="mlflow_webhooks",
    title="MLflow webhooks",
    text="Webhooks as MLflow's client calls them.",
    parts={"webhook_id": ID},
    spellings=tuple((_ROOT, f"{before}{_ROOT[4:]}") for before in ("/ajax-api", "/mlflow/api", "/mlflow/ajax-api")),
    paths={
        _ROOT: {
            "GET": Call("list_webhooks", page_of("webhooks", WEBHOOK), query=PAGE),
            "POST": Call(
                "create_webhook", _ONE, body=fields({"name": TEXT, "url": TEXT, "events": listed(_EVENT)}, **_REST)
            ),
        },
        f"{_ROOT}/{{webhook_id}}": {
            "GET": Call("get_webhook", _ONE),
            "PATCH": Call("update_webhook", _ONE, body=fields(name=TEXT, url=TEXT, events=listed(_EVENT), **_REST)),
            "DELETE": Call("delete_webhook", EMPTY),
        },
        f"{_ROOT}/{{webhook_id}}/test": {
            "POST": Call("test_webhook", fields({"result": _TRIED}), body=fields(event=_EVENT))
        },
    },
)
