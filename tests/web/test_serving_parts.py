"""Secrets under Settings, what a version needs to run, inference tables, and the small parts of the screens."""

import json

import pytest
from django.urls import reverse

from registry.models import Operation, OperationState
from serving.models import CaptureForm, InferenceTable, Secret, SecretGrant, ServingEnvironment, VersionEnvironment
from serving.services.config_differences import Line, differences, masked
from serving.services.query_examples import from_signature
from serving.services.secret_scopes import create_scope, put_grant
from serving.services.secrets import put_secret
from serving.web.endpoint_form import read_steps
from serving.web.log_lines import marked_lines, quoted_in
from serving.web.snippets import snippets_for
from serving.web.template_tags import milliseconds, rate, sparkline
from tests.serving.endpoints.conftest import iris  # noqa: F401  (fixture)

NESTED = {"type": "object", "properties": {"b": {"type": "long"}}}
HTMX = {"hx-request": "true", "hx-current-url": "http://testserver/settings/secrets/weather"}
SCOPE = "/settings/secrets/weather"
VALUE = "hush-7281"


@pytest.fixture
def weather(people):
    """A scope of the owner with a secret in it, which the reader may use."""
    create_scope(actor=people.owner, name="weather")
    put_secret(actor=people.owner, scope="weather", key="api-key", value=VALUE.encode())
    put_grant(actor=people.owner, scope="weather", principal="reader@example.com", level="READ")


def test_secrets_are_set_and_never_shown(sign_in, weather):
    browser = sign_in("owner")
    browser.post(f"{SCOPE}/secret", {"key": "token", "string_value": " two words "}, headers=HTMX)
    assert Secret.objects.filter(scope__name="weather").count() == 2
    pages = [browser.get(path) for path in ("/settings/secrets", SCOPE, f"{SCOPE}/secret?key=api-key")]
    for page in pages:
        assert page.status_code == 200
        assert VALUE not in page.content.decode()
        assert "two words" not in page.content.decode()
    assert "secrets/weather/api-key" in pages[1].content.decode()
    browser.post(f"{SCOPE}/secret/delete?key=token", headers=HTMX)
    assert Secret.objects.filter(scope__name="weather").count() == 1


def test_a_refused_secret_is_not_echoed(sign_in, weather):
    answer = sign_in("owner").post(f"{SCOPE}/secret", {"key": "no spaces", "string_value": "x" * 9}, headers=HTMX)
    assert answer.status_code == 400
    assert "letters, digits" in answer.content.decode()


def test_who_may_use_a_scope_may_not_change_it(sign_in, weather):
    browser = sign_in("reader")
    page = browser.get(SCOPE).content.decode()
    assert "New secret" not in page
    assert "Give access" not in page
    assert browser.post(f"{SCOPE}/secret", {"key": "k", "string_value": "v"}, headers=HTMX).status_code == 403
    assert sign_in("outsider").get(SCOPE).status_code == 404
    assert "weather" not in sign_in("outsider").get("/settings/secrets").content.decode()


def test_access_to_a_scope_is_given_and_taken_back(sign_in, weather):
    browser = sign_in("owner")
    given = {"principal": "outsider@example.com", "permission": "WRITE"}
    assert browser.post(f"{SCOPE}/access", given, headers=HTMX).status_code == 204
    assert SecretGrant.objects.get(principal__name="outsider@example.com").level == "WRITE"
    taken = browser.post(f"{SCOPE}/access/revoke", {"principal": "outsider@example.com"}, headers=HTMX)
    undo = json.loads(taken.headers["HX-Trigger"])["toast"]["undo"]
    assert undo["values"]["permission"] == "WRITE"
    browser.post(undo["url"], undo["values"], headers=HTMX)
    assert SecretGrant.objects.filter(principal__name="outsider@example.com").exists()


def test_scopes_are_made_and_deleted(sign_in, people):
    browser = sign_in("owner")
    browser.post("/settings/secrets:new", {"scope": "maps"}, headers=HTMX)
    assert "maps" in browser.get("/settings/secrets").content.decode()
    browser.post("/settings/secrets/maps/delete", headers=HTMX)
    assert browser.get("/settings/secrets/maps").status_code == 404


# --- A version ----------------------------------------------------------------------------------------------------


def address(tab: str = "") -> str:
    """The page of a version."""
    return reverse("version", args=["prod", "ml", "iris", 1]) + (f"?tab={tab}" if tab else "")


def test_what_a_version_needs_is_shown_beside_what_it_was_resolved_to(sign_in, iris):  # noqa: F811
    from django.utils import timezone

    from registry.models import ModelVersion

    browser = sign_in("owner")
    before = browser.get(address("environment")).content.decode()
    assert "Pack now" in before
    assert "not resolved yet" in before
    environment = ServingEnvironment.objects.create(
        digest="e" * 64,
        state="FAILED",
        python="3.11.7",
        platform="linux-x86_64",
        requirements="mlflow==3.17.2\nscikit-learn==1.7.0",
        lock="mlflow==3.17.2 \\\n    --hash=sha256:00\nnumpy==2.3.1 \\\n    --hash=sha256:00\n",
        message="Line 'scikit-learn==1.7.0' names a release that does not exist. Use scikit-learn==1.7.2.",
        created_at=timezone.now(),
    )
    version = ModelVersion.objects.get(model__securable__key="iris", version=1)
    VersionEnvironment.objects.create(version=version, environment=environment, updated_at=timezone.now())
    page = browser.get(address("environment")).content.decode()
    assert "cannot be had" in page
    assert "row-culprit" in page
    assert "1 more package that" in page
    assert "Use scikit-learn==1.7.2." in page
    assert sign_in("outsider").get(address("environment")).status_code == 404


def test_packing_and_editing_begin_operations(sign_in, people, iris):  # noqa: F811
    browser = sign_in("owner")
    page = address().rstrip("/")
    assert browser.post(f"{page}/environment/pack", headers=HTMX).status_code in {200, 204}
    assert Operation.objects.get(kind="build_environment").params == {"name": "prod.ml.iris", "version": 1}
    assert "Waiting for a worker" not in browser.get(address("files")).content.decode()
    refused = browser.post(f"{page}/environment/edit", {"add": "-r other.txt"}, headers=HTMX)
    assert refused.status_code in {400, 403}
    assert "-r" in refused.content.decode()


def test_a_trial_is_followed_until_its_report(sign_in, iris):  # noqa: F811
    browser = sign_in("owner")
    form = browser.get(address("signature")).content.decode()
    assert "dataframe_records" in form
    begun = browser.post(
        f"{address()}/validate?in=page", {"input_data": '{"dataframe_records": [{}]}'}, headers=HTMX
    ).content.decode()
    operation = Operation.objects.get(kind="validate_deployment")
    assert f"/trials/{operation.pk}" in begun
    operation.state, operation.result = (
        OperationState.SUCCEEDED,
        {
            "passed": False,
            "predictions": '{"predictions": ["<b>1</b>"]}',
            "checks": [
                {
                    "name": "prediction",
                    "title": "Prediction",
                    "outcome": "FAILED",
                    "reason": "No module named 'x'.",
                    "remedy": "Add it.",
                }
            ],
        },
    )
    operation.save()
    report = browser.get(f"/trials/{operation.pk}", headers=HTMX).content.decode()
    assert "It would not deploy" in report
    assert "Add it." in report
    assert "<b>1</b>" not in report
    assert "hx-get" not in report
    assert sign_in("outsider").get(f"/trials/{operation.pk}").status_code == 404
    wrong = browser.post(f"{address()}/validate?in=page", {"input_data": "{"}, headers=HTMX).content.decode()
    assert "no JSON" in wrong


# --- Inference tables ---------------------------------------------------------------------------------------------


def test_an_inference_table_is_shown_and_turned_off(sign_in, people, iris):  # noqa: F811
    from django.utils import timezone

    from serving.services.endpoints import NewEndpoint, create_endpoint
    from tests.serving.endpoints.conftest import served

    made = create_endpoint(actor=people.owner, new=NewEndpoint(name="rides", config={"served_entities": [served(1)]}))
    browser = sign_in("owner")
    assert "Requests are not kept" in browser.get("/serving/rides?tab=table").content.decode()
    refused = browser.post("/serving/rides/table", {"place": "prod"}, headers=HTMX)
    assert "catalog.schema" in refused.content.decode()
    InferenceTable.objects.create(
        endpoint=made,
        endpoint_name="rides",
        form=CaptureForm.AI_GATEWAY,
        message="The schema is gone.",
        created_at=timezone.now(),
    )
    page = browser.get("/serving/rides?tab=table").content.decode()
    assert "The schema is gone." in page
    assert (
        browser.post("/serving/rides/table/AI_GATEWAY/retention", {"retention_days": 30}, headers=HTMX).status_code
        == 204
    )
    assert browser.post("/serving/rides/table/AI_GATEWAY/off", headers=HTMX).status_code == 204
    found = InferenceTable.objects.get()
    assert (found.is_enabled, found.retention_days) == (False, 30)


# --- Parts that need no database ----------------------------------------------------------------------------------


def test_steps_are_read_as_people_write_them():
    assert read_steps("5 % for 5 min, 25% for 1 h") == [
        {"percent": 5, "seconds": 300},
        {"percent": 25, "seconds": 3600},
    ]
    for text in ("", "5", "5 % for", "x % for 5 min", "5 % for 5 weeks"):
        with pytest.raises(Exception, match="is no step"):
            read_steps(text)


def test_differences_hide_what_may_be_secret_and_see_that_it_changed():
    old = {"Model": "a.b.c", "$KEY": "first", "$REF": "{{secrets/a/b}}"}
    new = {"Model": "a.b.c", "$KEY": "other", "$REF": "{{secrets/a/c}}"}
    (found,) = differences([("x", old)], [("x", new)])
    assert found.changes == [
        Line("$KEY", "set (5 characters)", "set (5 characters), another value", True),
        Line("$REF", "{{secrets/a/b}}", "{{secrets/a/c}}", True),
    ]
    assert [one.kind for one in differences([("x", old), ("y", old)], [("x", old), ("z", old)])] == [
        "same",
        "added",
        "removed",
    ]
    assert "hunter2" not in masked("hunter2")


@pytest.mark.parametrize(
    ("signature", "body"),
    [
        ({"inputs": [{"name": "a", "type": "long"}]}, {"dataframe_records": [{"a": 1}]}),
        ({"inputs": [{"type": "double"}, {"type": "string"}]}, {"inputs": [[1.0, "text"]]}),
        (
            {"inputs": [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]},
            {"inputs": [[1.0, 1.0]]},
        ),
        ({}, {"inputs": [[1.0]]}),
        (
            {"inputs": [{"name": "a", "type": "string"}], "params": [{"name": "t", "default": 0.5}]},
            {"dataframe_records": [{"a": "text"}], "params": {"t": 0.5}},
        ),
        (
            {
                "inputs": [
                    {"name": "a", "type": "array", "items": {"type": "object", "properties": {"b": {"type": "long"}}}}
                ]
            },
            {"dataframe_records": [{"a": [{"b": 1}]}]},
        ),
    ],
)
def test_a_request_is_made_up_from_any_signature(signature, body):
    assert from_signature(signature) == body


def test_snippets_are_programs():
    body = json.dumps({"dataframe_split": {"columns": ["it's"], "data": [[True]]}})
    found = {title: text for _, title, text in snippets_for(host="https://x", endpoint="rides", body=body)}
    for title in ("Python", "mlflow.deployments"):
        compile(found[title], title, "exec")
        assert "True" in found[title]
    assert "'\\''" in found["curl"]
    assert "import DataframeSplitInput" in found["Python"]


def test_lines_that_say_what_went_wrong_stand_out():
    lines = marked_lines("Resolving\nERROR: a\nhint: b\nWARNING c\nFailed to d\nend")
    assert [line.tone for line in lines] == ["", "error", "advice", "warning", "error", ""]
    assert [line.is_last_error for line in lines].index(True) == 4
    assert quoted_in("Line 'a==1' is wrong", ["a", "a==1", "b"]) == "a==1"


def test_numbers_are_read_at_a_glance():
    assert [rate(value) for value in (None, 0.05, 12.345)] == ["none", "3/min", "12.3/s"]
    assert [milliseconds(value) for value in (None, 3.14, 42.7, 1234, 65_000)] == [
        "none",
        "3.1 ms",
        "43 ms",
        "1.2 s",
        "65 s",
    ]
    drawn = sparkline([1.0, None, 2.0, 4.0], "Requests <b>")
    assert drawn.count("<polyline") == 2
    assert "&lt;b&gt;" in drawn
    assert "polyline" not in sparkline([], "none")
