"""Long work and its log."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from registry.admin.base import ReadOnlyAdmin, ServiceAdmin, actor_of
from registry.models import Operation, OperationLogLine
from registry.services import operations


@admin.register(Operation)
class OperationAdmin(ServiceAdmin):
    """Operations: watched, canceled, tried again."""

    list_display = ("kind", "subject", "state", "progress", "step", "actor", "attempts", "created_at", "finished_at")
    list_select_related = ("actor",)
    list_filter = ("state", "kind")
    search_fields = ("subject", "actor__key")
    actions = ("cancel", "retry")
    shown = (
        *("kind", "subject", "state", "progress", "step", "actor", "params", "result", "error", "attempts", "worker"),
        *("lease_until", "cancel_requested_at", "cancel_requested_by", "created_at", "started_at", "finished_at"),
    )

    @admin.action(description="Cancel")
    def cancel(self, request: HttpRequest, queryset: Any) -> None:
        """Ask the selected to stop."""
        for row in queryset:
            self.attempt(
                request,
                f"{row} is asked to stop.",
                lambda row=row: operations.request_cancel(actor=actor_of(request), operation_id=row.pk),
            )

    @admin.action(description="Try again")
    def retry(self, request: HttpRequest, queryset: Any) -> None:
        """Ask for the same work once more."""
        for row in queryset:
            self.attempt(
                request,
                f"{row} is asked for again.",
                lambda row=row: operations.retry_operation(actor=actor_of(request), operation_id=row.pk),
            )


@admin.register(OperationLogLine)
class OperationLogLineAdmin(ReadOnlyAdmin):
    """What operations wrote."""

    list_display = ("at", "level", "operation", "text")
    list_select_related = ("operation",)
    list_filter = ("level",)
    search_fields = ("text", "operation__subject")
    ordering = ("-id",)
