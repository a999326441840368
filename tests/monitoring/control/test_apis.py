"""Both APIs of monitors speak of one store, in the words and enumerations of their clients."""

import json

import pytest

from monitoring.models import Monitor
from monitoring.services.monitor_settings import settings_of
from registry.privileges import Privilege, SecurableType
from registry.services.securables import find_securable
from tests.monitoring.lake import DRIFT, FLIGHTS, PROFILES
from tests.openapi.answers import complaints, operation_of

pytestmark = pytest.mark.django_db
OLD = f"/api/2.1/unity-catalog/tables/{FLIGHTS}/monitor"
NEW = "/api/data-quality/v1/monitors"
INFERENCE = {
    "problem_type": "PROBLEM_TYPE_REGRESSION",
    "timestamp_col": "at",
    "granularities": ["1 day", "2 weeks"],
    "prediction_col": "delay",
    "model_id_col": "carrier",
}
SCHEDULE = {"quartz_cron_expression": "0 0 12 * * ?", "timezone_id": "Europe/Rome", "pause_status": "UNPAUSED"}
EMAILS = {"email_addresses": ["ops@example.com"]}
METRIC = {
    "name": "mean_delay",
    "type": "CUSTOM_METRIC_TYPE_AGGREGATE",
    "input_columns": ["delay"],
    "definition": "avg(`{{input_column}}`)",
    "output_data_type": "double",
}


@pytest.fixture
def call(lake):
    """Sends a request and holds the answer against the API's document."""

    def send(method, path, body=None, *, who="owner", status=200):
        response = lake.send(who, method, path, body)
        assert response.status_code == status, response.content
        operation = operation_of(method, path)
        assert operation is not None, path
        assert list(complaints(operation, response)) == []
        return response.json()

    return send


def test_the_older_api_gives_back_what_it_was_given(call, lake):
    given = {
        "output_schema_name": "prod.ml",
        "assets_dir": "/Shared/monitoring",
        "inference_log": INFERENCE,
        "slicing_exprs": ["carrier", "delay > 3"],
        "custom_metrics": [METRIC],
        "schedule": SCHEDULE,
        "notifications": {"on_failure": EMAILS, "on_new_classification_tag_detected": EMAILS},
        "warehouse_id": "abc",
        "data_classification_config": {"enabled": True},
    }
    made = call("POST", OLD, given)
    told = {key: made.pop(key) for key in ("status", "monitor_version", "dashboard_id", "table_name")}
    assert told.pop("dashboard_id")
    assert told == {"status": "MONITOR_STATUS_PENDING", "monitor_version": 0, "table_name": FLIGHTS}
    names = {"profile_metrics_table_name": PROFILES, "drift_metrics_table_name": DRIFT}
    assert made == {**given, **names}
    lake.work()
    assert call("GET", OLD)["status"] == "MONITOR_STATUS_ACTIVE"
    call("POST", OLD, given, status=400)


def test_an_update_replaces_and_keeps_the_kind(call):
    call("POST", OLD, {"output_schema_name": "prod.ml", "assets_dir": "/x", "snapshot": {}, "schedule": SCHEDULE})
    changed = call("PUT", OLD, {"output_schema_name": "prod.ml", "slicing_exprs": ["carrier"], "assets_dir": "/y"})
    assert changed["snapshot"] == {}
    assert (changed["monitor_version"], changed["assets_dir"], changed["slicing_exprs"]) == (1, "/x", ["carrier"])
    assert "schedule" not in changed
    series = {"timestamp_col": "at", "granularities": ["1 hour"]}
    changed = call("PUT", OLD, {"output_schema_name": "prod.ml", "time_series": series})
    assert changed["time_series"] == series
    assert "snapshot" not in changed


def test_refreshes_by_the_older_api(call, lake):
    call("POST", OLD, {"output_schema_name": "prod.ml", "assets_dir": "/x", "snapshot": {}})
    (first,) = call("GET", f"{OLD}/refreshes")["refreshes"]
    assert (first["state"], first["trigger"]) == ("PENDING", "MANUAL")
    assert first["start_time_ms"] > 0
    assert call("POST", f"{OLD}/refreshes/{first['refresh_id']}/cancel")["state"] == "CANCELED"
    again = call("POST", f"{OLD}/refreshes")
    lake.work()
    done = call("GET", f"{OLD}/refreshes/{again['refresh_id']}")
    assert done["state"] == "SUCCESS"
    assert done["end_time_ms"] >= done["start_time_ms"]
    call("POST", f"{OLD}/refreshes/{again['refresh_id']}/cancel", status=400)
    call("GET", f"{OLD}/refreshes/9999", status=404)
    dashboard = f"/api/2.1/quality-monitoring/tables/{FLIGHTS}/monitor/dashboard"
    made = call("POST", dashboard, {"warehouse_id": "w"})
    assert made["parent_folder"] == "/x"
    assert call("GET", OLD)["dashboard_id"] == made["dashboard_id"]
    assert call("DELETE", OLD) == {}
    call("GET", OLD, status=404)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "assets_dir"),
        ({"assets_dir": "/x"}, "exactly one"),
        ({"assets_dir": "/x", "snapshot": {}, "time_series": {}}, "exactly one"),
        ({"assets_dir": "/x", "snapshot": {}}, "output_schema_name"),
        ({"assets_dir": "/x", "output_schema_name": "prod.ml", "snapshot": []}, "must be an object"),
        ({"assets_dir": "/x", "output_schema_name": "prod.ml", "snapshot": {}, "schedule": {}}, "quartz"),
        (
            {"assets_dir": "/x", "output_schema_name": "prod.ml", "snapshot": {}, "slicing_exprs": "x"},
            "list of texts",
        ),
        ({"assets_dir": "/x", "output_schema_name": "prod.ml", "snapshot": {}, "custom_metrics": [1]}, "objects"),
        ({"assets_dir": "/x", "snapshot": {}, "latest_monitor_failure_msg": "x"}, "told by the server"),
    ],
)
def test_a_body_that_cannot_be_used_names_its_field(call, body, word):
    refusal = call("POST", OLD, body, status=400)
    assert refusal["error_code"] == "INVALID_PARAMETER_VALUE"
    assert word in refusal["message"]


@pytest.fixture
def ids():
    table = find_securable(SecurableType.TABLE, FLIGHTS)
    return str(table.pk), str(table.parent_id)


def test_the_newer_api_gives_back_what_it_was_given(call, lake, ids):
    table, schema = ids
    config = {
        "output_schema_id": schema,
        "assets_dir": "/Shared",
        "inference_log": {
            "problem_type": "INFERENCE_PROBLEM_TYPE_REGRESSION",
            "timestamp_column": "at",
            "granularities": ["AGGREGATION_GRANULARITY_30_MINUTES", "AGGREGATION_GRANULARITY_4_WEEKS"],
            "prediction_column": "delay",
            "model_id_column": "carrier",
        },
        "custom_metrics": [{**METRIC, "type": "DATA_PROFILING_CUSTOM_METRIC_TYPE_AGGREGATE"}],
        "schedule": {**SCHEDULE, "pause_status": "CRON_SCHEDULE_PAUSE_STATUS_PAUSED"},
        "notification_settings": {"on_failure": EMAILS},
        "slicing_exprs": ["carrier"],
        "warehouse_id": "w",
    }
    body = {"object_type": "table", "object_id": table, "data_profiling_config": config}
    made = call("POST", NEW, body)
    told = made["data_profiling_config"]
    assert (made["object_type"], made["object_id"]) == ("table", table)
    assert {key: told[key] for key in config} == config
    assert told["status"] == "DATA_PROFILING_STATUS_PENDING"
    assert told["profile_metrics_table_name"] == PROFILES
    assert told["effective_warehouse_id"] == "w"
    # The other API tells of the same monitor.
    older = call("GET", OLD)
    assert older["inference_log"]["granularities"] == ["30 minutes", "4 weeks"]
    assert older["schedule"]["pause_status"] == "PAUSED"
    assert [one["object_id"] for one in call("GET", f"{NEW}?page_size=1")["monitors"]] == [table]


def test_what_is_outside_of_the_mask_survives(call, ids):
    table, schema = ids
    log = {**INFERENCE, "label_col": "delay", "prediction_proba_col": "delay"}
    log["problem_type"] = "PROBLEM_TYPE_REGRESSION"
    log.pop("prediction_proba_col")
    given = {"output_schema_name": "prod.ml", "assets_dir": "/x", "inference_log": log, "schedule": SCHEDULE}
    call("POST", OLD, {**given, "notifications": {"on_failure": EMAILS}})
    before = settings_of(Monitor.objects.get())
    one = f"{NEW}/table/{table}"

    def patch(mask, config, status=200):
        body = {"object_type": "table", "object_id": table, "data_profiling_config": config}
        return call("PATCH", f"{one}?update_mask={mask}", body, status=status)

    sliced = patch("data_profiling_config.slicing_exprs", {"slicing_exprs": ["carrier"], "output_schema_id": schema})[
        "data_profiling_config"
    ]
    assert sliced["slicing_exprs"] == ["carrier"]
    after = settings_of(Monitor.objects.get())
    assert vars(after) == {**vars(before), "slicing_expressions": ("carrier",)}
    paused = {"schedule": {"pause_status": "CRON_SCHEDULE_PAUSE_STATUS_PAUSED"}, "slicing_exprs": []}
    patched = patch("data_profiling_config.schedule.pause_status", paused)["data_profiling_config"]
    assert patched["schedule"]["quartz_cron_expression"] == SCHEDULE["quartz_cron_expression"]
    assert patched["schedule"]["pause_status"] == "CRON_SCHEDULE_PAUSE_STATUS_PAUSED"
    assert patched["slicing_exprs"] == ["carrier"]
    patched = patch("data_profiling_config.inference_log.label_column,data_profiling_config.schedule", {})
    assert "label_column" not in patched["data_profiling_config"]["inference_log"]
    assert "schedule" not in patched["data_profiling_config"]
    series = {"timestamp_column": "at", "granularities": ["AGGREGATION_GRANULARITY_1_DAY"]}
    patched = patch("data_profiling_config.time_series", {"time_series": series})["data_profiling_config"]
    assert "inference_log" not in patched
    assert patched["slicing_exprs"] == ["carrier"]
    assert patched["monitor_version"] == 4
    whole = patch("*", {"output_schema_id": schema, "snapshot": {}})["data_profiling_config"]
    assert (whole["snapshot"], "slicing_exprs" in whole, "notification_settings" in whole) == ({}, False, False)
    for wrong in (
        "slicing_exprs",
        "data_profiling_config.status",
        "data_profiling_config.",
        "data_profiling_config.x.y",
    ):
        assert "update_mask" in patch(wrong, {"slicing_exprs": ["x"]}, status=400)["message"]


def test_refreshes_by_the_newer_api(call, lake, ids):
    table, schema = ids
    config = {"output_schema_id": schema, "snapshot": {}}
    call("POST", NEW, {"object_type": "table", "object_id": table, "data_profiling_config": config})
    lake.work()
    root = f"{NEW}/table/{table}/refreshes"
    begun = call("POST", root)
    assert (begun["state"], begun["object_id"]) == ("MONITOR_REFRESH_STATE_PENDING", table)
    assert begun["trigger"] == "MONITOR_REFRESH_TRIGGER_MANUAL"
    one = f"{root}/{begun['refresh_id']}"
    canceled = call("POST", f"{one}/cancel")["refresh"]
    assert canceled["state"] == "MONITOR_REFRESH_STATE_CANCELED"
    assert call("GET", one) == canceled
    call("PATCH", one, canceled, status=501)
    page = call("GET", f"{root}?page_size=1")
    assert [refresh["refresh_id"] for refresh in page["refreshes"]] == [begun["refresh_id"]]
    assert len(call("GET", f"{root}?page_token={page['next_page_token']}")["refreshes"]) == 1
    assert call("DELETE", one) == {}
    assert call("DELETE", f"{NEW}/table/{table}") == {}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("schema/{schema}", 501),
        ("volume/{table}", 400),
        ("table/nonsense", 404),
        ("table/0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11", 404),
        ("table/{schema}", 404),
        ("table/{table}", 404),
    ],
)
def test_what_is_not_there_and_what_is_not_offered(lake, ids, path, status):
    table, schema = ids
    answer = lake.send("owner", "GET", f"{NEW}/{path.format(table=table, schema=schema)}")
    assert answer.status_code == status, answer.content


def test_somebody_elses_schema_is_not_told_by_its_id(lake, people, ids):
    from registry.services.schemas import create_schema

    hidden = create_schema(actor=people.metastore_admin, catalog="prod", name="hidden")
    config = {"output_schema_id": str(hidden.pk), "snapshot": {}}
    body = {"object_type": "table", "object_id": ids[0], "data_profiling_config": config}
    answer = lake.send("owner", "POST", NEW, body)
    assert answer.status_code == 404
    assert "hidden" not in json.loads(answer.content)["message"]


def test_who_reads_the_table_reads_by_either_api_and_others_learn_nothing(call, lake, ids):
    call("POST", OLD, {"output_schema_name": "prod.ml", "assets_dir": "/x", "snapshot": {}})
    for path in (OLD, f"{NEW}/table/{ids[0]}"):
        missing = path.replace(FLIGHTS, "prod.ml.nowhere").replace(ids[0], "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11")
        hidden = call("GET", path, who="reader", status=404)["message"]
        absent = lake.send("reader", "GET", missing).json()["message"]
        assert hidden.replace(FLIGHTS, "x").replace(ids[0], "x") == absent.replace("prod.ml.nowhere", "x").replace(
            "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11", "x"
        )
    lake.grant(FLIGHTS, "reader", Privilege.SELECT)
    assert call("GET", OLD, who="reader")["table_name"] == FLIGHTS
    assert call("GET", f"{NEW}/table/{ids[0]}", who="reader")
    call("PUT", OLD, {"output_schema_name": "prod.ml"}, who="reader", status=403)
    call("DELETE", f"{NEW}/table/{ids[0]}", who="reader", status=403)


def test_choices_and_a_preview_before_there_is_a_monitor(call):
    found = call("GET", f"/api/modelkeep/tables/{FLIGHTS}/monitor-choices")
    assert found["suggestion"]["time_series"]["timestamp_col"] == "at"
    preview = call(
        "POST", f"/api/modelkeep/tables/{FLIGHTS}/monitor-preview", {"output_schema_name": "prod.ml", "snapshot": {}}
    )
    assert preview["rows_read"] > 0
    assert {row["column_name"] for row in preview["rows"]} >= {"delay", "carrier"}
    assert not Monitor.objects.exists()
