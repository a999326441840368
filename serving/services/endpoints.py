"""Serving endpoints: made, shown, listed, described, tagged, limited, deleted. The rest is `endpoint_updates`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from registry.errors import AlreadyExists, InvalidParameter, LimitExceeded, NotFound
from registry.names import check_tag_key, check_tag_value
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.operations import cancel_found
from registry.services.paging import Page, fetch_page, page_size
from registry.services.tag_policies import check_governed
from serving.models import (
    EndpointConfig,
    EndpointLevel,
    EndpointPermission,
    EndpointTag,
    ServedEntity,
    ServingEndpoint,
)
from serving.services.ai_gateway import apply_ai_gateway, parse_rate_limits
from serving.services.endpoint_access import SERVICE, require_endpoint, subject_of, visible_endpoints
from serving.services.endpoint_configs import check_endpoint_name, parse_config
from serving.services.endpoint_events import tell
from serving.services.endpoint_notifications import parse_notifications
from serving.services.endpoint_updates import begin_config, lock_operation

MAX_DESCRIPTION = 10_000
MAX_ENDPOINTS = 1000


@dataclass(frozen=True)
class NewEndpoint:
    """What an endpoint is made of; everything but the name as it stands on the wire, to be checked."""

    name: object
    config: object
    tags: object = ()
    description: object = ""
    rate_limits: object = None
    ai_gateway: object = None
    email_notifications: object = None
    telemetry_config: object = None
    route_optimized: bool = False
    budget_policy_id: str = ""


@audited
def create_endpoint(*, actor: Actor, new: NewEndpoint) -> ServingEndpoint:
    """Make an endpoint that acts as the actor, and ask for its first configuration. Returns at once.

    Raises:
        AlreadyExists: the name is taken, by an endpoint that the actor may not know of also.
        NotFound, AccessDenied, InvalidState: of the models that it is to serve.
        InvalidParameter, LimitExceeded.
    """
    name = check_endpoint_name(new.name)
    spec = parse_config(new.config)
    now = timezone.now()
    if ServingEndpoint.objects.count() >= MAX_ENDPOINTS:
        raise LimitExceeded(f"There are {MAX_ENDPOINTS} serving endpoints, the most there may be: delete one first.")
    endpoint = ServingEndpoint(
        name=name,
        creator=actor.principal,
        description=_description(new.description),
        rate_limits=parse_rate_limits(new.rate_limits),
        telemetry_config=_telemetry(new.telemetry_config),
        route_optimized=new.route_optimized,
        budget_policy_id=new.budget_policy_id[:255],
        created_at=now,
        updated_at=now,
    )
    try:
        with transaction.atomic():
            endpoint.save(force_insert=True)
    except IntegrityError as error:
        raise AlreadyExists(f"Serving endpoint '{name}' already exists. Choose another name.") from error
    EndpointPermission.objects.create(endpoint=endpoint, principal=actor.principal, level=EndpointLevel.CAN_MANAGE)
    _set_tags(actor, endpoint, add=new.tags, remove=())
    _record(
        actor,
        "createServingEndpoint",
        endpoint,
        after={"description": endpoint.description, "tags": _tags(endpoint)},
    )
    tell(endpoint=endpoint, kind="CREATED", message="The endpoint was created.", by=actor.principal, now=now)
    if new.email_notifications:
        endpoint.email_notifications = parse_notifications(actor=actor, wire=new.email_notifications)
        endpoint.save(update_fields=["email_notifications"])
    begin_config(actor=actor, endpoint=endpoint, spec=spec, reason="create")
    if new.ai_gateway:
        apply_ai_gateway(actor=actor, endpoint=endpoint, wire=new.ai_gateway)
    return endpoint_shown(actor=actor, name=name)


def _description(given: object) -> str:
    if given is None:
        return ""
    if not isinstance(given, str) or len(given) > MAX_DESCRIPTION or "\x00" in given:
        raise InvalidParameter(
            f"'description' must be text of {MAX_DESCRIPTION} characters at most.", field="description"
        )
    return given


def _telemetry(given: object) -> dict[str, Any]:
    """Kept for clients that set it. Logs, metrics and requests are kept by the product itself."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidParameter("'telemetry_config' must be an object.", field="telemetry_config")
    known = {"enabled_telemetry_features", "inference_table_config", "table_names", "telemetry_profile_id"}
    unknown = sorted(set(given) - known)
    if unknown:
        raise InvalidParameter(
            f"'telemetry_config.{unknown[0]}' is not known: use {', '.join(sorted(known))}.", field="telemetry_config"
        )
    return dict(given)


def with_everything(rows: "QuerySet[ServingEndpoint]") -> "QuerySet[ServingEndpoint]":
    """Endpoints with what is shown of one: tags, and both configurations with their entities. Six queries more."""
    entities = Prefetch("entities", ServedEntity.objects.select_related("environment").defer("build_log"))
    configs = EndpointConfig.objects.select_related("created_by", "operation").prefetch_related(entities)
    return rows.prefetch_related("tags", Prefetch("active_config", configs), Prefetch("pending_config", configs))


def endpoint_shown(
    *, actor: Actor, name: object, level: EndpointLevel = EndpointLevel.CAN_VIEW, action: str = ""
) -> ServingEndpoint:
    """One endpoint with everything that is shown of it, for who has that level.

    Raises:
        NotFound, AccessDenied.
    """
    found = require_endpoint(actor=actor, name=name, level=level, action=action)
    return with_everything(visible_endpoints(actor)).get(pk=found.pk)


@audited_read
def get_endpoint(*, actor: Actor, name: object) -> ServingEndpoint:
    """One endpoint with everything that is shown of it. Needs CAN_VIEW. Eight queries at most.

    Raises:
        NotFound.
    """
    return endpoint_shown(actor=actor, name=name)


@audited_read
def list_endpoints(
    *, actor: Actor, name_contains: str = "", max_results: int | None = None, page_token: str = ""
) -> Page[ServingEndpoint]:
    """The endpoints that the actor may see, by name, with what they serve. The same queries for one and for many.

    Raises:
        InvalidParameter: a token of another list.
    """
    rows = with_everything(visible_endpoints(actor))
    return fetch_page(
        rows.filter(name__icontains=name_contains) if name_contains else rows,
        order=["name"],
        size=page_size(max_results, default=MAX_ENDPOINTS),
        token=page_token,
        scope=f"endpoints:{name_contains}",
    )


def _managed(actor: Actor, name: object, action: str) -> ServingEndpoint:
    return require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_MANAGE, action=action, lock=True)


def _saved(endpoint: ServingEndpoint, *fields: str) -> None:
    endpoint.updated_at = timezone.now()
    endpoint.save(update_fields=[*fields, "updated_at"])


@audited
def describe_endpoint(*, actor: Actor, name: object, description: object) -> ServingEndpoint:
    """Change the description. Needs CAN_MANAGE.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    endpoint = _managed(actor, name, "updateServingEndpointDescription")
    before = endpoint.description
    endpoint.description = _description(description)
    _saved(endpoint, "description")
    _record(
        actor,
        "updateServingEndpointDescription",
        endpoint,
        before={"description": before},
        after={"description": endpoint.description},
    )
    return endpoint


@audited
def update_tags(*, actor: Actor, name: object, add: object = (), remove: object = ()) -> list[EndpointTag]:
    """Add, change and remove tags; returns all there are then. Needs CAN_MANAGE.

    `add` is a list of objects with `key` and `value`, `remove` one of keys.

    Raises:
        NotFound, AccessDenied, InvalidParameter, LimitExceeded.
    """
    endpoint = _managed(actor, name, "updateServingEndpointTags")
    before = _tags(endpoint)
    _set_tags(actor, endpoint, add=add, remove=remove)
    _saved(endpoint)
    _record(actor, "updateServingEndpointTags", endpoint, before=before, after=_tags(endpoint))
    return list(endpoint.tags.all())


def _set_tags(actor: Actor, endpoint: ServingEndpoint, *, add: object, remove: object) -> None:
    wanted = dict(_tag(one) for one in _listed(add, "add_tags"))
    gone = [str(key) for key in _listed(remove, "delete_tags")]
    check_governed(actor, wanted=wanted, removed=gone)
    after = {**_tags(endpoint), **wanted}
    if len(set(after) - set(gone)) > settings.MAX_TAGS_PER_OBJECT:
        raise LimitExceeded(
            f"An endpoint has at most {settings.MAX_TAGS_PER_OBJECT} tags: remove one before you set another."
        )
    endpoint.tags.filter(key__in=gone).delete()
    rows = [EndpointTag(endpoint=endpoint, key=key, value=value) for key, value in wanted.items() if key not in gone]
    EndpointTag.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["endpoint", "key"], update_fields=["value"]
    )


def _listed(given: object, field: str) -> Sequence[Any]:
    if given is None:
        return ()
    if not isinstance(given, list | tuple):
        raise InvalidParameter(f"'{field}' must be a list.", field=field)
    return given


def _tag(given: object) -> tuple[str, str]:
    if not isinstance(given, Mapping):
        raise InvalidParameter("A tag is an object with 'key' and 'value'.", field="tags")
    return check_tag_key(given.get("key")), check_tag_value(given.get("value") or "")


def _tags(endpoint: ServingEndpoint) -> dict[str, str]:
    return dict(EndpointTag.objects.filter(endpoint=endpoint).values_list("key", "value"))


@audited
def set_rate_limits(*, actor: Actor, name: object, rate_limits: object) -> ServingEndpoint:
    """Replace the endpoint's rate limits. Needs CAN_MANAGE.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    endpoint = _managed(actor, name, "updateServingEndpointRateLimits")
    before = endpoint.rate_limits
    endpoint.rate_limits = parse_rate_limits(rate_limits)
    _saved(endpoint, "rate_limits")
    _record(actor, "updateServingEndpointRateLimits", endpoint, before=before, after=endpoint.rate_limits)
    return endpoint


@audited
def set_notifications(*, actor: Actor, name: object, email_notifications: object) -> ServingEndpoint:
    """Replace who is told how updates end. Needs CAN_MANAGE.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    action = "updateServingEndpointNotifications"
    endpoint = _managed(actor, name, action)
    before = endpoint.email_notifications
    endpoint.email_notifications = parse_notifications(actor=actor, wire=email_notifications)
    _saved(endpoint, "email_notifications")
    _record(actor, action, endpoint, before=before, after=endpoint.email_notifications)
    return endpoint


@audited
def set_telemetry(*, actor: Actor, name: object, telemetry_config: object) -> ServingEndpoint:
    """Replace the telemetry settings, or take them away. Needs CAN_MANAGE.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    action = "updateServingEndpointTelemetry"
    endpoint = _managed(actor, name, action)
    before = endpoint.telemetry_config
    endpoint.telemetry_config = _telemetry(telemetry_config)
    _saved(endpoint, "telemetry_config")
    _record(actor, action, endpoint, before=before, after=endpoint.telemetry_config)
    return endpoint_shown(actor=actor, name=name)


@audited
def delete_endpoint(*, actor: Actor, name: object) -> None:
    """Delete an endpoint with its configurations and events; an update on its way is canceled. Needs CAN_MANAGE.

    Its inference tables stay. What runs for it ends as soon as the supervisor sees that it is gone.

    Raises:
        NotFound, AccessDenied.
    """
    action = "deleteServingEndpoint"
    seen = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_MANAGE, action=action)
    # The operation's row before the endpoint's, as a worker locks them.
    operation = lock_operation(seen.pending_config)
    endpoint = _managed(actor, name, action)
    active = endpoint.active_config
    _record(actor, action, endpoint, before={"config_version": active.version if active else None})
    endpoint.delete()
    if operation is not None:
        cancel_found(actor=actor, operation=operation)


@audited_read
def build_log(*, actor: Actor, name: object, served: str) -> str:
    """What building the environment of a served entity has told, of the newest configuration that has it.

    Needs CAN_VIEW. Three queries.

    Raises:
        NotFound: no such endpoint or entity.
    """
    return find_served(actor=actor, name=name, served=served).build_log


@audited_read
def find_served(*, actor: Actor, name: object, served: str) -> ServedEntity:
    """The served entity of that name, in the endpoint's newest configuration that has one. Needs CAN_VIEW.

    Raises:
        NotFound: no such endpoint or entity.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_VIEW)
    rows = ServedEntity.objects.filter(config__endpoint=endpoint, name=served).select_related("config")
    found = rows.order_by("-config__version").first()
    if found is None:
        raise NotFound(f"Serving endpoint '{endpoint.name}' has no served entity '{served}'.")
    return found


def _record(actor: Actor, action: str, endpoint: ServingEndpoint, **more: Any) -> None:
    record(actor=actor, action=action, service_name=SERVICE, subject=subject_of(endpoint), **more)
