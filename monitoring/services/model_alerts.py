"""Alerts by the models whose endpoints they watch."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from django.db.models import Count, F

from monitoring.models import AlertState
from monitoring.services.alerts import visible_alerts
from monitoring.services.monitored_endpoints import tables_of
from registry.models import RegisteredModel
from registry.services.actors import Actor
from serving.models import ServedEntity


def triggered_of_models(actor: Actor, models: Sequence[RegisteredModel]) -> dict[UUID, int]:
    """How many alerts are triggered by tables of the endpoints that serve each of some models, where there are any.

    Only alerts that the actor may see count. At most five queries, one where no alert is triggered.
    """
    triggered = visible_alerts(actor).filter(state=AlertState.TRIGGERED, monitor__isnull=False)
    counted = triggered.order_by().values("monitor__table").annotate(alerts=Count("pk"))
    alerts = dict(counted.values_list("monitor__table", "alerts"))
    if not alerts:
        return {}
    served = ServedEntity.objects.filter(config=F("config__endpoint__active_config"), version__model__in=models)
    pairs = set(served.values_list("version__model", "config__endpoint", "config__endpoint__name"))
    tables = tables_of({endpoint: name for _, endpoint, name in pairs})
    by_endpoint: Counter[str] = Counter()
    for table, (_, name) in tables.items():
        by_endpoint[name] += alerts.get(table, 0)
    found: Counter[UUID] = Counter()
    for model, _, name in pairs:
        found[model] += by_endpoint[name]
    return {model: count for model, count in found.items() if count}
