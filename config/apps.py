"""The project package as an app, so that its commands are found."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Holds the commands that run the product: up, status, client-env."""

    name = "config"
    label = "config"

    def ready(self) -> None:
        """Make our Celery application the current one, so that services can send messages by task name."""
        from config import celery  # noqa: F401
