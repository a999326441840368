"""What gateways have been told: the supervisor publishes a configuration a moment after it was switched to."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from serving.models import ServingEndpoint
from serving.routing.routes import NO_ROUTES, RoutesFile


@lru_cache(maxsize=1)
def _file(path: Path) -> RoutesFile:
    return RoutesFile(path)


def is_published(endpoint: ServingEndpoint) -> bool:
    """Whether the configuration that answers is in the routes, so that the next request meets no older one.

    A look at a file; no query where `active_config` was selected. True where no supervisor has published anything.
    """
    config = endpoint.active_config
    routes = _file(Path(settings.SERVING_ROOT) / "routes.json").current()
    if config is None or endpoint.is_stopped or routes is NO_ROUTES:
        return True
    route = routes.endpoints.get(endpoint.name)
    return route is not None and route.id == str(endpoint.pk) and route.config_version >= config.version
