"""The wire: every call that stock clients make of endpoints, its shape, its status, and who is refused how."""

import json
from dataclasses import replace

import pytest
from django.core import mail
from django.test import Client

from registry.models import AuditEvent, Delivery, DestinationKind, NotificationDestination
from registry.services.delivery_runner import deliver
from registry.services.tokens import create_token
from registry.services.version_uses import uses_of
from serving.models import EndpointLevel, EndpointPermission, ServingEndpoint
from serving.routing.routes import READY, EndpointRoute, Routes, write_routes
from serving.services.endpoint_updates import update_config
from serving.services.endpoints import NewEndpoint, create_endpoint, list_endpoints
from tests.openapi.answers import complaints, operation_of
from tests.serving.endpoints.conftest import MODEL, deploy, served, split

pytestmark = pytest.mark.django_db
URL = "/api/2.0/serving-endpoints"
OWN = "/api/modelkeep/endpoints/fraud"


@pytest.fixture
def call(people):
    """Call the API as somebody; the JSON of the answer, which is as the document says."""
    tokens: dict[str, str] = {}

    def send(method: str, path: str, body=None, *, who: str = "owner", status: int = 200, accept: str = "*/*"):
        if who not in tokens:
            tokens[who] = create_token(actor=getattr(people, who)).value
        response = Client().generic(
            method,
            path,
            json.dumps(body or {}),
            content_type="application/json",
            headers={"Authorization": f"Bearer {tokens[who]}", "Accept": accept},
        )
        assert response.status_code == status, response.content
        one = operation_of(method, path)
        assert one is not None, f"{method} {path} is not documented"
        assert list(complaints(one, response)) == []
        return response.json()

    return send


@pytest.fixture
def fraud(people, iris, supervisor) -> ServingEndpoint:
    create_endpoint(
        actor=people.owner, new=NewEndpoint(name="fraud", config={"served_entities": [served(1, name="a")]})
    )
    return deploy("fraud")


def test_create_and_get(call, iris, supervisor):
    wire = {
        "name": "fraud",
        "config": {"served_models": [{"model_name": MODEL, "model_version": "1", "scale_to_zero_enabled": True}]},
        "tags": [{"key": "team", "value": "risk"}],
        "description": "Finds fraud.",
        "rate_limits": [{"calls": 100, "renewal_period": "minute", "key": "user"}],
    }
    made = call("POST", f"{URL}/", wire)
    assert made["name"] == "fraud"
    assert made["state"] == {"ready": "NOT_READY", "config_update": "IN_PROGRESS"}
    assert "config" not in made
    assert made["pending_config"]["config_version"] == 1
    assert isinstance(made["pending_config"]["start_time"], int)
    (pending,) = made["pending_config"]["served_models"]
    assert (pending["model_name"], pending["model_version"], pending["name"]) == (MODEL, "1", "iris-1")
    assert pending["state"] == {"deployment": "DEPLOYMENT_CREATING", "deployment_state_message": "Creating"}
    assert made["endpoint_url"].endswith("/serving-endpoints/fraud/invocations")
    assert (made["permission_level"], len(made["id"])) == ("CAN_MANAGE", 32)
    assert call("POST", URL, wire, status=400)["error_code"] == "RESOURCE_ALREADY_EXISTS"
    deploy("fraud")
    got = call("GET", f"{URL}/fraud")
    assert got["state"] == {"ready": "READY", "config_update": "NOT_UPDATING"}
    assert "pending_config" not in got
    (entity,) = got["config"]["served_entities"]
    assert (entity["entity_name"], entity["scale_to_zero_enabled"]) == (MODEL, True)
    assert got["config"]["traffic_config"]["routes"] == [
        {"served_model_name": "iris-1", "served_entity_name": "iris-1", "traffic_percentage": 100}
    ]
    assert got["tags"] == [{"key": "team", "value": "risk"}]
    assert got["rate_limits"] == [{"calls": 100, "renewal_period": "minute", "key": "user"}]


def test_list_has_its_key_when_it_is_empty(call, fraud):
    assert call("GET", f"{URL}/", who="outsider") == {"endpoints": []}
    (one,) = call("GET", URL)["endpoints"]
    assert one["config"]["served_entities"] == [{"name": "a", "entity_name": MODEL, "entity_version": "1"}]


def test_update_and_conflict(call, fraud):
    wire = {"served_entities": [served(1, name="a"), served(2, name="b")], "traffic_config": split(a=90, b=10)}
    answer = call("PUT", f"{URL}/fraud/config", wire)
    assert answer["state"] == {"ready": "READY", "config_update": "IN_PROGRESS"}
    assert answer["config"]["config_version"] == 1
    assert answer["pending_config"]["config_version"] == 2
    assert call("PUT", f"{URL}/fraud/config", wire, status=409)["error_code"] == "RESOURCE_CONFLICT"
    answer = call("POST", f"{OWN}/cancel-update")
    assert answer["state"] == {"ready": "READY", "config_update": "UPDATE_CANCELED"}
    assert answer["pending_config"]["served_entities"][0]["state"]["deployment"] == "DEPLOYMENT_ABORTED"
    configs = call("GET", f"{OWN}/configs")["configs"]
    assert [(one["config_version"], one["state"]) for one in configs] == [(2, "CANCELED"), (1, "ACTIVE")]
    events = call("GET", f"{OWN}/events")["events"]
    assert [one["kind"] for one in events] == [
        *("UPDATE_CANCELED", "UPDATE_STARTED", "UPDATE_SUCCEEDED", "UPDATE_STARTED", "CREATED"),
    ]


def test_stop_start_and_roll_back(call, fraud):
    assert call("POST", f"{OWN}/stop")["state"]["ready"] == "NOT_READY"
    assert call("POST", f"{OWN}/start")["state"]["config_update"] == "IN_PROGRESS"
    deploy("fraud")
    assert call("POST", f"{OWN}/roll-back", {"config_version": 1})["pending_config"]["config_version"] == 3


def test_small_things(call, fraud):
    add = [{"key": "team", "value": "risk"}, {"key": "tier"}]
    assert call("PATCH", f"{URL}/fraud/tags", {"add_tags": add})["tags"] == [
        {"key": "team", "value": "risk"},
        {"key": "tier", "value": ""},
    ]
    assert call("PATCH", f"{URL}/fraud/tags", {"delete_tags": ["team"]})["tags"] == [{"key": "tier", "value": ""}]
    limits = [{"calls": 3, "renewal_period": "minute", "key": "endpoint"}]
    assert call("PUT", f"{URL}/fraud/rate-limits", {"rate_limits": limits}) == {"rate_limits": limits}
    wrong = [{"calls": 3, "renewal_period": "hour"}]
    assert (
        "'renewal_period'" in call("PUT", f"{URL}/fraud/rate-limits", {"rate_limits": wrong}, status=400)["message"]
    )
    telemetry = {"enabled_telemetry_features": []}
    got = call("PATCH", f"{URL}/fraud/telemetry-config", {"telemetry_config": telemetry})
    assert got["telemetry_config"] == telemetry
    assert call("PATCH", f"{OWN}/description", {"description": "Words."})["description"] == "Words."
    gateway = {"rate_limits": [{"calls": 5, "renewal_period": "minute", "key": "user"}]}
    assert call("PUT", f"{URL}/fraud/ai-gateway", gateway) == gateway
    refused = {"guardrails": {"input": {"pii": {"behavior": "BLOCK"}}}}
    assert "guardrails" in call("PUT", f"{URL}/fraud/ai-gateway", refused, status=400)["message"]
    assert call("GET", f"{URL}/fraud/served-models/a/logs") == {"logs": ""}
    assert "Resolving" in call("GET", f"{URL}/fraud/served-models/a/build-logs")["logs"]
    missing = call("GET", f"{URL}/fraud/served-models/x/build-logs", status=404)
    assert missing["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_who_is_told(people, call, fraud, supervisor, settings):
    told = {"on_update_success": ["ops@example.com"], "on_update_failure": ["ops@example.com", "me@example.com"]}
    answer = call("PATCH", f"{URL}/fraud/notifications", {"email_notifications": told})
    assert answer == {"name": "fraud", "email_notifications": told}
    assert NotificationDestination.objects.filter(kind=DestinationKind.EMAIL).count() == 2
    update_config(actor=people.owner, name="fraud", config={"served_entities": [served(2)]})
    deploy("fraud")
    settings.EMAIL_HOST = "mail"
    for delivery in Delivery.objects.all():
        deliver(delivery_id=delivery.pk)
    assert [(one.to, one.subject) for one in mail.outbox] == [
        (["ops@example.com"], "Serving endpoint fraud was updated")
    ]
    supervisor.failing = {"iris-3": "out of memory"}
    update_config(actor=people.owner, name="fraud", config={"served_entities": [served(3)]})
    deploy("fraud")
    assert Delivery.objects.filter(event="serving_endpoint.update_failed").count() == 2
    wrong = {"email_notifications": {"on_update_success": ["nobody"]}}
    call("PATCH", f"{URL}/fraud/notifications", wrong, status=404)


def test_permissions(call, fraud):
    url = f"/api/2.0/permissions/serving-endpoints/{fraud.pk.hex}"
    levels = call("GET", f"{url}/permissionLevels")["permission_levels"]
    assert [one["permission_level"] for one in levels] == ["CAN_VIEW", "CAN_QUERY", "CAN_MANAGE"]
    acl = [{"user_name": "reader@example.com", "permission_level": "CAN_QUERY"}]
    answer = call("PATCH", url, {"access_control_list": acl})
    assert (answer["object_id"], answer["object_type"]) == (f"/serving-endpoints/{fraud.pk.hex}", "serving-endpoint")
    held = [
        (one["user_name"], one["all_permissions"][0]["permission_level"]) for one in answer["access_control_list"]
    ]
    assert held == [("owner@example.com", "CAN_MANAGE"), ("reader@example.com", "CAN_QUERY")]
    assert call("GET", f"{URL}/fraud", who="reader")["permission_level"] == "CAN_QUERY"
    denied = call("PUT", url, {"access_control_list": []}, who="reader", status=403)
    assert "CAN_MANAGE" in denied["message"]
    acl = [{"group_name": "stewards", "permission_level": "CAN_VIEW"}]
    answer = call("PUT", url, {"access_control_list": acl})
    assert [one.get("group_name") for one in answer["access_control_list"]] == [None, "stewards"]
    assert call("GET", f"{URL}/fraud", who="steward")["permission_level"] == "CAN_VIEW"
    call("GET", f"{URL}/fraud", who="reader", status=404)
    event = AuditEvent.objects.filter(action="changeServingEndpointAcl").latest("id")
    assert event.after == {"owner@example.com": "CAN_MANAGE", "stewards": "CAN_VIEW"}


def test_the_creator_keeps_the_endpoint(call, fraud):
    url = f"/api/2.0/permissions/serving-endpoints/{fraud.pk.hex}"
    acl = [{"user_name": "owner@example.com", "permission_level": "CAN_VIEW"}]
    call("PUT", url, {"access_control_list": acl})
    assert call("GET", f"{URL}/fraud")["permission_level"] == "CAN_MANAGE"


def test_delete_answers_with_a_body(call, fraud):
    assert call("DELETE", f"{URL}/fraud") == {}
    gone = call("GET", f"{URL}/fraud", status=404)
    assert (gone["error_code"], gone["message"]) == (
        "RESOURCE_DOES_NOT_EXIST",
        "Serving endpoint 'fraud' does not exist.",
    )
    assert AuditEvent.objects.filter(action="deleteServingEndpoint", securable_name="fraud").exists()


CALLS = [
    ("GET", f"{URL}/fraud"),
    ("DELETE", f"{URL}/fraud"),
    ("PUT", f"{URL}/fraud/config"),
    ("PATCH", f"{URL}/fraud/tags"),
    ("PUT", f"{URL}/fraud/rate-limits"),
    ("PUT", f"{URL}/fraud/ai-gateway"),
    ("PATCH", f"{URL}/fraud/notifications"),
    ("PATCH", f"{URL}/fraud/telemetry-config"),
    ("GET", f"{URL}/fraud/served-models/a/logs"),
    ("GET", f"{URL}/fraud/served-models/a/build-logs"),
    ("GET", f"{OWN}/events"),
    ("GET", f"{OWN}/configs"),
    ("POST", f"{OWN}/stop"),
    ("POST", f"{OWN}/start"),
    ("POST", f"{OWN}/roll-back"),
    ("POST", f"{OWN}/cancel-update"),
    ("PATCH", f"{OWN}/description"),
]


def test_hidden_reads_like_missing_everywhere(call, fraud):
    hidden = [call(method, path, who="outsider", status=404) for method, path in CALLS]
    assert AuditEvent.objects.filter(decision="DENY", securable_name="fraud").count() == len(CALLS)
    ServingEndpoint.objects.all().delete()
    assert [call(method, path, who="outsider", status=404) for method, path in CALLS] == hidden


def test_lists_cost_the_same_for_one_and_for_many(people, iris, supervisor, django_assert_num_queries):
    for number in range(3):
        wire = {"served_entities": [served(1, name="a"), served(2, name="b")], "traffic_config": split(a=50, b=50)}
        create_endpoint(actor=people.owner, new=NewEndpoint(name=f"e{number}", config=wire))
        deploy(f"e{number}")
    owner, other = people.owner, people.reader
    EndpointPermission.objects.create(
        endpoint=ServingEndpoint.objects.get(name="e1"), principal=other.principal, level=EndpointLevel.CAN_VIEW
    )
    for actor, count in ((owner, 3), (other, 1)):
        with django_assert_num_queries(4):
            assert len(list_endpoints(actor=actor).items) == count


def test_a_version_tells_who_serves_it(people, fraud):
    (use,) = uses_of(actor=people.owner, name=MODEL, version=1)
    assert (use.kind, use.name, use.version, use.note) == ("Serving endpoint", "fraud", 1, "100 % of the traffic")
    assert uses_of(actor=people.reader, name=MODEL, version=1) == []
    assert uses_of(actor=people.owner, name=MODEL, version=2) == []


def test_an_update_is_over_when_gateways_know_of_it(call, fraud, settings, tmp_path):
    settings.SERVING_ROOT = str(tmp_path)
    route = EndpointRoute(str(fraud.pk), "fraud", READY, "", 1, 120.0, (), (), ())

    def states():
        listed = call("GET", URL)["endpoints"][0]["state"]
        assert call("GET", f"{URL}/fraud")["state"] == listed
        return listed["config_update"]

    assert states() == "NOT_UPDATING", "nothing was ever published"
    for number, (routes, told) in enumerate(
        [({}, "IN_PROGRESS"), ({"fraud": route}, "NOT_UPDATING"), ({"fraud": replace(route, id="x")}, "IN_PROGRESS")]
    ):
        write_routes(tmp_path / "routes.json", Routes(number + 1, routes))
        assert states() == told
