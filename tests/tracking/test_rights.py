"""Who may do what on every route, through the door that clients use."""

from dataclasses import replace

import pytest

from registry.api.tracking.routes import TABLE
from registry.models import AuditEvent, Principal
from tests.tracking.cases import CASES, NO_EXPERIMENT, SEARCHES, V2, V3
from tests.tracking.conftest import Caller, Things, grant, trace_body, unique

LOWER = {"CAN_READ": None, "CAN_EDIT": "CAN_READ", "CAN_MANAGE": "CAN_EDIT"}
NOWHERE = Things("no-such-name", "987654321", "a" * 32, f"m-{'b' * 32}", f"tr-{'c' * 32}", f"tr-{'d' * 32}")


def test_every_route_has_a_case():
    covered = {(case.method, case.template) for case in CASES + SEARCHES} | NO_EXPERIMENT
    assert covered == set(TABLE)


def _send(case, caller, things, *, prefix=""):
    payload = case.send(things)
    path = prefix + case.path(things)
    if case.template.endswith("/upload-artifact"):
        return caller.call("POST", path, b"text", **payload)
    if case.in_query:
        return caller.call(case.method, path, **payload)
    return caller.call(case.method, path, payload)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rights_on_a_route(case, things, alice, bob, reader):
    hidden, missing = _send(case, bob, things), _send(case, bob, NOWHERE)
    assert hidden.status_code == missing.status_code == 404
    assert _anonymous(hidden, things) == _anonymous(missing, NOWHERE)
    lower = LOWER[case.level]
    if lower:
        grant(things, reader, lower)
        refused = _send(case, reader, things)
        assert refused.status_code == 403
        assert refused.json()["error_code"] == "PERMISSION_DENIED"
        assert case.level in refused.json()["message"]
        assert alice.name in refused.json()["message"]
        reader = Caller("second@example.com")
    grant(things, reader, case.level)
    allowed = _send(case, reader, things)
    assert allowed.status_code in case.ok, allowed.content
    assert "Traceback" not in str(getattr(allowed, "content", ""))


def _anonymous(response, things):
    text = response.content.decode()
    for value in (things.name, things.run, things.model, things.trace, things.v2_trace, things.experiment):
        text = text.replace(value, "…")
    return text


@pytest.mark.parametrize("case", SEARCHES, ids=str)
def test_a_search_leaves_out_what_may_not_be_read(case, things, bob, reader):
    hidden = _send(case, bob, things)
    assert (hidden.status_code, hidden.json()) == (200, {})
    assert _send(case, bob, NOWHERE).json() == {}
    grant(things, reader, "CAN_READ")
    assert _send(case, reader, things).status_code == 200


def test_a_search_over_several_experiments_keeps_the_readable_ones(things, alice, bob):
    own = bob.post(f"{V2}/experiments/create", {"name": unique()}).json()["experiment_id"]
    run = bob.post(f"{V2}/runs/create", {"experiment_id": own}).json()["run"]["info"]["run_id"]
    for field in ("experiment_ids", "experimentIds"):
        found = bob.post(f"{V2}/runs/search", {field: [things.experiment, own]}).json()["runs"]
        assert [row["info"]["run_id"] for row in found] == [run]


@pytest.mark.parametrize("prefix", ["", "/mlflow"])
def test_the_twins_of_every_route_are_as_closed(prefix, things, bob):
    for case in CASES:
        twin = replace(case, template=case.template.replace("/api/", "/ajax-api/"))
        assert _send(twin, bob, things, prefix=prefix).status_code == 404, case


def test_nothing_is_answered_without_a_credential(tracking, client):
    for method, template in TABLE:
        path = template.replace("<path:artifact_path>", "1/x").replace("<path:file_path>", "x.js")
        path = path.replace("<", "").replace(">", "")
        for prefix in ["/mlflow"] if path == "/" or path.startswith("/static-files") else ["", "/mlflow"]:
            response = client.generic(method, prefix + path)
            assert response.status_code == 401, path
            assert response.json()["error_code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        # The tracking server reads the id in the body and not the one in the path.
        ("PATCH", "/api/2.0/mlflow/logged-models/{own_model}", {"model_id": "{model}", "status": 2}),
        ("PATCH", "/api/2.0/mlflow/logged-models/{own_model}", {"modelId": "{model}", "status": 2}),
        # Protocol buffers accept a second spelling of every field.
        ("POST", "/api/2.0/mlflow/runs/log-metric", {"runId": "{run}", "key": "k", "value": 1, "timestamp": 1}),
        ("POST", "/api/2.0/mlflow/runs/update", {"run_id": "{own_run}", "runUuid": "{run}"}),
        ("POST", "/api/2.0/mlflow/runs/update", {"run_id": "{own_run}", "run_uuid": "{run}"}),
        # An own run must not write into somebody else's logged model.
        (
            "POST",
            "/api/2.0/mlflow/runs/log-batch",
            {
                "run_id": "{own_run}",
                "metrics": [{"key": "k", "value": 1, "timestamp": 1, "step": 0, "model_id": "{model}"}],
            },
        ),
        (
            "POST",
            "/api/2.0/mlflow/runs/log-batch",
            {
                "run_id": "{own_run}",
                "metrics": [{"key": "k", "value": 1, "timestamp": 1, "step": 0, "modelId": "{model}"}],
            },
        ),
        ("POST", "/api/2.0/mlflow/runs/outputs", {"run_id": "{own_run}", "models": [{"model_id": "{model}"}]}),
        (
            "POST",
            "/api/2.0/mlflow/logged-models",
            {"experiment_id": "{own}", "name": "n", "source_run_id": "{run}"},
        ),
        ("POST", "/api/2.0/mlflow/traces/link-to-run", {"run_id": "{own_run}", "trace_ids": ["{trace}"]}),
        ("POST", "/api/3.0/mlflow/traces/batchGetInfos", {"trace_ids": ["{trace}"]}),
    ],
)
def test_a_smuggled_id_is_found(method, path, body, things, bob):
    own = bob.post(f"{V2}/experiments/create", {"name": unique()}).json()["experiment_id"]
    run = bob.post(f"{V2}/runs/create", {"experiment_id": own}).json()["run"]["info"]["run_id"]
    model = bob.post(f"{V2}/logged-models", {"experiment_id": own, "name": "m"}).json()["model"]["info"]["model_id"]
    names = {
        "own": own,
        "own_run": run,
        "own_model": model,
        "run": things.run,
        "model": things.model,
        "trace": things.trace,
    }

    def fill(value):
        if isinstance(value, str):
            return value.format(**names)
        if isinstance(value, list):
            return [fill(item) for item in value]
        return {key: fill(item) for key, item in value.items()} if isinstance(value, dict) else value

    assert bob.call(method, fill(path), fill(body)).status_code == 404


def test_a_repeated_query_parameter_is_checked_every_time(things, bob):
    own = bob.post(f"{V2}/experiments/create", {"name": unique()}).json()["experiment_id"]
    run = bob.post(f"{V2}/runs/create", {"experiment_id": own}).json()["run"]["info"]["run_id"]
    for first, second in ((run, things.run), (things.run, run)):
        assert bob.call("GET", f"{V2}/runs/get?run_id={first}&run_id={second}").status_code == 404


def test_a_body_on_a_get_is_not_passed_on(things, bob):
    assert bob.call("GET", f"{V2}/runs/get", {"run_id": things.run}).status_code == 400


def test_somebody_elses_trace_cannot_be_taken_over(things, alice, bob):
    own = bob.post(f"{V2}/experiments/create", {"name": unique()}).json()["experiment_id"]
    assert bob.post(f"{V3}/traces", trace_body(own, things.trace)).status_code == 404
    info = alice.get(f"{V3}/traces/{things.trace}").json()["trace"]["trace_info"]
    assert info["trace_location"]["mlflow_experiment"]["experiment_id"] == things.experiment


@pytest.mark.parametrize("tags", [{"mlflow.artifactLocation": "mlflow-artifacts:/1/traces/x/artifacts"}])
def test_a_trace_cannot_say_where_its_data_lies(tags, things, alice):
    trace = f"tr-{unique('a')}"
    assert alice.post(f"{V3}/traces", trace_body(things.experiment, trace, tags=tags)).status_code == 200
    kept = alice.get(f"{V3}/traces/{trace}").json()["trace"]["trace_info"]["tags"]["mlflow.artifactLocation"]
    assert kept == f"mlflow-artifacts:/{things.experiment}/traces/{trace}/artifacts"
    tag = {"key": "mlflow.artifactLocation", "value": "mlflow-artifacts:/1"}
    assert alice.call("PATCH", f"{V3}/traces/{trace}/tags", tag).status_code == 400


def test_a_trace_must_name_its_experiment(tracking, alice):
    response = alice.post(f"{V3}/traces", {"trace": {"trace_info": {"trace_id": "tr-1"}}, "experiment_id": "0"})
    assert response.status_code == 400


def test_a_run_must_name_its_experiment(tracking, alice):
    response = alice.post(f"{V2}/runs/create", {"tags": [{"experiment_id": "0"}]})
    assert response.status_code == 400
    assert "experiment_id" in response.json()["message"]


def test_the_metastore_admin_may_do_everything(things, admin):
    assert admin.get(f"{V2}/runs/get", run_id=things.run).status_code == 200
    assert admin.post(f"{V2}/experiments/delete", {"experiment_id": things.experiment}).status_code == 200
    assert admin.post(f"{V2}/experiments/restore", {"experiment_id": things.experiment}).status_code == 200


def test_restoring_needs_to_manage(things, alice, bob, reader):
    alice.post(f"{V2}/experiments/delete", {"experiment_id": things.experiment})
    grant(things, reader, "CAN_EDIT")
    for caller, status in ((bob, 404), (reader, 403), (alice, 200)):
        response = caller.post(f"{V2}/experiments/restore", {"experiment_id": things.experiment})
        assert response.status_code == status


def test_a_level_through_a_nested_group_counts(things, bob):
    from registry.models import ExperimentGrant, Membership, PrincipalKind

    outer = Principal.objects.create(name="outer", key="outer", kind=PrincipalKind.GROUP)
    inner = Principal.objects.create(name="inner", key="inner", kind=PrincipalKind.GROUP)
    Membership.objects.create(group=outer, member=inner)
    Membership.objects.create(group=inner, member=bob.principal)
    ExperimentGrant.objects.create(experiment_id=things.experiment, principal=outer, level="CAN_READ")
    assert bob.get(f"{V2}/runs/get", run_id=things.run).status_code == 200
    Membership.objects.filter(group=inner).delete()
    assert bob.get(f"{V2}/runs/get", run_id=things.run).status_code == 404


def test_denials_and_deletions_are_audited(things, alice, bob):
    bob.post(f"{V2}/runs/delete", {"run_id": things.run})
    denied = AuditEvent.objects.filter(actor=bob.name).latest("id")
    assert (denied.decision, denied.action) == ("DENY", "deleteMlflowRun")
    alice.post(f"{V2}/runs/delete", {"run_id": things.run})
    done = AuditEvent.objects.filter(actor=alice.name).latest("id")
    assert (done.decision, done.action, done.securable_id) == ("ALLOW", "deleteMlflowRun", things.experiment)
