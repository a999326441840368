"""Alerts over REST: as alerts_v2 of stock clients calls them, on queries and on metrics."""

import json

import pytest

from monitoring.models import Alert, AlertIncident
from registry.models import Delivery
from registry.privileges import Privilege
from tests.monitoring.lake import FLIGHTS
from tests.openapi.answers import complaints, operation_of

pytestmark = pytest.mark.django_db
ROOT = "/api/2.0/alerts"
SCHEDULE = {"quartz_cron_schedule": "0 0 * * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED"}


def alert_body(**more):
    return {
        "display_name": "Too late",
        "query_text": f"SELECT carrier, delay FROM {FLIGHTS}",
        "warehouse_id": "w",
        "evaluation": {
            "source": {"name": "delay", "aggregation": "MAX", "display": "Delay"},
            "comparison_operator": "GREATER_THAN",
            "threshold": {"value": {"double_value": 5.5}},
            "empty_result_state": "OK",
            "notification": {"notify_on_ok": True, "subscriptions": [{"user_email": "reader@example.com"}]},
        },
        "schedule": SCHEDULE,
        "custom_summary": "{{ALERT_NAME}}",
        **more,
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


def test_an_alert_comes_back_as_it_was_sent(call, lake):
    lake.table()
    body = alert_body()
    made = call("POST", ROOT, body)
    assert made["id"]
    assert (made["owner_user_name"], made["run_as_user_name"]) == ("owner@example.com",) * 2
    assert made["lifecycle_state"] == "ACTIVE"
    assert made["evaluation"].pop("state") == "UNKNOWN"
    assert {key: made[key] for key in body} == body
    assert [one["id"] for one in call("GET", f"{ROOT}?page_size=1")["alerts"]] == [made["id"]]
    one = f"{ROOT}/{made['id']}"
    patched = call("PATCH", f"{one}?update_mask=display_name,schedule.pause_status", {
        "display_name": "Later", "query_text": "SELECT 1", "schedule": {"pause_status": "PAUSED"},
    })  # fmt: skip
    assert patched["display_name"] == "Later"
    assert patched["schedule"] == {**SCHEDULE, "pause_status": "PAUSED"}
    assert patched["query_text"] == body["query_text"]
    deeper = call(
        "PATCH",
        f"{one}?update_mask=evaluation.threshold,evaluation.comparison_operator",
        {"evaluation": {"comparison_operator": "IS_NULL"}},
    )
    assert "threshold" not in deeper["evaluation"]
    assert deeper["evaluation"]["notification"] == body["evaluation"]["notification"]
    call("PATCH", f"{one}?update_mask=color", {"color": 1}, status=400)
    assert call("DELETE", one) == {}
    call("GET", one, status=404)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"display_name": ""}, "display_name"),
        ({"query_text": "GRANT SELECT ON TABLE prod.ml.flights TO x"}, "must be a query"),
        ({"query_text": "SELECT 1; SELECT 2"}, "one statement"),
        ({"query_text": "SELECT read_csv('/etc/passwd')"}, "read_csv"),
        ({"schedule": {"quartz_cron_schedule": "noon"}}, "quartz_cron"),
        ({"schedule": None}, "schedule"),
        ({"run_as_user_name": "reader@example.com"}, "run_as"),
        ({"run_as": {"service_principal_name": "robot"}}, "run_as"),
        ({"evaluation": {"comparison_operator": "NEAR", "source": {"name": "x"}}}, "comparison_operator"),
        ({"evaluation": 5}, "evaluation"),
    ],
)
def test_what_cannot_be_used_names_its_field(call, more, word):
    refusal = call("POST", ROOT, alert_body(**more), status=400)
    assert word in refusal["message"]
    assert not Alert.objects.exists()


def test_a_query_is_run_with_its_owners_rights_and_told_once(call, lake):
    lake.table()
    alert = call("POST", ROOT, alert_body())
    evaluate = f"/api/modelkeep/alerts/{alert['id']}/evaluate"
    found = call("POST", evaluate)["evaluation"]
    assert (found["state"], found["value"], found["trigger"]) == ("TRIGGERED", 6, "MANUAL")
    assert call("POST", evaluate)["evaluation"]["notified"] == []
    assert json.loads(Delivery.objects.get().body)["subject"] == "Too late"
    log = call("GET", f"/api/modelkeep/alerts/{alert['id']}/evaluations?max_results=5")["evaluations"]
    (told,) = log[-1]["notified"]
    assert (told["event"], told["deliveries"][0]["destination"]) == ("alert.triggered", "reader@example.com")
    (incident,) = call("GET", f"/api/modelkeep/alerts/{alert['id']}/incidents")["incidents"]
    assert incident["value"] == 6
    shown = call("GET", f"{ROOT}/{alert['id']}")
    assert (shown["evaluation"]["state"], shown["modelkeep"]["last_value"]) == ("TRIGGERED", 6)
    lake.people.principals["owner"].refresh_from_db()
    from registry.services.securables import find_securable

    table = find_securable("TABLE", FLIGHTS)
    table.owner = lake.people.steward.principal
    table.save()
    lost = call("POST", evaluate)["evaluation"]
    assert lost["state"] == "ERROR"
    assert "INSUFFICIENT_PERMISSIONS" in lost["message"] or "does not exist" in lost["message"]
    assert AlertIncident.objects.get().resolved_at is None


def test_a_trial_of_a_query_with_parameters_and_a_threshold_of_its_own(call, lake):
    lake.table()
    lake.grant(FLIGHTS, "reader", Privilege.SELECT)
    body = alert_body(
        query_text=f"SELECT count(*) AS n, :most AS most FROM {FLIGHTS} WHERE carrier = :carrier",
        parameters=[{"name": "carrier", "value": "AA"}, {"name": "most", "value": "3", "type": "INT"}],
        evaluation={
            "source": {"name": "n"},
            "comparison_operator": "GREATER_THAN",
            "threshold": {"column": {"name": "most"}},
        },
    )
    trial = call("POST", "/api/modelkeep/alerts/test", body, who="reader")
    assert (trial["state"], trial["value"], trial["threshold"]) == ("TRIGGERED", 8, 3)
    assert trial["events"] == ["alert.triggered"]
    assert trial["notice"]["data"]["value"] == 8
    assert not Alert.objects.exists()
    missing = {**body, "evaluation": {**body["evaluation"], "source": {"name": "nothing"}}}
    assert "has no column 'nothing'" in call("POST", "/api/modelkeep/alerts/test", missing)["message"]


def test_an_alert_on_a_metric_is_shown_with_its_query(call, watch):
    metric = {
        "table": FLIGHTS,
        "metric_table": "DRIFT",
        "metric": "js_distance",
        "selector": {"column_name": "delay", "granularity": "1 day"},
    }
    body = {
        "display_name": "Drift",
        "evaluation": {"comparison_operator": "GREATER_THAN", "threshold": {"value": {"double_value": 0.2}}},
        "modelkeep": {"metric": metric, "resolve_threshold": 0.15, "consecutive": 2},
    }
    made = call("POST", ROOT, body)
    assert made["modelkeep"] == body["modelkeep"]
    assert "FROM `prod`.`ml`.`flights_drift`" in made["query_text"]
    assert call("GET", f"{ROOT}?table={FLIGHTS}")["alerts"][0]["id"] == made["id"]
    renamed = call("PATCH", f"{ROOT}/{made['id']}?update_mask=display_name", {"display_name": "Drift of delay"})
    assert renamed["modelkeep"] == body["modelkeep"]
    mute = f"/api/modelkeep/alerts/{made['id']}/mute"
    assert call("POST", mute, {"seconds": 3600})["modelkeep"]["muted_until"]
    assert "muted_until" not in call("DELETE", mute)["modelkeep"]
    call("POST", mute, {}, status=400)
    call("POST", mute, {"until": 10**17}, status=400)
    notice = call("GET", f"/api/modelkeep/alerts/{made['id']}/notice")
    assert notice["data"]["metric"] == "js_distance"
    moved = call(
        "POST", f"/api/modelkeep/alerts/{made['id']}/transfer", {"owner": "admin@example.com"}, who="metastore_admin"
    )
    assert moved["owner_user_name"] == "admin@example.com"
    call("GET", f"{ROOT}/{made['id']}", who="reader", status=404)
