"""Data and model monitoring: profiles, drift, alerts."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """Builds on registry and serving; nothing in them knows it."""

    name = "monitoring"

    def ready(self) -> None:
        """Register the operation kinds of this app, and what it tells of versions."""
        from monitoring.services import refresh_runs  # noqa: F401
        from monitoring.services.monitored_endpoints import monitors_of_version
        from monitoring.web.hooks import show
        from registry.services.version_uses import add_source

        add_source(monitors_of_version)
        show()
