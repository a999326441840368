"""The addresses of rights: dialogs on any securable, and requests for access."""

from django.urls import path, register_converter

from registry.web import access_requests, explanations, metastore_permissions, permission_dialogs, settings_sections
from registry.web.permission_addresses import SecurableKind

register_converter(SecurableKind, "securable_kind")
_ON = "permissions/<securable_kind:kind>/<str:full_name>"

urlpatterns = [
    path("permissions/change", permission_dialogs.change_grants, name="change-grants"),
    path(f"{_ON}/grant", permission_dialogs.grant, name="grant"),
    path(f"{_ON}/grant/preview", permission_dialogs.preview, name="grant-preview"),
    path(f"{_ON}/revoke", permission_dialogs.revoke, name="revoke"),
    path(f"{_ON}/owner", permission_dialogs.owner, name="transfer-owner"),
    path(f"{_ON}/principals", permission_dialogs.suggestions, name="principal-suggestions"),
    path(f"{_ON}/why", explanations.explanation, name="explain"),
    path("settings", settings_sections.first_section, name="settings"),
    path("settings/permissions", metastore_permissions.metastore_permissions, name="metastore-permissions"),
    path("requests", access_requests.requests_page, name="requests"),
    path("requests/new", access_requests.new_request, name="request-access"),
    path("requests/<uuid:request_id>/approve", access_requests.approve, name="approve-request"),
    path("requests/<uuid:request_id>/decline", access_requests.decline, name="decline-request"),
    path("requests/<uuid:request_id>/withdraw", access_requests.withdraw, name="withdraw-request"),
]
