"""A table that a monitor watches: months of a model's answers, in which one season is not like the others."""

import uuid
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake
from scipy.special import ndtr

from monitoring.models import Monitor
from monitoring.services.alert_settings import AlertSettings
from monitoring.services.alerts import create_alert
from monitoring.services.endpoint_monitors import create_endpoint_metrics_monitor
from monitoring.services.monitor_settings import MonitorSettings
from monitoring.services.monitors import create_monitor
from registry.models import Operation, Table
from registry.services.actors import Actor
from registry.services.operation_runner import run_operation
from registry.services.table_data import adopt_table, staging_folder

TABLE = "prod.flights.delay_answers"
_DAYS, _ROWS, _TURN = 21, 400, 14
_CARRIERS = np.array(["UA", "AA", "DL", "B6", "EV"])


def answers(*, now: datetime, seed: int = 7) -> pa.Table:
    """Three weeks of answers of two versions; in the last one flights are longer, later, and from other carriers."""
    chance = np.random.default_rng(seed)
    first = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=_DAYS)
    days = np.repeat(np.arange(_DAYS), _ROWS)
    late = days >= _TURN
    seconds = days * 86_400 + chance.integers(0, 86_400, len(days))
    distance = (chance.normal(1000, 300, len(days)) + late * 450).round(1)
    weights = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
    carrier = np.where(
        late, chance.choice(_CARRIERS, len(days), p=weights[::-1]), chance.choice(_CARRIERS, len(days), p=weights)
    )
    truth = (distance + chance.normal(0, 250, len(days)) > 1250).astype(int)
    guess = np.where(late, (distance > 1600).astype(int), (distance > 1200).astype(int))
    probability = ndtr((1250 - distance) / 250)  # Of what comes second in the alphabet: on time.
    wind = np.where(chance.random(len(days)) < np.where(late, 0.2, 0.02), np.nan, chance.gamma(2.0, 6.0, len(days)))
    return pa.table(
        {
            "timestamp": pa.array([first + timedelta(seconds=int(s)) for s in seconds], pa.timestamp("us", tz="UTC")),
            "carrier": carrier,
            "distance": distance,
            "wind": pa.array(wind, from_pandas=True),
            "prediction": np.where(guess == 1, "late", "on time"),
            "probability": probability,
            "label": np.where(truth == 1, "late", "on time"),
            "model_version": np.where(chance.random(len(days)) < 0.9, "2", "3"),
        }
    )


def add_table(actor: Actor, full_name: str, rows: pa.Table) -> Table:
    """A governed table with these rows."""
    catalog, schema, name = full_name.split(".")
    folder = staging_folder(uuid.uuid4())
    folder.mkdir(parents=True)
    write_deltalake(str(folder), rows)
    columns = [{"name": field.name, "type_name": "STRING", "type_text": str(field.type)} for field in rows.schema]
    return adopt_table(actor=actor, catalog=catalog, schema=schema, name=name, staging=folder, columns=columns)


def add_monitor(actor: Actor) -> None:
    """Watch the answers by day, measure them once, and have one alert that is triggered by what they show."""
    now = datetime.now(UTC)
    rows = answers(now=now)
    add_table(actor, TABLE, rows)
    add_table(actor, f"{TABLE}_training", rows.slice(0, _ROWS * 7))
    settings = MonitorSettings(
        kind="INFERENCE_LOG",
        output_schema_name="prod.flights",
        timestamp_column="timestamp",
        granularities=("1 day",),
        problem_type="CLASSIFICATION",
        prediction_column="prediction",
        prediction_proba_column="probability",
        label_column="label",
        model_id_column="model_version",
        slicing_expressions=("carrier",),
        baseline_table_name=f"{TABLE}_training",
    )
    monitor = create_monitor(actor=actor, table=TABLE, settings=settings)
    create_alert(
        actor=actor,
        settings_=AlertSettings(
            name="Distances drift from training",
            source="METRIC",
            table=TABLE,
            metric_table="DRIFT",
            metric="ks_test.statistic",
            selector={"column_name": "distance", "drift_type": "BASELINE", "granularity": "1 day"},
            comparison="GREATER_THAN",
            threshold=0.2,
        ),
    )
    _measure(monitor)


def add_metrics_monitor(actor: Actor, endpoint: str) -> None:
    """Watch how fast an endpoint answers and how often it fails."""
    place = TABLE.rpartition(".")[0]
    _measure(create_endpoint_metrics_monitor(actor=actor, endpoint=endpoint, output_schema_name=place))


def _measure(monitor: Monitor) -> None:
    refresh = monitor.refreshes.get()
    if refresh.operation and Operation.objects.filter(pk=refresh.operation.pk, state="PENDING").exists():
        run_operation(operation_id=refresh.operation.pk)
