"""Environments over REST: what takes long answers with an operation, and what is shown holds to the document."""

import json

import pytest

from registry.models import Operation, OperationState
from registry.services.tokens import create_token
from serving.services.environments import ensure_environment
from tests.serving.environments.conftest import NAME
from tests.serving.environments.test_operations import EXAMPLE, finished

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = "/api/modelkeep"


@pytest.fixture
def call(client, people):
    token = create_token(actor=people.owner, comment="test").value

    def send(method: str, path: str, **body: object):
        answer = client.generic(
            method,
            ROOT + path,
            json.dumps(body) if body else "",
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        return answer.status_code, answer.json()

    return send


def test_the_whole_walk_over_rest(make_version, call):
    version = make_version("alpha==1.0", "mlflow", **EXAMPLE)
    named = {"name": NAME, "version": str(version.version)}
    path = f"/models/{NAME}/versions/{version.version}/environment"
    status, shown = call("GET", path)
    assert (status, shown["state"], shown["requested"]) == (200, "NONE", ["alpha==1.0", "mlflow"])

    status, begun = call("POST", "/model-versions:build-environment", **named)
    assert status == 200
    assert finished(Operation.objects.get(pk=begun["operation_id"])).state == OperationState.SUCCEEDED
    status, shown = call("GET", path)
    assert (shown["state"], shown["operation_id"]) == ("READY", begun["operation_id"])
    assert {"name": "alpha", "version": "1.0"} in shown["packages"]

    status, begun = call("POST", "/model-versions:validate", **named, input_data={"inputs": [4]})
    report = finished(Operation.objects.get(pk=begun["operation_id"])).result
    assert (status, report["passed"], json.loads(report["predictions"])) == (200, True, {"predictions": [8]})

    status, begun = call("POST", "/model-versions:edit-requirements", **named, add=["alpha==2.0"])
    assert (status, begun["version"]) == (200, str(version.version + 1))
    assert finished(Operation.objects.get(pk=begun["operation_id"])).state == OperationState.SUCCEEDED


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("build-environment", {"version": "1"}, "name"),
        ("validate", {"name": NAME, "version": "1", "content_type": "xml"}, "content_type"),
        ("edit-requirements", {"name": NAME, "version": "1", "add": ["git+https://x.example"]}, "version control"),
        ("edit-requirements", {"name": NAME, "version": "1"}, "change nothing"),
    ],
)
def test_what_cannot_be_is_refused_by_field(make_version, call, path, body, complaint):
    make_version("mlflow")
    status, answer = call("POST", f"/model-versions:{path}", **body)
    assert status == 400
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"
    assert complaint in answer["message"]


def test_showing_an_environment_costs_the_same_however_many_share_it(
    make_version, people, django_assert_max_num_queries
):
    from serving.services.environment_operations import environment_of

    first = make_version("alpha", "mlflow")
    ensure_environment(version=first)
    for _ in range(3):
        ensure_environment(version=make_version("mlflow", "alpha"))
    with django_assert_max_num_queries(7):
        assert environment_of(actor=people.owner, name=NAME, version=first.version).shared_by == 4
