"""Webhooks, notification destinations, and the log of what both were sent."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from registry.admin.base import ReadOnlyAdmin, ServiceAdmin, actor_of
from registry.models import Delivery, DeliveryAttempt, NotificationDestination, Webhook, WebhookStatus
from registry.services import deliveries, notification_destinations, webhooks
from registry.services.actors import Actor
from registry.services.webhooks import WebhookChanges


@admin.register(Webhook)
class WebhookAdmin(ServiceAdmin):
    """Webhooks: watched, tried, switched off and on, deleted. They are made through the APIs."""

    list_display = ("name", "url", "status", "scope", "owner", "created_at")
    list_select_related = ("owner", "scope__parent__parent")
    list_filter = ("status",)
    search_fields = ("name", "url", "owner__key")
    actions = ("enable", "disable", "send_test")
    removable = True
    shown = (
        *("name", "description", "url", "events", "status", "has_secret", "owner", "scope"),
        *("created_at", "created_by", "updated_at", "updated_by"),
    )

    def remove(self, actor: Actor, obj: Webhook) -> None:
        """Delete by the service."""
        webhooks.delete_webhook(actor=actor, webhook_id=obj.pk)

    @admin.action(description="Enable")
    def enable(self, request: HttpRequest, queryset: Any) -> None:
        """Let the selected be told again."""
        self._set_status(request, queryset, WebhookStatus.ACTIVE)

    @admin.action(description="Disable")
    def disable(self, request: HttpRequest, queryset: Any) -> None:
        """Tell the selected nothing any more."""
        self._set_status(request, queryset, WebhookStatus.DISABLED)

    def _set_status(self, request: HttpRequest, queryset: Any, status: WebhookStatus) -> None:
        changes = WebhookChanges(status=status)
        for row in queryset:
            self.attempt(
                request,
                f"{row} is {status}.",
                lambda row=row: webhooks.update_webhook(actor=actor_of(request), webhook_id=row.pk, changes=changes),
            )

    @admin.action(description="Send a test")
    def send_test(self, request: HttpRequest, queryset: Any) -> None:
        """Send an example to the selected; the log tells what came of it."""
        for row in queryset:
            self.attempt(
                request,
                f"{row} was sent a test: see its deliveries.",
                lambda row=row: deliveries.try_webhook(actor=actor_of(request), webhook_id=row.pk),
            )


@admin.register(NotificationDestination)
class NotificationDestinationAdmin(ServiceAdmin):
    """Where alerts can go. They are made through the API; what is sealed stays sealed."""

    list_display = ("display_name", "kind", "for_address", "created_by", "updated_at")
    list_select_related = ("created_by",)
    list_filter = ("kind", "for_address")
    search_fields = ("key",)
    actions = ("send_test",)
    removable = True
    shown = (
        *("display_name", "kind", "for_address", "addresses", "settings_set"),
        *("created_at", "created_by", "updated_at", "updated_by"),
    )

    def remove(self, actor: Actor, obj: NotificationDestination) -> None:
        """Delete by the service."""
        notification_destinations.delete_destination(actor=actor, destination_id=obj.pk)

    @admin.action(description="Send a test")
    def send_test(self, request: HttpRequest, queryset: Any) -> None:
        """Send a notice to the selected; the log tells what came of it."""
        for row in queryset:
            self.attempt(
                request,
                f"{row} was sent a test: see its deliveries.",
                lambda row=row: deliveries.try_destination(actor=actor_of(request), destination_id=row.pk),
            )


@admin.register(Delivery)
class DeliveryAdmin(ServiceAdmin):
    """What was sent, what waits, and what was given up; replayed."""

    list_display = ("event", "webhook", "destination", "origin", "state", "attempts", "error", "created_at")
    list_select_related = ("webhook", "destination")
    list_filter = ("state", "origin", "event")
    search_fields = ("securable_name", "webhook__name", "destination__key")
    actions = ("replay",)
    shown = (
        *("id", "event", "origin", "webhook", "destination", "securable_name", "body", "state", "attempts", "error"),
        *("due_at", "created_at", "finished_at", "replay_of", "requested_by"),
    )

    @admin.action(description="Send again")
    def replay(self, request: HttpRequest, queryset: Any) -> None:
        """Send the selected once more."""
        for row in queryset:
            self.attempt(
                request,
                f"{row} is sent again.",
                lambda row=row: deliveries.replay_delivery(actor=actor_of(request), delivery_id=row.pk),
            )


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(ReadOnlyAdmin):
    """What receivers said."""

    list_display = ("at", "delivery", "number", "status_code", "milliseconds", "error")
    list_select_related = ("delivery",)
    search_fields = ("error", "delivery__webhook__name", "delivery__destination__key")
    ordering = ("-at", "-id")
