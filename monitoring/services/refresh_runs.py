"""The work of a refresh: the engine reads the table and writes the metric tables, which are entered into the catalog.

The engine may be killed anywhere and run again: what it writes is the same. The first refresh writes beside all
tables, and its tables are entered only once they are whole.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid5

from django.conf import settings
from django.utils import timezone

from monitoring.engine.spec import RefreshResult, SpecError, TableError, TableRef
from monitoring.models import Monitor, MonitorRefresh, MonitorStatus, RefreshState
from monitoring.services.alert_queue import wake_alerts_of
from monitoring.services.monitor_lookup import (
    MONITORED,
    SERVICE,
    SUFFIXES,
    metric_table_name,
    metric_table_of,
    monitors_with_everything,
)
from monitoring.services.monitor_settings import settings_of, spec_of
from monitoring.services.refreshes import REFRESH, clean_up_refresh, end_refresh, refresh_again, start_waiting
from registry.errors import InvalidState, NotFound
from registry.models import Securable, Table
from registry.privileges import Action
from registry.services.access import require
from registry.services.actors import Actor, load_actor
from registry.services.audit import audited, audited_read, record
from registry.services.operation_context import OperationContext
from registry.services.operation_kinds import operation_kind
from registry.services.table_data import adopt_table, folder_of, open_tables, staging_folder

_TITLES = {"PROFILE": "Profile metrics", "DRIFT": "Drift metrics", "INSIGHTS": "What changed most"}


@operation_kind(
    REFRESH, title="Refresh a monitor", queue="monitoring", on_failure=clean_up_refresh, resubmit=refresh_again
)
def refresh_monitor(context: OperationContext) -> dict[str, Any]:
    """Measure the table of a monitor and write its metric tables."""
    context.progress(0, "Looking at the tables")
    refresh = _begin(context)
    monitor = refresh.monitor
    owner = load_actor(monitor.owner, context=context.actor.context)
    tables = _open(actor=owner, monitor=monitor, version=refresh.table_version)
    if refresh.table_version != tables.table.version:
        with context.effect():
            MonitorRefresh.objects.filter(pk=refresh.pk).update(table_version=tables.table.version)
    result = _measure(context, refresh, tables)
    for warning in result.warnings:
        context.log(warning, level="WARNING")
    with context.effect():
        _finish(actor=owner, refresh_id=refresh.pk, result=result)
    return {
        "refresh_id": refresh.pk,
        "windows": result.windows_refreshed,
        "rows_read": result.rows_read,
        "rows_written": result.rows_written,
    }


def _begin(context: OperationContext) -> MonitorRefresh:
    """Mark the refresh as running, if who asked for it may still ask."""
    with context.effect():
        refresh = _locked(context.params["refresh_id"])
        _require_manager(actor=context.actor, table=refresh.monitor.table)
        if refresh.state == RefreshState.PENDING:
            refresh.state, refresh.started_at = RefreshState.RUNNING, timezone.now()
        # An attempt after another one measures the same version of the table, unless the settings have changed.
        if refresh.monitor_version != refresh.monitor.version:
            refresh.monitor_version, refresh.table_version = refresh.monitor.version, None
        refresh.save()
        return refresh


@audited_read
def _require_manager(*, actor: Actor, table: Securable) -> None:
    require(actor=actor, action=Action.MANAGE_MONITOR, securable=table)


def _locked(refresh_id: int) -> MonitorRefresh:
    refresh = (
        MonitorRefresh.objects.select_for_update(no_key=True, of=("self",))
        .filter(pk=refresh_id, state__in=(RefreshState.PENDING, RefreshState.RUNNING))
        .first()
    )
    if refresh is None:
        raise NotFound("The monitor was deleted, or the refresh was canceled.")
    refresh.monitor = monitors_with_everything(Monitor.objects.filter(pk=refresh.monitor_id)).get()
    return refresh


@dataclass(frozen=True)
class _Tables:
    """Where the engine reads, and where it writes: metric tables that are there, or folders beside all tables."""

    table: TableRef
    baseline: TableRef | None
    outputs: dict[str, Path]
    is_new: bool


@audited
def _open(*, actor: Actor, monitor: Monitor, version: int | None) -> _Tables:
    """The tables, if the monitor's owner may still read them and write the metric tables.

    Raises:
        NotFound, AccessDenied.
        InvalidState: a table that is kept elsewhere, or a baseline table that is gone.
    """
    name = monitor.table.full_name
    if monitor.baseline_table_name and monitor.baseline_table is None:
        raise InvalidState(f"The baseline table '{monitor.baseline_table_name}' is gone: update the monitor.")
    baseline_name = monitor.baseline_table.full_name if monitor.baseline_table else ""
    opened = open_tables(actor=actor, reads=[name, baseline_name] if baseline_name else [name])
    outputs = {}
    for which in SUFFIXES:
        found = metric_table_of(monitor, which)
        if found is not None:
            require(actor=actor, action=Action.MODIFY_TABLE, securable=found)
        outputs[which] = folder_of(found.pk) if found is not None else _staging(monitor, which)
    reference = TableRef(str(opened[name].folder), version=version if version is not None else _version(opened[name]))
    record(actor=actor, action="refreshMonitor", service_name=SERVICE, securable=monitor.table)
    return _Tables(
        reference,
        TableRef(str(opened[baseline_name].folder)) if baseline_name else None,
        outputs,
        is_new=monitor.profile_table is None,
    )


def _version(data: Any) -> int:
    from deltalake import DeltaTable

    return int(DeltaTable(str(data.folder)).version())


def _staging(monitor: Monitor, which: str) -> Path:
    return staging_folder(uuid5(monitor.pk, f"{which}:{monitor.output_schema_name}"))


def state_folder(monitor: Monitor) -> Path:
    """Where the engine keeps what later refreshes build on."""
    return Path(settings.MONITORING_ROOT, str(monitor.pk))


def _measure(context: OperationContext, refresh: MonitorRefresh, tables: _Tables) -> RefreshResult:
    from monitoring.engine.refreshing import refresh as measure  # Loads numpy, pyarrow and deltalake.

    monitor = refresh.monitor
    folder = state_folder(monitor)
    if tables.is_new and not any(path.exists() for path in tables.outputs.values()):
        # The metric tables were dropped: what was measured for them is measured again.
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in tables.outputs.values():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _in_our_words():
        return measure(
            spec=spec_of(settings_of(monitor)),
            table=tables.table,
            baseline=tables.baseline,
            state_folder=folder,
            profile_table_uri=str(tables.outputs["PROFILE"]),
            drift_table_uri=str(tables.outputs["DRIFT"]),
            insights_table_uri=str(tables.outputs["INSIGHTS"]),
            monitor_version=monitor.version,
            now=refresh.started_at or timezone.now(),
            progress=lambda percent, step: context.progress(min(percent, 99), step),
        )


@contextmanager
def _in_our_words() -> Iterator[None]:
    """What the engine refuses, as people read it."""
    try:
        yield
    except SpecError as error:
        raise InvalidState(f"The monitor does not fit the table any more: {error.message}") from error
    except TableError as error:
        raise InvalidState(str(error)) from error


def _finish(*, actor: Actor, refresh_id: int, result: RefreshResult) -> None:
    """Enter the metric tables, end the refresh, have alerts looked at, start what waits. In one transaction."""
    refresh = _locked(refresh_id)
    monitor, now = refresh.monitor, timezone.now()
    for which in SUFFIXES:
        _enter(actor=actor, monitor=monitor, which=which)
    refresh.windows, refresh.rows_read = result.windows_refreshed, result.rows_read
    refresh.rows_written, refresh.warnings = result.rows_written, list(result.warnings)
    refresh.table_version = result.last_version
    end_refresh(refresh, RefreshState.SUCCESS, now=now)
    monitor.status, monitor.failure_message = MonitorStatus.ACTIVE, ""
    monitor.save(update_fields=["status", "failure_message", "profile_table", "drift_table", "insights_table"])
    wake_alerts_of(monitor, now=now)
    start_waiting(monitor)


def _enter(*, actor: Actor, monitor: Monitor, which: str) -> None:
    """Enter a metric table that was written for the first time; of others, the columns that there are now."""
    found = metric_table_of(monitor, which)
    folder = folder_of(found.pk) if found is not None else _staging(monitor, which)
    if not (folder / "_delta_log").is_dir():
        return
    columns = _columns(folder)
    if found is not None:
        Table.objects.filter(pk=found.pk).exclude(columns=columns).update(columns=columns)
        return
    catalog, schema, name = metric_table_name(monitor, which).split(".")
    table = adopt_table(
        actor=actor,
        catalog=catalog,
        schema=schema,
        name=name,
        staging=folder,
        columns=columns,
        comment=f"{_TITLES[which]} of {monitor.table.full_name}.",
        properties={MONITORED: str(monitor.table_id), "modelkeep.metrics": which.lower()},
    )
    setattr(monitor, f"{which.lower()}_table", table.securable)


def _columns(folder: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    from deltalake import DeltaTable

    from registry.sql.rendering import columns_of

    return columns_of(pa.schema(DeltaTable(str(folder)).schema().to_arrow()))


def sweep_states() -> int:
    """Remove what was kept for monitors that are gone; returns how many folders."""
    root = Path(settings.MONITORING_ROOT)
    folders = {path.name: path for path in root.glob("*-*-*-*-*") if path.is_dir()}
    known = {str(pk) for pk in Monitor.objects.values_list("pk", flat=True)} if folders else set()
    gone = [path for name, path in folders.items() if name not in known]
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
    return len(gone)
