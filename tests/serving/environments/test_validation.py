"""A version is tried before it is deployed: every question has an answer, and the prediction is MLflow's own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import AccessDenied, InvalidParameter, NotFound
from registry.models import ManifestEntry, ModelVersion, OperationState, VersionStatus
from registry.services.artifacts import read_small_file
from registry.services.operation_runner import run_operation
from registry.services.operations import retry_operation
from registry.storage.blobs import blob_store
from serving.models import ServingEnvironment
from serving.services import predeployment
from serving.services.environment_builds import Watch
from serving.services.environment_trials import try_prediction
from serving.services.predeployment import Outcome, check_deployment, validate_deployment
from serving.services.requirement_edits import edit_requirements, plan_edit
from tests.serving.environments.conftest import NAME
from tests.serving.environments.test_operations import EXAMPLE, finished, packed
from tests.serving.factories import make_files_version

pytestmark = pytest.mark.django_db(transaction=True)


def outcomes(report: dict) -> dict[str, str]:
    return {check["name"]: check["outcome"] for check in report["checks"]}


def test_every_question_is_answered(make_version, people):
    version = make_version("alpha==1.0", "mlflow==3.17.2", **EXAMPLE)
    operation = finished(validate_deployment(actor=people.owner, name=NAME, version=version.version))
    assert operation.state == OperationState.SUCCEEDED, operation.error
    report = operation.result
    assert set(outcomes(report)) == {
        *("rights", "signature", "requirements", "environment", "size", "prediction", "memory")
    }
    assert set(outcomes(report).values()) == {"PASSED"}
    assert report["passed"] is True
    assert json.loads(report["predictions"]) == {"predictions": [2, 4]}
    assert 0 < report["peak_memory_bytes"] < 10**9


def test_an_input_and_other_requirements_are_tried_without_a_trace_on_the_version(make_version, people):
    version = make_version("alpha==1.0", "mlflow==3.17.2", **EXAMPLE)
    ask = {"input_data": {"inputs": [21]}, "pip_requirements_override": ["alpha==2.0"]}
    report = finished(validate_deployment(actor=people.owner, name=NAME, version=version.version, **ask)).result
    assert json.loads(report["predictions"]) == {"predictions": [42]}
    assert "alpha==2.0" in ServingEnvironment.objects.get().lock
    assert not hasattr(version, "environment_link")


def test_what_fails_says_what_to_do_and_the_rest_is_skipped(make_version, people):
    version = make_version("alpha==9.9", "mlflow", **EXAMPLE)
    report = finished(validate_deployment(actor=people.owner, name=NAME, version=version.version)).result
    assert report["passed"] is False
    assert outcomes(report) == {
        "rights": "PASSED",
        "signature": "PASSED",
        "requirements": "WARNING",
        "environment": "FAILED",
        "size": "SKIPPED",
        "prediction": "SKIPPED",
        "memory": "SKIPPED",
    }
    assert "alpha==2.0" in next(check["reason"] for check in report["checks"] if check["name"] == "environment")


def test_a_model_that_breaks_hangs_or_takes_too_much_fails_its_own_check(make_version, settings):
    settings.SERVING_MEMORY_BYTES_PER_UNIT = 200 * 1024**2
    bodies = {
        "raise ValueError('no such flight')": "no such flight",
        "import os; os._exit(3)": "ended",
        "while True: pass": "within 1 seconds",
        "print('x' * 100); import time; held = bytearray(10**9); held[:] = b'1' * 10**9; time.sleep(60)": "memory",
        "open('/etc/hostname').read()": "No such file|Permission denied",
        "import socket; socket.create_connection(('127.0.0.1', 80), 1)": "unreachable|not permitted|refused|denied",
    }
    version = make_version("mlflow", **EXAMPLE)
    report = check_deployment(version, watch=Watch())
    assert report.passed
    for body, complaint in bodies.items():
        settings.SERVING_DEPLOY_SECONDS = 1 if "seconds" in complaint else 60
        broken = make_version("mlflow", **{**EXAMPLE, "predict_dot_py": body.encode()})
        checks = {check.name: check for check in check_deployment(broken, watch=Watch()).checks}
        assert checks["prediction"].outcome == Outcome.FAILED, body
        assert any(word in checks["prediction"].reason for word in complaint.split("|")), checks["prediction"].reason


@pytest.mark.parametrize(
    "ask",
    [
        {"input_data": "{not json"},
        {"content_type": "parquet"},
        {"pip_requirements_override": ["-r x"]},
        {"pip_requirements_override": "six"},
        {"input_data": "1" * (predeployment.MAX_INPUT_BYTES + 1)},
    ],
)
def test_what_cannot_be_tried_is_refused_at_once(make_version, people, ask):
    version = make_version("mlflow")
    with pytest.raises(InvalidParameter):
        validate_deployment(actor=people.owner, name=NAME, version=version.version, **ask)


def test_the_prediction_is_that_of_mlflow_models_predict(people, serving_root, serving_environment, tmp_path):
    """A real scikit-learn model, in this environment, against the stock function in a process of its own."""
    script = """
import sys, mlflow, numpy, pandas
from sklearn.linear_model import LinearRegression
x = pandas.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.5, 0.25, 4.0]})
model = LinearRegression().fit(x, [1.0, 2.0, 3.5])
mlflow.sklearn.save_model(model, sys.argv[1], input_example=x, serialization_format="cloudpickle",
    signature=mlflow.models.infer_signature(x, model.predict(x)), pip_requirements=["mlflow", "scikit-learn"])
given = sys.argv[1] + "/serving_input_example.json"
mlflow.models.predict(sys.argv[1], input_path=given, env_manager="local", output_path=sys.argv[2])
"""
    saved, answer = tmp_path / "model", tmp_path / "answer.json"
    run = [sys.executable, "-W", "ignore", "-c", script, saved, answer]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    files = {str(p.relative_to(saved)): p.read_bytes() for p in saved.rglob("*") if p.is_file()}
    version = make_files_version(people.owner, NAME, files)
    from serving.services.input_examples import example_request
    from serving.services.model_files import materialise_version

    given = example_request(version)
    serving_root.mkdir(exist_ok=True)
    found = try_prediction(serving_environment, materialise_version(version), given)
    assert found.error == "", found.trace
    assert found.predictions == answer.read_text()
    assert len(json.loads(found.predictions)["predictions"]) == 3


# --- Other requirements for the same model -------------------------------------------------------------------------

CONDA = b"channels: [conda-forge]\ndependencies:\n- python=3.11.7\n- pip:\n  - alpha==1.0\n  - mlflow\n"


def test_an_edit_makes_a_version_of_the_same_bytes_with_other_lines(make_version, people):
    archive = {"_databricks/model_environment.tar": packed(), "conda_dot_yaml": CONDA}
    old = make_version("alpha==1.0", "mlflow", **EXAMPLE, **archive)
    blobs_before = sum(1 for _ in blob_store().names())
    asked = {"add": ["Alpha==2.0", "beta-not-there"], "remove": ["mlflow==1.0", "unknown"]}
    plan = plan_edit(actor=people.owner, name=NAME, version=old.version, **asked)
    assert (plan.before, plan.after) == (["alpha==1.0", "mlflow"], ["Alpha==2.0", "beta-not-there"])

    begun, operation = edit_requirements(actor=people.owner, name=NAME, version=old.version, **asked)
    assert begun.status == VersionStatus.PENDING_REGISTRATION
    assert finished(operation).state == OperationState.SUCCEEDED, operation.error
    new = ModelVersion.objects.get(pk=begun.pk)
    assert (new.status, new.version) == (VersionStatus.READY, old.version + 1)
    assert new.requirements.splitlines() == ["Alpha==2.0", "beta-not-there"]
    assert new.copied_from == old
    written = read_small_file(new, "conda.yaml", 10**6).decode()
    assert "beta-not-there" in written
    assert "python=3.11.7" in written
    assert new.packed_environment_bytes is None, "what was packed held the old packages"
    shared = set(ManifestEntry.objects.filter(version=new).values_list("path", "blob_id"))
    kept = set(ManifestEntry.objects.filter(version=old).values_list("path", "blob_id"))
    assert {path for path, _ in shared - kept} == {"requirements.txt", "conda.yaml"}
    assert sum(1 for _ in blob_store().names()) == blobs_before + 2, "no byte of the model is copied"
    assert old.requirements.splitlines() == ["alpha==1.0", "mlflow"], "a READY version never changes"
    run_operation(operation_id=operation.pk)


def test_an_edit_that_cannot_be_is_refused_before_a_version_is_begun(make_version, people):
    version = make_version("alpha==1.0", "mlflow")
    owner = {"actor": people.owner, "name": NAME, "version": version.version}
    with pytest.raises(InvalidParameter, match="change nothing"):
        edit_requirements(**owner, add=["alpha==1.0"])
    with pytest.raises(InvalidParameter, match="--index-url"):
        edit_requirements(**owner, add=["--index-url https://evil.example"])
    with pytest.raises(InvalidParameter, match="must be a list"):
        edit_requirements(**owner, add={"a": 1})
    with pytest.raises((NotFound, AccessDenied)):
        edit_requirements(**{**owner, "actor": people.outsider}, add=["beta"])
    assert ModelVersion.objects.count() == 1


def test_an_edit_that_was_canceled_can_be_asked_for_again(make_version, people):
    from registry.services.operations import request_cancel

    version = make_version("alpha==1.0", "mlflow")
    begun, operation = edit_requirements(actor=people.owner, name=NAME, version=version.version, add=["beta"])
    request_cancel(actor=people.owner, operation_id=operation.pk)
    begun.refresh_from_db()
    assert begun.status == VersionStatus.FAILED_REGISTRATION
    again = finished(retry_operation(actor=people.owner, operation_id=operation.pk))
    assert again.state == OperationState.SUCCEEDED
    assert again.result["version"] == str(begun.version + 1)


def test_a_line_that_is_refused_for_a_deployment_can_be_edited_out(make_version, people):
    version = make_version("alpha==1.0", "mlflow", "-r other.txt")
    ask = {"actor": people.owner, "name": NAME, "version": version.version}
    assert plan_edit(**ask, remove=["-r other.txt"]).after == ["alpha==1.0", "mlflow"]
