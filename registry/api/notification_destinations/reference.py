"""What these calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    ANYTHING,
    EMPTY,
    ID,
    PAGE,
    TEXT,
    Named,
    Schema,
    choice,
    fields,
    noted,
    page_of,
)
from registry.models import DestinationKind

_LISTED: dict[str, Schema] = {
    "id": ID,
    "display_name": TEXT,
    "destination_type": choice(*DestinationKind.values),
}
_CONFIG = noted(
    fields(generic_webhook=ANYTHING, email=ANYTHING, slack=ANYTHING),
    "One of the three. Answers say which settings are set, never what they are, and to metastore admins only.",
)
DESTINATION = Named("NotificationDestination", fields(_LISTED, config=_CONFIG))
_ROOT = "/api/2.0/notification-destinations"

DIALECT = Dialect(
    slug="destinations",
    title="Notification destinations",
    text="Where notices go: addresses, Slack and webhooks, as databricks-sdk calls them.",
    parts={"destination_id": ID},
    paths={
        _ROOT: {
            "GET": Call(
                "list_destinations",
                page_of("results", Named("ListedNotificationDestination", fields(_LISTED))),
                query={"page_size": PAGE["max_results"], "page_token": PAGE["page_token"]},
            ),
            "POST": Call("create_destination", DESTINATION, body=fields({"display_name": TEXT, "config": _CONFIG})),
        },
        f"{_ROOT}/{{destination_id}}": {
            "GET": Call("get_destination", DESTINATION),
            "PATCH": Call("update_destination", DESTINATION, body=fields(display_name=TEXT, config=_CONFIG)),
            "DELETE": Call("delete_destination", EMPTY),
        },
    },
)
