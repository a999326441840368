"""Finding monitors: by their table, and all that somebody may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from monitoring.models import AlertIncident, Monitor, MonitorRefresh, MonitorStatus, RefreshState
from registry.errors import AccessDenied, InvalidParameter, NotFound
from registry.models import Securable
from registry.names import lookup_key
from registry.privileges import Action, SecurableType
from registry.services.access import not_found_message, require, require_visible, visible_to
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.paging import Page, fetch_page, page_size
from registry.services.securables import find_securable, with_containers

SUFFIXES = {"PROFILE": "_profile_metrics", "DRIFT": "_drift_metrics", "INSIGHTS": "_insights"}
"""What the names of metric tables add to the table's own."""
SERVICE = "dataMonitoring"
"""What the audit trail calls all this."""
MONITORED = "modelkeep.monitored_table"
"""The property by which a metric table tells the id of the table that it is about."""


def monitors_with_everything(rows: "QuerySet[Monitor]") -> "QuerySet[Monitor]":
    """Rows together with every securable and person that a view of them names."""
    return rows.select_related(
        "table__parent__parent",
        "table__owner",
        "owner",
        "baseline_table__parent__parent",
        "output_schema__parent",
        "profile_table__parent__parent",
        "drift_table__parent__parent",
        "insights_table__parent__parent",
        "created_by",
        "updated_by",
    )


def metric_table_of(monitor: Monitor, which: str) -> Securable | None:
    """The PROFILE, DRIFT or INSIGHTS table; None before the first refresh, or when somebody dropped it."""
    return {
        "PROFILE": monitor.profile_table,
        "DRIFT": monitor.drift_table,
        "INSIGHTS": monitor.insights_table,
    }[which]


def metric_table_name(monitor: Monitor, which: str) -> str:
    """The full name of a metric table: what it is, or what it will be."""
    table = metric_table_of(monitor, which)
    if table is not None:
        return table.full_name
    schema = monitor.output_schema.full_name if monitor.output_schema else monitor.output_schema_name
    return f"{schema}.{monitor.table.name}{SUFFIXES[which]}"


def find_monitored_table(table: str, *, lock: bool = False) -> Securable:
    """The table of that full name, or of that id, whoever asks: callers ask for rights afterwards. One query.

    Raises:
        NotFound: there is none.
        InvalidParameter: neither a full name nor an id.
    """
    try:
        key = UUID(table)
    except ValueError:
        return find_securable(SecurableType.TABLE, table, lock=lock)
    rows = with_containers(Securable.objects.filter(pk=key, type=SecurableType.TABLE))
    found = (rows.select_for_update(of=("self",)) if lock else rows).first()
    if found is None:
        raise NotFound(not_found_message(SecurableType.TABLE, table))
    return found


def find_monitor_for(*, actor: Actor, table: str, action: Action, lock: bool = False) -> Monitor:
    """The monitor of a table, if the actor may do `action` to the table. Three queries.

    Raises:
        NotFound: no such table, none that the actor may know of, or it has no monitor.
        AccessDenied.
    """
    securable = find_monitored_table(table)
    require(actor=actor, action=action, securable=securable, named=table)
    return _monitor_of(securable, lock=lock)


def find_shown_monitor(*, actor: Actor, table: str) -> Monitor:
    """The monitor of a table that the actor may see. Three queries.

    Raises:
        NotFound, AccessDenied.
    """
    securable = find_monitored_table(table)
    require_visible(actor=actor, securable=securable, named=table)
    return _monitor_of(securable)


def _monitor_of(securable: Securable, *, lock: bool = False) -> Monitor:
    rows = monitors_with_everything(Monitor.objects.filter(table=securable))
    rows = rows.select_for_update(of=("self",), no_key=True) if lock else rows
    found = rows.first()
    if found is None:
        raise NotFound(f"Table '{securable.full_name}' has no monitor.")
    return found


@audited_read
def get_monitor(*, actor: Actor, table: str) -> Monitor:
    """The monitor of a table, by the table's full name or id, for who may see the table.

    Raises:
        NotFound: no such table, a hidden one, or one without a monitor.
        AccessDenied.
    """
    return find_shown_monitor(actor=actor, table=table)


@dataclass(frozen=True)
class MonitorRow:
    """A monitor in a list: how its last refresh went, and what is broken since when.

    `incidents` are the breaches of its alerts that are open, the oldest first.
    """

    monitor: Monitor
    last_refresh: MonitorRefresh | None
    alerts: int
    incidents: list[AlertIncident]
    failing_since: datetime | None

    @property
    def broken_since(self) -> datetime | None:
        """Since when an alert is triggered or its refreshes fail; None: all is well."""
        moments = [incident.opened_at for incident in self.incidents[:1]]
        return min([*moments, *([self.failing_since] if self.failing_since else [])], default=None)


@audited_read
def list_monitors(
    *,
    actor: Actor,
    name_contains: str = "",
    status: str = "",
    schema: str = "",
    max_results: int | None = None,
    page_token: str = "",
) -> Page[MonitorRow]:
    """The monitors of tables that the actor may see, newest first. At most eight queries, however many rows.

    `schema` is a full name, `name_contains` part of a table's name.

    Raises:
        NotFound: no such schema.
        InvalidParameter: a status that there is none of, or a token of another list.
    """
    rows = visible_monitors(actor)
    if name_contains:
        rows = rows.filter(table__key__contains=lookup_key(name_contains))
    if status:
        if status not in MonitorStatus.values:
            known = ", ".join(MonitorStatus.values)
            raise InvalidParameter(f"'status' is '{status}': it must be one of {known}.", field="status")
        rows = rows.filter(status=status)
    if schema:
        rows = rows.filter(table__parent=find_securable(SecurableType.SCHEMA, schema))
    page = fetch_page(
        monitors_with_everything(rows),
        order=["-created_at", "-pk"],
        size=page_size(max_results),
        token=page_token,
        scope=f"monitors:{name_contains}:{status}:{schema}",
    )
    return Page(monitor_rows(page.items), page.next_page_token)


def visible_monitors(actor: Actor) -> "QuerySet[Monitor]":
    """The monitors of tables that the actor may see, decided in SQL."""
    tables = visible_to(actor, Securable.objects.filter(type=SecurableType.TABLE), SecurableType.TABLE)
    return Monitor.objects.filter(table__in=tables.values("pk"))


def monitor_rows(monitors: Sequence[Monitor]) -> list[MonitorRow]:
    """Monitors that the caller has found to be visible, with how they stand. Four queries."""
    ids = [monitor.pk for monitor in monitors]
    newest = MonitorRefresh.objects.filter(monitor=OuterRef("monitor")).order_by("-pk").values("pk")[:1]
    last = MonitorRefresh.objects.filter(monitor__in=ids, pk=Subquery(newest)).select_related("requested_by")
    refreshes = {refresh.monitor_id: refresh for refresh in last}
    alerts = dict(
        Monitor.objects.filter(pk__in=ids).annotate(all_alerts=Count("alerts")).values_list("pk", "all_alerts")
    )
    incidents: dict[UUID | None, list[AlertIncident]] = {}
    open_ones = AlertIncident.objects.filter(alert__monitor__in=ids, resolved_at=None).select_related("alert")
    for incident in open_ones.order_by("opened_at"):
        incidents.setdefault(incident.alert.monitor_id, []).append(incident)
    failing = _failing_since(ids)
    return [
        MonitorRow(
            monitor,
            refreshes.get(monitor.pk),
            alerts.get(monitor.pk, 0),
            incidents.get(monitor.pk, []),
            failing.get(monitor.pk),
        )
        for monitor in monitors
    ]


def _failing_since(ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """When the first refresh failed after the last one that did not, of monitors whose last one failed."""
    rows = MonitorRefresh.objects.filter(
        monitor__in=ids, monitor__status=MonitorStatus.ERROR, state=RefreshState.FAILED
    )
    good = MonitorRefresh.objects.filter(monitor=OuterRef("monitor"), state=RefreshState.SUCCESS)
    since = rows.filter(pk__gt=Coalesce(Subquery(good.order_by("-pk").values("pk")[:1]), 0))
    return dict(since.values_list("monitor").annotate(Min("created_at")).order_by())


@audited_read
def name_of_schema(*, actor: Actor, schema_id: str) -> str:
    """The full name of a schema that the actor may see, by its id.

    Raises:
        NotFound, AccessDenied.
    """
    try:
        key = UUID(schema_id)
    except ValueError as error:
        raise InvalidParameter(
            f"'output_schema_id' is '{schema_id[:100]}': give the schema_id of a schema.", field="output_schema_id"
        ) from error
    found = with_containers(Securable.objects.filter(pk=key, type=SecurableType.SCHEMA)).first()
    if found is None:
        raise NotFound(not_found_message(SecurableType.SCHEMA, schema_id))
    require_visible(actor=actor, securable=found, named=schema_id)
    return found.full_name


def id_of_schema(*, actor: Actor, full_name: str) -> str:
    """The id of a schema; empty when it is gone, or hidden from the actor."""
    try:
        found = find_securable(SecurableType.SCHEMA, full_name)
        require_visible(actor=actor, securable=found, named=full_name)
    except (NotFound, AccessDenied):
        return ""
    return str(found.pk)
