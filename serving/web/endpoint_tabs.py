"""What each tab of an endpoint's page needs: asked of the services only when the tab is open."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from registry.services.actors import Actor
from registry.web.context import public_host
from registry.web.explore import PAGE_SIZE
from registry.web.polling import next_wait
from serving.models import ConfigState, ConfigUpdate, Deployment, EndpointConfig, ServedEntity
from serving.services.config_differences import EntityDifference, differences_of_configs
from serving.services.endpoint_events import FAILURE, SUCCESS, list_events
from serving.services.endpoint_notifications import notifications_wire
from serving.services.endpoint_permissions import list_permissions
from serving.services.endpoint_updates import list_configs
from serving.services.endpoint_views import WatchedConfig, WatchedEndpoint
from serving.services.inference_tables import list_inference_tables
from serving.services.query_examples import example_of, version_of
from serving.services.replica_logs import replica_logs
from serving.web.endpoint_metrics import metrics_context
from serving.web.log_lines import marked_lines, quoted_in
from serving.web.snippets import snippets_for
from serving.web.words import LEVELS

Context = dict[str, Any]


def context_of(request: HttpRequest, actor: Actor, watched: WatchedEndpoint, tab: str) -> Context:
    """The template of a tab and what it shows."""
    return {**_TABS[tab](request, actor, watched), "tab_template": f"serving/_{tab}.html"}


def _overview(request: HttpRequest, actor: Actor, watched: WatchedEndpoint) -> Context:
    endpoint, shown = watched.endpoint, watched.active or watched.pending
    example = example_of(actor=actor, version=version_of(shown.entities[0].entity) if shown else None)
    path = f"/serving-endpoints/{endpoint.name}"
    return {
        "example": example,
        "active_entities": [one.entity for one in watched.active.entities] if watched.active else [],
        "stopped": endpoint.is_stopped,
        "invocations_path": path,
        "rate_limits": [limit_in_words(limit) for limit in _rate_limits(watched)],
        "snippets": snippets_for(host=public_host(request), endpoint=endpoint.name, body=example.body),
    }


def _rate_limits(watched: WatchedEndpoint) -> list[Mapping[str, Any]]:
    return [*watched.endpoint.rate_limits, *(watched.endpoint.ai_gateway.get("rate_limits") or [])]


def limit_in_words(limit: Mapping[str, Any]) -> str:
    """A rate limit as people read it."""
    per = {"user": "each user", "endpoint": "all together", "user_group": "the group", "service_principal": ""}
    whose = " ".join(part for part in (per.get(str(limit.get("key")), ""), str(limit.get("principal") or "")) if part)
    return f"{limit.get('calls')} a {limit.get('renewal_period', 'minute')} for {whose or 'all together'}"


def _events(request: HttpRequest, actor: Actor, watched: WatchedEndpoint) -> Context:
    token = request.GET.get("page", "")
    return {"page": list_events(actor=actor, name=watched.endpoint.name, max_results=PAGE_SIZE, page_token=token)}


@dataclass(frozen=True)
class ConfigRow:
    """A configuration in the history, and how it differs from the one that answered before it."""

    config: EndpointConfig
    differences: list[EntityDifference]
    may_roll_back: bool


def _configs(request: HttpRequest, actor: Actor, watched: WatchedEndpoint) -> Context:
    page = list_configs(
        actor=actor,
        name=watched.endpoint.name,
        max_results=_CONFIGS,
        page_token=request.GET.get("page", ""),
    )
    idle = watched.endpoint.config_update != "IN_PROGRESS"
    answered = {ConfigState.ACTIVE, ConfigState.SUPERSEDED}
    rows = [
        ConfigRow(
            config,
            differences_of_configs(next((one for one in page.items[place:] if one.state in answered), None), config),
            may_roll_back=watched.may_manage and idle and config.state == ConfigState.SUPERSEDED,
        )
        for place, config in enumerate(page.items, 1)
    ]
    return {"page": page, "rows": rows}


def _logs(request: HttpRequest, _actor: Actor, watched: WatchedEndpoint) -> Context:
    """What a served entity wrote: while it was built, or since it runs."""
    shown = _config_of(request, watched)
    if shown is None:
        return {"choices": []}
    names = [one.entity.name for one in shown.entities]
    wanted = request.GET.get("entity", "")
    entity = next((one.entity for one in shown.entities if one.entity.name == wanted), _first_of_interest(shown))
    kind = "build" if request.GET.get("kind") == "build" else "service"
    return {
        "choices": names,
        "configs": [one.config.version for one in (watched.active, watched.pending) if one],
        "config_version": shown.config.version,
        "entity": entity,
        "kind": kind,
        **log_context(request, entity, kind),
    }


def _config_of(request: HttpRequest, watched: WatchedEndpoint) -> WatchedConfig | None:
    """The configuration that the address names, else the one that is on its way, else the one that answers."""
    known = [one for one in (watched.pending, watched.active) if one]
    wanted = request.GET.get("config", "")
    moving = watched.endpoint.config_update == ConfigUpdate.IN_PROGRESS
    first = watched.pending if moving else watched.active
    return next((one for one in known if str(one.config.version) == wanted), first or next(iter(known), None))


def _first_of_interest(shown: WatchedConfig) -> ServedEntity:
    """The entity that failed, if one did: its log is what somebody comes for."""
    entities = [one.entity for one in shown.entities]
    return next((one for one in entities if one.deployment == Deployment.FAILED), entities[0])


def log_context(request: HttpRequest, entity: ServedEntity, kind: str) -> Context:
    """The log of an entity; while it may grow, the page asks again."""
    growing = entity.deployment in {Deployment.CREATING, Deployment.RECOVERING} or (
        kind == "service" and entity.is_wanted
    )
    replicas = replica_logs(entity) if kind == "service" else []
    failed = entity.deployment == Deployment.FAILED
    return {
        "lines": marked_lines(entity.build_log, named=_named_in(entity)) if kind == "build" else [],
        "replicas": [(one, marked_lines(one.text)) for one in replicas],
        "failed": failed,
        "growing": growing,
        "wait": next_wait(request.GET.get("wait", "")),
    }


def _named_in(entity: ServedEntity) -> str:
    """The line of the build log that the failure quotes, as a requirement that cannot be had."""
    if entity.deployment != Deployment.FAILED:
        return ""
    lines = {line.strip() for line in entity.build_log.splitlines()}
    return quoted_in(entity.deployment_message, [line for line in lines if len(line) >= _SHORTEST])


def _table(_request: HttpRequest, actor: Actor, watched: WatchedEndpoint) -> Context:
    tables = list_inference_tables(actor=actor, name=watched.endpoint.name)
    return {"tables": tables, "is_on": any(one.is_enabled for one in tables)}


def _permissions(_request: HttpRequest, actor: Actor, watched: WatchedEndpoint) -> Context:
    found = list_permissions(actor=actor, endpoint_id=watched.endpoint.pk.hex)
    return {"permissions": found, "levels": [(name, *words) for name, words in LEVELS.items()]}


def _settings(_request: HttpRequest, _actor: Actor, watched: WatchedEndpoint) -> Context:
    told = notifications_wire(watched.endpoint.email_notifications)
    return {
        "rate_limits": [limit_in_words(limit) for limit in _rate_limits(watched)],
        "told": [("When an update succeeds", told.get(SUCCESS, [])), ("When one fails", told.get(FAILURE, []))],
    }


_CONFIGS, _SHORTEST = 20, 4
_TABS: Mapping[str, Callable[[HttpRequest, Actor, WatchedEndpoint], Context]] = {
    "overview": _overview,
    "metrics": metrics_context,
    "events": _events,
    "logs": _logs,
    "table": _table,
    "configs": _configs,
    "permissions": _permissions,
    "settings": _settings,
}
