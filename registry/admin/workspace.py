"""What administers the workspace itself: secrets of service principals, governed tags, settings."""

from django.contrib import admin

from registry.admin.base import ReadOnlyAdmin
from registry.models import ServicePrincipalSecret, TagPolicy, TagPolicyRole, WorkspaceSetting


@admin.register(ServicePrincipalSecret)
class ServicePrincipalSecretAdmin(ReadOnlyAdmin):
    """Which service principal has which secrets; made and deleted through the secrets API."""

    list_display = ("prefix", "principal", "created_by", "created_at", "expires_at", "last_used_at")
    list_select_related = ("principal", "created_by")
    search_fields = ("prefix", "principal__key")
    exclude = ("digest",)
    ordering = ("-created_at",)


@admin.register(TagPolicy)
class TagPolicyAdmin(ReadOnlyAdmin):
    """Governed tags and the values that they may have; changed through the tag policies API."""

    list_display = ("key", "values", "created_by", "updated_at")
    list_select_related = ("created_by",)
    search_fields = ("key", "description")
    ordering = ("key",)


@admin.register(TagPolicyRole)
class TagPolicyRoleAdmin(ReadOnlyAdmin):
    """Who may manage a governed tag, and who may set it."""

    list_display = ("policy", "principal", "role")
    list_select_related = ("policy", "principal")
    list_filter = ("role",)
    search_fields = ("policy__key", "principal__key")
    ordering = ("policy__key", "principal__key")


@admin.register(WorkspaceSetting)
class WorkspaceSettingAdmin(ReadOnlyAdmin):
    """Settings of the workspace; changed through the workspace configuration API."""

    list_display = ("key", "value", "updated_by", "updated_at")
    list_select_related = ("updated_by",)
    search_fields = ("key",)
    ordering = ("key",)
