"""Monitors: made, changed, deleted, and tried out before they are made.

To manage one takes administering the table and the right to read it; its metric tables are made in a schema where the
actor may make tables. A monitor then works as its owner: what it reads is asked for at every refresh.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from monitoring.engine.spec import Preview, SpecError, TableError, TableRef
from monitoring.models import Monitor, MonitorRefresh, RefreshTrigger
from monitoring.services.monitor_lookup import (
    MONITORED,
    SERVICE,
    SUFFIXES,
    find_monitor_for,
    find_monitored_table,
    monitors_with_everything,
)
from monitoring.services.monitor_settings import (
    MonitorSettings,
    check_settings,
    put_settings,
    settings_of,
    spec_of,
)
from monitoring.services.quartz import Schedule
from monitoring.services.refreshes import cancel_open_refreshes, request_refresh
from registry.errors import AlreadyExists, InvalidParameter, InvalidState, NotFound
from registry.models import Securable
from registry.privileges import Action, SecurableType
from registry.services.access import require
from registry.services.actors import Actor, load_actor
from registry.services.addressees import keep_addressees
from registry.services.audit import audited, record
from registry.services.notification_destinations import find_destination
from registry.services.securables import find_for, find_securable
from registry.services.table_data import TableData, open_tables

if TYPE_CHECKING:
    import pyarrow as pa

Change = Callable[[MonitorSettings], MonitorSettings]


@audited
def create_monitor(*, actor: Actor, table: str, settings: MonitorSettings) -> Monitor:
    """Watch a table, by its full name or id, and ask for the first refresh. Looks at the table's columns.

    Metric tables that an earlier monitor of the same table left in the schema are written on.

    Raises:
        NotFound, AccessDenied: of the table, the baseline table or the schema.
        InvalidParameter: settings that this table cannot be watched with.
        InvalidState: a table whose rows are kept elsewhere.
        AlreadyExists: the table has a monitor, or a table with the name of a metric table is there.
    """
    checked = check_settings(settings)
    watched = find_monitored_table(table, lock=True)
    require(actor=actor, action=Action.MANAGE_MONITOR, securable=watched, named=table)
    if Monitor.objects.filter(table=watched).exists():
        raise AlreadyExists(f"Table '{watched.full_name}' has a monitor already: update it, or delete it first.")
    now = timezone.now()
    monitor = Monitor(
        table=watched,
        owner=actor.principal,
        dashboard_id="" if checked.skip_dashboard else uuid.uuid4().hex,
        created_at=now,
        created_by=actor.principal,
    )
    _apply(actor, monitor, checked, now=now)
    monitor.save(force_insert=True)
    _record(actor, "createMonitor", monitor, after=facts_of(monitor))
    request_refresh(actor=actor, monitor=monitor, trigger=RefreshTrigger.MANUAL)
    return monitors_with_everything(Monitor.objects.filter(pk=monitor.pk)).get()


@audited
def update_monitor(*, actor: Actor, table: str, change: Change) -> Monitor:
    """Change what a monitor is set to. `change` is given the settings as they are now, and returns all of them.

    Its version grows; the next refresh measures with the new settings. An owner that is disabled is replaced by the
    actor. The kind of dashboard folder cannot change, whatever `change` says of it.

    Raises:
        NotFound, AccessDenied, InvalidParameter, InvalidState, AlreadyExists: as `create_monitor`.
    """
    monitor = find_monitor_for(actor=actor, table=table, action=Action.MANAGE_MONITOR, lock=True)
    before, now = facts_of(monitor), timezone.now()
    current = settings_of(monitor)
    wanted = check_settings(replace(change(current), assets_dir=current.assets_dir))
    if wanted.output_schema_name.lower() != current.output_schema_name.lower():
        monitor.profile_table = monitor.drift_table = monitor.insights_table = None
    if not monitor.owner.is_active:
        monitor.owner = actor.principal
    _apply(actor, monitor, wanted, now=now)
    if wanted.skip_dashboard != current.skip_dashboard:
        monitor.dashboard_id = "" if wanted.skip_dashboard else uuid.uuid4().hex
    monitor.version += 1
    monitor.save()
    _record(actor, "updateMonitor", monitor, before=before, after=facts_of(monitor))
    return monitors_with_everything(Monitor.objects.filter(pk=monitor.pk)).get()


def _apply(actor: Actor, monitor: Monitor, wanted: MonitorSettings, *, now: datetime) -> None:
    """Put checked settings onto a row, once it is known that they fit the table and that the actor may."""
    schema = find_for(
        actor=actor, type_=SecurableType.SCHEMA, full_name=wanted.output_schema_name, action=Action.CREATE_TABLE
    )
    monitor.output_schema, monitor.output_schema_name = schema, schema.full_name
    reads = [monitor.table.full_name, *([wanted.baseline_table_name] if wanted.baseline_table_name else [])]
    opened = open_tables(actor=actor, reads=reads)
    monitor.baseline_table, monitor.baseline_table_name = None, ""
    if wanted.baseline_table_name:
        baseline = find_securable(SecurableType.TABLE, wanted.baseline_table_name)
        if baseline.pk == monitor.table_id:
            raise InvalidParameter(
                "'baseline_table_name' is the monitored table itself: name another table.",
                field="baseline_table_name",
            )
        monitor.baseline_table, monitor.baseline_table_name = baseline, baseline.full_name
    for destination_id in wanted.failure_destinations:
        _check_destination(destination_id)
    keep_addressees(actor=actor, emails=wanted.failure_emails)
    check_fits(wanted, opened[reads[0]])
    put_settings(monitor, wanted)
    monitor.next_run_at = wanted.schedule.next_after(now) if wanted.schedule and not wanted.is_paused else None
    monitor.updated_at, monitor.updated_by = now, actor.principal
    if monitor.profile_table is None:
        _take_metric_tables(actor, monitor, schema)


def _check_destination(destination_id: str) -> None:
    try:
        find_destination(destination_id)
    except NotFound as error:
        raise InvalidParameter(error.message, field="notifications") from error


def check_fits(settings: MonitorSettings, data: TableData) -> None:
    """Whether a table can be watched with these settings.

    Raises:
        InvalidParameter: a column that is missing or of another type, an expression that cannot be read.
    """
    from monitoring.engine.validation import validate_spec  # Loads pyarrow: only who makes a monitor pays for it.

    try:
        validate_spec(spec_of(settings), arrow_schema(data))
    except SpecError as error:
        raise InvalidParameter(error.message, field=error.field) from error


def arrow_schema(data: TableData) -> "pa.Schema":
    """The columns of a table as they are now.

    Raises:
        InvalidState: the files cannot be read.
    """
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return pa.schema(DeltaTable(str(data.folder)).schema().to_arrow())
    except (DeltaError, OSError) as error:
        raise InvalidState(f"The files of table '{data.full_name}' cannot be read.") from error


def _take_metric_tables(actor: Actor, monitor: Monitor, schema: Securable) -> None:
    """See that the names of the metric tables are free, or theirs whom an earlier monitor of the table left."""
    for which, suffix in SUFFIXES.items():
        name = f"{schema.full_name}.{monitor.table.name}{suffix}"
        try:
            found = find_securable(SecurableType.TABLE, name)
        except NotFound:
            continue
        if found.properties.get(MONITORED) != str(monitor.table_id):
            raise AlreadyExists(
                f"Table '{name}' already exists and is no metric table of '{monitor.table.full_name}': rename it, or "
                "name another schema in 'output_schema_name'."
            )
        require(actor=actor, action=Action.MODIFY_TABLE, securable=found)
        setattr(monitor, f"{which.lower()}_table", found)


@audited
def delete_monitor(*, actor: Actor, table: str) -> None:
    """Stop watching a table. A refresh that goes on is canceled, alerts on the monitor go; metric tables stay.

    Raises:
        NotFound, AccessDenied.
    """
    monitor = find_monitor_for(actor=actor, table=table, action=Action.MANAGE_MONITOR, lock=True)
    cancel_open_refreshes(actor=actor, monitor=monitor)
    _record(actor, "deleteMonitor", monitor, before=facts_of(monitor))
    monitor.delete()


@audited
def regenerate_dashboard(*, actor: Actor, table: str, warehouse_id: str = "") -> Monitor:
    """Give a monitor a dashboard, or a new one in place of what it has. Dashboards are drawn from the metric tables.

    Raises:
        NotFound, AccessDenied.
    """
    monitor = find_monitor_for(actor=actor, table=table, action=Action.MANAGE_MONITOR, lock=True)
    before = monitor.dashboard_id
    monitor.dashboard_id = uuid.uuid4().hex
    if warehouse_id:
        monitor.client_settings = {**monitor.client_settings, "warehouse_id": warehouse_id}
    monitor.save(update_fields=["dashboard_id", "client_settings"])
    after = {"dashboard_id": monitor.dashboard_id}
    _record(actor, "regenerateDashboard", monitor, before={"dashboard_id": before}, after=after)
    return monitor


def facts_of(monitor: Monitor) -> dict[str, Any]:
    """What the trail keeps of a monitor."""
    return {
        "version": monitor.version,
        "kind": monitor.kind,
        "owner": monitor.owner.name,
        "output_schema": monitor.output_schema_name,
        "baseline_table": monitor.baseline_table_name,
        "timestamp_column": monitor.timestamp_column,
        "granularities": monitor.granularities,
        "prediction_column": monitor.prediction_column,
        "label_column": monitor.label_column,
        "model_id_column": monitor.model_id_column,
        "slicing_expressions": monitor.slicing_expressions,
        "custom_metrics": [metric["name"] for metric in monitor.custom_metrics],
        "schedule": monitor.quartz_cron,
        "is_paused": monitor.is_paused,
    }


def _record(actor: Actor, action: str, monitor: Monitor, **more: Any) -> None:
    record(actor=actor, action=action, service_name=SERVICE, securable=monitor.table, **more)


# --- Before there is a monitor -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ColumnChoice:
    """A column of a table that may be watched, and what it could be used as."""

    name: str
    type: str
    is_time: bool
    is_number: bool
    is_amount: bool
    """A number with a fraction."""
    is_text: bool


@dataclass(frozen=True)
class MonitorChoices:
    """What a monitor of a table can be made of, and what seems meant by the columns' names."""

    table: Securable
    columns: tuple[ColumnChoice, ...]
    suggestion: MonitorSettings


_DAILY = Schedule("0 0 6 * * ?", "UTC")
_TIMES = ("timestamp", "event_time", "ts", "time", "created_at", "date")
_PREDICTIONS = ("prediction", "predicted", "y_pred", "score")
_LABELS = ("label", "labels", "target", "y_true", "ground_truth", "actual")
_MODEL_IDS = ("model_version", "model_id", "served_entity", "model_name")


@audited
def monitor_choices(*, actor: Actor, table: str) -> MonitorChoices:
    """The columns that a monitor of the table can name, with a suggestion. The look at the table is audited.

    Raises:
        NotFound, AccessDenied: the actor may not manage a monitor of the table, or not read it.
        InvalidState: a table whose rows are kept elsewhere.
    """
    import pyarrow.types as kinds

    watched = find_monitored_table(table)
    require(actor=actor, action=Action.MANAGE_MONITOR, securable=watched, named=table)
    name = watched.full_name
    schema = arrow_schema(open_tables(actor=actor, reads=[name])[name])
    columns = tuple(
        ColumnChoice(
            one.name,
            str(one.type),
            is_time=kinds.is_timestamp(one.type) or kinds.is_date(one.type),
            is_number=kinds.is_integer(one.type) or kinds.is_floating(one.type) or kinds.is_decimal(one.type),
            is_amount=kinds.is_floating(one.type) or kinds.is_decimal(one.type),
            is_text=kinds.is_string(one.type) or kinds.is_large_string(one.type) or kinds.is_boolean(one.type),
        )
        for one in schema
    )
    parent = watched.parent.full_name if watched.parent else ""
    return MonitorChoices(watched, columns, suggest_settings(columns, output_schema_name=parent))


def suggest_settings(columns: tuple[ColumnChoice, ...], *, output_schema_name: str) -> MonitorSettings:
    """What the columns seem to be made for: an inference log, a series in time, or a snapshot. Measured every day."""
    times = [column.name for column in columns if column.is_time]
    timestamp = _named(_TIMES, times) or (times[0] if times else "")
    names = [column.name for column in columns]
    prediction, model_id = _named(_PREDICTIONS, names), _named(_MODEL_IDS, names)
    if not timestamp:
        return MonitorSettings(kind="SNAPSHOT", output_schema_name=output_schema_name, schedule=_DAILY)
    if not (prediction and model_id):
        return MonitorSettings(
            kind="TIME_SERIES",
            output_schema_name=output_schema_name,
            timestamp_column=timestamp,
            granularities=("1 day",),
            schedule=_DAILY,
        )
    # Whole numbers are more often classes than amounts.
    is_amount = next(column.is_amount for column in columns if column.name == prediction)
    return MonitorSettings(
        kind="INFERENCE_LOG",
        output_schema_name=output_schema_name,
        timestamp_column=timestamp,
        granularities=("1 day",),
        problem_type="REGRESSION" if is_amount else "CLASSIFICATION",
        prediction_column=prediction,
        label_column=_named(_LABELS, names),
        model_id_column=model_id,
        schedule=_DAILY,
    )


def _named(wanted: tuple[str, ...], names: list[str]) -> str:
    by_key = {name.lower(): name for name in names}
    return next((by_key[name] for name in wanted if name in by_key), "")


@audited
def preview_monitor(*, actor: Actor, table: str, settings: MonitorSettings, now: datetime | None = None) -> Preview:
    """What a monitor with these settings would measure in the table's last window. Writes nothing but the audit row.

    Raises:
        NotFound, AccessDenied, InvalidParameter, InvalidState: as `create_monitor`.
    """
    from monitoring.engine.previews import preview

    checked = check_settings(settings)
    watched = find_monitored_table(table)
    require(actor=actor, action=Action.MANAGE_MONITOR, securable=watched, named=table)
    data = open_tables(actor=actor, reads=[watched.full_name])[watched.full_name]
    check_fits(checked, data)
    try:
        return preview(spec_of(checked), TableRef(str(data.folder)), now or timezone.now())
    except SpecError as error:
        raise InvalidParameter(error.message, field=error.field) from error
    except TableError as error:
        raise InvalidState(str(error)) from error


def owner_of(monitor: Monitor) -> Actor:
    """The actor that a monitor works as, with the rights of now. One query."""
    return load_actor(monitor.owner)


def latest_refreshes(monitor: Monitor, *, most: int) -> list[MonitorRefresh]:
    """The newest refreshes of a monitor that the caller has found to be visible. One query."""
    return list(monitor.refreshes.select_related("requested_by", "operation").order_by("-pk")[:most])
