"""Webhooks and notification destinations as a platform team's script makes them. Runs in a process of its own.

Usage: python webhooks.py. Prints a line a step: `ok NAME`, or `failed NAME` behind the traceback. Receives what it is
sent at a port of its own, and verifies it as MLflow's documentation tells receivers to.
"""

import base64
import hashlib
import hmac
import json
import os
import queue
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST, TOKEN = os.environ["DATABRICKS_HOST"], os.environ["DATABRICKS_TOKEN"]
os.environ["MLFLOW_TRACKING_TOKEN"] = TOKEN

import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, ResourceDoesNotExist
from databricks.sdk.service import settings as ws
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException

SECRET = "a secret that both sides know"
MODEL = "workspace.default.hooked"
came: "queue.Queue[tuple[dict, str]]" = queue.Queue()
answers = [200]
steps = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        came.put((dict(self.headers), body))
        self.send_response(answers[-1])
        self.end_headers()
        self.wfile.write(b"taken")

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{server.server_port}/hook"
client = MlflowClient(tracking_uri=HOST, registry_uri=HOST)
w = WorkspaceClient(host=HOST, token=TOKEN)
state = {}


def step(function):
    steps.append(function)
    return function


def received():
    """The next request, verified."""
    headers, body = came.get(timeout=60)
    signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.{body}"
    digest = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    version, _, signature = headers["X-MLflow-Signature"].partition(",")
    assert version == "v1"
    assert hmac.compare_digest(signature, base64.b64encode(digest).decode())
    return headers, json.loads(body)


def api(method, path, **options):
    answer = requests.request(
        method, f"{HOST}/api/modelkeep/{path}", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60, **options
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(call, *words, kind=MlflowException):
    told = None
    try:
        call()
    except kind as error:
        told = str(error)
    assert told is not None, "was not refused"
    for word in words:
        assert word in told, told


@step
def create_webhook():
    events = ["registered_model.created", "model_version_tag.set", "model_version_alias.created"]
    made = client.create_webhook(
        name="ci", url=URL, events=events, description="to the pipeline", secret=SECRET, status="ACTIVE"
    )
    state["id"] = made.webhook_id
    assert [str(event) for event in made.events] == events
    assert (made.name, made.url, made.description) == ("ci", URL, "to the pipeline")
    assert made.status == WebhookStatus.ACTIVE
    assert made.secret is None
    assert made.creation_timestamp > 1_600_000_000_000


@step
def get_and_list_webhooks():
    assert client.get_webhook(state["id"]).name == "ci"
    other = client.create_webhook(name="other", url=URL, events=["model_version.created"], status="DISABLED")
    first = client.list_webhooks(max_results=1)
    second = client.list_webhooks(max_results=1, page_token=first.token)
    assert [one.webhook_id for one in [*first, *second]] == [other.webhook_id, state["id"]]
    assert len(client.list_webhooks()) == 2
    client.delete_webhook(other.webhook_id)
    refused(lambda: client.get_webhook(other.webhook_id), "RESOURCE_DOES_NOT_EXIST")


@step
def test_webhook():
    result = client.test_webhook(state["id"])
    assert (result.success, result.response_status, result.response_body) == (True, 200, "taken"), result
    assert received()[1]["data"]["name"] == "example_model"
    client.test_webhook(state["id"], event="model_version_tag.deleted")
    assert received()[1]["entity"] == "model_version_tag"
    answers.append(500)
    result = client.test_webhook(state["id"])
    assert (result.success, result.response_status) == (False, 500)
    assert result.error_message
    received()
    answers.append(200)


@step
def what_happens_is_told():
    client.create_registered_model(MODEL, tags={"team": "x"}, description="words")
    _, body = received()
    assert (body["entity"], body["action"]) == ("registered_model", "created")
    assert body["data"] == {"name": MODEL, "tags": {"team": "x"}, "description": "words"}
    assert body["timestamp"].startswith("20")


@step
def a_failure_is_tried_again_with_the_same_id():
    answers.append(503)
    client.create_registered_model(MODEL + "_again")
    first, _ = received()
    answers.append(200)
    second, _ = received()
    assert first["X-MLflow-Delivery-Id"] == second["X-MLflow-Delivery-Id"]
    state["delivery"] = first["X-MLflow-Delivery-Id"]


@step
def log_and_replay():
    log = api("GET", f"webhooks/{state['id']}/deliveries")["deliveries"]
    assert {row["origin"] for row in log} == {"TEST", "EVENT"}
    shown = api("GET", f"deliveries/{state['delivery']}")["delivery"]
    assert [one["status_code"] for one in shown["log"]] == [503, 200]
    assert shown["log"][0]["milliseconds"] >= 0
    assert shown["log"][1]["answer"] == "taken"
    again = api("POST", f"deliveries/{state['delivery']}/replay")["delivery"]
    headers, _ = received()
    assert headers["X-MLflow-Delivery-Id"] == again["id"] != state["delivery"]


@step
def update_webhook():
    changed = client.update_webhook(
        state["id"], name="cd", description="", url=URL + "/2", events=["model_version.created"], status="DISABLED"
    )
    assert (changed.name, changed.url, changed.status) == ("cd", URL + "/2", WebhookStatus.DISABLED)
    assert [str(event) for event in changed.events] == ["model_version.created"]
    assert client.update_webhook(state["id"], name="cd").status == WebhookStatus.DISABLED
    client.create_registered_model(MODEL + "_untold")
    assert came.empty()


@step
def refusals_in_mlflows_shape():
    events = ["model_version.created"]
    refused(lambda: client.create_webhook(name="-", url=URL, events=events), "INVALID_PARAMETER_VALUE", "'name'")
    refused(lambda: client.create_webhook(name="x", url="ftp://h", events=events), "'url'")
    refused(lambda: client.create_webhook(name="x", url="http://10.0.0.1", events=events), "inside this network")
    prompts = [WebhookEvent.from_str("prompt.created")]
    refused(lambda: client.create_webhook(name="x", url=URL, events=prompts), "no prompts")


@step
def delete_webhook():
    client.delete_webhook(state["id"])
    refused(lambda: client.delete_webhook(state["id"]), "RESOURCE_DOES_NOT_EXIST")
    assert list(client.list_webhooks()) == []


@step
def destinations_are_made_and_their_secrets_kept():
    hook = ws.GenericWebhookConfig(url=URL, username="robot", password="pa55")
    made = w.notification_destinations.create(display_name="ops", config=ws.Config(generic_webhook=hook))
    assert made.destination_type == ws.DestinationType.WEBHOOK
    state["destination"] = made.id
    got = w.notification_destinations.get(made.id).config.generic_webhook
    assert (got.url_set, got.username_set, got.password_set) == (True, True, True)
    assert (got.url, got.password) == (None, None)
    mail = ws.Config(email=ws.EmailConfig(addresses=["a@example.com"]))
    state["mail"] = w.notification_destinations.create(display_name="people", config=mail).id
    assert w.notification_destinations.get(state["mail"]).config.email.addresses == ["a@example.com"]


@step
def destinations_are_listed_by_pages():
    listed = list(w.notification_destinations.list(page_size=1))
    kinds = {one.id: (one.display_name, one.destination_type.value) for one in listed}
    assert len(kinds) == len(listed), listed
    assert kinds[state["destination"]] == ("ops", "WEBHOOK")
    assert kinds[state["mail"]] == ("people", "EMAIL")


@step
def destinations_are_tried():
    tried = api("POST", f"notification-destinations/{state['destination']}/test")
    assert tried["success"], tried
    headers, body = came.get(timeout=60)
    assert base64.b64decode(headers["Authorization"].split()[1]) == b"robot:pa55"
    assert json.loads(body)["event"] == "test"
    tried = api("POST", f"notification-destinations/{state['mail']}/test")
    assert not tried["success"]
    assert "MODELKEEP_SMTP_HOST" in tried["error"]


@step
def destinations_are_changed_and_deleted():
    changed = w.notification_destinations.update(state["destination"], display_name="on call")
    assert changed.display_name == "on call"
    assert changed.config.generic_webhook.password_set
    teams = ws.Config(microsoft_teams=ws.MicrosoftTeamsConfig(url=URL))
    refused(
        lambda: w.notification_destinations.create(display_name="x", config=teams),
        "generic_webhook",
        kind=InvalidParameterValue,
    )
    for id_ in (state["destination"], state["mail"]):
        w.notification_destinations.delete(id_)
    refused(lambda: w.notification_destinations.get(state["mail"]), "does not exist", kind=ResourceDoesNotExist)


failed = 0
for one in steps:
    try:
        one()
    except Exception:
        traceback.print_exc()
        print("failed", one.__name__, flush=True)
        failed = 1
    else:
        print("ok", one.__name__, flush=True)
sys.exit(failed)
