"""What the calls of webhooks and their deliveries take and answer, for the OpenAPI document."""

from registry.api.openapi.dialects import Call
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
    nullable,
    page_of,
)
from registry.models import WebhookStatus

_STATUS = choice(*WebhookStatus.values)
WEBHOOK = Named(
    "Webhook",
    fields(
        {
            "id": ID,
            "name": TEXT,
            "description": TEXT,
            "url": TEXT,
            "events": listed(TEXT),
            "status": _STATUS,
            "signed": noted(FLAG, "Whether it has a secret."),
            "scope_type": TEXT,
            "scope_name": TEXT,
            "owner": TEXT,
            "created_at": nullable(MILLIS),
            "updated_at": nullable(MILLIS),
        }
    ),
)
_DELIVERY: dict[str, Schema] = {
    "id": ID,
    "webhook_id": nullable(ID),
    "destination_id": nullable(ID),
    "event": TEXT,
    "origin": TEXT,
    "securable_name": TEXT,
    "state": TEXT,
    "attempts": WHOLE,
    "error": TEXT,
    "due_at": nullable(MILLIS),
    "replay_of": nullable(ID),
    "requested_by": nullable(TEXT),
    "created_at": nullable(MILLIS),
    "finished_at": nullable(MILLIS),
}
DELIVERY = Named("Delivery", fields(_DELIVERY))
_ATTEMPT = fields(
    {
        "number": WHOLE,
        "at": nullable(MILLIS),
        "milliseconds": WHOLE,
        "status_code": nullable(WHOLE),
        "error": TEXT,
        "answer": TEXT,
    }
)
_FULL = Named("DeliveryWithLog", fields({**_DELIVERY, "body": TEXT, "log": listed(_ATTEMPT)}))
_TRIED = fields(
    {"success": FLAG, "status_code": nullable(WHOLE), "milliseconds": WHOLE, "error": TEXT, "answer": TEXT}
)
_ONE = fields({"webhook": WEBHOOK})
_EVENTS = listed(noted(TEXT, "As in model_version.created.", examples=["model_version.created"]))
_REST: dict[str, Schema] = {
    "description": TEXT,
    "secret": noted(TEXT, "Signs what is sent. It is never shown again."),
    "status": _STATUS,
}
_LOG = Call("webhook_deliveries", page_of("deliveries", DELIVERY), query={"state": TEXT, **PAGE})

_LISTED = {"name_contains": TEXT, "order": noted(TEXT, "name or created, with - for descending; newest first.")}

_MK = "/api/modelkeep"
PATHS: dict[str, dict[str, Call]] = {
    f"{_MK}/webhooks": {
        "GET": Call("list_webhooks", page_of("webhooks", WEBHOOK), query=_LISTED | PAGE),
        "POST": Call(
            "create_webhook",
            _ONE,
            body=fields({"name": TEXT, "url": TEXT, "events": _EVENTS}, **_REST, scope_type=TEXT, scope_name=TEXT),
        ),
    },
    f"{_MK}/webhooks/{{webhook_id}}": {
        "GET": Call("get_webhook", _ONE),
        "PATCH": Call("update_webhook", _ONE, body=fields(name=TEXT, url=TEXT, events=_EVENTS, owner=TEXT, **_REST)),
        "DELETE": Call("delete_webhook", EMPTY),
    },
    f"{_MK}/webhooks/{{webhook_id}}/test": {"POST": Call("test_webhook", _TRIED, body=fields(event=TEXT))},
    f"{_MK}/webhooks/{{webhook_id}}/deliveries": {"GET": _LOG},
    f"{_MK}/notification-destinations/{{destination_id}}/test": {"POST": Call("test_destination", _TRIED)},
    f"{_MK}/notification-destinations/{{destination_id}}/deliveries": {
        "GET": Call("destination_deliveries", _LOG.answer, query=_LOG.query)
    },
    f"{_MK}/deliveries/{{delivery_id}}": {"GET": Call("get_delivery", fields({"delivery": _FULL}))},
    f"{_MK}/deliveries/{{delivery_id}}/replay": {"POST": Call("replay_delivery", fields({"delivery": DELIVERY}))},
}
