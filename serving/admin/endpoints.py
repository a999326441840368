"""Endpoints with what they serve and served, what happened to them, who may use them, and what runs for them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from registry.admin.base import ReadOnlyAdmin, ServiceAdmin, actor_of
from registry.services.actors import Actor
from serving.models import (
    EndpointConfig,
    EndpointEvent,
    EndpointPermission,
    EndpointSample,
    EndpointTag,
    Replica,
    ServedEntity,
    ServingEndpoint,
)
from serving.services import endpoint_updates, endpoints


@admin.register(ServingEndpoint)
class ServingEndpointAdmin(ServiceAdmin):
    """Endpoints: watched, stopped, started, deleted. They are made through the APIs and on the screens."""

    list_display = ("name", "creator", "config_update", "is_stopped", "last_config_version", "updated_at")
    list_select_related = ("creator",)
    list_filter = ("config_update", "is_stopped")
    search_fields = ("name", "creator__key")
    actions = ("stop", "start", "cancel_update", "roll_back")
    removable = True
    shown = (
        *("id", "name", "creator", "description", "config_update", "is_stopped", "active_config", "pending_config"),
        *("last_config_version", "rate_limits", "ai_gateway", "email_notifications", "telemetry_config"),
        *("route_optimized", "budget_policy_id", "created_at", "updated_at"),
    )

    def remove(self, actor: Actor, obj: ServingEndpoint) -> None:
        """Delete by the service."""
        endpoints.delete_endpoint(actor=actor, name=obj.name)

    @admin.action(description="Stop")
    def stop(self, request: HttpRequest, queryset: Any) -> None:
        """Let the selected answer nobody."""
        self._each(request, queryset, endpoint_updates.stop_endpoint, "is stopped")

    @admin.action(description="Start")
    def start(self, request: HttpRequest, queryset: Any) -> None:
        """Serve again what the selected served."""
        self._each(request, queryset, endpoint_updates.start_endpoint, "is being started")

    @admin.action(description="Cancel the update")
    def cancel_update(self, request: HttpRequest, queryset: Any) -> None:
        """Give up what is on its way."""
        self._each(request, queryset, endpoint_updates.cancel_update, "keeps what it serves")

    @admin.action(description="Roll back")
    def roll_back(self, request: HttpRequest, queryset: Any) -> None:
        """Serve what the selected served before."""
        self._each(request, queryset, endpoint_updates.roll_back, "is being rolled back")

    def _each(self, request: HttpRequest, queryset: Any, service: Any, done: str) -> None:
        for row in queryset:
            self.attempt(request, f"{row} {done}.", lambda row=row: service(actor=actor_of(request), name=row.name))


@admin.register(EndpointConfig)
class EndpointConfigAdmin(ReadOnlyAdmin):
    """What endpoints serve, served, and could not serve."""

    list_display = ("endpoint", "version", "state", "reason", "created_by", "created_at", "message")
    list_select_related = ("endpoint", "created_by")
    list_filter = ("state",)
    search_fields = ("endpoint__name", "message", "reason")
    ordering = ("-created_at",)


@admin.register(ServedEntity)
class ServedEntityAdmin(ReadOnlyAdmin):
    """The model versions in configurations."""

    list_display = ("name", "config", "entity_name", "entity_version", "role", "traffic_percentage", "deployment")
    list_select_related = ("config__endpoint",)
    list_filter = ("deployment", "role", "is_wanted", "workload_type")
    search_fields = ("name", "entity_name", "config__endpoint__name")
    ordering = ("-created_at", "name")


@admin.register(Replica)
class ReplicaAdmin(ReadOnlyAdmin):
    """The processes that answer, and those that did."""

    list_display = ("entity", "state", "host", "pid", "created_at", "ready_at", "ended_at", "reason")
    list_select_related = ("entity",)
    list_filter = ("state",)
    search_fields = ("entity__name", "reason", "host")


@admin.register(EndpointEvent)
class EndpointEventAdmin(ReadOnlyAdmin):
    """What happened to endpoints."""

    list_display = ("at", "endpoint", "kind", "level", "message", "by")
    list_select_related = ("endpoint", "by")
    list_filter = ("level", "kind")
    search_fields = ("endpoint__name", "message")


@admin.register(EndpointPermission)
class EndpointPermissionAdmin(ReadOnlyAdmin):
    """Who has which level; changed by those who manage the endpoint."""

    list_display = ("endpoint", "principal", "level")
    list_select_related = ("endpoint", "principal")
    list_filter = ("level",)
    search_fields = ("endpoint__name", "principal__key")
    ordering = ("endpoint__name", "principal__key")


@admin.register(EndpointTag)
class EndpointTagAdmin(ReadOnlyAdmin):
    """Tags of endpoints."""

    list_display = ("endpoint", "key", "value")
    list_select_related = ("endpoint",)
    search_fields = ("endpoint__name", "key", "value")


@admin.register(EndpointSample)
class EndpointSampleAdmin(ReadOnlyAdmin):
    """What endpoints did, minute by minute."""

    list_display = ("minute", "endpoint", "entity_name", "requests", "errors_4xx", "errors_5xx")
    list_select_related = ("endpoint",)
    search_fields = ("endpoint__name", "entity_name")
    ordering = ("-minute",)
