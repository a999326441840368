"""Model serving: environments, endpoints, gateway."""

from django.apps import AppConfig


class ServingConfig(AppConfig):
    """Builds on registry; nothing in registry knows it."""

    name = "serving"

    def ready(self) -> None:
        """Connect the receivers and register the operation kinds and uses of this app."""
        from registry.services.version_uses import add_source
        from serving import receivers  # noqa: F401
        from serving.services import (  # noqa: F401
            endpoint_deployments,
            endpoint_metrics_table,
            endpoint_rollout_runs,
            environment_operations,
            predeployment,
            requirement_edits,
            staging,
            table_scoring,
        )
        from serving.services.endpoint_uses import endpoint_uses

        add_source(endpoint_uses)
