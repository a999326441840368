"""Endpoints as stock clients read them (databricks-sdk 0.156, `service/serving.py`). Times are epoch milliseconds."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from serving.models import (
    ConfigUpdate,
    Deployment,
    EndpointConfig,
    EndpointEvent,
    EndpointTag,
    EntityRole,
    ServedEntity,
    ServingEndpoint,
)
from serving.services.endpoint_access import level_on
from serving.services.endpoint_notifications import notifications_wire
from serving.services.published_routes import is_published


def millis(at: datetime | None) -> int | None:
    """A moment as clients read it."""
    return None if at is None else int(at.timestamp() * 1000)


def tags(rows: Iterable[EndpointTag]) -> list[dict[str, str]]:
    """Tags by key."""
    return [{"key": tag.key, "value": tag.value} for tag in rows]


def is_ready(endpoint: ServingEndpoint) -> bool:
    """Whether the endpoint answers: it serves something, is not stopped, and not all of it has failed."""
    config = endpoint.active_config
    if config is None or endpoint.is_stopped:
        return False
    live = [entity for entity in config.entities.all() if entity.role == EntityRole.LIVE]
    return any(entity.deployment != Deployment.FAILED for entity in live)


def state(endpoint: ServingEndpoint) -> dict[str, str]:
    """What `*_and_wait` polls: an update is over when every request from then on meets what it brought."""
    ready = "READY" if is_ready(endpoint) else "NOT_READY"
    update = endpoint.config_update
    if update == ConfigUpdate.NOT_UPDATING and not is_published(endpoint):
        update = ConfigUpdate.IN_PROGRESS
    return {"ready": ready, "config_update": update}


def summary(endpoint: ServingEndpoint) -> dict[str, Any]:
    """An endpoint in a list: of its configuration only what it serves."""
    body = _head(endpoint)
    config = endpoint.active_config or endpoint.pending_config
    if config is not None:
        specs = [_spec(entity) for entity in config.entities.all()]
        body["config"] = {"served_entities": specs, "served_models": [_as_model(spec) for spec in specs]}
    return body


def _spec(entity: ServedEntity) -> dict[str, Any]:
    return {
        "name": entity.name,
        "entity_name": entity.entity_name,
        "entity_version": entity.entity_version,
    }


def detailed(
    endpoint: ServingEndpoint, *, url: str, auto_capture: dict[str, Any], ai_gateway: dict[str, Any]
) -> dict[str, Any]:
    """One endpoint with everything."""
    body = _head(endpoint) | {
        "endpoint_url": url,
        "ai_gateway": ai_gateway,
        "rate_limits": endpoint.rate_limits,
        "email_notifications": notifications_wire(endpoint.email_notifications),
        "telemetry_config": endpoint.telemetry_config,
    }
    if endpoint.active_config is not None:
        body["config"] = core_config(endpoint.active_config, auto_capture=auto_capture)
    if endpoint.pending_config is not None:
        pending = endpoint.pending_config
        body["pending_config"] = core_config(pending, auto_capture=auto_capture) | {
            "start_time": millis(pending.created_at)
        }
    return body


def _head(endpoint: ServingEndpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "id": endpoint.pk.hex,
        "creator": endpoint.creator.name,
        "creation_timestamp": millis(endpoint.created_at),
        "last_updated_timestamp": millis(endpoint.updated_at),
        "description": endpoint.description,
        "state": state(endpoint),
        "tags": tags(endpoint.tags.all()),
        "permission_level": level_on(endpoint),
        "route_optimized": endpoint.route_optimized,
        "budget_policy_id": endpoint.budget_policy_id,
    }


def core_config(config: EndpointConfig, *, auto_capture: dict[str, Any]) -> dict[str, Any]:
    """A configuration in both forms that clients read, entities and models, and with our own fields."""
    entities = [_entity(entity, config) for entity in config.entities.all()]
    routes = [
        {
            "served_model_name": entity.name,
            "served_entity_name": entity.name,
            "traffic_percentage": entity.traffic_percentage,
        }
        for entity in config.entities.all()
        if entity.role == EntityRole.LIVE
    ]
    body: dict[str, Any] = {
        "config_version": config.version,
        "served_entities": entities,
        "served_models": [_as_model(entity) for entity in entities],
        "traffic_config": {"routes": routes},
    }
    if auto_capture:
        body["auto_capture_config"] = auto_capture
    if config.rollout:
        body["rollout"] = {
            name: config.rollout[name]
            for name in ("entity", "steps", "step", "max_error_percent", "max_latency_ms", "min_requests")
        }
    return body


def _entity(entity: ServedEntity, config: EndpointConfig) -> dict[str, Any]:
    body: dict[str, Any] = {
        **_spec(entity),
        "workload_type": entity.workload_type,
        "scale_to_zero_enabled": entity.scale_to_zero,
        "environment_vars": entity.environment_vars,
        "creator": config.created_by.name if config.created_by else "",
        "creation_timestamp": millis(entity.created_at),
        "state": {
            "deployment": entity.deployment,
            "deployment_state_message": entity.deployment_message,
        },
        "role": entity.role,
        "micro_batching_enabled": entity.micro_batching,
    }
    if entity.workload_size:
        body["workload_size"] = entity.workload_size
    else:
        body["min_provisioned_concurrency"] = 0 if entity.scale_to_zero else entity.min_concurrency
        body["max_provisioned_concurrency"] = entity.max_concurrency
    if entity.entity_alias:
        body["entity_alias"] = entity.entity_alias
    return body


_OLD_NAMES = {"entity_name": "model_name", "entity_version": "model_version"}


def _as_model(entity: dict[str, Any]) -> dict[str, Any]:
    """The same in the words of the older form."""
    return {_OLD_NAMES.get(name, name): value for name, value in entity.items()}


def history(config: EndpointConfig) -> dict[str, Any]:
    """A configuration in the history of its endpoint."""
    return core_config(config, auto_capture=config.auto_capture) | {
        "state": config.state,
        "message": config.message,
        "reason": config.reason,
        "operation_id": str(config.operation_id) if config.operation_id else None,
        "created_at": millis(config.created_at),
        "created_by": config.created_by.name if config.created_by else None,
        "activated_at": millis(config.activated_at),
        "ended_at": millis(config.ended_at),
    }


def event(row: EndpointEvent) -> dict[str, Any]:
    """Something that happened."""
    return {
        "id": row.pk,
        "at": millis(row.at),
        "kind": row.kind,
        "level": row.level,
        "message": row.message,
        "config_version": row.config_version,
        "served_entity": row.entity_name,
        "by": row.by.name if row.by else None,
    }
