"""The governed registry: principals, securables, grants, audit, models and their files, operations."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class RegistryConfig(AppConfig):
    """The ground that serving and monitoring build on."""

    name = "registry"

    def ready(self) -> None:
        """Connect the receivers and register the operation kinds of this app."""
        from registry import receivers  # noqa: F401
        from registry.services import operation_handlers  # noqa: F401


class ConsoleConfig(AdminConfig):
    """Django's admin with our own site: metastore admins only."""

    default_site = "registry.admin.site.ConsoleSite"

    def ready(self) -> None:
        """Make the site, then register our nouns with it."""
        super().ready()
        from registry.admin import nouns  # noqa: F401
