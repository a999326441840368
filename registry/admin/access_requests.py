"""Requests for access; answered on the screens and through the API."""

from django.contrib import admin

from registry.admin.base import ReadOnlyAdmin
from registry.models import AccessRequest


@admin.register(AccessRequest)
class AccessRequestAdmin(ReadOnlyAdmin):
    """Who asked for what, and what became of it."""

    list_display = ("requester", "privileges", "securable_name", "state", "created_at", "decided_by", "decided_at")
    list_select_related = ("requester", "decided_by")
    list_filter = ("state",)
    search_fields = ("requester__key", "securable_name")
    ordering = ("-created_at", "-id")
