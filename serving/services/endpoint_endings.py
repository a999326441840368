"""How configurations end: one becomes what answers, or it is given up and what answered before goes on."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from registry.models import Principal
from serving.models import ConfigState, ConfigUpdate, Deployment, EndpointConfig, ServedEntity, ServingEndpoint
from serving.services.endpoint_events import UPDATE_FAILED, tell

_UPDATE = {ConfigState.FAILED: ConfigUpdate.UPDATE_FAILED, ConfigState.CANCELED: ConfigUpdate.UPDATE_CANCELED}
_KIND = {ConfigState.FAILED: UPDATE_FAILED, ConfigState.CANCELED: "UPDATE_CANCELED"}


@dataclass(frozen=True)
class Told:
    """The event of a switch."""

    kind: str
    message: str
    level: str = "INFO"


def lock_config(config_id: UUID | str) -> tuple[ServingEndpoint, EndpointConfig] | None:
    """An endpoint and one of its configurations, both locked; None when they are gone. Call in a transaction."""
    found = EndpointConfig.objects.filter(pk=config_id).values_list("endpoint", flat=True).first()
    rows = ServingEndpoint.objects.select_for_update(of=("self",)).select_related("creator")
    endpoint = rows.filter(pk=found).first() if found else None
    config = EndpointConfig.objects.select_for_update(of=("self",)).filter(pk=config_id).first()
    return (endpoint, config) if endpoint is not None and config is not None else None


def activate(
    *,
    endpoint: ServingEndpoint,
    config: EndpointConfig,
    told: Told,
    by: Principal | None,
    now: datetime | None = None,
) -> None:
    """Make a configuration the one that answers. Both rows are locked by the caller, who has seen it be ready."""
    now = now or timezone.now()
    before = endpoint.active_config
    if before is not None and before.pk != config.pk:
        EndpointConfig.objects.filter(pk=before.pk).update(state=ConfigState.SUPERSEDED, ended_at=now)
    ServedEntity.objects.filter(config__endpoint=endpoint, is_wanted=True).exclude(config=config).update(
        is_wanted=False
    )
    config.state, config.activated_at, config.message = ConfigState.ACTIVE, now, ""
    config.save(update_fields=["state", "activated_at", "message"])
    endpoint.active_config, endpoint.pending_config = config, None
    endpoint.config_update, endpoint.is_stopped, endpoint.updated_at = ConfigUpdate.NOT_UPDATING, False, now
    endpoint.save(update_fields=["active_config", "pending_config", "config_update", "is_stopped", "updated_at"])
    tell(
        endpoint=endpoint,
        kind=told.kind,
        message=told.message,
        level=told.level,
        config_version=config.version,
        by=by,
        now=now,
    )


def end_config(
    *,
    endpoint: ServingEndpoint,
    config: EndpointConfig,
    state: ConfigState,
    message: str,
    by: Principal | None = None,
    now: datetime | None = None,
) -> bool:
    """Give a pending configuration up as FAILED or CANCELED; False when it is pending no more.

    It stays with the endpoint, to be looked at. Entities that did not fail themselves are ABORTED. The caller has
    locked the endpoint's row.
    """
    if config.state != ConfigState.PENDING:
        return False
    now = now or timezone.now()
    why = (
        "Canceled." if state == ConfigState.CANCELED else "Aborted: the update failed. See the other served entities."
    )
    config.entities.exclude(deployment=Deployment.FAILED).update(
        deployment=Deployment.ABORTED, deployment_message=why
    )
    config.entities.filter(is_wanted=True).update(is_wanted=False)
    config.state, config.message, config.ended_at = state, message, now
    config.save(update_fields=["state", "message", "ended_at"])
    endpoint.config_update, endpoint.updated_at = _UPDATE[state], now
    endpoint.save(update_fields=["config_update", "updated_at"])
    tell(
        endpoint=endpoint,
        kind=_KIND[state],
        message=message,
        level="ERROR" if state == ConfigState.FAILED else "WARNING",
        config_version=config.version,
        by=by,
        now=now,
    )
    return True
