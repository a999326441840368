"""The audit trail."""

from django.contrib import admin

from registry.admin.base import ReadOnlyAdmin
from registry.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Every allow and deny, append-only."""

    list_display = ("at", "decision", "action", "actor", "securable_type", "securable_name", "message", "source_ip")
    list_filter = ("decision", "service_name", "at")
    search_fields = ("=actor", "=action", "securable_name", "=request_id")
