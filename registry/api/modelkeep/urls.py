"""The paths of this dialect, each with and without a trailing slash."""

from django.urls import re_path

from registry.api.modelkeep import (
    access_requests,
    audit,
    governance,
    operations,
    registrations,
    table_rows,
    transfers,
    webhooks,
)

_PREFIX = r"^api/modelkeep/"
_ID = r"(?P<operation_id>[^/]+)"
_WEBHOOK = r"webhooks/(?P<webhook_id>[^/]+)"
_DESTINATION = r"notification-destinations/(?P<destination_id>[^/]+)"
_DELIVERY = r"deliveries/(?P<delivery_id>[^/]+)"
_REQUEST = r"access-requests/(?P<request_id>[^/]+)"
_MODEL = r"models/(?P<full_name>[^/]+)"

urlpatterns = [
    re_path(_PREFIX + path + r"/?$", view.as_view())
    for path, view in [
        ("operations", operations.Operations),
        (f"operations/{_ID}", operations.OneOperation),
        (f"operations/{_ID}/log", operations.Log),
        (f"operations/{_ID}/cancel", operations.Cancel),
        (f"operations/{_ID}/retry", operations.Retry),
        ("audit-events", audit.Events),
        ("audit-events/(?P<event_id>[^/]+)", audit.OneEvent),
        ("audit-events:export", audit.Export),
        ("audit-events:verify", audit.Verify),
        ("model-versions:register", registrations.Register),
        ("model-versions:copy", registrations.Copy),
        ("model-versions:promote", registrations.Promote),
        ("model-versions:plan-copy", registrations.CopyPlan),
        ("tables/(?P<full_name>[^/]+)/rows", table_rows.Rows),
        ("imports", transfers.Imports),
        ("archive", transfers.Archive),
        ("explain", governance.Explain),
        ("permissions:simulate", access_requests.Simulate),
        ("access-requests", access_requests.AccessRequests),
        (_REQUEST, access_requests.OneAccessRequest),
        (f"{_REQUEST}/approve", access_requests.Approve),
        (f"{_REQUEST}/decline", access_requests.Decline),
        (f"{_REQUEST}/withdraw", access_requests.Withdraw),
        (rf"{_MODEL}/versions/(?P<version>[^/]+)/lineage", governance.Lineage),
        (f"{_MODEL}/alias-history", governance.AliasHistory),
        (rf"{_MODEL}/aliases/(?P<alias>[^/]+)/at", governance.AliasAt),
        ("webhooks", webhooks.Webhooks),
        (_WEBHOOK, webhooks.OneWebhook),
        (f"{_WEBHOOK}/test", webhooks.TryWebhook),
        (f"{_WEBHOOK}/deliveries", webhooks.WebhookLog),
        (f"{_DESTINATION}/test", webhooks.TryDestination),
        (f"{_DESTINATION}/deliveries", webhooks.DestinationLog),
        (_DELIVERY, webhooks.OneDelivery),
        (f"{_DELIVERY}/replay", webhooks.Replay),
    ]
]
