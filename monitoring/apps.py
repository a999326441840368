"""Data and model monitoring: profiles, drift, alerts."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """Builds on registry and serving; nothing in them knows it."""

    name = "monitoring"
