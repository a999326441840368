"""Serving as a data scientist types it, with stock databricks-sdk and mlflow.deployments, in a process of its own.

Usage: python serving.py SCHEMA. Prints one line a step: `ok NAME`, or `failed NAME` behind the traceback.
"""

import json
import os
import sys
import time
import traceback
from datetime import timedelta
from importlib.metadata import version as installed

import mlflow
import pandas as pd
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    BadRequest,
    NotFound,
    OperationFailed,
    PermissionDenied,
    ResourceConflict,
    Unauthenticated,
)
from databricks.sdk.service.serving import (
    AiGatewayInferenceTableConfig,
    AutoCaptureConfigInput,
    DataframeSplitInput,
    EmailNotifications,
    EndpointCoreConfigInput,
    EndpointTag,
    RateLimit,
    RateLimitKey,
    RateLimitRenewalPeriod,
    Route,
    ServedEntityInput,
    ServingEndpointAccessControlRequest,
    ServingEndpointPermissionLevel,
    TrafficConfig,
)
from mlflow.deployments import get_deploy_client
from mlflow.models import infer_signature

SCHEMA = sys.argv[1]
CATALOG, _, SHORT = SCHEMA.partition(".")
MODEL, ENDPOINT = f"{SCHEMA}.tenfold", "tenfold"
PATIENCE = timedelta(minutes=8)
FRAME = pd.DataFrame({"x": [1.0, 2.0], "y": [0.5, 0.25]})
LINES = [f"{name}=={installed(name)}" for name in ("mlflow-skinny", "pandas", "numpy")]
HEADERS = {"Authorization": f"Bearer {os.environ['DATABRICKS_TOKEN']}"}
HOST = os.environ["DATABRICKS_HOST"]
w = WorkspaceClient()
deployments = get_deploy_client("databricks")
state = {}
steps = []


def step(function):
    steps.append(function)
    return function


def refused(kind, call, *words):
    told = None
    try:
        call()
    except kind as error:
        told = str(error)
    assert told is not None, "was not refused"
    for word in words:
        assert word in told, told


class Times(mlflow.pyfunc.PythonModel):
    """`x` times a factor."""

    def __init__(self, factor):
        self.factor = factor

    def predict(self, context, model_input, params=None):
        return (model_input["x"] * self.factor).tolist()


class Unloadable(mlflow.pyfunc.PythonModel):
    """Fails when it is loaded."""

    def load_context(self, context):
        raise RuntimeError("the weights are of another age")

    def predict(self, context, model_input, params=None):
        return model_input["x"].tolist()


def entity(number, **more):
    return ServedEntityInput(
        name=f"v{number}", entity_name=MODEL, entity_version=str(number), workload_size="Small", **more
    )


def shares(**parts):
    return TrafficConfig(
        routes=[Route(served_model_name=name, traffic_percentage=part) for name, part in parts.items()]
    )


def served_by(count=1, **query):
    query = query or {"dataframe_records": [{"x": 1.0, "y": 0.0}]}
    answers = [w.serving_endpoints.query(ENDPOINT, **query) for _ in range(count)]
    return {answer.served_model_name for answer in answers}, answers[-1].predictions


@step
def versions_are_registered():
    mlflow.set_experiment(f"/Shared/{SHORT}")
    for python_model in (Times(10), Times(20), Unloadable()):
        # The third would not load for its example either.
        is_good = isinstance(python_model, Times)
        with mlflow.start_run():
            mlflow.pyfunc.log_model(
                name="model",
                python_model=python_model,
                signature=infer_signature(FRAME, [1.0, 2.0]),
                input_example=FRAME if is_good else None,
                pip_requirements=LINES,
                registered_model_name=MODEL,
            )


@step
def an_endpoint_is_made_and_answers():
    made = w.serving_endpoints.create_and_wait(
        name=ENDPOINT,
        config=EndpointCoreConfigInput(
            name=ENDPOINT,
            served_entities=[entity(1)],
            auto_capture_config=AutoCaptureConfigInput(
                catalog_name=CATALOG, schema_name=SHORT, table_name_prefix="legacy", enabled=True
            ),
        ),
        tags=[EndpointTag(key="team", value="risk")],
        description="Times ten.",
        timeout=PATIENCE,
    )
    assert made.state.ready.value == "READY", made
    assert made.pending_config is None
    assert made.config.config_version == 1
    assert made.permission_level.value == "CAN_MANAGE"
    assert made.config.auto_capture_config.state.payload_table.name == "legacy_payload"
    state["id"] = made.id


@step
def every_form_of_input_is_answered():
    for query in (
        {"dataframe_records": [{"x": 1.0, "y": 0.0}, {"x": 2.0, "y": 0.0}]},
        {"dataframe_split": DataframeSplitInput(columns=["x", "y"], data=[[1.0, 0.0], [2.0, 0.0]])},
        {"inputs": {"x": [1.0, 2.0], "y": [0.0, 0.0]}},
        {"instances": [{"x": 1.0, "y": 0.0}, {"x": 2.0, "y": 0.0}]},
    ):
        names, predictions = served_by(**query)
        assert (names, predictions) == ({"v1"}, [10.0, 20.0]), (query, names, predictions)
    refused(BadRequest, lambda: w.serving_endpoints.query(ENDPOINT, dataframe_records=[{"y": 1.0}]), "x")
    refused(NotFound, lambda: w.serving_endpoints.query("no-such-endpoint", inputs=[1]), "does not exist")


@step
def it_is_shown_and_listed():
    got = w.serving_endpoints.get(ENDPOINT)
    assert (got.name, got.creator, got.description) == (ENDPOINT, w.current_user.me().user_name, "Times ten.")
    assert [one.name for one in w.serving_endpoints.list()] == [ENDPOINT]
    assert got.config.served_entities[0].state.deployment.value == "DEPLOYMENT_READY"


@step
def a_tenth_of_the_traffic_goes_to_the_next_version():
    w.serving_endpoints.update_config_and_wait(
        ENDPOINT, served_entities=[entity(1), entity(2)], traffic_config=shares(v1=90, v2=10), timeout=PATIENCE
    )
    names, _ = served_by(120)
    assert names == {"v1", "v2"}, names
    answer = requests.post(
        f"{HOST}/serving-endpoints/{ENDPOINT}/served-models/v2/invocations",
        json={"dataframe_records": [{"x": 1.0, "y": 0.0}]},
        headers=HEADERS,
        timeout=60,
    )
    assert (answer.status_code, answer.json()) == (200, {"predictions": [20.0]})
    assert answer.headers["served-model-name"] == "v2"


@step
def traffic_alone_moves_at_once():
    began = time.monotonic()
    w.serving_endpoints.update_config_and_wait(
        ENDPOINT, served_entities=[entity(1), entity(2)], traffic_config=shares(v1=0, v2=100), timeout=PATIENCE
    )
    assert time.monotonic() - began < 20
    assert served_by(5)[0] == {"v2"}


@step
def a_version_that_does_not_load_changes_nothing():
    call = w.serving_endpoints.update_config(ENDPOINT, served_entities=[entity(3)])
    refused(
        ResourceConflict,
        lambda: w.serving_endpoints.update_config(ENDPOINT, served_entities=[entity(1)]),
        "being updated",
    )
    refused(OperationFailed, lambda: call.result(timeout=PATIENCE), "UPDATE_FAILED")
    got = w.serving_endpoints.get(ENDPOINT)
    assert got.state.ready.value == "READY"
    (failed,) = got.pending_config.served_entities
    assert failed.state.deployment.value == "DEPLOYMENT_FAILED"
    assert "the weights are of another age" in failed.state.deployment_state_message, failed.state
    assert served_by(3) == ({"v2"}, [20.0])
    assert "the weights are of another age" in w.serving_endpoints.logs(ENDPOINT, "v3").logs
    assert w.serving_endpoints.build_logs(ENDPOINT, "v1").logs


@step
def small_things_are_changed():
    tags = w.serving_endpoints.patch(ENDPOINT, add_tags=[EndpointTag("tier", "1")], delete_tags=["team"])
    assert [(tag.key, tag.value) for tag in tags.tags] == [("tier", "1")]
    told = w.serving_endpoints.update_notifications(
        ENDPOINT, email_notifications=EmailNotifications(on_update_failure=["ops@example.com"])
    )
    assert told.email_notifications.on_update_failure == ["ops@example.com"]
    metrics = w.serving_endpoints.export_metrics(ENDPOINT).contents.read().decode()
    assert metrics.endswith("# EOF\n"), metrics[-200:]
    assert "request_count_total" in metrics
    document = json.loads(w.serving_endpoints.get_open_api(ENDPOINT).contents.read())
    assert document["openapi"].startswith("3.")


@step
def levels_are_given_and_asked_for():
    levels = w.serving_endpoints.get_permission_levels(state["id"]).permission_levels
    assert [one.permission_level.value for one in levels] == ["CAN_VIEW", "CAN_QUERY", "CAN_MANAGE"]
    robot = w.service_principals.create(display_name="asks the endpoint")
    made = w.service_principal_secrets_proxy.create(robot.id)
    other = WorkspaceClient(
        host=HOST, client_id=robot.application_id, client_secret=made.secret, auth_type="oauth-m2m"
    )
    ask = lambda: other.serving_endpoints.query(ENDPOINT, dataframe_records=[{"x": 1.0, "y": 0.0}])  # noqa: E731
    refused(NotFound, ask, "does not exist")
    for level, error in (("CAN_VIEW", PermissionDenied), ("CAN_QUERY", None)):
        held = w.serving_endpoints.update_permissions(
            state["id"],
            access_control_list=[
                ServingEndpointAccessControlRequest(
                    service_principal_name=robot.application_id,
                    permission_level=ServingEndpointPermissionLevel(level),
                )
            ],
        )
        assert len(held.access_control_list) == 2
        # A verdict may be a second old.
        time.sleep(1.1)
        if error:
            refused(error, ask, "CAN_QUERY")
    assert ask().predictions == [20.0]
    w.service_principal_secrets_proxy.delete(robot.id, made.id)
    time.sleep(1.1)
    refused(Unauthenticated, ask)


@step
def limits_are_kept():
    limit = RateLimit(calls=2, renewal_period=RateLimitRenewalPeriod.MINUTE, key=RateLimitKey.ENDPOINT)
    assert w.serving_endpoints.put(ENDPOINT, rate_limits=[limit]).rate_limits[0].calls == 2
    deadline, statuses = time.monotonic() + 20, []
    while 429 not in statuses and time.monotonic() < deadline:
        answer = requests.post(
            f"{HOST}/serving-endpoints/{ENDPOINT}/invocations",
            json={"dataframe_records": [{"x": 1.0, "y": 0.0}]},
            headers=HEADERS,
            timeout=60,
        )
        statuses.append(answer.status_code)
    assert answer.json()["error_code"] in {"REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"}
    assert int(answer.headers["Retry-After"]) > 0
    assert w.serving_endpoints.put(ENDPOINT, rate_limits=[]).rate_limits in (None, [])


@step
def an_alias_is_followed():
    mlflow.MlflowClient().set_registered_model_alias(MODEL, "Champion", "1")
    w.serving_endpoints.update_config_and_wait(
        ENDPOINT,
        served_entities=[ServedEntityInput(name="live", entity_name=MODEL, entity_version="@Champion")],
        timeout=PATIENCE,
    )
    assert served_by() == ({"live"}, [10.0])
    mlflow.MlflowClient().set_registered_model_alias(MODEL, "Champion", "2")
    deadline = time.monotonic() + 60
    while served_by()[1] != [20.0]:
        assert time.monotonic() < deadline, "the endpoint does not follow"


@step
def mlflow_deployments_does_the_same():
    assert [one["name"] for one in deployments.list_endpoints()] == [ENDPOINT]
    assert deployments.get_endpoint(ENDPOINT)["state"]["ready"] == "READY"
    inputs = {"dataframe_split": FRAME.to_dict(orient="split")}
    assert deployments.predict(endpoint=ENDPOINT, inputs=inputs)["predictions"] == [20.0, 40.0]
    config = {"served_entities": [{"name": "v1", "entity_name": MODEL, "entity_version": "1"}]}
    deployments.update_endpoint_config(endpoint=ENDPOINT, config=config)
    w.serving_endpoints.wait_get_serving_endpoint_not_updating(ENDPOINT, timeout=PATIENCE)
    assert deployments.predict(endpoint=ENDPOINT, inputs=inputs)["predictions"] == [10.0, 20.0]


@step
def requests_are_found_in_both_tables():
    w.serving_endpoints.put_ai_gateway(
        ENDPOINT,
        inference_table_config=AiGatewayInferenceTableConfig(
            enabled=True, catalog_name=CATALOG, schema_name=SHORT, table_name_prefix="gateway"
        ),
    )
    warehouse = next(iter(w.warehouses.list())).id
    asked = {"dataframe_records": [{"x": 3.0, "y": 0.0}], "client_request_id": "mine-1"}
    deadline, rows = time.monotonic() + 60, []
    while not rows and time.monotonic() < deadline:
        requests.post(f"{HOST}/serving-endpoints/{ENDPOINT}/invocations", json=asked, headers=HEADERS, timeout=60)
        answer = w.statement_execution.execute_statement(
            statement=f"SELECT status_code, request, response, client_request_id FROM {SCHEMA}.gateway_payload",
            warehouse_id=warehouse,
            wait_timeout="30s",
        )
        rows = (answer.result.data_array if answer.result else None) or []
    assert rows, "no row of the AI gateway's table"
    status, request, response, client = rows[0]
    assert (status, client, json.loads(response)) == ("200", "mine-1", {"predictions": [30.0]})
    assert json.loads(request) == asked
    answer = w.statement_execution.execute_statement(
        statement=f"SELECT count(*) FROM {SCHEMA}.legacy_payload WHERE status_code = 200",
        warehouse_id=warehouse,
        wait_timeout="30s",
    )
    assert int(answer.result.data_array[0][0]) > 120


@step
def it_stops_starts_and_rolls_back():
    own = f"{HOST}/api/modelkeep/endpoints/{ENDPOINT}"
    assert requests.post(f"{own}/stop", headers=HEADERS, timeout=60).status_code == 200
    deadline = time.monotonic() + 20
    told = ""
    while "stopped" not in told and time.monotonic() < deadline:
        try:
            served_by()
        except BadRequest as error:
            told = str(error)
    assert "stopped" in told, told
    assert requests.post(f"{own}/start", headers=HEADERS, timeout=60).status_code == 200
    w.serving_endpoints.wait_get_serving_endpoint_not_updating(ENDPOINT, timeout=PATIENCE)
    deadline = time.monotonic() + 20
    while True:
        try:
            assert served_by()[1] == [10.0]
            break
        except BadRequest:
            assert time.monotonic() < deadline
    events = requests.get(f"{own}/events", headers=HEADERS, timeout=60).json()["events"]
    assert {"CREATED", "UPDATE_SUCCEEDED", "UPDATE_FAILED", "STOPPED"} <= {one["kind"] for one in events}


@step
def it_is_deleted():
    w.serving_endpoints.delete(ENDPOINT)
    refused(NotFound, lambda: w.serving_endpoints.get(ENDPOINT), "does not exist")
    assert deployments.list_endpoints() == []


for one in steps:
    try:
        one()
    except Exception:
        traceback.print_exc()
        print(f"failed {one.__name__}", flush=True)
    else:
        print(f"ok {one.__name__}", flush=True)
