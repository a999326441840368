"""Model serving: environments, endpoints, gateway."""

from django.apps import AppConfig


class ServingConfig(AppConfig):
    """Builds on registry; nothing in registry knows it."""

    name = "serving"

    def ready(self) -> None:
        """Register the operation kinds of this app."""
        from serving.services import staging  # noqa: F401
