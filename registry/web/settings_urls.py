"""The addresses under Settings that are about the installation and about what leaves it."""

from django.urls import path

from registry.web import about, delivery_log, destinations, limits, moving, profile, webhooks

_WEBHOOK = "settings/webhooks/<uuid:webhook_id>"
_DESTINATION = "settings/destinations/<uuid:destination_id>"

urlpatterns = [
    path("profile", profile.profile_page, name="profile"),
    path("profile/theme", profile.choose_theme, name="choose-theme"),
    path("profile/tokens", profile.tokens_page, name="tokens"),
    path("profile/tokens/<uuid:token_id>/comment", profile.describe, name="describe-token"),
    path("profile/tokens/<uuid:token_id>/revoke", profile.end_token, name="end-token"),
    path("settings/webhooks", webhooks.webhooks_page, name="webhooks"),
    path("settings/webhooks/new", webhooks.new_webhook, name="new-webhook"),
    path("settings/webhooks/places", webhooks.places, name="webhook-places"),
    path(_WEBHOOK, webhooks.webhook_page, name="webhook"),
    path(f"{_WEBHOOK}/edit", webhooks.edit_webhook, name="edit-webhook"),
    path(f"{_WEBHOOK}/status", webhooks.switch_webhook, name="switch-webhook"),
    path(f"{_WEBHOOK}/test", webhooks.test_webhook, name="test-webhook"),
    path(f"{_WEBHOOK}/delete", webhooks.remove_webhook, name="delete-webhook"),
    path("settings/deliveries/<uuid:delivery_id>", delivery_log.delivery_page, name="delivery"),
    path("settings/deliveries/<uuid:delivery_id>/replay", delivery_log.replay, name="replay-delivery"),
    path("settings/destinations", destinations.destinations_page, name="destinations"),
    path("settings/destinations/new", destinations.new_destination, name="new-destination"),
    path(_DESTINATION, destinations.destination_page, name="destination"),
    path(f"{_DESTINATION}/edit", destinations.edit_destination, name="edit-destination"),
    path(f"{_DESTINATION}/test", destinations.test_destination, name="test-destination"),
    path(f"{_DESTINATION}/delete", destinations.remove_destination, name="delete-destination"),
    path("settings/moving", moving.moving_page, name="moving"),
    path("settings/moving/import", moving.new_import, name="new-import"),
    path("settings/moving/imports/<uuid:operation_id>", moving.import_report, name="import-report"),
    path("settings/moving/archive", moving.export, name="export-archive"),
    path("settings/moving/upload", moving.upload, name="upload-archive"),
    path("settings/limits", limits.limits_page, name="limits"),
    path("settings/about", about.about_page, name="about"),
    path("settings/about/health", about.health, name="about-health"),
]
