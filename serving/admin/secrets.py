"""Secrets without what they hold, and who has which level on their scopes."""

from django.contrib import admin

from registry.admin.base import ReadOnlyAdmin, ServiceAdmin
from registry.services.actors import Actor
from serving.models import Secret, SecretGrant, SecretScope
from serving.services import secret_scopes, secrets


@admin.register(SecretScope)
class SecretScopeAdmin(ServiceAdmin):
    """Scopes: made through the API or in the settings, deleted here too."""

    list_display = ("name", "created_by", "created_at")
    list_select_related = ("created_by",)
    search_fields = ("name",)
    shown = ("name", "created_by", "created_at")
    removable = True

    def remove(self, actor: Actor, obj: SecretScope) -> None:
        """Delete by the service."""
        secret_scopes.delete_scope(actor=actor, name=obj.name)


@admin.register(Secret)
class SecretAdmin(ServiceAdmin):
    """Keys. What they hold is shown to nobody."""

    list_display = ("key", "scope", "updated_by", "updated_at")
    list_select_related = ("scope", "updated_by")
    search_fields = ("key", "scope__name")
    exclude = ("sealed_value",)
    shown = ("scope", "key", "updated_by", "updated_at")
    removable = True

    def remove(self, actor: Actor, obj: Secret) -> None:
        """Delete by the service."""
        secrets.delete_secret(actor=actor, scope=obj.scope.name, key=obj.key)


@admin.register(SecretGrant)
class SecretGrantAdmin(ReadOnlyAdmin):
    """Who has which level; changed through the API or in the settings."""

    list_display = ("scope", "principal", "level")
    list_select_related = ("scope", "principal")
    list_filter = ("level",)
    search_fields = ("scope__name", "principal__key")
    ordering = ("scope__name", "principal__key")
