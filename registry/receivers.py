"""What the registry does when Django tells it something."""

from typing import Any

from django.db.models.signals import post_migrate
from django.dispatch import receiver

from registry.services.setup import ensure_builtins


@receiver(post_migrate, dispatch_uid="registry.builtins")
def make_builtins(app_config: Any, **_: Any) -> None:
    """A migrated database always holds the built-in groups and the metastore."""
    if app_config.label == "registry":
        ensure_builtins()
