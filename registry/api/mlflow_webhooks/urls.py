"""The paths of this dialect: for clients, for the UI (`ajax-api`), and both below the UI's prefix."""

from django.urls import URLPattern, re_path

from registry.api.mlflow_webhooks.views import OneWebhook, TryWebhook, Webhooks

_PREFIX = r"^(?:mlflow/)?(?:ajax-)?api/2\.0/mlflow/webhooks"
_ID = r"/(?P<webhook_id>[^/]+)"

urlpatterns: list[URLPattern] = [
    re_path(_PREFIX + path + r"/?$", view.as_view())
    for path, view in [("", Webhooks), (_ID, OneWebhook), (f"{_ID}/test", TryWebhook)]
]
