"""Files of runs and logged models, with rights on their experiment, against a real tracking server."""
# ruff: noqa: F401, F811  (fixtures are imported by name, and named again by who uses them)

import os

import pytest

from registry.models import AuditEvent, ExperimentGrant, ExperimentLevel
from registry.storage.trees import INCOMING
from tests.files.conftest import anonymous, broken_off, left_behind
from tests.files.test_versions import refused
from tests.tracking.conftest import alice, bob, things, tracking, tracking_server

pytestmark = pytest.mark.django_db

CONTENT = os.urandom(200_000)
FS = "/api/2.0/fs"


@pytest.fixture(autouse=True)
def stores(tmp_path):
    """The tracking fixture names the tree; only the parts lie elsewhere."""
    return tmp_path


@pytest.fixture
def everything(things, settings, tmp_path):
    settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")
    settings.ROOT_URLCONF = "registry.api.files.urls"
    return things


@pytest.fixture
def run(everything):
    return f"WorkspaceInternal/Mlflow/Artifacts/{everything.experiment}/Runs/{everything.run}/artifacts"


@pytest.fixture
def logged_model(everything):
    return f"WorkspaceInternal/Mlflow/Artifacts/{everything.experiment}/LoggedModels/{everything.model}/artifacts"


def put(caller, path, content=b"x", **extra):
    headers = {"HTTP_AUTHORIZATION": caller.headers["Authorization"], **extra}
    return anonymous("PUT", f"{FS}/files/{path}?overwrite=true", content, **headers)


def get(caller, path, **extra):
    return anonymous("GET", f"{FS}/files/{path}", HTTP_AUTHORIZATION=caller.headers["Authorization"], **extra)


def listing(caller, path):
    return caller.get(f"{FS}/directories/{path}")


def share(everything, principal, level):
    ExperimentGrant.objects.create(experiment_id=everything.experiment, principal=principal, level=level)


def test_files_of_a_run_lie_where_mlflow_looks_for_them(alice, everything, run, tracking):
    assert put(alice, f"{run}/plots/a.bin", CONTENT).status_code == 204
    lying = tracking.root / everything.experiment / everything.run / "artifacts" / "plots" / "a.bin"
    assert lying.read_bytes() == CONTENT
    assert get(alice, f"{run}/plots/a.bin").getvalue() == CONTENT
    part = get(alice, f"{run}/plots/a.bin", HTTP_RANGE="bytes=10-19")
    assert (part.status_code, part.getvalue()) == (206, CONTENT[10:20])
    found = listing(alice, f"{run}/plots").json()["contents"]
    assert [(c["path"], c["file_size"]) for c in found] == [(f"/{run}/plots/a.bin", 200_000)]
    assert AuditEvent.objects.filter(action="writeMlflowArtifact").count() == 1


def test_a_run_that_logged_nothing_has_an_empty_root(alice, run):
    assert listing(alice, run).json()["contents"] == []
    refused(listing(alice, f"{run}/model"), 404, "NOT_FOUND")


def test_a_strangers_run_reads_like_a_missing_one(alice, bob, everything, run):
    put(alice, f"{run}/a", CONTENT)
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = bob.call(method, f"{FS}/files/{run}/a")
        assert answer.status_code == 404
    refused(listing(bob, run), 404, "NOT_FOUND")
    refused(bob.post(f"{FS}/create-download-url", {"path": f"/{run}/a"}), 404, "NOT_FOUND")
    refused(bob.post(f"{FS}/create-upload-url", {"path": f"/{run}/b"}), 404, "NOT_FOUND")


def test_a_forged_experiment_opens_no_run_of_another(alice, bob, everything, run, tracking, settings):
    put(alice, f"{run}/a", CONTENT)
    settings.ROOT_URLCONF = "tests.tracking.urls"
    mine = bob.post("/api/2.0/mlflow/experiments/create", {"name": f"of-bob-{everything.run}"}).json()[
        "experiment_id"
    ]
    settings.ROOT_URLCONF = "registry.api.files.urls"
    forged = f"WorkspaceInternal/Mlflow/Artifacts/{mine}/Runs/{everything.run}/artifacts"
    refused(get(bob, f"{forged}/a"), 404, "NOT_FOUND")
    refused(put(bob, f"{forged}/a"), 404, "NOT_FOUND")
    refused(listing(bob, forged), 404, "NOT_FOUND")
    model = f"WorkspaceInternal/Mlflow/Artifacts/{mine}/LoggedModels/{everything.model}/artifacts"
    refused(get(bob, f"{model}/MLmodel"), 404, "NOT_FOUND")
    refused(put(bob, f"{model}/MLmodel"), 404, "NOT_FOUND")
    assert not (tracking.root / mine).exists()


def test_reading_takes_can_read_and_writing_can_edit(alice, bob, everything, run):
    put(alice, f"{run}/a", CONTENT)
    share(everything, bob.principal, ExperimentLevel.CAN_READ)
    assert get(bob, f"{run}/a").getvalue() == CONTENT
    body = broken_off(b"x", 1)
    assert "CAN_EDIT" in refused(put(bob, f"{run}/b", **body), 403, "PERMISSION_DENIED")
    assert body["wsgi.input"].tell() == 0
    assert AuditEvent.objects.filter(decision="DENY", actor="bob@example.com").exists()
    ExperimentGrant.objects.update(level=ExperimentLevel.CAN_EDIT)
    assert put(bob, f"{run}/b").status_code == 204


def test_links_to_files_of_runs_die_with_the_right(alice, bob, everything, run):
    put(alice, f"{run}/a", CONTENT)
    share(everything, bob.principal, ExperimentLevel.CAN_EDIT)
    urls = {
        kind: bob.post(f"{FS}/create-{kind}-url", {"path": f"/{run}/a"})
        .json()["url"]
        .removeprefix("http://testserver")
        for kind in ("download", "upload")
    }
    assert anonymous("GET", urls["download"]).getvalue() == CONTENT
    assert anonymous("PUT", urls["upload"], b"new").status_code == 200
    ExperimentGrant.objects.all().delete()
    assert anonymous("GET", urls["download"]).status_code == 404
    assert anonymous("PUT", urls["upload"], b"newer").status_code == 404
    assert get(alice, f"{run}/a").getvalue() == b"new"


def test_a_broken_off_upload_leaves_nothing(alice, everything, run, tracking):
    before = left_behind(tracking.root)
    refused(put(alice, f"{run}/a", **broken_off(b"12", 3)), 400, "INVALID_PARAMETER_VALUE")
    assert left_behind(tracking.root) == before
    assert not any(INCOMING in path for path in before)


@pytest.mark.parametrize("path", ["../../x", "a/../../x", "./x", "a//x", "%2e%2e/x", "a%00"])
def test_a_path_that_climbs_is_refused(alice, run, path):
    assert put(alice, f"{run}/{path}").status_code == 400
    assert get(alice, f"{run}/{path}").status_code == 400


@pytest.mark.parametrize("path", ["", "/", ".incoming/Runs/x/artifacts/f"])
def test_what_is_outside_of_runs_is_out_of_reach(alice, everything, path):
    answer = get(alice, f"WorkspaceInternal/Mlflow/Artifacts/{path}")
    assert answer.status_code in {400, 404}


def test_large_files_of_runs_arrive_in_parts(alice, run, everything):
    path = f"/{run}/big.bin"
    begun = alice.post(f"{FS}/files{path}?action=initiate-upload&overwrite=true", {})
    token = begun.json()["multipart_upload"]["session_token"]
    body = {"path": path, "session_token": token, "start_part_number": 1, "count": 2}
    parts = []
    for part in alice.post(f"{FS}/create-upload-part-urls", body).json()["upload_part_urls"]:
        url = part["url"].removeprefix("http://testserver")
        etag = anonymous("PUT", url, CONTENT)["ETag"]
        parts.append({"part_number": part["part_number"], "etag": etag})
    query = f"action=complete-upload&upload_type=multipart&session_token={token}"
    assert alice.post(f"{FS}/files{path}?{query}", {"parts": parts}).json() == {}
    assert get(alice, path[1:]).getvalue() == CONTENT * 2


# --- Logged models lie outside of their run; single files are found through it all the same ----------------------


def test_a_file_that_the_run_lacks_is_its_logged_models(alice, run, logged_model):
    put(alice, f"{logged_model}/requirements.txt", b"mlflow")
    assert get(alice, f"{run}/model/requirements.txt").getvalue() == b"mlflow"
    link = alice.post(f"{FS}/create-download-url", {"path": f"/{run}/model/requirements.txt"}).json()["url"]
    assert anonymous("GET", link.removeprefix("http://testserver")).getvalue() == b"mlflow"
    assert put(alice, f"{run}/model/requirements.txt", b"mlflow>=3").status_code == 204
    assert get(alice, f"{logged_model}/requirements.txt").getvalue() == b"mlflow>=3"


def test_folders_of_the_run_never_show_the_logged_model(alice, run, logged_model):
    put(alice, f"{logged_model}/requirements.txt", b"mlflow")
    refused(listing(alice, f"{run}/model"), 404, "NOT_FOUND")
    assert alice.call("HEAD", f"{FS}/directories/{run}/model").status_code == 404
    assert listing(alice, run).json()["contents"] == []


def test_what_the_run_has_itself_comes_first(alice, run, logged_model):
    put(alice, f"{logged_model}/notes.txt", b"of the model")
    put(alice, f"{run}/model/other.txt", b"of the run")
    assert get(alice, f"{run}/model/other.txt").getvalue() == b"of the run"
    refused(get(alice, f"{logged_model}/other.txt"), 404, "NOT_FOUND")
    assert get(alice, f"{run}/model/notes.txt").getvalue() == b"of the model"
    refused(get(alice, f"{run}/model/neither.txt"), 404, "NOT_FOUND")
    refused(alice.call("DELETE", f"{FS}/files/{run}/model/notes.txt"), 404, "NOT_FOUND")
    assert alice.call("DELETE", f"{FS}/files/{run}/model/other.txt").status_code == 204
