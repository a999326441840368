"""Refreshes as people see them: asked for, shown, canceled; and how one waits for another.

At most one refresh of a monitor runs. What is asked for meanwhile waits as one: asking again gives that one.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from monitoring.models import Monitor, MonitorRefresh, MonitorStatus, RefreshState, RefreshTrigger
from monitoring.services.monitor_lookup import SERVICE, find_monitor_for, find_shown_monitor
from monitoring.services.quartz import Schedule
from registry.errors import Conflict, InvalidParameter, InvalidState, NotFound
from registry.models import Operation, OperationState
from registry.privileges import Action
from registry.services.actors import Actor, load_actor
from registry.services.addressees import destinations_of
from registry.services.audit import audited, audited_read, record
from registry.services.notifications import Notice, notify
from registry.services.operations import request_cancel, submit_operation
from registry.services.paging import Page, fetch_page, page_size

REFRESH = "refresh_monitor"
OPEN = (RefreshState.PENDING, RefreshState.RUNNING)
_SWEPT = 200
_BIGGEST = 2**63 - 1


@audited
def run_refresh(*, actor: Actor, table: str) -> MonitorRefresh:
    """Ask for the metrics to be computed again. Returns at once; the one that waits already, if there is one.

    Raises:
        NotFound: no such table, or it has no monitor.
        AccessDenied: the actor does not administer the table.
    """
    monitor = find_monitor_for(actor=actor, table=table, action=Action.MANAGE_MONITOR)
    return request_refresh(actor=actor, monitor=monitor, trigger=RefreshTrigger.MANUAL)


@audited
def request_refresh(
    *, actor: Actor, monitor: Monitor, trigger: RefreshTrigger, retry_of: Operation | None = None
) -> MonitorRefresh:
    """As `run_refresh`, of a monitor that the caller has checked. Joins the caller's transaction."""
    Monitor.objects.select_for_update(no_key=True).get(pk=monitor.pk)
    refresh = monitor.refreshes.filter(state=RefreshState.PENDING).select_related("operation").first()
    is_new = refresh is None
    if refresh is None:
        refresh = MonitorRefresh.objects.create(
            monitor=monitor, trigger=trigger, requested_by=actor.principal, created_at=timezone.now()
        )
        if not monitor.refreshes.filter(state=RefreshState.RUNNING).exists():
            _submit(refresh, actor=actor, retry_of=retry_of)
    _record(actor, "runRefresh", refresh, {"trigger": trigger, "is_new": is_new})
    return refresh


def _submit(refresh: MonitorRefresh, *, actor: Actor, retry_of: Operation | None = None) -> None:
    table = refresh.monitor.table
    refresh.operation = submit_operation(
        actor=actor,
        kind=REFRESH,
        params={"refresh_id": refresh.pk, "monitor_id": str(refresh.monitor_id), "table": table.full_name},
        securable=table,
        subject=table.full_name,
        retry_of=retry_of,
    )
    refresh.save(update_fields=["operation"])


def _record(actor: Actor, action: str, refresh: MonitorRefresh, params: dict[str, Any]) -> None:
    record(
        actor=actor,
        action=action,
        service_name=SERVICE,
        securable=refresh.monitor.table,
        params={"refresh_id": refresh.pk, **params},
    )


def refresh_again(*, actor: Actor, operation: Operation) -> Operation:
    """Ask for another refresh in place of one that failed.

    Raises:
        NotFound, AccessDenied.
        Conflict: one waits already for the one that runs.
    """
    monitor = find_monitor_for(actor=actor, table=operation.params["table"], action=Action.MANAGE_MONITOR)
    refresh = request_refresh(actor=actor, monitor=monitor, trigger=RefreshTrigger.MANUAL, retry_of=operation)
    if refresh.operation is None:
        raise Conflict(f"Refresh {refresh.pk} of '{operation.params['table']}' waits already behind one that runs.")
    return refresh.operation


@audited_read
def get_refresh(*, actor: Actor, table: str, refresh_id: object) -> MonitorRefresh:
    """One refresh of a table that the actor may see, with its operation.

    Raises:
        NotFound, AccessDenied.
    """
    return _find(find_shown_monitor(actor=actor, table=table), refresh_id)


def _find(monitor: Monitor, refresh_id: object) -> MonitorRefresh:
    try:
        key = int(str(refresh_id))
    except ValueError:
        key = 0
    rows = monitor.refreshes.select_related("operation", "requested_by", "monitor__table__parent__parent")
    found = rows.filter(pk=key).first() if 0 < key <= _BIGGEST else None
    if found is None:
        raise NotFound(f"Refresh '{str(refresh_id)[:50]}' of table '{monitor.table.full_name}' does not exist.")
    return found


@audited_read
def list_refreshes(
    *, actor: Actor, table: str, state: str = "", max_results: int | None = None, page_token: str = ""
) -> Page[MonitorRefresh]:
    """The refreshes of a table that the actor may see, newest first. Four queries.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: a state that there is none of, or a token of another list.
    """
    monitor = find_shown_monitor(actor=actor, table=table)
    rows = monitor.refreshes.select_related("operation", "requested_by")
    if state:
        if state not in RefreshState.values:
            known = ", ".join(RefreshState.values)
            raise InvalidParameter(f"'state' is '{state[:50]}': it must be one of {known}.", field="state")
        rows = rows.filter(state=state)
    return fetch_page(
        rows,
        order=["-pk"],
        size=page_size(max_results),
        token=page_token,
        scope=f"refreshes:{monitor.pk}:{state}",
    )


@audited
def cancel_refresh(*, actor: Actor, table: str, refresh_id: object) -> MonitorRefresh:
    """Cancel a refresh: at once if it waits, as soon as the worker looks if it runs.

    Raises:
        NotFound, AccessDenied.
        InvalidState: it is over.
    """
    monitor = find_monitor_for(actor=actor, table=table, action=Action.MANAGE_MONITOR, lock=True)
    refresh = _find(monitor, refresh_id)
    if refresh.state not in OPEN:
        raise InvalidState(f"Refresh {refresh.pk} is {refresh.state} already and cannot be canceled.")
    _record(actor, "cancelRefresh", refresh, {})
    _cancel(actor, refresh)
    return _find(monitor, refresh.pk)


@audited
def delete_refresh(*, actor: Actor, table: str, refresh_id: object) -> None:
    """Take a refresh that is over out of the history. What it wrote into the metric tables stays.

    Raises:
        NotFound, AccessDenied.
        InvalidState: it goes on.
    """
    monitor = find_monitor_for(actor=actor, table=table, action=Action.MANAGE_MONITOR, lock=True)
    refresh = _find(monitor, refresh_id)
    if refresh.state in OPEN:
        raise InvalidState(f"Refresh {refresh.pk} is {refresh.state}: cancel it first.")
    _record(actor, "deleteRefresh", refresh, {})
    refresh.delete()


def cancel_open_refreshes(*, actor: Actor, monitor: Monitor) -> None:
    """Cancel what waits and what runs. Call in the transaction of what makes them useless."""
    # The one that waits first: it would be started when the other ends.
    for refresh in monitor.refreshes.filter(state__in=OPEN).select_related("operation").order_by("state", "pk"):
        _cancel(actor, refresh)


def _cancel(actor: Actor, refresh: MonitorRefresh) -> None:
    if refresh.operation is None:
        end_refresh(refresh, RefreshState.CANCELED, message=f"Canceled by {actor.name}.", now=timezone.now())
        return
    if refresh.operation.state in {OperationState.PENDING, OperationState.RUNNING}:
        request_cancel(actor=actor, operation_id=refresh.operation.pk)


# --- How refreshes end -------------------------------------------------------------------------------------------


def end_refresh(refresh: MonitorRefresh, state: RefreshState, *, message: str = "", now: datetime) -> None:
    """Write an end state. Call in a transaction."""
    refresh.state, refresh.message, refresh.finished_at = state, message, now
    refresh.save()


def clean_up_refresh(operation: Operation) -> None:
    """After an operation that failed or was canceled: the refresh ends, people are told, what waits is started."""
    refresh = (
        MonitorRefresh.objects.select_for_update(of=("self",), no_key=True)
        .select_related("monitor__table__parent__parent", "monitor__owner")
        .filter(operation=operation, state__in=OPEN)
        .first()
    )
    if refresh is None:
        return
    now, monitor = timezone.now(), refresh.monitor
    if operation.state == OperationState.CANCELED:
        end_refresh(refresh, RefreshState.CANCELED, message=operation.error, now=now)
    else:
        end_refresh(refresh, RefreshState.FAILED, message=operation.error, now=now)
        monitor.status, monitor.failure_message = MonitorStatus.ERROR, operation.error
        monitor.save(update_fields=["status", "failure_message"])
        tell_of_failure(refresh, now=now)
    start_waiting(monitor)


def tell_of_failure(refresh: MonitorRefresh, *, now: datetime) -> None:
    """Put a notice down for those who asked to be told of failures. Call in the transaction of the failure."""
    monitor = refresh.monitor
    known = destinations_of(monitor.failure_emails)
    notify(
        destination_ids=[*known.values(), *monitor.failure_destinations],
        notice=Notice(
            event="monitor.refresh_failed",
            subject=f"Monitor of {monitor.table.full_name} could not be refreshed",
            text=f"{refresh.message}\n\nTable: {monitor.table.full_name}\nRefresh: {refresh.pk}",
            data={
                "table": monitor.table.full_name,
                "refresh_id": refresh.pk,
                "trigger": refresh.trigger,
                "message": refresh.message,
            },
            securable=monitor.table,
        ),
        now=now,
    )


def start_waiting(monitor: Monitor) -> None:
    """Start the refresh that waits for its turn, if there is one. Call in the transaction that ends another."""
    refresh = (
        monitor.refreshes.filter(state=RefreshState.PENDING, operation=None)
        .select_related("requested_by", "monitor__owner", "monitor__table__parent__parent")
        .first()
    )
    if refresh is not None:
        _submit(refresh, actor=load_actor(refresh.requested_by or refresh.monitor.owner))


# --- What beat does ----------------------------------------------------------------------------------------------


def run_due_schedules(*, now: datetime | None = None) -> int:
    """Ask for the refreshes that are due by their schedules; returns how many. What was missed is made up once."""
    moment = now or timezone.now()
    due = Monitor.objects.filter(next_run_at__lte=moment, is_paused=False)
    ids = list(due.order_by("next_run_at").values_list("pk", flat=True)[:_SWEPT])
    return sum(_run_due(pk, moment) for pk in ids)


def _run_due(pk: Any, now: datetime) -> bool:
    with transaction.atomic():
        rows = Monitor.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        rows = rows.select_related("owner", "table__parent__parent")
        monitor = rows.filter(pk=pk, next_run_at__lte=now, is_paused=False).first()
        if monitor is None:
            return False
        monitor.next_run_at = Schedule(monitor.quartz_cron, monitor.time_zone).next_after(now)
        monitor.save(update_fields=["next_run_at"])
        request_refresh(actor=load_actor(monitor.owner), monitor=monitor, trigger=RefreshTrigger.SCHEDULE)
    return True


def repair_refreshes() -> int:
    """Start what waits behind nothing and end what its operation left open; returns how many. Nothing is expected."""
    lost = MonitorRefresh.objects.filter(state__in=OPEN, operation__state__in=_OVER)
    for refresh in lost.select_related("operation")[:_SWEPT]:
        with transaction.atomic():
            if refresh.operation is not None:
                clean_up_refresh(refresh.operation)
    running = MonitorRefresh.objects.filter(monitor=OuterRef("monitor"), state=RefreshState.RUNNING)
    waiting = MonitorRefresh.objects.filter(~Exists(running), state=RefreshState.PENDING, operation=None)
    found: Iterable[MonitorRefresh] = waiting.select_related("monitor")[:_SWEPT]
    count = 0
    for refresh in found:
        with transaction.atomic():
            monitor = Monitor.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=refresh.monitor_id)
            locked = monitor.first()
            if locked is not None and not locked.refreshes.filter(state=RefreshState.RUNNING).exists():
                start_waiting(locked)
                count += 1
    return count


_OVER = (OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELED)
