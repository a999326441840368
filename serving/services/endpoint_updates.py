"""New configurations of an endpoint: asked for, canceled, stopped, started, rolled back.

A configuration is written once and never changed. Asking for one makes a row, its entities and an operation, all in
one transaction; what answers goes on answering until the operation has made the new one ready.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from django.db.models import QuerySet
from django.utils import timezone

from registry.errors import Conflict, InvalidParameter, InvalidState, NotFound
from registry.models import Operation
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.operations import cancel_found, submit_operation
from registry.services.paging import Page, fetch_page, page_size
from serving.models import (
    ConfigState,
    ConfigUpdate,
    EndpointConfig,
    EndpointLevel,
    EntityRole,
    ServedEntity,
    ServingEndpoint,
)
from serving.services.endpoint_access import SERVICE, require_endpoint, subject_of
from serving.services.endpoint_configs import ConfigSpec, EntitySpec, parse_config
from serving.services.endpoint_endings import end_config
from serving.services.endpoint_entities import ResolvedEntity, resolve_entities, spec_of
from serving.services.endpoint_events import tell
from serving.services.endpoint_rollouts import shares_at
from serving.services.inference_tables import apply_auto_capture

DEPLOY = "deploy_endpoint"


def entities_of(config: EndpointConfig) -> "QuerySet[ServedEntity]":
    """The entities of a configuration by name, with their versions and models. One query."""
    return ServedEntity.objects.filter(config=config).select_related(
        "version__model__securable__parent__parent", "environment"
    )


@audited
def update_config(*, actor: Actor, name: object, config: Mapping[str, Any], reason: str = "update") -> EndpointConfig:
    """Ask for a new configuration; what is served now goes on until the new one answers. Needs CAN_MANAGE.

    Returns at once. What `config` does not say of `auto_capture_config` stays as it is.

    Raises:
        NotFound, InvalidParameter, LimitExceeded, InvalidState.
        AccessDenied: the level is too low, or the actor or the creator may not load a model.
        Conflict: another update is on its way.
    """
    endpoint = _lock_idle(actor, name, "updateServingEndpointConfig")
    served = [spec_of(entity) for entity in entities_of(endpoint.active_config)] if endpoint.active_config else []
    spec = parse_config(config, current=served)
    return begin_config(actor=actor, endpoint=endpoint, spec=spec, reason=reason)


def _lock_idle(actor: Actor, name: object, action: str) -> ServingEndpoint:
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_MANAGE, action=action, lock=True)
    if endpoint.config_update == ConfigUpdate.IN_PROGRESS:
        raise Conflict(
            f"Serving endpoint '{endpoint.name}' is being updated already: wait until that has ended, or cancel it."
        )
    return endpoint


@audited
def begin_config(
    *, actor: Actor, endpoint: ServingEndpoint, spec: ConfigSpec, reason: str, retry_of: Operation | None = None
) -> EndpointConfig:
    """Write the next configuration of an endpoint whose row the caller has locked, and submit its deployment.

    Raises:
        NotFound, AccessDenied, InvalidParameter, InvalidState: of models that may not be served.
    """
    resolved = resolve_entities(actor=actor, creator=endpoint.creator, entities=spec.entities)
    config = write_config(actor=actor, endpoint=endpoint, spec=spec, resolved=resolved, reason=reason)
    operation = submit_operation(
        actor=actor,
        kind=DEPLOY,
        params={"endpoint_id": str(endpoint.pk), "config_id": str(config.pk), "name": endpoint.name},
        subject=f"{endpoint.name} configuration {config.version}",
        retry_of=retry_of,
    )
    config.operation = operation
    config.save(update_fields=["operation"])
    endpoint.config_update = ConfigUpdate.IN_PROGRESS
    endpoint.save(update_fields=["config_update"])
    tell(
        endpoint=endpoint,
        kind="UPDATE_STARTED",
        message=f"Configuration {config.version} was asked for ({reason}): {_in_words(spec.entities)}.",
        config_version=config.version,
        by=actor.principal,
        now=config.created_at,
    )
    return config


def write_config(
    *, actor: Actor, endpoint: ServingEndpoint, spec: ConfigSpec, resolved: Sequence[ResolvedEntity], reason: str
) -> EndpointConfig:
    """The rows of the next configuration, pending, with their audit row; nothing is submitted."""
    now = timezone.now()
    endpoint.last_config_version += 1
    before = endpoint.active_config
    shares, rollout = _begin_rollout(spec, before)
    config = EndpointConfig.objects.create(
        endpoint=endpoint,
        version=endpoint.last_config_version,
        auto_capture=apply_auto_capture(
            actor=actor,
            endpoint=endpoint,
            config=spec.auto_capture,
            signatures=[entity.version.signature for entity in resolved],
        ),
        rollout=rollout,
        reason=reason[:255],
        created_at=now,
        created_by=actor.principal,
    )
    ServedEntity.objects.bulk_create(
        _row(config, entity, traffic=shares.get(entity.spec.name, entity.spec.traffic)) for entity in resolved
    )
    endpoint.pending_config = config
    endpoint.updated_at = now
    endpoint.save(update_fields=["last_config_version", "pending_config", "updated_at"])
    record(
        actor=actor,
        action="updateServingEndpointConfig",
        service_name=SERVICE,
        subject=subject_of(endpoint),
        params={"reason": reason},
        before={"config_version": before.version if before else None},
        after={
            "config_version": config.version,
            "served_entities": [
                {
                    "name": entity.spec.name,
                    "entity_name": entity.full_name,
                    "entity_version": entity.version.version,
                    "entity_alias": entity.spec.alias,
                    "role": entity.spec.role,
                    "traffic_percentage": shares.get(entity.spec.name, entity.spec.traffic),
                }
                for entity in resolved
            ],
        },
    )
    return config


def _begin_rollout(spec: ConfigSpec, before: EndpointConfig | None) -> tuple[dict[str, int], dict[str, Any]]:
    """The shares of the first step, and what later steps need to know."""
    rollout = spec.rollout
    if rollout is None:
        return {}, {}
    if before is None:
        raise InvalidParameter(
            "'rollout' shifts traffic away from what is served already: this endpoint serves nothing yet.",
            field="rollout",
        )
    target = {entity.name: entity.traffic for entity in spec.entities if entity.role == EntityRole.LIVE}
    known = {entity.name: entity.traffic_percentage for entity in entities_of(before)}
    follow_up = {"id": uuid4().hex, "step": 0, "target": target, "before": known, "from_config": str(before.pk)}
    first = shares_at(share=rollout.steps[0].percent, entity=rollout.entity, target=target, before=known)
    return first, {**rollout.as_wire(), **follow_up}


def _row(config: EndpointConfig, entity: ResolvedEntity, *, traffic: int) -> ServedEntity:
    spec = entity.spec
    return ServedEntity(
        config=config,
        name=spec.name,
        role=spec.role,
        traffic_percentage=traffic,
        entity_name=entity.full_name,
        entity_version=str(entity.version.version),
        entity_alias=spec.alias,
        version=entity.version,
        workload_size=spec.workload_size,
        workload_type=spec.workload_type,
        scale_to_zero=spec.scale_to_zero,
        min_concurrency=spec.min_concurrency,
        max_concurrency=spec.max_concurrency,
        environment_vars=dict(spec.environment_vars),
        micro_batching=spec.micro_batching,
        deployment_message="Creating",
        created_at=config.created_at,
    )


def _in_words(entities: Sequence[EntitySpec]) -> str:
    return ", ".join(
        f"{one.name} ({one.model} {'@' + one.alias if one.alias else 'version ' + one.version}, "
        f"{'shadow' if one.role == 'SHADOW' else f'{one.traffic} %'})"
        for one in entities
    )


@audited
def cancel_update(*, actor: Actor, name: object) -> ServingEndpoint:
    """Give up the update that is on its way: what is served now stays. Needs CAN_MANAGE.

    Raises:
        NotFound, AccessDenied.
        InvalidState: no update is on its way.
    """
    action = "cancelServingEndpointUpdate"
    seen = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_MANAGE, action=action)
    # The operation's row before the endpoint's, as a worker locks them.
    operation = lock_operation(seen.pending_config)
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_MANAGE, action=action, lock=True)
    config = endpoint.pending_config
    if endpoint.config_update != ConfigUpdate.IN_PROGRESS or config is None or config != seen.pending_config:
        raise InvalidState(f"Serving endpoint '{endpoint.name}' is not being updated: there is nothing to cancel.")
    end_config(
        endpoint=endpoint,
        config=config,
        state=ConfigState.CANCELED,
        message=f"Canceled by {actor.name}.",
        by=actor.principal,
    )
    if operation is not None:
        cancel_found(actor=actor, operation=operation)
    _record(actor, action, endpoint, after={"config_version": config.version})
    return endpoint


def lock_operation(config: EndpointConfig | None) -> Operation | None:
    """The operation that deploys a configuration, locked. Call in a transaction, before the endpoint is locked."""
    rows = Operation.objects.select_for_update(no_key=True, of=("self",)).select_related("cancel_requested_by")
    return rows.filter(pk=config.operation_id).first() if config is not None and config.operation_id else None


@audited
def stop_endpoint(*, actor: Actor, name: object) -> ServingEndpoint:
    """Stop answering, and give back what runs; the configuration stays. Needs CAN_MANAGE. Stopping twice is no error.

    Raises:
        NotFound, AccessDenied.
        Conflict: an update is on its way.
        InvalidState: nothing is served.
    """
    endpoint = _lock_idle(actor, name, "stopServingEndpoint")
    if endpoint.active_config is None:
        raise InvalidState(f"Serving endpoint '{endpoint.name}' serves nothing yet: there is nothing to stop.")
    if not endpoint.is_stopped:
        endpoint.is_stopped, endpoint.updated_at = True, timezone.now()
        endpoint.save(update_fields=["is_stopped", "updated_at"])
        ServedEntity.objects.filter(config__endpoint=endpoint, is_wanted=True).update(is_wanted=False)
        tell(endpoint=endpoint, kind="STOPPED", message="The endpoint was stopped.", by=actor.principal)
    _record(actor, "stopServingEndpoint", endpoint, after={"is_stopped": True})
    return endpoint


@audited
def start_endpoint(*, actor: Actor, name: object) -> EndpointConfig:
    """Serve again what a stopped endpoint served, as a new configuration. Needs CAN_MANAGE.

    Raises:
        NotFound, AccessDenied, Conflict.
        InvalidState: it is not stopped.
    """
    endpoint = _lock_idle(actor, name, "startServingEndpoint")
    if not endpoint.is_stopped or endpoint.active_config is None:
        raise InvalidState(f"Serving endpoint '{endpoint.name}' is not stopped.")
    spec = _spec_again(endpoint.active_config, is_pinned=False)
    return begin_config(actor=actor, endpoint=endpoint, spec=spec, reason="start")


@audited
def roll_back(*, actor: Actor, name: object, version: int | None = None, reason: str = "") -> EndpointConfig:
    """Serve what an earlier configuration served, as a new one; without `version`, the one before the present.

    The versions served then are served again: entities that followed an alias do not follow it any more. Needs
    CAN_MANAGE.

    Raises:
        NotFound: no such configuration, or one that never answered.
        AccessDenied, Conflict, InvalidState.
    """
    endpoint = _lock_idle(actor, name, "rollBackServingEndpoint")
    answered = endpoint.configs.filter(state=ConfigState.SUPERSEDED)
    found = answered.filter(version=version).first() if version is not None else answered.first()
    if found is None:
        what = f"configuration {version} that it has left" if version is not None else "earlier configuration"
        raise NotFound(f"Serving endpoint '{endpoint.name}' has no {what}: see the list of its configurations.")
    spec = _spec_again(found, is_pinned=True)
    return begin_config(
        actor=actor,
        endpoint=endpoint,
        spec=spec,
        reason=reason or f"roll back to configuration {found.version}",
    )


def _spec_again(config: EndpointConfig, *, is_pinned: bool) -> ConfigSpec:
    return ConfigSpec(entities=tuple(spec_of(entity, is_pinned=is_pinned) for entity in entities_of(config)))


def deploy_again(*, actor: Actor, operation: Operation) -> Operation:
    """Ask once more for the configuration that an operation could not deploy.

    Raises:
        NotFound, AccessDenied, Conflict, InvalidParameter, InvalidState.
    """
    endpoint = _lock_idle(actor, operation.params["name"], "updateServingEndpointConfig")
    config = EndpointConfig.objects.filter(pk=UUID(operation.params["config_id"]), endpoint=endpoint).first()
    if config is None:
        raise NotFound("That configuration was deleted meanwhile.")
    spec = _spec_again(config, is_pinned=False)
    again = begin_config(
        actor=actor, endpoint=endpoint, spec=spec, reason=f"configuration {config.version} again", retry_of=operation
    )
    if again.operation is None:
        raise InvalidState("The deployment was not submitted.")
    return again.operation


@audited_read
def list_configs(
    *, actor: Actor, name: object, max_results: int | None = None, page_token: str = ""
) -> Page[EndpointConfig]:
    """The configurations of an endpoint with their entities, newest first. Needs CAN_VIEW. Three queries.

    Raises:
        NotFound, InvalidParameter.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_VIEW)
    rows = EndpointConfig.objects.filter(endpoint=endpoint).select_related("created_by", "operation")
    return fetch_page(
        rows.prefetch_related("entities"),
        order=["-version"],
        size=page_size(max_results),
        token=page_token,
        scope=f"endpoint-configs:{endpoint.pk}",
    )


def _record(actor: Actor, action: str, endpoint: ServingEndpoint, **more: Any) -> None:
    record(actor=actor, action=action, service_name=SERVICE, subject=subject_of(endpoint), **more)
