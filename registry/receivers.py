"""What the registry does when Django tells it something."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models.signals import post_migrate
from django.dispatch import receiver

from registry.events import model_changed
from registry.models import Securable
from registry.services.setup import ensure_builtins
from registry.services.webhook_outbox import write_outbox


@receiver(post_migrate, dispatch_uid="registry.builtins")
def make_builtins(app_config: Any, **_: Any) -> None:
    """A migrated database always holds the built-in groups and the metastore."""
    if app_config.label == "registry":
        ensure_builtins()


@receiver(model_changed, dispatch_uid="registry.webhooks")
def tell_webhooks(securable: Securable, changes: Sequence[tuple[str, Mapping[str, Any]]], **_: Any) -> None:
    """What happens to models is put down for the webhooks that listen, in the same transaction."""
    write_outbox(securable, changes)
