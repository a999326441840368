"""Alerts on metrics: looked at with their owner's rights, told once a breach, logged, muted, handed over."""

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.models import Alert, AlertEvaluation, AlertIncident, EvaluationTrigger
from monitoring.services.alert_evaluations import (
    claim_alert,
    evaluate_due,
    forget_evaluations,
    look_at,
    record_look,
)
from monitoring.services.alert_queue import wake_alerts_of, wake_due_alerts
from monitoring.services.alert_settings import settings_of
from monitoring.services.alert_values import query_of
from monitoring.services.alerts import (
    create_alert,
    delete_alert,
    deliveries_of,
    evaluate_alert_now,
    get_alert,
    list_alerts,
    list_evaluations,
    list_incidents,
    mute_alert,
    pause_alert,
    preview_notice,
    transfer_alert,
    try_alert,
    update_alert,
)
from monitoring.services.quartz import Schedule
from registry.errors import AccessDenied, Conflict, InvalidParameter, LimitExceeded, NotFound
from registry.models import AuditEvent, Delivery
from registry.privileges import Privilege
from registry.services.delivery_runner import deliver
from tests.monitoring.alerts.conftest import START, metric_alert
from tests.monitoring.lake import FLIGHTS

pytestmark = pytest.mark.django_db
HOURLY = Schedule("0 0 * * * ?", "UTC")


def at(hours):
    return START + timedelta(days=30, hours=hours)


def test_a_breach_is_told_once_and_resolved_once(watch, hook, receiver, people):
    alert = watch.alert(destinations=(str(hook.pk),), emails=("reader@example.com",))
    assert watch.evaluate(alert, now=at(0)).state == "OK"
    watch.window(1, delay=0.4)
    first = watch.evaluate(alert, now=at(1))
    assert (first.state, first.value, first.breached) == ("TRIGGERED", 0.4, True)
    assert first.window_start == START + timedelta(days=1)
    watch.evaluate(alert, now=at(2))
    watch.window(2, delay=0.1)
    assert watch.evaluate(alert, now=at(3)).state == "OK"
    assert list(Delivery.objects.order_by("created_at").values_list("event", flat=True)) == [
        *["alert.triggered"] * 2,
        *["alert.resolved"] * 2,
    ]
    incident = AlertIncident.objects.get()
    assert (incident.value, incident.resolved_value) == (0.4, 0.1)
    assert (incident.opened_at, incident.resolved_at) == (at(1), at(3))
    for row in Delivery.objects.order_by("created_at"):
        assert deliver(delivery_id=row.pk, now=at(9)).ok
    body = json.loads(receiver.requests[0].body)
    assert body["event"] == "alert.triggered"
    assert {"alert_id", "incident_id", "owner", "comparison", "message"} <= set(body["data"])
    assert body["data"]["table"] == FLIGHTS
    assert (body["data"]["value"], body["data"]["threshold"]) == (0.4, 0.2)
    assert body["data"]["window"]["start"].startswith("2030-01-02")
    assert len(mail.outbox) == 2
    assert mail.outbox[0].subject == "Alert Delay drifts is triggered"
    assert mail.outbox[0].to == ["reader@example.com"]
    assert "js_distance of delay > 0.2" in mail.outbox[0].body


def test_what_is_sent_can_be_told_from_what_somebody_else_sends(watch, hook, receiver):
    """A destination with a password signs what it sends with it."""
    from registry.services.delivery_http import signature

    alert = watch.alert(destinations=(str(hook.pk),))
    watch.window(1, delay=0.4)
    watch.evaluate(alert, now=at(0))
    row = Delivery.objects.get()
    assert deliver(delivery_id=row.pk, now=at(9)).ok
    (request,) = receiver.requests
    stamp = request.headers["X-Modelkeep-Timestamp"]
    expected = signature("pa55", delivery_id=str(row.pk), timestamp=stamp, body=request.body.decode())
    assert request.headers["X-Modelkeep-Signature"] == expected


def test_a_triggered_alert_asks_for_its_workflow(watch, hook):
    parameters = {"job": "retrain", "days": 30}
    alert = watch.alert(workflow_destination=str(hook.pk), workflow_parameters=parameters)
    watch.window(1, delay=0.4)
    evaluation = watch.evaluate(alert, now=at(0))
    row = Delivery.objects.get()
    assert row.event == "workflow.requested"
    data = json.loads(row.body)["data"]
    assert data["parameters"] == parameters
    assert (data["alert"]["metric"], data["alert"]["value"]) == ("js_distance", 0.4)
    assert [told["event"] for told in evaluation.notified] == ["alert.triggered", "workflow.requested"]
    watch.evaluate(alert, now=at(1))
    assert Delivery.objects.count() == 1


def test_a_template_says_what_people_want_to_read(watch):
    alert = watch.alert(
        summary="{{ALERT_NAME}}: {{QUERY_RESULT_VALUE}} {{ALERT_CONDITION}} {{ALERT_THRESHOLD}}",
        description="@TABLE_NAME is {{ALERT_STATUS}} {{NOTHING}}",
        emails=("reader@example.com",),
        name="Drift {{QUERY_RESULT_VALUE}}",
    )
    watch.window(1, delay=0.4)
    watch.evaluate(alert, now=at(0))
    body = json.loads(Delivery.objects.get().body)
    assert body["subject"] == "Drift {{QUERY_RESULT_VALUE}}: 0.4 > 0.2"
    assert body["text"] == "prod.ml.flights is TRIGGERED {{NOTHING}}"


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        ({}, 0.4),
        ({"metric": "ks_test.pvalue"}, 0.01),
        ({"metric": "ks_test.nothing"}, None),
        ({"selector": {"column_name": "carrier"}}, 0.9),
        ({"selector": {"column_name": "delay", "window": "LATEST_COMPLETE"}}, 0.1),
    ],
)
def test_the_latest_window_that_is_meant_counts(watch, asked, value):
    alert = watch.alert(**asked)
    watch.window(1, delay=0.4)
    found = watch.evaluate(alert, now=START + timedelta(days=1, hours=5))
    assert found.value == value


def test_of_several_rows_of_a_window_the_worst_counts(watch):
    watch.window(1, delay=0.1)
    watch.window(1, delay=0.7)
    assert watch.evaluate(watch.alert(), now=at(0)).value == 0.7
    assert watch.evaluate(watch.alert(comparison="LESS_THAN"), now=at(0)).value == 0.1


def test_no_row_and_no_column_are_told_apart(watch):
    nowhere = watch.alert(selector={"column_name": "nowhere"})
    assert watch.evaluate(nowhere, now=at(0)).state == "UNKNOWN"
    unknown = watch.alert(metric="psi")
    found = watch.evaluate(unknown, now=at(0))
    assert (found.state, found.message) == ("ERROR", "Metric table 'prod.ml.flights_drift' has no column 'psi'.")


def test_before_the_first_refresh_there_is_nothing_to_judge(lake):
    lake.table()
    lake.monitor()
    alert = create_alert(actor=lake.people.owner, settings_=metric_alert())
    claim = claim_alert(alert_id=alert.pk, now=at(0), trigger="MANUAL")
    assert record_look(claim, look_at(claim.alert, now=at(0)), now=at(0)).state == "UNKNOWN"


def test_the_query_behind_a_metric_finds_the_same(watch):
    sql = query_of(metric_alert(), watch.monitor)
    assert "FROM `prod`.`ml`.`flights_drift`" in sql
    assert "column_name = 'delay'" in sql


# --- Rights --------------------------------------------------------------------------------------------------


def test_an_alert_looks_with_the_rights_that_its_owner_has_now(watch):
    watch.lake.grant(FLIGHTS, "reader", Privilege.SELECT)
    with pytest.raises(NotFound, match=r"'prod.ml.flights_drift' does not exist"):
        watch.alert(who="reader")
    watch.lake.grant("prod.ml.flights_drift", "reader", Privilege.SELECT)
    alert = watch.alert(who="reader")
    assert watch.evaluate(alert, now=at(0)).state == "OK"
    watch.lake.revoke("prod.ml.flights_drift", "reader")
    lost = watch.evaluate(alert, now=at(1))
    assert (lost.state, lost.value) == ("ERROR", None)
    assert AuditEvent.objects.filter(decision="DENY", actor="reader@example.com").count() == 2


def test_who_sees_the_table_sees_the_alert_and_its_owner_alone_changes_it(watch, people):
    alert = watch.alert()
    with pytest.raises(NotFound, match=f"Alert '{alert.pk}' does not exist"):
        get_alert(actor=people.outsider, alert_id=alert.pk)
    assert list_alerts(actor=people.outsider).items == []
    watch.lake.grant(FLIGHTS, "reader", Privilege.SELECT)
    assert get_alert(actor=people.reader, alert_id=alert.pk) == alert
    assert [row.alert for row in list_alerts(actor=people.reader).items] == [alert]
    for change in (
        lambda who: update_alert(actor=who, alert_id=alert.pk, change=lambda now: now),
        lambda who: mute_alert(actor=who, alert_id=alert.pk, until=None),
        lambda who: pause_alert(actor=who, alert_id=alert.pk, is_paused=True),
        lambda who: evaluate_alert_now(actor=who, alert_id=alert.pk),
        lambda who: transfer_alert(actor=who, alert_id=alert.pk, owner="reader@example.com"),
        lambda who: delete_alert(actor=who, alert_id=alert.pk),
    ):
        with pytest.raises(AccessDenied, match=r"Ask its owner, owner@example.com"):
            change(people.reader)
    for garbage in ("x", "", "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11"):
        with pytest.raises(NotFound):
            get_alert(actor=people.owner, alert_id=garbage)


def test_an_administrator_quiets_an_alert_but_does_not_say_what_it_looks_at(watch, people):
    alert = watch.alert()
    admin = people.metastore_admin
    with pytest.raises(AccessDenied):
        update_alert(actor=admin, alert_id=alert.pk, change=lambda now: replace(now, threshold=5))
    assert mute_alert(actor=admin, alert_id=alert.pk, until=timezone.now() + timedelta(hours=1)).muted_until
    with pytest.raises(InvalidParameter, match="must be yourself"):
        transfer_alert(actor=admin, alert_id=alert.pk, owner="reader@example.com")
    assert transfer_alert(actor=admin, alert_id=alert.pk, owner="admin@example.com").owner == admin.principal
    assert watch.evaluate(alert, now=at(0)).state == "ERROR"  # Administering gives no data.
    delete_alert(actor=admin, alert_id=alert.pk)
    assert not Alert.objects.exists()


# --- Settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "display_name"),
        ({"comparison": "ABOUT"}, "comparison_operator"),
        ({"threshold": None}, "threshold"),
        ({"threshold": [1]}, "threshold"),
        ({"resolve_threshold": 0.5}, "resolve_threshold"),
        ({"resolve_threshold": 0.1, "comparison": "EQUAL"}, "resolve_threshold"),
        ({"resolve_threshold": 0.1, "threshold": "high"}, "resolve_threshold"),
        ({"consecutive": 0}, "consecutive"),
        ({"retrigger_seconds": -1}, "retrigger_seconds"),
        ({"metric_table": "OTHER"}, "metric_table"),
        ({"metric": "js_distance; DROP"}, "metric"),
        ({"selector": {"color": "red"}}, "selector"),
        ({"selector": {"column_name": 5}}, "selector"),
        ({"selector": {"window": "FIRST"}}, "selector"),
        ({"empty_result_state": "MAYBE"}, "empty_result_state"),
        ({"emails": ("stranger@elsewhere.example",)}, "subscriptions"),
        ({"emails": ("nobody",)}, "subscriptions"),
        ({"destinations": ("0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11",)}, "subscriptions"),
        ({"destinations": ("x",)}, "subscriptions"),
        ({"source": "SQL"}, "query_text"),
        ({"source": "SQL", "query_text": "SELECT 1", "value_column": "x"}, "schedule"),
        ({"source": "SQL", "query_text": "DROP TABLE t", "value_column": "x", "schedule": HOURLY}, "query_text"),
        (
            {"source": "SQL", "query_text": "CREATE TABLE t AS SELECT 1", "value_column": "x", "schedule": HOURLY},
            "query_text",
        ),
    ],
)
def test_what_no_alert_can_be_is_refused_by_its_field(watch, wrong, field):
    with pytest.raises(InvalidParameter) as refusal:
        watch.alert(**wrong)
    assert refusal.value.field == field
    assert not Alert.objects.exists()


def test_a_workflow_is_started_by_a_request(watch, people):
    letters = create_letters(people)
    with pytest.raises(InvalidParameter, match="is no webhook"):
        watch.alert(workflow_destination=str(letters.pk))


def create_letters(people):
    from registry.models import DestinationKind
    from registry.services.notification_destinations import create_destination

    return create_destination(
        actor=people.metastore_admin,
        display_name="team",
        kind=DestinationKind.EMAIL,
        config={"addresses": ["team@example.com"]},
    )


def test_one_has_only_so_many(watch, settings):
    settings.MAX_ALERTS_PER_OWNER = 1
    watch.alert()
    with pytest.raises(LimitExceeded):
        watch.alert()


def test_settings_come_back_as_they_were_given(watch, hook):
    given = metric_alert(
        resolve_threshold=0.1, consecutive=2, destinations=(str(hook.pk),), emails=("reader@example.com",),
        schedule=HOURLY, workflow_destination=str(hook.pk), workflow_parameters={"a": [1]}, retrigger_seconds=60,
    )  # fmt: skip
    assert settings_of(create_alert(actor=watch.lake.people.owner, settings_=given)) == given


def test_a_new_threshold_starts_over_and_a_new_name_does_not(watch, people):
    alert = watch.alert()
    watch.window(1, delay=0.4)
    watch.evaluate(alert, now=at(0))
    renamed = update_alert(actor=people.owner, alert_id=alert.pk, change=lambda now: replace(now, name="Drift"))
    assert renamed.state == "TRIGGERED"
    stricter = update_alert(actor=people.owner, alert_id=alert.pk, change=lambda now: replace(now, threshold=0.3))
    assert stricter.state == "UNKNOWN"
    assert AlertIncident.objects.get().resolution == "The alert was changed."
    watch.evaluate(alert, now=at(1))
    assert AlertIncident.objects.count() == 2


# --- Trying, muting, the log ---------------------------------------------------------------------------------


def test_a_trial_tells_what_would_happen_and_writes_nothing(watch, people, hook):
    watch.window(1, delay=0.4)
    trial = try_alert(
        actor=people.owner, settings_=metric_alert(workflow_destination=str(hook.pk), destinations=(str(hook.pk),))
    )
    assert (trial.look.found.value, trial.step.standing.state, trial.step.events) == (
        0.4,
        "TRIGGERED",
        ("alert.triggered",),
    )
    assert trial.notice.data["value"] == 0.4
    assert trial.workflow.event == "workflow.requested"
    assert not Alert.objects.exists()
    assert not Delivery.objects.exists()
    with pytest.raises(NotFound):
        try_alert(actor=people.outsider, settings_=metric_alert())


def test_a_muted_alert_tells_nobody_until_the_time_is_over(watch, people):
    alert = watch.alert(emails=("reader@example.com",))
    until = timezone.now() + timedelta(hours=2)
    mute_alert(actor=people.owner, alert_id=alert.pk, until=until)
    assert list_alerts(actor=people.owner).items[0].is_muted
    watch.window(1, delay=0.4)
    assert watch.evaluate(alert, now=until - timedelta(hours=1)).state == "TRIGGERED"
    assert not Delivery.objects.exists()
    watch.evaluate(alert, now=until + timedelta(minutes=1))
    assert Delivery.objects.get().event == "alert.triggered"
    with pytest.raises(InvalidParameter, match="lies in the past"):
        mute_alert(actor=people.owner, alert_id=alert.pk, until=timezone.now() - timedelta(seconds=1))


def test_the_log_tells_what_was_found_and_what_became_of_what_was_sent(watch, people):
    alert = watch.alert(emails=("reader@example.com",))
    watch.evaluate(alert, now=at(0))
    watch.window(1, delay=0.4)
    evaluate_alert_now(actor=people.owner, alert_id=alert.pk, now=at(1))
    page = list_evaluations(actor=people.owner, alert_id=alert.pk, max_results=1)
    assert (page.items[0].trigger, page.items[0].value) == ("MANUAL", 0.4)
    assert page.next_page_token
    (delivery,) = deliveries_of(actor=people.owner, alert_id=alert.pk, evaluations=page.items).values()
    assert delivery.destination.addresses == ["reader@example.com"]
    (incident,) = list_incidents(actor=people.owner, alert_id=alert.pk).items
    assert incident.resolved_at is None
    assert preview_notice(actor=people.owner, alert_id=alert.pk).data["value"] == 0.4
    assert forget_evaluations(now=at(0.5) + timedelta(days=90)) == 1
    assert AlertEvaluation.objects.count() == 1


# --- When it is looked at ------------------------------------------------------------------------------------


def test_a_refresh_makes_it_due_and_a_look_ends_that(watch):
    alert = watch.alert()
    other = watch.alert(is_paused=True)
    assert wake_alerts_of(watch.monitor, now=at(0)) == 1
    evaluation = evaluate_due(alert_id=alert.pk, now=at(0))
    assert evaluation.trigger == EvaluationTrigger.REFRESH
    assert evaluate_due(alert_id=alert.pk, now=at(1)) is None
    assert evaluate_due(alert_id=other.pk, now=at(1)) is None


def test_a_schedule_that_was_missed_is_made_up_once(watch):
    alert = watch.alert(schedule=HOURLY)
    later = timezone.now() + timedelta(days=2)
    assert wake_due_alerts(now=later) == 1
    assert evaluate_due(alert_id=alert.pk, now=later) is not None
    assert wake_due_alerts(now=later + timedelta(seconds=30)) == 0
    alert.refresh_from_db()
    assert later < alert.next_run_at <= later + timedelta(hours=1)


def test_of_two_workers_the_one_with_the_newer_claim_records(watch, people):
    alert = watch.alert(emails=("reader@example.com",))
    watch.window(1, delay=0.4)
    slow = claim_alert(alert_id=alert.pk, now=at(0), trigger="SCHEDULE")
    assert claim_alert(alert_id=alert.pk, now=at(0), trigger="SCHEDULE") is None
    with pytest.raises(Conflict, match="is being evaluated"):
        evaluate_alert_now(actor=people.owner, alert_id=alert.pk, now=at(0))
    fast = claim_alert(alert_id=alert.pk, now=at(1), trigger="SCHEDULE")
    assert record_look(fast, look_at(fast.alert, now=at(1)), now=at(1)).state == "TRIGGERED"
    assert record_look(slow, look_at(slow.alert, now=at(1)), now=at(1)) is None
    assert Delivery.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_many_workers_that_are_sent_for_one_alert_tell_it_once(watch):
    alert = watch.alert(emails=("reader@example.com",))
    watch.window(1, delay=0.4)
    wake_alerts_of(watch.monitor, now=at(0))

    def work():
        try:
            evaluate_due(alert_id=alert.pk, now=at(0))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (AlertEvaluation.objects.count(), Delivery.objects.count(), AlertIncident.objects.count()) == (1, 1, 1)


def test_a_list_costs_the_same_for_one_alert_and_for_many(watch, people):
    watch.alert()
    with CaptureQueriesContext(connection) as one:
        list_alerts(actor=people.owner)
    for _ in range(4):
        watch.alert(emails=("reader@example.com",))
    with CaptureQueriesContext(connection) as many:
        rows = list_alerts(actor=people.owner).items
        assert [row.alert.monitor.table.full_name for row in rows] == [FLIGHTS] * 5
    assert len(many) == len(one) <= 8
