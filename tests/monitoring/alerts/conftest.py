"""A monitored table whose drift metrics tests write themselves, window by window."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from monitoring.models import Alert, AlertEvaluation, EvaluationTrigger, Monitor
from monitoring.services import alert_queue
from monitoring.services.alert_evaluations import claim_alert, look_at, record_look
from monitoring.services.alert_settings import AlertSettings
from monitoring.services.alerts import create_alert
from registry.models import DestinationKind, NotificationDestination
from registry.services import delivery_queue, operation_delivery
from registry.services.notification_destinations import create_destination
from registry.services.table_data import folder_of
from tests.monitoring.lake import FLIGHTS, Lake, make_lake
from tests.webhooks.receiver import receiving

START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nobody_is_woken(monkeypatch):
    """Tests evaluate and deliver by hand: no message is sent."""
    for module in (alert_queue, delivery_queue, operation_delivery):
        monkeypatch.setattr(module.current_app, "send_task", lambda *a, **k: None)


@pytest.fixture
def lake(people, settings, tmp_path) -> Lake:
    settings.TABLE_ROOT, settings.SQL_ROOT = str(tmp_path / "tables"), str(tmp_path / "sql")
    settings.MONITORING_ROOT = str(tmp_path / "monitoring")
    return make_lake(people)


def drift_rows(day: int, **metrics: Any) -> pa.Table:
    """Rows of one window of the drift table: js_distance by column, and a test."""
    window = {"start": START + timedelta(days=day), "end": START + timedelta(days=day + 1)}
    names = list(metrics)
    moment = pa.timestamp("us", tz="UTC")
    text = pa.string()
    return pa.table(
        {
            "window": pa.array([window] * len(names), pa.struct([("start", moment), ("end", moment)])),
            "granularity": pa.array(["1 day"] * len(names), text),
            "slice_key": pa.array([None] * len(names), text),
            "slice_value": pa.array([None] * len(names), text),
            "column_name": pa.array(names, text),
            "drift_type": pa.array(["CONSECUTIVE"] * len(names), text),
            "js_distance": pa.array([metrics[name] for name in names], pa.float64()),
            "ks_test": pa.array(
                [{"statistic": metrics[name], "pvalue": 0.01} for name in names],
                pa.struct([("statistic", pa.float64()), ("pvalue", pa.float64())]),
            ),
        }
    )


@dataclass
class Watch:
    """A monitored table, and alerts on it."""

    lake: Lake
    monitor: Monitor

    def window(self, day: int, **metrics: Any) -> None:
        """Another window of the drift table."""
        write_deltalake(str(folder_of(self.monitor.drift_table_id)), drift_rows(day, **metrics), mode="append")

    def alert(self, who: str = "owner", **settings: Any) -> Alert:
        return create_alert(actor=getattr(self.lake.people, who), settings_=metric_alert(**settings))

    def evaluate(self, alert: Alert, *, now: datetime) -> AlertEvaluation:
        """As a worker does that was sent for it."""
        claim = claim_alert(alert_id=alert.pk, now=now, trigger=EvaluationTrigger.SCHEDULE)
        assert claim is not None
        evaluation = record_look(claim, look_at(claim.alert, now=now), now=now)
        assert evaluation is not None
        return evaluation


def metric_alert(**settings: Any) -> AlertSettings:
    """Drift of `delay` above 0.2, unless said otherwise."""
    return AlertSettings(
        **{
            "name": "Delay drifts",
            "source": "METRIC",
            "table": FLIGHTS,
            "metric_table": "DRIFT",
            "metric": "js_distance",
            "selector": {"column_name": "delay", "granularity": "1 day"},
            "comparison": "GREATER_THAN",
            "threshold": 0.2,
            **settings,
        }
    )


@pytest.fixture
def watch(lake) -> Watch:
    """`prod.ml.flights`, monitored by `owner`, with one quiet window."""
    lake.table()
    monitor = lake.monitor()
    monitor.drift_table = lake.table("flights_drift", drift_rows(0, delay=0.1, carrier=0.9))
    monitor.save()
    return Watch(lake, monitor)


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    with receiving() as made:
        yield made


@pytest.fixture
def hook(people, receiver) -> NotificationDestination:
    """A webhook with a password."""
    return create_destination(
        actor=people.metastore_admin,
        display_name="ops",
        kind=DestinationKind.WEBHOOK,
        config={"url": receiver.url, "username": "robot", "password": "pa55"},
    )
