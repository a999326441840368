"""Endpoints whose unpacked inference tables are monitored, and the models behind them."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from monitoring.models import Monitor
from monitoring.services.monitor_lookup import monitors_with_everything, visible_monitors
from registry.models import ModelVersion, RegisteredModel
from registry.services.actors import Actor
from registry.services.version_uses import MOST, Use
from serving.models import InferenceTable, ServedEntity


def models_behind(monitor: Monitor) -> dict[str, Any]:
    """The endpoint and the models that the monitored table logs, as receivers of alerts read them; {} for others.

    Two queries.
    """
    inference = (
        InferenceTable.objects.filter(unpacked_table=monitor.table_id)
        .select_related("endpoint__active_config")
        .order_by("-created_at")
        .first()
    )
    if inference is None:
        return {}
    endpoint = inference.endpoint
    config = endpoint.active_config if endpoint is not None else None
    entities = config.entities.all() if config is not None else []
    return {
        "endpoint": inference.endpoint_name,
        "models": [{"name": entity.entity_name, "version": entity.entity_version} for entity in entities],
    }


def monitors_of_version(actor: Actor, model: RegisteredModel, version: ModelVersion | None) -> Sequence[Use]:
    """The monitors that watch what versions of a model answer, if the actor may see them. At most six queries."""
    entities = ServedEntity.objects.filter(version__model=model, config__endpoint__active_config__isnull=False)
    if version is not None:
        entities = entities.filter(version=version)
    served = entities.values_list("config__endpoint", "version__version").distinct()[:MOST]
    numbers: dict[Any, int] = {}
    for endpoint, number in served:
        numbers[endpoint] = max(number, numbers.get(endpoint, 0))
    tables = InferenceTable.objects.filter(endpoint__in=numbers, unpacked_table__isnull=False)
    by_table = {table: (endpoint, name) for table, endpoint, name in tables.values_list(
        "unpacked_table", "endpoint", "endpoint_name"
    )}  # fmt: skip
    if not by_table:
        return []
    rows = monitors_with_everything(visible_monitors(actor).filter(table__in=by_table))[:MOST]
    return [
        Use(
            kind="Monitor",
            name=row.table.full_name,
            version=numbers[by_table[row.table_id][0]],
            url=f"/explore/data/{'/'.join(quote(part) for part in row.table.full_name.split('.'))}?tab=quality",
            note=f"of endpoint {by_table[row.table_id][1]}",
        )
        for row in rows
    ]
