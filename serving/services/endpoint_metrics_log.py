"""The minutes of an endpoint as rows of a governed Delta table: latency, errors and saturation, to be monitored.

The table belongs to who made it, and its rows keep coming while its owner may see the endpoint. Which endpoint it is
of stands in its properties. A minute is added once, when it is some minutes old and its numbers come to rest.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from registry.errors import AlreadyExists, NotFound
from registry.models import Securable
from registry.privileges import Action, SecurableType
from registry.services.access import require
from registry.services.actors import Actor, load_actor
from registry.services.audit import audited
from registry.services.securables import find_for, find_securable, with_containers
from serving.models import EndpointLevel, EndpointSample, ServingEndpoint
from serving.services.capture_appends import hold
from serving.services.capture_upkeep import tidy_files
from serving.services.delta_tables import Column, create_delta_table
from serving.services.delta_writes import open_table, write_rows
from serving.services.endpoint_access import require_endpoint, visible_endpoints
from serving.services.endpoint_metrics_table import COLUMNS, facts_of

logger = logging.getLogger(__name__)

ENDPOINT = "modelkeep.endpoint_metrics"
"""The property by which a table tells the id of the endpoint whose minutes it holds."""
SUFFIX = "_metrics"
_APPLICATION = "modelkeep.minutes"
_AT_REST = timedelta(minutes=5)
_TYPES = {"STRING": "string", "BIGINT": "long", "DOUBLE": "double", "TIMESTAMP": "timestamp"}
# All rows are of one endpoint, and the day stands in the time.
_LEFT_OUT = {"event_date", "endpoint_id", "endpoint_name"}
_COLUMNS = [Column(name, _TYPES[type_]) for name, type_ in COLUMNS if name not in _LEFT_OUT]


@audited
def keep_endpoint_metrics(*, actor: Actor, endpoint: str, catalog: str, schema: str) -> Securable:
    """The table `{endpoint}_metrics` in a schema, with the minutes that are known; made unless it is there.

    Needs CAN_VIEW on the endpoint and CREATE_TABLE on the schema; MODIFY on the table besides, if it is there.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
        AlreadyExists: a table of that name holds something else.
    """
    found = require_endpoint(actor=actor, name=endpoint, level=EndpointLevel.CAN_VIEW)
    place = f"{catalog}.{schema}"
    find_for(actor=actor, type_=SecurableType.SCHEMA, full_name=place, action=Action.CREATE_TABLE)
    full_name = f"{place}.{found.name}{SUFFIX}"
    try:
        table = find_securable(SecurableType.TABLE, full_name)
    except NotFound:
        return _made(actor, found, (catalog, schema))
    if table.properties.get(ENDPOINT) != found.pk.hex:
        raise AlreadyExists(
            f"Table '{full_name}' already exists and holds no metrics of endpoint '{found.name}': choose another "
            "schema."
        )
    require(actor=actor, action=Action.MODIFY_TABLE, securable=table)
    return table


def _made(actor: Actor, endpoint: ServingEndpoint, place: tuple[str, str]) -> Securable:
    table = create_delta_table(
        actor=actor,
        place=place,
        name=f"{endpoint.name}{SUFFIX}",
        columns=_COLUMNS,
        comment=f"Each minute of each served entity of endpoint {endpoint.name}: latency, errors, saturation.",
        properties={ENDPOINT: endpoint.pk.hex},
    ).securable
    _append(table.pk, timezone.now())
    return table


def endpoint_of(table: Securable) -> UUID | None:
    """The id of the endpoint whose minutes a table says it holds. No query, and no word about rights."""
    try:
        return UUID(table.properties[ENDPOINT])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def metrics_tables(endpoint_ids: Iterable[UUID]) -> "QuerySet[Securable]":
    """The tables that hold the minutes of some endpoints, whoever may see them."""
    wanted = [endpoint_id.hex for endpoint_id in endpoint_ids]
    return _all_tables().filter(**{f"properties__{ENDPOINT}__in": wanted})


def _all_tables() -> "QuerySet[Securable]":
    return Securable.objects.filter(type=SecurableType.TABLE, properties__has_key=ENDPOINT)


def append_endpoint_metrics(*, now: datetime | None = None) -> int:
    """Add the minutes that came to rest to every such table; returns how many rows. One's trouble stops no other."""
    moment, total = now or timezone.now(), 0
    for pk in list(_all_tables().order_by("pk").values_list("pk", flat=True)):
        try:
            total += _append(pk, moment)
        except Exception as error:  # The minutes stay where they are for two weeks: the next time tries again.
            logger.warning("the metrics table %s takes no rows", pk, exc_info=error)
    return total


@transaction.atomic
def _append(pk: UUID, now: datetime) -> int:
    """Exactly once: the commit that adds rows keeps the last minute of them."""
    if not hold(pk):
        return 0
    table = with_containers(Securable.objects.filter(pk=pk)).first()
    endpoint_id = endpoint_of(table) if table is not None else None
    if table is None or endpoint_id is None:
        return 0
    # A property is easily written: rows come only as far as the table's owner may see them anyway.
    if not visible_endpoints(load_actor(table.owner)).filter(pk=endpoint_id).exists():
        return 0
    delta = open_table(table)
    if delta is None:
        return 0
    samples = EndpointSample.objects.filter(endpoint=endpoint_id, minute__lte=now - _AT_REST)
    if last := delta.transaction_version(_APPLICATION):
        samples = samples.filter(minute__gt=datetime.fromtimestamp(last, UTC))
    rows = list(samples.order_by("minute", "pk"))
    if rows:
        mark = (_APPLICATION, int(rows[-1].minute.timestamp()))
        write_rows(delta, ({**facts_of(row), "event_time": row.minute} for row in rows), mark)
        tidy_files(delta)
    return len(rows)
