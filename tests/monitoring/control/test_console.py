"""The console shows monitors, refreshes, alerts and what these found; it changes them by services only."""

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.models import Alert, AlertEvaluation, AlertIncident, Monitor, MonitorRefresh
from registry.models import AuditEvent

pytestmark = pytest.mark.django_db
NOUNS = (Monitor, MonitorRefresh, Alert, AlertIncident, AlertEvaluation)


@pytest.fixture
def console(people) -> Client:
    client = Client()
    client.force_login(people.principals["metastore_admin"])
    return client


def populate(lake, number: int) -> Alert:
    now, table = timezone.now(), f"more_{number}"
    lake.table(table)
    monitor = lake.monitor(table=f"prod.ml.{table}")
    alert = Alert.objects.create(
        name=f"Alert {number}", owner=lake.people.owner.principal, source="METRIC", monitor=monitor, metric="avg",
        metric_table="PROFILE", comparison="GREATER_THAN", threshold=1, created_at=now, updated_at=now,
    )  # fmt: skip
    incident = alert.incidents.create(opened_at=now)
    alert.evaluations.create(at=now, trigger="MANUAL", state="OK", incident=incident)
    return alert


def url(model, *more: object) -> str:
    return "/".join(["/console/monitoring", model._meta.model_name, *map(str, more), ""])


def test_every_noun_is_there_at_a_fixed_cost(console, lake):
    assert {model for model in admin.site._registry if model._meta.app_label == "monitoring"} == set(NOUNS)
    populate(lake, 0)
    costs = []
    for number in (1, 4):
        for other in range(number, number * 2 - 1):
            populate(lake, other)
        cost = {}
        for model in NOUNS:
            console.get(url(model))
            with CaptureQueriesContext(connection) as asked:
                assert console.get(url(model)).status_code == 200
            cost[model] = len(asked)
            pk = model.objects.first().pk
            assert console.get(url(model, pk, "change")).status_code == 200
        costs.append(cost)
    assert costs[0] == costs[1]


def test_it_is_for_metastore_admins(people, lake):
    client = Client()
    client.force_login(people.principals["owner"])
    assert client.get(url(Monitor)).status_code in {302, 403}


def test_it_deletes_and_pauses_by_services(console, lake):
    alert = populate(lake, 0)
    console.post(url(Alert), {"action": "pause", "_selected_action": [str(alert.pk)]})
    alert.refresh_from_db()
    assert alert.is_paused
    console.post(url(Monitor, alert.monitor_id, "delete"), {"post": "yes"})
    assert not Monitor.objects.exists()
    assert AuditEvent.objects.filter(actor="admin@example.com", action="deleteMonitor").count() == 1
