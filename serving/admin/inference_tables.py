"""Inference tables: where requests are kept, and how that goes."""

from django.contrib import admin

from registry.admin.base import ReadOnlyAdmin
from serving.models import InferenceTable


@admin.register(InferenceTable)
class InferenceTableAdmin(ReadOnlyAdmin):
    """Watched here; turned on and off at their endpoint."""

    list_display = (
        *("endpoint_name", "form", "table", "is_enabled", "appended_rows", "dropped_rows", "unparsed_rows"),
        *("appended_at", "message"),
    )
    list_select_related = ("table__parent__parent",)
    list_filter = ("form", "is_enabled")
    search_fields = ("endpoint_name",)
    ordering = ("endpoint_name", "form")
