"""The project package as an app, so that its commands are found."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Holds the commands that run the product: up, status, client-env."""

    name = "config"
    label = "config"
