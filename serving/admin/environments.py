"""Serving environments, and which version has which."""

from django.contrib import admin

from registry.admin.base import ReadOnlyAdmin
from serving.models import ResolvedRequirements, ServingEnvironment, VersionEnvironment


@admin.register(ServingEnvironment)
class ServingEnvironmentAdmin(ReadOnlyAdmin):
    """Environments: watched. They are made when a version needs one, and go when nobody has used them for long."""

    list_display = ("digest", "kind", "state", "python", "size_bytes", "packed_bytes", "built_at", "last_used_at")
    list_filter = ("state", "kind", "python")
    search_fields = ("digest__startswith", "requirements")
    ordering = ("-created_at",)


@admin.register(VersionEnvironment)
class VersionEnvironmentAdmin(ReadOnlyAdmin):
    """The environment of each version that has one."""

    list_display = ("version", "environment", "proved_at", "message", "updated_at")
    list_select_related = ("version__model__securable__parent__parent", "environment")
    search_fields = ("version__model__securable__key", "environment__digest__startswith")
    ordering = ("-updated_at",)


@admin.register(ResolvedRequirements)
class ResolvedRequirementsAdmin(ReadOnlyAdmin):
    """What equal requirement lines were resolved to before."""

    list_display = ("key", "environment", "resolved_at")
    list_select_related = ("environment",)
    search_fields = ("key__startswith", "environment__digest__startswith")
    ordering = ("-resolved_at",)
