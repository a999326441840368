"""Monitors: made, changed, deleted, by whom, and what becomes of them when tables come and go."""

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from monitoring.models import Monitor, MonitorRefresh
from monitoring.services.monitor_lookup import get_monitor, list_monitors, metric_table_name
from monitoring.services.monitor_settings import Metric, settings_of, spec_of
from monitoring.services.monitors import (
    delete_monitor,
    monitor_choices,
    regenerate_dashboard,
    update_monitor,
)
from monitoring.services.quartz import Schedule
from registry.errors import AccessDenied, AlreadyExists, InvalidParameter, InvalidState, NotFound
from registry.models import AuditEvent, NotificationDestination, Operation
from registry.privileges import Privilege, SecurableType
from registry.services.securables import Changes, find_securable
from registry.services.table_data import folder_of
from registry.services.tables import delete_table, update_table
from tests.monitoring.lake import DRIFT, FLIGHTS, PROFILES, SERIES, SNAPSHOT

pytestmark = pytest.mark.django_db


def test_a_new_monitor_waits_for_its_first_refresh_and_then_its_tables_are_there(lake, people):
    made = lake.monitor(SERIES)
    assert (made.status, made.version, made.refreshes.get().state) == ("PENDING", 0, "PENDING")
    assert metric_table_name(made, "PROFILE") == PROFILES
    assert made.dashboard_id
    (operation,) = lake.work()
    assert (operation.state, operation.error) == ("SUCCEEDED", "")
    made.refresh_from_db()
    assert (made.status, made.failure_message) == ("ACTIVE", "")
    for name in (PROFILES, DRIFT):
        table = find_securable(SecurableType.TABLE, name)
        assert table.owner == people.owner.principal
        assert (folder_of(table.pk) / "_delta_log").is_dir()
    columns = [column["name"] for column in made.profile_table.table.columns]
    assert {"window", "column_name", "count", "avg"} <= set(columns)


def test_the_trail_tells_who_made_it(lake):
    lake.monitor()
    event = AuditEvent.objects.get(action="createMonitor")
    assert (event.service_name, event.actor, event.securable_name) == ("dataMonitoring", "owner@example.com", FLIGHTS)
    assert event.after["kind"] == "SNAPSHOT"


def test_a_table_has_one_monitor(lake):
    lake.monitor()
    with pytest.raises(AlreadyExists, match="has a monitor already"):
        lake.monitor(SERIES)
    assert Monitor.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"timestamp_column": ""}, "timestamp_col"),
        ({"timestamp_column": "nowhere"}, "timestamp_column"),
        ({"granularities": ()}, "granularities"),
        ({"granularities": ("1 minute",)}, "granularities"),
        ({"slicing_expressions": ("carrier; DROP TABLE x",)}, "slicing_expressions"),
        ({"slicing_expressions": ("",)}, "slicing_exprs"),
        ({"output_schema_name": "ml"}, "output_schema_name"),
        ({"kind": "OTHER"}, "inference_log"),
        ({"kind": "INFERENCE_LOG"}, "problem_type"),
        ({"failure_emails": ("nobody",)}, "notifications"),
        ({"failure_emails": tuple(f"a{n}@example.com" for n in range(6))}, "notifications"),
        ({"failure_destinations": ("0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11",)}, "notifications"),
        ({"custom_metrics": (Metric("a b", "AGGREGATE", ("delay",), "avg(delay)"),)}, "custom_metrics"),
        ({"custom_metrics": (Metric("m", "OTHER", ("delay",), "avg(delay)"),)}, "custom_metrics"),
        ({"custom_metrics": (Metric("m", "AGGREGATE", (), "avg(delay)"),)}, "custom_metrics"),
        ({"custom_metrics": (Metric("m", "AGGREGATE", ("delay",), "read_csv('/etc/passwd')"),)}, "custom_metrics"),
        ({"baseline_table_name": FLIGHTS}, "baseline_table_name"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(lake, wrong, field):
    with pytest.raises(InvalidParameter) as refusal:
        lake.monitor(replace(SERIES, **wrong))
    assert refusal.value.field == field
    assert not Monitor.objects.exists()
    assert not Operation.objects.exists()


def test_a_table_whose_rows_lie_elsewhere_is_not_monitored(lake, people):
    from registry.services.tables import NewTable, create_table

    create_table(actor=people.owner, catalog="prod", schema="ml", name="far", new=NewTable())
    with pytest.raises(InvalidState, match="keeps its rows elsewhere"):
        lake.monitor(table="prod.ml.far")


# --- Who may ------------------------------------------------------------------------------------------------------


def test_to_monitor_takes_the_rows_the_table_and_a_place_for_metrics(lake, people):
    lake.grant(FLIGHTS, "steward", Privilege.SELECT)
    with pytest.raises(AccessDenied, match="lacks ownership or MANAGE"):
        lake.monitor(who="steward")
    lake.grant(FLIGHTS, "steward", Privilege.MANAGE)
    with pytest.raises(AccessDenied, match="lacks CREATE_TABLE"):
        lake.monitor(who="steward")
    lake.grant("prod.ml", "steward", Privilege.CREATE_TABLE)
    lake.revoke(FLIGHTS, "steward")
    lake.grant(FLIGHTS, "steward", Privilege.MANAGE)
    with pytest.raises(AccessDenied, match="lacks ownership or SELECT"):
        lake.monitor(who="steward")
    lake.grant(FLIGHTS, "steward", Privilege.SELECT)
    assert lake.monitor(who="steward").owner == people.steward.principal
    assert AuditEvent.objects.filter(decision="DENY").count() == 3


def test_administering_a_table_gives_no_look_at_its_rows(lake):
    with pytest.raises(AccessDenied, match="lacks"):
        lake.monitor(who="metastore_admin")


def test_who_sees_the_table_sees_its_monitor_and_changes_nothing(lake, people):
    lake.monitor()
    with pytest.raises(NotFound, match=r"Table 'prod.ml.flights' does not exist\."):
        get_monitor(actor=people.reader, table=FLIGHTS)
    assert list_monitors(actor=people.reader).items == []
    lake.grant(FLIGHTS, "reader", Privilege.SELECT)
    assert get_monitor(actor=people.reader, table=FLIGHTS).table.full_name == FLIGHTS
    assert len(list_monitors(actor=people.reader).items) == 1
    for change in (
        lambda: delete_monitor(actor=people.reader, table=FLIGHTS),
        lambda: update_monitor(actor=people.reader, table=FLIGHTS, change=lambda now: now),
        lambda: regenerate_dashboard(actor=people.reader, table=FLIGHTS),
    ):
        with pytest.raises(AccessDenied):
            change()


def test_a_baseline_takes_the_right_to_read_it(lake, people):
    lake.table("secrets", who="owner")
    for right in (Privilege.SELECT, Privilege.MANAGE):
        lake.grant(FLIGHTS, "steward", right)
    lake.grant("prod.ml", "steward", Privilege.CREATE_TABLE)
    with pytest.raises(NotFound, match=r"'prod.ml.secrets' does not exist"):
        lake.monitor(replace(SNAPSHOT, baseline_table_name="prod.ml.secrets"), who="steward")
    lake.monitor(who="steward")
    with pytest.raises(NotFound, match=r"'prod.ml.secrets' does not exist"):
        update_monitor(
            actor=people.steward,
            table=FLIGHTS,
            change=lambda now: replace(now, baseline_table_name="prod.ml.secrets"),
        )


# --- Changing -----------------------------------------------------------------------------------------------------


def test_an_update_keeps_what_it_does_not_change(lake, people):
    schedule = Schedule("0 0 6 * * ?", "Europe/Rome")
    first = lake.monitor(replace(SERIES, schedule=schedule, failure_emails=("ops@example.com",)))
    changed = update_monitor(
        actor=people.owner, table=FLIGHTS, change=lambda now: replace(now, slicing_expressions=("carrier",))
    )
    assert changed.version == 1
    assert settings_of(changed) == replace(settings_of(first), slicing_expressions=("carrier",))
    assert changed.next_run_at is not None
    paused = update_monitor(actor=people.owner, table=FLIGHTS, change=lambda now: replace(now, is_paused=True))
    assert (paused.version, paused.next_run_at) == (2, None)
    event = AuditEvent.objects.filter(action="updateMonitor").latest("id")
    assert (event.before["is_paused"], event.after["is_paused"]) == (False, True)


def test_how_many_rows_are_measured_exactly_is_a_setting(settings):
    settings.MONITOR_EXACT_ROWS = 5
    assert spec_of(SNAPSHOT).exact_rows == 5


def test_who_is_written_to_becomes_a_destination_with_a_log(lake):
    lake.monitor(replace(SNAPSHOT, failure_emails=("ops@example.com",)))
    made = NotificationDestination.objects.get()
    assert (made.addresses, made.for_address) == (["ops@example.com"], True)


def test_a_deleted_monitor_leaves_its_tables_and_the_next_one_writes_on(lake, people):
    lake.monitor()
    lake.work()
    profile = find_securable(SecurableType.TABLE, PROFILES)
    delete_monitor(actor=people.owner, table=FLIGHTS)
    assert not MonitorRefresh.objects.exists()
    assert find_securable(SecurableType.TABLE, PROFILES) == profile
    again = lake.monitor()
    assert again.profile_table == profile
    (operation,) = lake.work()
    assert operation.state == "SUCCEEDED", operation.error


def test_a_table_that_has_the_name_already_is_not_overwritten(lake):
    lake.table("flights_drift_metrics")
    with pytest.raises(AlreadyExists, match="is no metric table"):
        lake.monitor()


def test_a_renamed_table_keeps_its_monitor_and_its_metric_tables(lake, people):
    lake.monitor()
    lake.work()
    update_table(actor=people.owner, full_name=FLIGHTS, changes=Changes(new_name="trips"))
    found = get_monitor(actor=people.owner, table="prod.ml.trips")
    assert metric_table_name(found, "PROFILE") == PROFILES
    assert get_monitor(actor=people.owner, table=str(found.table_id)) == found


def test_a_deleted_table_takes_its_monitor_along(lake, people):
    lake.monitor()
    lake.work()
    delete_table(actor=people.owner, full_name=FLIGHTS)
    assert not Monitor.objects.exists()
    assert find_securable(SecurableType.TABLE, PROFILES)


def test_a_dashboard_can_be_left_out_and_made_later(lake, people):
    assert lake.monitor(replace(SNAPSHOT, skip_dashboard=True)).dashboard_id == ""
    first = regenerate_dashboard(actor=people.owner, table=FLIGHTS).dashboard_id
    assert first
    assert regenerate_dashboard(actor=people.owner, table=FLIGHTS).dashboard_id != first


def test_choices_name_the_columns_and_suggest_a_series(lake, people):
    found = monitor_choices(actor=people.owner, table=FLIGHTS)
    assert {column.name: column.is_time for column in found.columns} == {"at": True, "carrier": False, "delay": False}
    assert found.suggestion == replace(SERIES, schedule=Schedule("0 0 6 * * ?", "UTC"))


# --- Lists --------------------------------------------------------------------------------------------------------


def test_a_list_costs_the_same_for_one_monitor_and_for_many(lake, people):
    lake.monitor()
    with CaptureQueriesContext(connection) as one:
        list_monitors(actor=people.owner)
    for number in range(4):
        lake.table(f"more_{number}")
        lake.monitor(table=f"prod.ml.more_{number}")
    with CaptureQueriesContext(connection) as many:
        rows = list_monitors(actor=people.owner).items
    assert len(rows) == 5
    assert all(row.last_refresh.state == "PENDING" for row in rows)
    assert len(many) == len(one) <= 9


def test_a_list_goes_page_by_page_and_by_name(lake, people):
    lake.monitor()
    lake.table("trains")
    lake.monitor(table="prod.ml.trains")
    first = list_monitors(actor=people.owner, max_results=1)
    second = list_monitors(actor=people.owner, max_results=1, page_token=first.next_page_token)
    names = [row.monitor.table.name for row in (*first.items, *second.items)]
    assert (names, second.next_page_token) == (["trains", "flights"], "")
    assert len(list_monitors(actor=people.owner, name_contains="TRAIN").items) == 1
    with pytest.raises(InvalidParameter):
        list_monitors(actor=people.owner, status="SLEEPING")
