"""Endpoints whose tables are monitored, and the models behind them.

An endpoint has two kinds of them: the unpacked inference table holds what it answers, the table of its metrics how
fast it does and how often it fails.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

from monitoring.models import Monitor
from monitoring.services.monitor_lookup import MonitorRow, monitor_rows, monitors_with_everything, visible_monitors
from registry.models import ModelVersion, RegisteredModel, Securable
from registry.privileges import SecurableType
from registry.services.access import visible_to
from registry.services.actors import Actor, load_actor
from registry.services.securables import with_containers
from registry.services.version_uses import MOST, Use
from serving.models import InferenceTable, ServedEntity, ServingEndpoint
from serving.services.endpoint_access import visible_endpoints
from serving.services.endpoint_metrics_log import endpoint_of, metrics_tables

ANSWERS, METRICS = "answers", "metrics"


def endpoint_behind(monitor: Monitor) -> UUID | None:
    """The id of the endpoint that the monitored table is of; None for other tables. At most three queries.

    What a table of metrics says of itself counts as far as the monitor's owner may see that endpoint.
    """
    inference = InferenceTable.objects.filter(unpacked_table=monitor.table_id).order_by("-created_at").first()
    if inference is not None:
        return inference.endpoint_id
    claimed = endpoint_of(monitor.table)
    if claimed is None or not visible_endpoints(load_actor(monitor.owner)).filter(pk=claimed).exists():
        return None
    return claimed


def models_behind(monitor: Monitor) -> dict[str, Any]:
    """The endpoint and its models that the monitored table is of, as receivers of alerts read them; {} for others.

    At most five queries.
    """
    found = endpoint_behind(monitor)
    endpoint = ServingEndpoint.objects.select_related("active_config").filter(pk=found).first() if found else None
    if endpoint is None:
        # An endpoint that is gone leaves its name.
        gone = InferenceTable.objects.filter(unpacked_table=monitor.table_id).order_by("-created_at").first()
        return {"endpoint": gone.endpoint_name, "models": []} if gone is not None else {}
    config = endpoint.active_config
    entities = config.entities.all() if config is not None else []
    return {
        "endpoint": endpoint.name,
        "models": [{"name": entity.entity_name, "version": entity.entity_version} for entity in entities],
    }


@dataclass(frozen=True)
class Watched:
    """A table of an endpoint: what it holds, and its monitor; None: nobody watches it."""

    holds: str
    table: Securable
    endpoint: str
    row: MonitorRow | None
    version: int | None = None


def watched_tables(*, actor: Actor, endpoint: ServingEndpoint) -> list[Watched]:
    """The tables of an endpoint that the actor may see, with how their monitors stand. At most eight queries."""
    tables = tables_of({endpoint.pk: endpoint.name})
    rows = visible_to(actor, Securable.objects.filter(pk__in=tables), SecurableType.TABLE)
    seen = list(with_containers(rows))
    monitors = monitors_with_everything(Monitor.objects.filter(table__in=seen))
    by_table = {row.monitor.table_id: row for row in monitor_rows(list(monitors))}
    found = [Watched(tables[table.pk][0], table, endpoint.name, by_table.get(table.pk)) for table in seen]
    return sorted(found, key=lambda one: (one.holds, one.table.full_name))


def watched_of_model(*, actor: Actor, model: RegisteredModel) -> list[Watched]:
    """The monitors of the endpoints that serve a model, if the actor may see them. At most ten queries."""
    return _watched(actor, model, None)


def _watched(actor: Actor, model: RegisteredModel, version: ModelVersion | None) -> list[Watched]:
    entities = ServedEntity.objects.filter(version__model=model, config__endpoint__active_config__isnull=False)
    if version is not None:
        entities = entities.filter(version=version)
    served = entities.values_list("config__endpoint", "config__endpoint__name", "version__version").distinct()[:MOST]
    names: dict[Any, str] = {}
    numbers: dict[str, int] = {}
    for endpoint, name, number in served:
        names[endpoint] = name
        numbers[name] = max(number, numbers.get(name, 0))
    tables = tables_of(names)
    if not tables:
        return []
    rows = monitor_rows(list(monitors_with_everything(visible_monitors(actor).filter(table__in=tables))[:MOST]))
    found = []
    for row in rows:
        holds, name = tables[row.monitor.table_id]
        found.append(Watched(holds, row.monitor.table, name, row, numbers[name]))
    return sorted(found, key=lambda one: (one.endpoint, one.holds))


def tables_of(endpoints: dict[Any, str]) -> dict[UUID, tuple[str, str]]:
    """What tables of some endpoints hold, and of which one, whoever may see them. Two queries."""
    if not endpoints:
        return {}
    unpacked = InferenceTable.objects.filter(endpoint__in=endpoints, unpacked_table__isnull=False)
    found: dict[UUID, tuple[str, str]] = {
        table: (ANSWERS, endpoints[endpoint])
        for table, endpoint in unpacked.values_list("unpacked_table", "endpoint")
        if table is not None
    }
    for table in metrics_tables(endpoints):
        endpoint = endpoint_of(table)
        if endpoint in endpoints:
            found.setdefault(table.pk, (METRICS, endpoints[endpoint]))
    return found


def monitors_of_version(actor: Actor, model: RegisteredModel, version: ModelVersion | None) -> Sequence[Use]:
    """The monitors that watch endpoints of a model, or of one version, if the actor may see them."""
    return [
        Use(
            kind="Monitor",
            name=one.table.full_name,
            version=one.version or 0,
            url=f"/explore/data/{'/'.join(quote(part) for part in one.table.full_name.split('.'))}?tab=quality",
            note=f"of endpoint {one.endpoint}",
        )
        for one in _watched(actor, model, version)
    ]
