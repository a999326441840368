"""An endpoint is monitored in one step: what it answers, and how fast it does and how often it fails."""

import html
from datetime import timedelta

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from django.utils import timezone

from monitoring.models import Monitor
from monitoring.services.alert_settings import AlertSettings
from monitoring.services.alerts import create_alert, evaluate_alert_now
from monitoring.services.dashboard_filters import Chosen
from monitoring.services.dashboards import build_dashboard
from monitoring.services.endpoint_monitors import create_endpoint_metrics_monitor, create_endpoint_monitor
from monitoring.services.monitor_lookup import list_monitors
from monitoring.services.monitored_endpoints import models_behind
from monitoring.services.monitors import delete_monitor
from monitoring.services.refreshes import run_refresh
from registry.errors import AccessDenied, InvalidState, NotFound
from registry.models import ModelVersion, RegisteredModel
from registry.privileges import Privilege, SecurableType
from registry.services.registered_models import create_model
from registry.services.securables import find_securable
from registry.services.table_data import folder_of
from registry.services.version_uses import uses_of
from registry.web.model_badges import badges_of
from serving.models import EndpointLevel, EndpointPermission, EndpointSample, InferenceTable, ServingEndpoint
from serving.routing.stats import LATENCY_BOUNDS_MS
from serving.services.endpoint_metrics_log import ENDPOINT, append_endpoint_metrics
from tests.monitoring.lake import Lake, flights
from tests.web.conftest import Browser

pytestmark = pytest.mark.django_db
TABLE = "prod.ml.rides_unpacked"
METRICS = "prod.ml.rides_metrics"


@pytest.fixture
def rides(lake: Lake) -> Lake:
    """An endpoint `rides` that serves version 3 of a model, and keeps what it answers."""
    now, owner = timezone.now(), lake.people.principals["owner"]
    lake.grant("prod.ml", "owner", Privilege.CREATE_MODEL)
    model = create_model(actor=lake.people.owner, name="prod.ml.delay")
    version = ModelVersion.objects.create(
        model=model, version=3, status="READY", created_at=now, updated_at=now, touched_at=now
    )
    endpoint = ServingEndpoint.objects.create(name="rides", creator=owner, created_at=now, updated_at=now)
    config = endpoint.configs.create(version=1, created_at=now)
    config.entities.create(
        name="delay-3", entity_name="prod.ml.delay", entity_version="3", version=version, created_at=now
    )
    endpoint.active_config = config
    endpoint.save()
    rows = flights(days=1).rename_columns(["timestamp", "carrier", "prediction"])
    rows = rows.append_column("model_version", pa.array(["3"] * rows.num_rows))
    InferenceTable.objects.create(
        endpoint=endpoint, endpoint_name="rides", form="AI_GATEWAY", created_at=now,
        unpacked_table=lake.table("rides_unpacked", rows),
    )  # fmt: skip
    return lake


def test_the_columns_say_how_to_watch_it(rides, people):
    monitor = create_endpoint_monitor(actor=people.owner, endpoint="rides")
    assert monitor.table.full_name == TABLE
    assert (monitor.kind, monitor.problem_type) == ("INFERENCE_LOG", "REGRESSION")
    assert (monitor.timestamp_column, monitor.prediction_column) == ("timestamp", "prediction")
    assert (monitor.model_id_column, monitor.label_column) == ("model_version", "")
    assert monitor.quartz_cron == "0 0 6 * * ?"
    assert models_behind(monitor) == {"endpoint": "rides", "models": [{"name": "prod.ml.delay", "version": "3"}]}
    (operation,) = rides.work()
    assert operation.state == "SUCCEEDED", operation.error
    (use,) = [use for use in uses_of(actor=people.owner, name="prod.ml.delay", version=3) if use.kind == "Monitor"]
    assert (use.name, use.version, use.note) == (TABLE, 3, "of endpoint rides")


def test_what_the_caller_says_goes_before_what_the_columns_say(rides):
    answer = rides.send(
        "owner",
        "POST",
        "/api/modelkeep/endpoints/rides/monitor",
        {"problem_type": "PROBLEM_TYPE_CLASSIFICATION", "granularities": ["1 week"]},
    )
    assert answer.status_code == 200, answer.content
    log = answer.json()["inference_log"]
    assert (log["problem_type"], log["granularities"]) == ("PROBLEM_TYPE_CLASSIFICATION", ["1 week"])


def test_it_takes_the_rights_on_the_table(rides, people):
    for who in ("outsider", "reader"):
        with pytest.raises(NotFound, match="no unpacked inference table that you may see"):
            create_endpoint_monitor(actor=getattr(people, who), endpoint="rides")
    with pytest.raises(NotFound):
        create_endpoint_monitor(actor=people.owner, endpoint="nowhere")
    rides.grant(TABLE, "reader", Privilege.SELECT)
    with pytest.raises(AccessDenied):
        create_endpoint_monitor(actor=people.reader, endpoint="rides")


def test_who_may_not_see_the_table_is_not_told_of_its_monitor(rides, people):
    from registry.models import Grant, Securable

    create_endpoint_monitor(actor=people.owner, endpoint="rides")
    model = Securable.objects.get(key="delay")
    Grant.objects.create(securable=model, principal=people.principals["reader"], privilege=Privilege.EXECUTE)

    def told(who):
        return [use.kind for use in uses_of(actor=who, name="prod.ml.delay", version=3)].count("Monitor")

    assert (told(people.owner), told(people.reader)) == (1, 0)
    delete_monitor(actor=people.owner, table=TABLE)
    assert told(people.owner) == 0


def test_a_table_without_predictions_says_what_is_missing(rides, people):
    InferenceTable.objects.update(unpacked_table=rides.table("empty", pa.table({"x": [1]})))
    with pytest.raises(InvalidState, match="first answer of the endpoint"):
        create_endpoint_monitor(actor=people.owner, endpoint="rides")


# --- How fast it answers, and how often it fails ------------------------------------------------------------------


def minutes(*, last, count, slow_ms=20, errors=0):
    """What one entity did in some minutes: a hundred requests each."""
    endpoint = ServingEndpoint.objects.get(name="rides")
    counts = [0] * (len(LATENCY_BOUNDS_MS) + 1)
    counts[LATENCY_BOUNDS_MS.index(slow_ms)] = 100
    EndpointSample.objects.bulk_create(
        EndpointSample(
            endpoint=endpoint, entity_name="delay-3", model_version="3", minute=last - timedelta(minutes=place),
            requests=100, errors_5xx=errors, latency_sum_ms=100.0 * slow_ms, latency_counts=counts, cpu_percent=50.0,
            provisioned_concurrency=4,
        )
        for place in range(count)
    )  # fmt: skip


@pytest.fixture
def busy(rides, people):
    """`rides` was asked for half an hour, until the minute that this gives; its creator manages it."""
    endpoint = ServingEndpoint.objects.get(name="rides")
    for who, level in (("owner", EndpointLevel.CAN_MANAGE), ("reader", EndpointLevel.CAN_VIEW)):
        endpoint.permissions.create(principal=people.principals[who], level=level)
    last = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=10)
    minutes(last=last, count=30)
    return last


def rows_of(full_name):
    table = find_securable(SecurableType.TABLE, full_name)
    return DeltaTable(str(folder_of(table.pk))).to_pyarrow_table().to_pylist()


def test_latency_and_errors_are_a_monitored_table_with_an_alert(rides, people, busy):
    answer = rides.send(
        "owner", "POST", "/api/modelkeep/endpoints/rides/monitor", {"of": "METRICS", "output_schema_name": "prod.ml"}
    )
    assert answer.status_code == 200, answer.content
    assert answer.json()["table_name"] == METRICS
    monitor = Monitor.objects.select_related("table", "owner").get()
    assert (monitor.kind, monitor.timestamp_column, monitor.quartz_cron) == (
        "TIME_SERIES",
        "event_time",
        "0 10 * * * ?",
    )
    assert len(rows_of(METRICS)) == 30
    assert {row["latency_p95_ms"] for row in rows_of(METRICS)} == {19.5}
    assert models_behind(monitor)["endpoint"] == "rides"
    (operation,) = rides.work()
    assert operation.state == "SUCCEEDED", operation.error

    rule = AlertSettings(
        name="rides is slow", source="METRIC", table=METRICS, metric_table="PROFILE", metric="max",
        selector={"column_name": "latency_p95_ms", "granularity": "1 day"}, comparison="GREATER_THAN",
        threshold=500.0,
    )  # fmt: skip
    alert = create_alert(actor=people.owner, settings_=rule)
    assert evaluate_alert_now(actor=people.owner, alert_id=alert.pk).state == "OK"

    # A slow minute comes with the beat, once, and triggers it after a refresh.
    now = busy + timedelta(minutes=6)
    minutes(last=busy + timedelta(minutes=1), count=1, slow_ms=1000, errors=50)
    minutes(last=busy + timedelta(minutes=2), count=1)
    assert append_endpoint_metrics(now=now) == 1
    assert append_endpoint_metrics(now=now) == 0
    assert append_endpoint_metrics(now=now + timedelta(minutes=1)) == 1
    run_refresh(actor=people.owner, table=METRICS)
    rides.work()
    assert evaluate_alert_now(actor=people.owner, alert_id=alert.pk).state == "TRIGGERED"
    board = build_dashboard(actor=people.owner, table=METRICS, chosen=Chosen(granularity="1 day"))
    assert sum(board.rows_per_window) == 32
    assert ("served_entity_name", "delay-3") in board.choices.slices
    assert list(board.own_metrics) == ["latency_p95_worst_ms", "error_percentage", "queue_worst_ms", "requests"]
    assert max(board.own_metrics["latency_p95_worst_ms"]) > 500
    assert max(board.own_metrics["error_percentage"]) > 0

    # What broke, and since when, stands on the endpoint's page, for who may see the table.
    page = Browser()
    page.force_login(people.principals["owner"])
    shown = page.get("/serving/rides", {"tab": "quality"}).content.decode()
    assert "rides is slow" in shown
    assert "1 alert triggered" in shown
    assert "latency and errors of" in shown
    assert "Watch its answers" in shown
    assert "Watch latency and errors" not in shown
    assert "rides is slow" in page.get("/explore/data/models/prod/ml/delay", {"tab": "quality"}).content.decode()
    page.force_login(people.principals["reader"])
    hidden = page.get("/serving/rides", {"tab": "quality"}).content.decode()
    assert "Nothing watches this endpoint" in hidden
    assert METRICS not in hidden

    # Rows come as far as the owner may see the endpoint.
    minutes(last=busy + timedelta(minutes=9), count=1)
    EndpointPermission.objects.filter(principal=people.principals["owner"]).delete()
    assert append_endpoint_metrics(now=now + timedelta(days=1)) == 0
    assert models_behind(monitor) == {}


def test_a_table_that_only_says_so_gets_no_minutes(rides, people, busy):
    claimed = ServingEndpoint.objects.get(name="rides").pk.hex
    for name, value in (("spy", claimed), ("odd", "no id"), ("old", 7)):
        table = rides.table(name, who="owner")
        table.owner, table.properties = people.principals["outsider"], {ENDPOINT: value}
        table.save()
    assert append_endpoint_metrics() == 0


def test_the_dialog_asks_for_the_schema_and_says_what_is_in_the_way(rides, people, busy):
    page = Browser()
    page.force_login(people.principals["owner"])
    assert 'value="prod.ml"' in page.get("/serving/rides/watch-metrics").content.decode()
    rides.table("rides_metrics")
    refused = page.post("/serving/rides/watch-metrics", {"output_schema_name": "prod.ml"}).content.decode()
    assert "holds no metrics of endpoint" in html.unescape(refused)
    assert (
        "write it as catalog.schema"
        in page.post("/serving/rides/watch-metrics", {"output_schema_name": "prod"}).content.decode()
    )
    page.force_login(people.principals["reader"])
    refused = page.post("/serving/rides/watch-metrics", {"output_schema_name": "prod.ml"}).content.decode()
    assert "CREATE_TABLE" in refused
    assert "already exists" not in refused
    page.force_login(people.principals["outsider"])
    assert page.get("/serving/rides/watch-metrics").status_code == 404
    assert not Monitor.objects.exists()


def test_refreshes_that_fail_tell_since_when(rides, people):
    monitor = create_endpoint_monitor(actor=people.owner, endpoint="rides")
    monitor.refreshes.all().delete()
    first = timezone.now() - timedelta(days=5)
    for day, state in enumerate(("FAILED", "SUCCESS", "FAILED", "FAILED")):
        monitor.refreshes.create(state=state, created_at=first + timedelta(days=day))
    Monitor.objects.update(status="ERROR", failure_message="The table cannot be read.")
    (row,) = list_monitors(actor=people.owner).items
    assert row.broken_since == row.failing_since == first + timedelta(days=2)
    page = Browser()
    page.force_login(people.principals["owner"])
    for path in ("/monitoring", "/serving/rides?tab=quality"):
        ServingEndpoint.objects.get().permissions.get_or_create(
            principal=people.principals["owner"], defaults={"level": EndpointLevel.CAN_MANAGE}
        )
        assert f"{first + timedelta(days=2):%Y-%m-%d %H:%M}" in page.get(path).content.decode()


def test_lists_of_models_tell_what_serves_them_and_what_alerts(rides, people):
    monitor = create_endpoint_monitor(actor=people.owner, endpoint="rides")
    delay = RegisteredModel.objects.get(securable__key="delay")
    owner, page = people.principals["owner"], Browser()
    page.force_login(owner)
    assert "triggered" not in page.get("/explore/data/prod/ml").content.decode()
    (served,) = badges_of(people.metastore_admin, [delay])[delay.pk]
    assert (served.words, served.tab) == ("Served by 1 endpoint", "serving")
    now = timezone.now()
    for name, state in (("Drifts", "TRIGGERED"), ("Fails", "TRIGGERED"), ("Fine", "OK")):
        rule = {"source": "METRIC", "comparison": "GREATER_THAN", "created_at": now, "updated_at": now}
        monitor.alerts.create(name=name, owner=owner, state=state, **rule)
    assert "2 alerts triggered" in page.get("/explore/data/prod/ml").content.decode()
    assert badges_of(people.outsider, [delay]) == {}


def test_an_endpoint_that_nobody_asked_yet_can_be_watched(rides, people):
    endpoint = ServingEndpoint.objects.get(name="rides")
    endpoint.permissions.create(principal=people.principals["owner"], level=EndpointLevel.CAN_MANAGE)
    create_endpoint_metrics_monitor(actor=people.owner, endpoint="rides", output_schema_name="prod.ml")
    (operation,) = rides.work()
    assert operation.state == "SUCCEEDED", operation.error
    board = build_dashboard(actor=people.owner, table=METRICS, chosen=Chosen())
    assert board.windows == []
    assert "no rows to measure yet" in board.notices[0]
