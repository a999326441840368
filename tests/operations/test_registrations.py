"""Server-side registration and copy: from the request to the READY version, with rights asked twice."""
# ruff: noqa: F401, F811  (fixtures are imported by name, and named again by who uses them)

import json
import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from registry.errors import AccessDenied, InvalidParameter, InvalidState, NotFound
from registry.models import AuditEvent, Blob, Experiment, Grant, ManifestEntry, ModelVersion, Operation
from registry.privileges import Privilege, SecurableType
from registry.services import catalogs, grants, model_versions, registered_models, registrations, schemas, tracking
from registry.services.blob_sweep import sweep_blobs
from registry.services.grants import Change
from registry.services.operation_handlers import submit_artifact_sweep
from registry.services.operation_runner import run_operation
from registry.services.operation_sweep import wake_operations
from registry.services.operations import request_cancel, retry_operation, submit_operation
from registry.services.tokens import create_token
from tests.operations.conftest import Puppet
from tests.operations.test_workers import take_back
from tests.tracking.conftest import tracking_server

pytestmark = pytest.mark.django_db

SIGNATURE = {"inputs": '[{"type": "double", "name": "x"}]', "outputs": '[{"type": "double"}]'}
MODEL = {"flavors": {"python_function": {}}, "signature": SIGNATURE}
SOURCE = "mlflow-artifacts:/7/r1/artifacts/model"
TREE = "7/r1/artifacts/model"


@pytest.fixture
def stores(settings, tmp_path):
    settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")
    settings.TRACKING_ROOT = str(tmp_path / "tracking")
    return tmp_path


def write_model(root, tree, **files):
    """A model's folder as MLflow logs it, small."""
    files = {"MLmodel": json.dumps(MODEL).encode(), "data/weights.bin": os.urandom(3000), **files}
    for name, content in files.items():
        path = Path(root, tree, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return files


@pytest.fixture
def files(settings, stores):
    return write_model(settings.TRACKING_ROOT, TREE)


@pytest.fixture
def schema(people):
    """`prod.ml`, where owner and reader may make models; owner has experiment 7."""
    catalogs.create_catalog(actor=people.metastore_admin, name="prod")
    schemas.create_schema(actor=people.metastore_admin, catalog="prod", name="ml")
    for name in ("owner@example.com", "reader@example.com"):
        grant(people, SecurableType.CATALOG, "prod", name, Privilege.USE_CATALOG)
        grant(people, SecurableType.SCHEMA, "prod.ml", name, Privilege.USE_SCHEMA, Privilege.CREATE_MODEL)
    Experiment.objects.create(experiment_id="7", name="/mine", owner=people.owner.principal)


def grant(people, type_, name, principal, *privileges):
    grants.update_grants(
        actor=people.metastore_admin, type_=type_, full_name=name, changes=[Change(principal, privileges)]
    )


def revoke(principal, privilege):
    Grant.objects.filter(principal__key=principal, privilege=privilege).delete()


def register(actor, **options):
    options = {"name": "prod.ml.iris", "source": SOURCE, **options}
    return registrations.register_from_source(actor=actor, **options)


def run(operation):
    run_operation(operation_id=operation.pk)
    operation.refresh_from_db()
    return operation


def content_of(version):
    return dict(ManifestEntry.objects.filter(version=version).values_list("path", "blob__size"))


def test_a_folder_of_a_run_becomes_a_ready_version(people, schema, files):
    version, operation = register(people.owner, comment="first", tags={"a": "b"})
    assert (version.version, version.status) == (1, "PENDING_REGISTRATION")
    assert (operation.subject, operation.kind) == ("prod.ml.iris version 1", "register_model_version")
    ended = run(operation)
    assert (ended.state, ended.error, ended.progress) == ("SUCCEEDED", "", 100)
    version.refresh_from_db()
    assert (version.status, version.comment, version.file_count) == ("READY", "first", len(files))
    assert content_of(version) == {name: len(content) for name, content in files.items()}
    assert ended.result == {
        "name": "prod.ml.iris",
        "version": "1",
        "file_count": 2,
        "size_bytes": version.size_bytes,
    }
    assert version.signature["inputs"] == json.loads(SIGNATURE["inputs"])
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"createRegisteredModel", "createModelVersion", "submitOperation", "finalizeModelVersion"} <= actions


def test_an_attempt_after_the_effect_changes_nothing(people, schema, files):
    _, operation = register(people.owner)
    run(operation)
    Operation.objects.filter(pk=operation.pk).update(state="PENDING", result={})
    again = run(operation)
    assert (again.state, again.attempts, again.result["version"]) == ("SUCCEEDED", 2, "1")
    assert AuditEvent.objects.filter(action="finalizeModelVersion").count() == 1


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("s3://bucket/model", "runs:/"),
        ("mlflow-artifacts:/7/../8/x", "cannot read"),
        ("mlflow-artifacts:/7/r1/artifacts/nothing", "MLmodel"),
        ("mlflow-artifacts:/7", "MLmodel"),
    ],
)
def test_a_source_that_is_no_model_is_refused_before_anything_is_made(people, schema, files, source, words):
    with pytest.raises(InvalidParameter, match=words) as refused:
        register(people.owner, source=source)
    assert refused.value.field == "source"
    assert (ModelVersion.objects.count(), Operation.objects.count()) == (0, 0)


def test_a_strangers_experiment_reads_like_one_without_a_model(people, schema, files):
    with pytest.raises(NotFound) as hidden:
        register(people.reader)
    with pytest.raises(NotFound) as missing:
        register(people.reader, source="mlflow-artifacts:/8/r1/artifacts/model")
    assert hidden.value.message.replace("/7/", "/8/") == missing.value.message
    assert ModelVersion.objects.count() == 0


def test_without_the_right_to_create_nothing_is_made(people, schema, files):
    revoke("owner@example.com", Privilege.CREATE_MODEL)
    with pytest.raises(AccessDenied, match="CREATE_MODEL"):
        register(people.owner)
    assert (ModelVersion.objects.count(), Operation.objects.count()) == (0, 0)


@pytest.mark.parametrize("lost", ["experiment", "catalog"])
def test_a_right_lost_before_it_runs_fails_it_closed(people, schema, files, lost):
    version, operation = register(people.owner)
    if lost == "experiment":
        Experiment.objects.update(owner=people.reader.principal)
    else:
        revoke("owner@example.com", Privilege.USE_CATALOG)
    denied = AuditEvent.objects.filter(decision="DENY").count()
    assert run(operation).state == "FAILED"
    version.refresh_from_db()
    assert (version.status, version.status_message) == ("FAILED_REGISTRATION", operation.error)
    assert content_of(version) == {}
    assert AuditEvent.objects.filter(decision="DENY").count() == denied + 1


def test_a_model_without_signature_fails_with_the_remedy(people, schema, settings, stores):
    write_model(settings.TRACKING_ROOT, TREE, MLmodel=b"flavors: {}")
    version, operation = register(people.owner)
    assert "signature" in run(operation).error
    version.refresh_from_db()
    assert (version.status, "input_example" in version.status_message) == ("FAILED_REGISTRATION", True)


def test_a_version_deleted_meanwhile_fails_its_operation(people, schema, files):
    _, operation = register(people.owner)
    model_versions.delete_version(actor=people.owner, name="prod.ml.iris", version=1)
    assert "deleted meanwhile" in run(operation).error


def test_a_canceled_registration_leaves_a_failed_version(people, schema, files):
    version, operation = register(people.owner)
    request_cancel(actor=people.owner, operation_id=operation.pk)
    version.refresh_from_db()
    assert (version.status, version.status_message) == ("FAILED_REGISTRATION", "Canceled by owner@example.com.")


def test_a_retry_registers_a_new_version_from_the_same_source(people, schema, files):
    _, operation = register(people.owner, comment="again", tags={"a": "b"})
    request_cancel(actor=people.owner, operation_id=operation.pk)
    again = retry_operation(actor=people.owner, operation_id=operation.pk)
    assert (again.retry_of, run(again).state) == (operation, "SUCCEEDED")
    version = ModelVersion.objects.get(version=2)
    assert (version.status, version.comment, version.tags.get().key) == ("READY", "again", "a")


# --- Copies ---------------------------------------------------------------------------------------------------


@pytest.fixture
def ready(people, schema, files):
    version, operation = register(people.owner)
    run(operation)
    version.refresh_from_db()
    return version


def copy(actor, **options):
    options = {"source_name": "prod.ml.iris", "source_version": 1, "destination_name": "prod.ml.gold", **options}
    return registrations.copy_version(actor=actor, **options)


def test_a_copy_shares_the_bytes_and_outlives_its_source(people, ready, stores):
    blobs = Blob.objects.count()
    version, operation = copy(people.owner)
    assert run(operation).state == "SUCCEEDED"
    version.refresh_from_db()
    assert (version.status, version.copied_from, content_of(version)) == ("READY", ready, content_of(ready))
    assert Blob.objects.count() == blobs
    model_versions.delete_version(actor=people.owner, name="prod.ml.iris", version=1)
    assert sweep_blobs(now=timezone.now() + timedelta(days=2)).blobs == 0


def test_a_copy_needs_the_right_to_load_then_and_when_it_runs(people, ready):
    with pytest.raises(NotFound):
        copy(people.reader)
    grant(people, SecurableType.REGISTERED_MODEL, "prod.ml.iris", "reader@example.com", Privilege.EXECUTE)
    version, operation = copy(people.reader)
    revoke("reader@example.com", Privilege.EXECUTE)
    assert run(operation).state == "FAILED"
    version.refresh_from_db()
    assert (version.status, content_of(version)) == ("FAILED_REGISTRATION", {})


def test_only_a_ready_version_is_copied(people, ready):
    register(people.owner)
    with pytest.raises(InvalidState, match="READY"):
        copy(people.owner, source_version=2)


# --- Over REST ------------------------------------------------------------------------------------------------


def test_both_over_rest(people, schema, files):
    headers = {"HTTP_AUTHORIZATION": f"Bearer {create_token(actor=people.owner).value}"}

    def post(verb, body):
        url = f"/api/modelkeep/model-versions:{verb}"
        return Client().post(url, json.dumps(body), content_type="application/json", **headers)

    answer = post("register", {"name": "prod.ml.iris", "source": SOURCE, "tags": [{"key": "a", "value": "b"}]})
    assert answer.status_code == 200
    begun = answer.json()
    assert begun["operation"]["state"] == begun["model_version"]["status"].partition("_")[0] == "PENDING"
    assert (begun["model_version"]["name"], begun["model_version"]["version"]) == ("prod.ml.iris", "1")
    run(Operation.objects.get(pk=begun["operation"]["id"]))
    body = {"source_name": "prod.ml.iris", "source_version": "1", "destination_name": "prod.ml.gold"}
    assert post("copy", body).json()["model_version"]["source"] == "models:/prod.ml.iris/1"
    for verb, wrong, field in [
        ("register", {"name": "prod.ml.iris"}, "source"),
        ("register", {"name": "prod.ml.iris", "source": SOURCE, "tags": "x"}, "tags"),
        ("register", {"name": "iris", "source": SOURCE}, "name"),
        ("copy", {**body, "source_version": None}, "version"),
        ("copy", {**body, "destination_name": ""}, "destination_name"),
    ]:
        refused = post(verb, wrong)
        assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), wrong
        assert field in refused.json()["message"]


# --- The sweep, and real workers ----------------------------------------------------------------------------------


def test_the_sweep_asks_for_one_sweep_at_a_time(people, stores):
    first = submit_artifact_sweep()
    assert submit_artifact_sweep() is None
    assert run(first).state == "SUCCEEDED"
    assert first.result == {"blobs": 0, "bytes": 0, "orphan_files": 0, "temporary_files": 0, "uploads": 0}
    assert submit_artifact_sweep() is not None


def on_disk(root):
    return sorted(path.name for path in Path(root, "artifacts").rglob("*") if path.is_file())


@pytest.fixture
def shared_stores(settings, worker_folder):
    settings.ARTIFACT_ROOT = str(worker_folder / "artifacts")
    settings.TRACKING_ROOT = str(worker_folder / "tracking")
    return worker_folder


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", ["Copying MLmodel", "Copying data/weights.bin", "Checking the model"])
def test_a_registration_killed_at_a_step_leaves_one_version_and_no_orphan_bytes(
    worker, people, schema, shared_stores, submit, step
):
    puppet, version = stopped_registration(people, shared_stores, submit, step)
    os.kill(puppet.reached(step), signal.SIGKILL)
    take_back(puppet)
    assert puppet.ended().state == "SUCCEEDED"
    version.refresh_from_db()
    assert (version.status, version.file_count) == ("READY", 2)
    assert AuditEvent.objects.filter(action="finalizeModelVersion").count() == 1
    sweep_blobs(now=timezone.now() + timedelta(days=2))
    assert on_disk(shared_stores) == sorted(version.files.values_list("blob_id", flat=True))
    model_versions.delete_version(actor=people.owner, name="prod.ml.iris", version=1)
    sweep_blobs(now=timezone.now() + timedelta(days=2))
    assert on_disk(shared_stores) == []


def stopped_registration(people, root, submit, step):
    """A registration of a kind that stops at a step, and its version."""
    write_model(root / "tracking", TREE)
    registered_models.create_model(actor=people.owner, name="prod.ml.iris")
    version = model_versions.begin_version(
        actor=people.owner, name="prod.ml.iris", new=model_versions.NewVersion(source=SOURCE)
    )
    asked = {"version_id": str(version.pk), "name": "prod.ml.iris", "version": 1, "tree": TREE, "source": SOURCE}
    return submit("test_registration", step, **asked), version


@pytest.mark.django_db(transaction=True)
def test_a_worker_paused_in_a_registration_writes_no_file_afterwards(worker, people, schema, shared_stores, submit):
    step = "Copying data/weights.bin"
    puppet, version = stopped_registration(people, shared_stores, submit, step)
    paused = puppet.reached(step)
    os.kill(paused, signal.SIGSTOP)
    try:
        take_back(puppet)
        assert puppet.ended().result["version"] == "1"
        before = list(version.files.values("path", "blob_id", "modified_at"))
        puppet.go()
    finally:
        os.kill(paused, signal.SIGCONT)
    submit().ended()
    assert list(version.files.values("path", "blob_id", "modified_at")) == before
    assert puppet.row.state == "SUCCEEDED"


# --- Names that only the tracking server can resolve ----------------------------------------------------------------


@pytest.fixture
def logged(tracking_server, settings, people, schema):
    """A run with a model among its artifacts, and a logged model, in an experiment of owner."""
    settings.MLFLOW_SOCKET = str(tracking_server.socket)
    settings.MLFLOW_URL = "http://mlflow"
    settings.TRACKING_ROOT = str(tracking_server.root)
    settings.ARTIFACT_ROOT = str(tracking_server.root.parent / "artifacts")
    name = f"/Users/owner/{os.urandom(6).hex()}"
    base = "/api/2.0/mlflow"
    experiment = tracking.ask("POST", f"{base}/experiments/create", body={"name": name})["experiment_id"]
    Experiment.objects.update_or_create(
        experiment_id=experiment, defaults={"name": name, "owner": people.owner.principal}
    )
    created = tracking.ask("POST", f"{base}/runs/create", body={"experiment_id": experiment, "start_time": 1})
    run_id = created["run"]["info"]["run_id"]
    tracking.ask("POST", f"{base}/runs/log-parameter", body={"run_id": run_id, "key": "depth", "value": "7"})
    body = {"experiment_id": experiment, "name": "forest", "source_run_id": run_id}
    model_id = tracking.ask("POST", f"{base}/logged-models", body=body)["model"]["info"]["model_id"]
    write_model(tracking_server.root, f"{experiment}/{run_id}/artifacts/plain")
    write_model(tracking_server.root, f"{experiment}/models/{model_id}/artifacts")
    return experiment, run_id, model_id


@pytest.mark.client
def test_runs_and_logged_models_are_found_by_their_own_names(people, logged):
    experiment, run_id, model_id = logged
    folder = f"dbfs:/databricks/mlflow-tracking/{experiment}/{run_id}/artifacts/plain"
    for source, kept, its_model in [
        (f"runs:/{run_id}/plain", folder, None),
        (f"runs:/{run_id}/forest", f"models:/{model_id}", model_id),
        (f"models:/{model_id}", f"models:/{model_id}", model_id),
    ]:
        with pytest.raises(NotFound):
            register(people.reader, source=source)
        version, operation = register(people.owner, source=source)
        assert run(operation).state == "SUCCEEDED", operation.error
        version.refresh_from_db()
        assert (version.status, version.run_id, version.run_experiment_id) == ("READY", run_id, experiment)
        assert version.params == [{"name": "depth", "value": "7"}]
        assert version.source == kept
        assert its_model in {None, version.logged_model_id}
