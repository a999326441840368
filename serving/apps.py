"""Model serving: environments, endpoints, gateway."""

from django.apps import AppConfig


class ServingConfig(AppConfig):
    """Builds on registry; nothing in registry knows it."""

    name = "serving"
