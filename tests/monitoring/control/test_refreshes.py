"""Refreshes: one at a time, with the rights of now, told of when they fail, made up once when missed."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from monitoring.engine import refreshing
from monitoring.models import Alert, Monitor, MonitorRefresh
from monitoring.services.monitor_lookup import get_monitor
from monitoring.services.monitors import delete_monitor, update_monitor
from monitoring.services.quartz import Schedule
from monitoring.services.refresh_runs import state_folder, sweep_states
from monitoring.services.refreshes import (
    cancel_refresh,
    delete_refresh,
    get_refresh,
    list_refreshes,
    repair_refreshes,
    run_due_schedules,
    run_refresh,
)
from registry.errors import AccessDenied, InvalidState, NotFound
from registry.models import AuditEvent, Delivery, Operation
from registry.privileges import Privilege, SecurableType
from registry.services.operations import request_cancel, retry_operation
from registry.services.securables import find_securable
from registry.services.tables import delete_table
from tests.monitoring.lake import FLIGHTS, PROFILES, SERIES, SNAPSHOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def watched(lake):
    """The table of flights with a monitor whose first refresh is done."""
    lake.monitor()
    lake.work()
    return lake


def states(lake):
    return [refresh.state for refresh in MonitorRefresh.objects.order_by("pk")]


def test_a_refresh_tells_what_it_did(watched):
    refresh = watched.last_refresh()
    assert (refresh.state, refresh.trigger, refresh.monitor_version) == ("SUCCESS", "MANUAL", 0)
    assert refresh.table_version == 0
    assert refresh.rows_read > 0
    assert refresh.started_at <= refresh.finished_at
    operation = Operation.objects.get()
    assert (operation.kind, operation.progress) == ("refresh_monitor", 100)
    assert operation.result["refresh_id"] == refresh.pk


def test_who_asks_twice_gets_the_one_that_waits(watched, people):
    first = run_refresh(actor=people.owner, table=FLIGHTS)
    assert run_refresh(actor=people.owner, table=FLIGHTS) == first
    watched.work()
    assert states(watched) == ["SUCCESS", "SUCCESS"]


def test_while_one_runs_one_waits_and_starts_when_it_ends(watched, people, monkeypatch):
    seen = []
    real = refreshing.refresh

    def slow(**asked):
        if not seen:
            waiting = [run_refresh(actor=people.owner, table=FLIGHTS) for _ in range(3)]
            seen.append({refresh.pk for refresh in waiting})
            assert waiting[0].operation is None
        return real(**asked)

    monkeypatch.setattr(refreshing, "refresh", slow)
    run_refresh(actor=people.owner, table=FLIGHTS)
    watched.work()
    assert states(watched) == ["SUCCESS"] * 3
    assert seen == [{watched.last_refresh().pk}]


def test_a_failed_refresh_tells_people_and_the_monitor_says_why(lake, people, monkeypatch):
    lake.monitor(replace(SNAPSHOT, failure_emails=("ops@example.com",)))
    monkeypatch.setattr(refreshing, "refresh", lambda **_: 1 / 0)
    (operation,) = lake.work()
    assert operation.state == "FAILED"
    monitor = get_monitor(actor=people.owner, table=FLIGHTS)
    assert monitor.status == "ERROR"
    assert str(operation.pk) in monitor.failure_message
    assert "ZeroDivision" not in monitor.failure_message
    delivery = Delivery.objects.get()
    assert (delivery.event, delivery.destination.addresses) == ("monitor.refresh_failed", ["ops@example.com"])
    assert json.loads(delivery.body)["data"]["table"] == FLIGHTS
    monkeypatch.undo()
    retry_operation(actor=people.owner, operation_id=operation.pk)
    lake.work()
    assert states(lake) == ["FAILED", "SUCCESS"]
    monitor.refresh_from_db()
    assert (monitor.status, monitor.failure_message) == ("ACTIVE", "")


def test_a_worker_that_dies_in_between_leaves_one_result(watched, people, monkeypatch):
    """The attempt after it measures the same version of the table, and all is entered once."""
    from registry.errors import Unavailable

    calls = []
    real = refreshing.refresh

    def dies_once(**asked):
        calls.append(asked["table"].version)
        result = real(**asked)
        if len(calls) == 1:
            watched.append("flights", watched_rows())
            raise Unavailable("The worker was killed.")
        return result

    monkeypatch.setattr(refreshing, "refresh", dies_once)
    run_refresh(actor=people.owner, table=FLIGHTS)
    watched.work()
    assert calls == [0, 0]
    assert states(watched) == ["SUCCESS", "SUCCESS"]


def watched_rows():
    from tests.monitoring.lake import flights

    return flights(days=1, rows=3)


def test_rights_are_those_of_now(watched, people):
    run_refresh(actor=people.owner, table=FLIGHTS)
    table = find_securable(SecurableType.TABLE, FLIGHTS)
    table.owner = people.steward.principal
    table.save()
    watched.work()
    assert states(watched) == ["SUCCESS", "FAILED"]
    assert AuditEvent.objects.filter(decision="DENY", actor="owner@example.com").exists()


def test_a_monitor_of_somebody_who_was_disabled_fails_and_can_be_taken_over(watched, people):
    watched.grant(FLIGHTS, "steward", Privilege.SELECT, Privilege.MANAGE)
    watched.grant(PROFILES, "steward", Privilege.MODIFY)
    watched.grant(PROFILES.replace("profile", "drift"), "steward", Privilege.MODIFY)
    watched.grant("prod.ml", "steward", Privilege.CREATE_TABLE)
    people.principals["owner"].is_active = False
    people.principals["owner"].save()
    run_refresh(actor=people.steward, table=FLIGHTS)
    watched.work()
    assert states(watched)[-1] == "FAILED"
    for name in (PROFILES, PROFILES.replace("profile", "drift"), f"{FLIGHTS}_insights"):
        if name.endswith("_insights") and not Monitor.objects.get().insights_table_id:
            continue
        watched.grant(name, "steward", Privilege.MODIFY)
    update_monitor(actor=people.steward, table=FLIGHTS, change=lambda now: now)
    run_refresh(actor=people.steward, table=FLIGHTS)
    watched.work()
    assert states(watched)[-1] == "SUCCESS", watched.last_refresh().message


def test_a_baseline_that_is_gone_is_named(lake, people):
    lake.table("sample")
    lake.monitor(replace(SNAPSHOT, baseline_table_name="prod.ml.sample"))
    delete_table(actor=people.owner, full_name="prod.ml.sample")
    lake.work()
    assert "baseline table 'prod.ml.sample' is gone" in lake.last_refresh().message
    update_monitor(actor=people.owner, table=FLIGHTS, change=lambda now: replace(now, baseline_table_name=""))
    run_refresh(actor=people.owner, table=FLIGHTS)
    lake.work()
    assert states(lake) == ["FAILED", "SUCCESS"]


def test_a_metric_table_that_was_dropped_is_made_again(watched, people):
    before = find_securable(SecurableType.TABLE, PROFILES)
    delete_table(actor=people.owner, full_name=PROFILES)
    run_refresh(actor=people.owner, table=FLIGHTS)
    watched.work()
    assert states(watched) == ["SUCCESS", "SUCCESS"], watched.last_refresh().message
    assert find_securable(SecurableType.TABLE, PROFILES) != before


# --- Canceling ----------------------------------------------------------------------------------------------------


def test_a_waiting_refresh_is_canceled_at_once(lake, people):
    lake.monitor()
    refresh = lake.last_refresh()
    assert cancel_refresh(actor=people.owner, table=FLIGHTS, refresh_id=refresh.pk).state == "CANCELED"
    assert lake.work() == []
    with pytest.raises(InvalidState, match="is CANCELED already"):
        cancel_refresh(actor=people.owner, table=FLIGHTS, refresh_id=refresh.pk)
    assert Monitor.objects.get().status == "PENDING"


def test_one_that_runs_stops_when_it_looks_and_the_next_one_starts(watched, people, monkeypatch):
    real = refreshing.refresh

    def canceled(**asked):
        monkeypatch.setattr(refreshing, "refresh", real)
        run_refresh(actor=people.owner, table=FLIGHTS)
        running = MonitorRefresh.objects.get(state="RUNNING")
        assert cancel_refresh(actor=people.owner, table=FLIGHTS, refresh_id=running.pk).state == "RUNNING"
        return real(**asked)

    monkeypatch.setattr(refreshing, "refresh", canceled)
    monkeypatch.setattr("registry.services.operation_context._CHECK_EVERY_SECONDS", 0)
    run_refresh(actor=people.owner, table=FLIGHTS)
    watched.work()
    assert states(watched) == ["SUCCESS", "CANCELED", "SUCCESS"]
    assert Monitor.objects.get().status == "ACTIVE"


def test_an_operation_that_is_canceled_cancels_its_refresh(lake, people):
    lake.monitor()
    request_cancel(actor=people.owner, operation_id=Operation.objects.get().pk)
    assert (lake.last_refresh().state, lake.last_refresh().message) == ("CANCELED", "Canceled by owner@example.com.")


def test_deleting_a_monitor_cancels_what_waits(lake, people):
    lake.monitor()
    delete_monitor(actor=people.owner, table=FLIGHTS)
    assert Operation.objects.get().state == "CANCELED"


def test_the_history_is_shown_to_readers_and_tidied_by_managers(watched, people):
    refresh = watched.last_refresh()
    watched.grant(FLIGHTS, "reader", Privilege.SELECT)
    assert [one.pk for one in list_refreshes(actor=people.reader, table=FLIGHTS).items] == [refresh.pk]
    assert get_refresh(actor=people.reader, table=FLIGHTS, refresh_id=refresh.pk) == refresh
    for call in (run_refresh,):
        with pytest.raises(AccessDenied):
            call(actor=people.reader, table=FLIGHTS)
    with pytest.raises(AccessDenied):
        delete_refresh(actor=people.reader, table=FLIGHTS, refresh_id=refresh.pk)
    for unknown in (refresh.pk + 1, "x", 2**70, -1):
        with pytest.raises(NotFound):
            get_refresh(actor=people.owner, table=FLIGHTS, refresh_id=unknown)
    delete_refresh(actor=people.owner, table=FLIGHTS, refresh_id=refresh.pk)
    assert list_refreshes(actor=people.owner, table=FLIGHTS).items == []


# --- Schedules ----------------------------------------------------------------------------------------------------


def test_a_schedule_that_was_missed_for_days_is_made_up_once(lake, people):
    lake.monitor(replace(SERIES, schedule=Schedule("0 0 * * * ?", "UTC")))
    lake.work()
    now = timezone.now() + timedelta(days=3)
    assert run_due_schedules(now=now) == 1
    assert run_due_schedules(now=now) == 0
    refresh = lake.last_refresh()
    assert (refresh.trigger, refresh.state, refresh.requested_by) == ("SCHEDULE", "PENDING", people.owner.principal)
    monitor = Monitor.objects.get()
    assert now < monitor.next_run_at <= now + timedelta(hours=1)


def test_a_paused_schedule_waits(lake, people):
    lake.monitor(replace(SERIES, schedule=Schedule("0 0 * * * ?", "UTC"), is_paused=True))
    assert run_due_schedules(now=datetime(2099, 1, 1, tzinfo=UTC)) == 0


def test_what_waits_behind_nothing_is_started(watched, people):
    refresh = MonitorRefresh.objects.create(
        monitor=Monitor.objects.get(), requested_by=people.owner.principal, created_at=timezone.now()
    )
    assert repair_refreshes() == 1
    assert repair_refreshes() == 0
    watched.work()
    refresh.refresh_from_db()
    assert refresh.state == "SUCCESS"


def test_what_was_kept_for_monitors_that_are_gone_is_removed(watched, people):
    folder = state_folder(Monitor.objects.get())
    assert folder.is_dir()
    assert sweep_states() == 0
    delete_monitor(actor=people.owner, table=FLIGHTS)
    assert sweep_states() == 1
    assert not folder.exists()


def test_alerts_on_the_monitor_are_due_once_it_is_refreshed(watched, people):
    monitor = Monitor.objects.get()
    now = timezone.now()
    Alert.objects.create(
        name="Late", owner=people.owner.principal, source="METRIC", monitor=monitor, metric_table="PROFILE",
        metric="avg", comparison="GREATER_THAN", threshold=3, created_at=now, updated_at=now,
    )  # fmt: skip
    run_refresh(actor=people.owner, table=FLIGHTS)
    watched.work()
    alert = Alert.objects.get()
    assert (alert.due_trigger, alert.due_at >= now) == ("REFRESH", True)
