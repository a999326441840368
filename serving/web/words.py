"""What the states of serving are called on the screens, and how they are coloured."""

from serving.models import ConfigState, Deployment, EndpointLevel, EnvironmentState
from serving.services.endpoint_views import Standing, WatchedEntity

Word = tuple[str, str]
"""A tone of `parts/_status.html` (ok, warn, bad or none) and a word."""

STANDINGS: dict[Standing, Word] = {
    Standing.READY: ("ok", "Ready"),
    Standing.READY_UPDATING: ("warn", "Ready (Updating)"),
    Standing.READY_FAILED: ("bad", "Ready (Update failed)"),
    Standing.STARTING: ("warn", "Not ready (Updating)"),
    Standing.FAILED: ("bad", "Not ready (Update failed)"),
    Standing.CANCELED: ("", "Not ready (Update canceled)"),
    Standing.STOPPED: ("", "Stopped"),
}
CONFIGS: dict[str, Word] = {
    ConfigState.PENDING: ("warn", "Deploying"),
    ConfigState.ACTIVE: ("ok", "Serving"),
    ConfigState.SUPERSEDED: ("", "Superseded"),
    ConfigState.FAILED: ("bad", "Failed"),
    ConfigState.CANCELED: ("", "Canceled"),
}
ENVIRONMENTS: dict[str, Word] = {
    EnvironmentState.PENDING: ("warn", "Waiting"),
    EnvironmentState.BUILDING: ("warn", "Building"),
    EnvironmentState.READY: ("ok", "Ready"),
    EnvironmentState.FAILED: ("bad", "Failed"),
}
EVENTS: dict[str, Word] = {"INFO": ("ok", "Info"), "WARNING": ("warn", "Warning"), "ERROR": ("bad", "Error")}
LEVELS: dict[str, tuple[str, str]] = {
    EndpointLevel.CAN_VIEW: ("Can view", "see the endpoint, its events, logs and metrics"),
    EndpointLevel.CAN_QUERY: ("Can query", "send it queries besides"),
    EndpointLevel.CAN_MANAGE: ("Can manage", "change, stop and delete it, and say who may use it"),
}
_DEPLOYMENTS: dict[str, Word] = {
    Deployment.CREATING: ("warn", "Starting"),
    Deployment.READY: ("ok", "Ready"),
    Deployment.RECOVERING: ("warn", "Recovering"),
    Deployment.FAILED: ("bad", "Failed"),
    Deployment.ABORTED: ("", "Aborted"),
}


def word_of_entity(watched: WatchedEntity, *, is_stopped: bool = False) -> Word:
    """The state of a served entity. `is_stopped`: of an endpoint that serves nothing now."""
    if is_stopped:
        return "", "Stopped"
    if watched.is_asleep:
        return "", "Scaled to zero"
    return _DEPLOYMENTS[watched.entity.deployment]
