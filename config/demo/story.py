"""The steps of the demonstration, in order. Each of them is done once, however often it is loaded."""

import io
import os
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import mlflow
import pandas as pd

from config.demo.client import Client, DemoError
from config.demo.flights import INPUTS, LABEL, Flights, as_request
from config.demo.models import CATALOGS, CHALLENGER, CHAMPION, SCHEMA, full_name, train_and_promote
from config.demo.replay import replay
from monitoring.services.alert_settings import AlertSettings
from monitoring.services.alerts import create_alert, list_alerts
from registry.services.actors import Actor
from serving.models import InferenceTable

ENDPOINT = "flight-delay"
TRAINING = "prod.flights.delay_training"
ALERT = "Flights are not like the ones of training"
DRIFTS = 0.4
_UNITY = "/api/2.1/unity-catalog"
_LIVE_REQUESTS = 120
_PATIENCE_SECONDS = 900.0
Say = Callable[[str], None]


def tell_story(*, actor: Actor, client: Client, flights: Flights, say: Say) -> None:
    """Make everything that is not there yet.

    Raises:
        DemoError.
    """
    say("catalogs dev, staging and prod, and the flights of training as a table")
    _make_places(client)
    _upload_training(client, flights.training)
    say("two models: logged, registered in dev, copied through staging to prod")
    fitted = train_and_promote(flights.training)
    say("endpoint flight-delay, 90 % Champion and 10 % Challenger: its environment is built first")
    _make_endpoint(client)
    client.wait_until_ready(ENDPOINT)
    table = InferenceTable.objects.select_related("unpacked_table", "endpoint").get(endpoint__name=ENDPOINT)
    say("ten months of requests, and what became of each flight")
    if not table.appended_rows:
        _replay(client, flights, fitted, table=table, requester=str(actor.principal.pk))
    table.refresh_from_db()
    say("a monitor of the answers, held against the flights of training")
    _watch(client, actor, table)
    _ask(client, flights.replayed)
    say("done: open Serving and Monitoring")


def _make_places(client: Client) -> None:
    for catalog in CATALOGS:
        client.call("POST", f"{_UNITY}/catalogs", json={"name": catalog, "comment": _FOR[catalog]}, exists_ok=True)
        schema = {"name": SCHEMA, "catalog_name": catalog, "comment": "Flights from New York"}
        client.call("POST", f"{_UNITY}/schemas", json=schema, exists_ok=True)


_FOR = {
    "dev": "Where models are tried",
    "staging": "Where they are tested as they will be served",
    "prod": "What others depend on",
}


def _upload_training(client: Client, training: pd.DataFrame) -> None:
    if client.call("GET", f"{_UNITY}/tables/{TRAINING}", missing_ok=True):
        return
    # The baseline has the columns of the monitored table: a prediction is what a model should have said.
    rows = training[["time_hour", *INPUTS]].assign(prediction=training[LABEL], label=training[LABEL])
    buffer = io.BytesIO()
    rows.rename(columns={"time_hour": "timestamp"}).to_parquet(buffer, index=False)
    path = f"/api/modelkeep/tables/{TRAINING}/rows"
    query = {"mode": "create", "format": "parquet"}
    headers = {"Content-Type": "application/vnd.apache.parquet"}
    client.call("POST", path, params=query, content=buffer.getvalue(), headers=headers)


def _make_endpoint(client: Client) -> None:
    if client.call("GET", f"/api/2.0/serving-endpoints/{ENDPOINT}", missing_ok=True):
        return
    entities = [
        {
            "name": alias.lower(),
            "entity_name": full_name("prod"),
            "entity_version": f"@{alias}",
            "workload_size": "Small",
            "scale_to_zero_enabled": False,
        }
        for alias in (CHAMPION, CHALLENGER)
    ]
    routes = [
        {"served_entity_name": CHAMPION.lower(), "traffic_percentage": 90},
        {"served_entity_name": CHALLENGER.lower(), "traffic_percentage": 10},
    ]
    body = {
        "name": ENDPOINT,
        "description": "Will this flight be more than a quarter of an hour late?",
        "config": {"served_entities": entities, "traffic_config": {"routes": routes}},
        "ai_gateway": {
            "inference_table_config": {
                "enabled": True,
                "catalog_name": "prod",
                "schema_name": SCHEMA,
                "table_name_prefix": "delay",
            }
        },
        "tags": [{"key": "team", "value": "operations"}],
    }
    client.call("POST", "/api/2.0/serving-endpoints", json=body)


def _replay(
    client: Client, flights: Flights, fitted: dict[str, Any], *, table: InferenceTable, requester: str
) -> None:
    labels = replay(flights.replayed, fitted, table=table, requester=requester)
    requests = len({label["databricks_request_id"] for label in labels})
    _wait(lambda: _appended(table) >= requests, "the requests to come into the inference table")
    for first in range(0, len(labels), 20_000):
        body = {"labels": labels[first : first + 20_000]}
        client.call("POST", f"/api/modelkeep/endpoints/{ENDPOINT}/labels", json=body)


def _appended(table: InferenceTable) -> int:
    table.refresh_from_db()
    return table.appended_rows


def _wait(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise DemoError(f"Waited {_PATIENCE_SECONDS:.0f} s in vain for {what}.")
        time.sleep(1)


def _watch(client: Client, actor: Actor, table: InferenceTable) -> None:
    unpacked = table.unpacked_table
    if unpacked is None:
        raise DemoError("The unpacked inference table is gone.")
    path = f"{_UNITY}/tables/{unpacked.full_name}/monitor"
    if client.call("GET", path, missing_ok=True) is None:
        body = {
            "output_schema_name": f"prod.{SCHEMA}",
            "assets_dir": "/Shared/monitoring",
            "inference_log": {
                "problem_type": "PROBLEM_TYPE_CLASSIFICATION",
                "timestamp_col": "timestamp",
                "granularities": ["1 week"],
                "prediction_col": "prediction",
                "label_col": "label",
                "model_id_col": "model_version",
            },
            "baseline_table_name": TRAINING,
            "slicing_exprs": ["origin"],
            "schedule": {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "UTC"},
        }
        client.call("POST", path, json=body)
    if not list_alerts(actor=actor, name_contains=ALERT, max_results=1).items:
        settings = AlertSettings(
            name=ALERT,
            source="METRIC",
            table=unpacked.full_name,
            metric_table="DRIFT",
            metric="ks_test.statistic",
            selector={"column_name": "temp", "granularity": "1 week", "drift_type": "BASELINE"},
            comparison="GREATER_THAN",
            threshold=DRIFTS,
            description="The weather of these flights is not the weather that the models learned from. Train again.",
        )
        create_alert(actor=actor, settings_=settings)
    refreshes = f"{path}/refreshes"
    _wait(lambda: _measured(client, refreshes), "the first refresh of the monitor")


def _measured(client: Client, path: str) -> bool:
    states = [refresh["state"] for refresh in client.call("GET", path).get("refreshes", [])]
    if states and states[0] == "FAILED":
        raise DemoError("The monitor could not be refreshed: see the Quality tab of its table.")
    return "SUCCESS" in states


def _ask(client: Client, flights: pd.DataFrame) -> None:
    """Some requests of now, so that the endpoint's own charts show something."""
    for first in range(0, _LIVE_REQUESTS * 3, 3):
        client.call(
            "POST", f"/serving-endpoints/{ENDPOINT}/invocations", json=as_request(flights.iloc[first : first + 3])
        )


def speak_as(url: str, token: str) -> None:
    """Point this process's MLflow at the installation, as its users do."""
    os.environ.update({"DATABRICKS_HOST": url, "DATABRICKS_TOKEN": token, "MLFLOW_TRACKING_URI": "databricks"})
    mlflow.set_registry_uri("databricks-uc")


def moment() -> datetime:
    """Now, with a time zone."""
    return datetime.now().astimezone()
