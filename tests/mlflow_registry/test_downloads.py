"""What `get-download-uri` names is read with the rights of every single moment, and put on the trail."""

import io

import pytest

from registry.models import AuditEvent, Grant, Securable
from registry.services.files import write_file
from registry.services.model_versions import NewVersion, begin_version, delete_version, finalize_version
from registry.services.registered_models import create_model, update_model
from registry.services.securables import Changes

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
RUN = "a run of another server"
NAME = "workspace.default.odd name #1"
MLMODEL = b"""flavors: {}
signature:
  inputs: '[{"type": "double", "name": "a"}]'
  outputs: '[{"type": "double"}]'
"""
CONTENT = {"MLmodel": MLMODEL, "data/weights.bin": bytes(range(256)) * 40, "data/deep/x": b"x"}


@pytest.fixture
def version(tracking, alice, settings, tmp_path):
    settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")
    create_model(actor=alice.actor, name=NAME)
    made = begin_version(actor=alice.actor, name=NAME, new=NewVersion(source="x", run_id=RUN))
    for path, content in CONTENT.items():
        write_file(
            actor=alice.actor,
            path=f"Models/{NAME.replace('.', '/')}/1/{path}",
            source=io.BytesIO(content),
            expected=len(content),
        )
    return finalize_version(actor=alice.actor, name=NAME, version=made.version)


@pytest.fixture
def folder(version, alice):
    """The folder that Alice is told of."""
    answer = alice.get(f"{API}/model-versions/get-download-uri", name="odd name #1", version="1")
    assert answer.status_code == 200, answer.content
    scheme, _, path = answer.json()["artifact_uri"].partition(":/")
    assert scheme == "mlflow-artifacts"
    return path


def body_of(response):
    assert response.status_code in {200, 206}, response.content
    return b"".join(response.streaming_content)


def listed(caller, path):
    answer = caller.get(FILES, path=path)
    assert answer.status_code == 200, answer.content
    return {each["path"]: each.get("file_size", "folder") for each in answer.json()["files"]}


def let_execute(caller):
    securable = Securable.objects.get(name=NAME.rpartition(".")[2])
    return Grant.objects.create(securable=securable, principal=caller.principal, privilege="EXECUTE")


def test_the_files_are_listed_and_read(folder, alice):
    assert listed(alice, folder) == {"MLmodel": len(MLMODEL), "data": "folder"}
    assert listed(alice, f"{folder}/data") == {"deep": "folder", "weights.bin": 10240}
    assert listed(alice, f"{folder}/MLmodel") == {}
    assert listed(alice, f"{folder}/nothing") == {}
    for path, content in CONTENT.items():
        response = alice.get(f"{FILES}/{folder}/{path}")
        assert body_of(response) == content
        assert "sandbox" in response["Content-Security-Policy"]
        assert response["Content-Disposition"].startswith("attachment")
    part = alice.call("GET", f"{FILES}/{folder}/data/weights.bin", headers={"Range": "bytes=3-6"})
    assert (part.status_code, body_of(part)) == (206, CONTENT["data/weights.bin"][3:7])
    assert alice.get(f"{FILES}/{folder}/data").status_code == 404
    assert alice.get(f"{FILES}/{folder}/nothing").status_code == 404


def test_every_load_takes_the_right_of_its_moment(folder, alice, bob):
    uri = {"name": "odd name #1", "version": "1"}
    doors = [
        lambda: bob.get(f"{API}/model-versions/get-download-uri", **uri),
        lambda: bob.get(f"{FILES}/{folder}/MLmodel"),
        lambda: bob.call("HEAD", f"{FILES}/{folder}/MLmodel"),
        lambda: bob.get(FILES, path=folder),
    ]
    assert [door().status_code for door in doors] == [404] * 4
    for door in doors:
        assert b"odd name" not in door().content or door is doors[0], "an address tells no name"
    grant = let_execute(bob)
    assert [door().status_code for door in doors] == [200] * 4
    grant.delete()
    assert [door().status_code for door in doors] == [404] * 4
    let_execute(bob)
    bob.principal.is_active = False
    bob.principal.save()
    assert [door().status_code for door in doors] == [401] * 4


def test_to_browse_is_not_to_load(folder, bob):
    let_execute(bob)
    Grant.objects.filter(principal=bob.principal).update(privilege="BROWSE")
    assert bob.get(f"{API}/model-versions/get-download-uri", name="odd name #1", version="1").status_code == 403
    response = bob.get(f"{FILES}/{folder}/MLmodel")
    assert (response.status_code, response.json()["error_code"]) == (403, "PERMISSION_DENIED")


def test_loads_and_denials_are_on_the_trail(folder, version, alice, bob):
    body_of(alice.get(f"{FILES}/{folder}/MLmodel"))
    bob.get(f"{FILES}/{folder}/MLmodel")
    rows = AuditEvent.objects.filter(action="generateTemporaryModelVersionCredential").order_by("pk")
    told = [(row.actor, row.decision, row.params.get("path")) for row in rows]
    assert told == [
        (alice.name, "ALLOW", None),
        (alice.name, "ALLOW", "MLmodel"),
        (bob.name, "DENY", None),
    ]


def test_an_address_outlives_a_rename_and_no_deletion(folder, alice):
    update_model(actor=alice.actor, name=NAME, changes=Changes(new_name="plain"))
    assert body_of(alice.get(f"{FILES}/{folder}/MLmodel")) == CONTENT["MLmodel"]
    delete_version(actor=alice.actor, name="workspace.default.plain", version=1)
    assert alice.get(f"{FILES}/{folder}/MLmodel").status_code == 404
    assert alice.get(FILES, path=folder).status_code == 404


def test_a_version_that_is_not_ready_gives_no_files(version, alice):
    pending = begin_version(actor=alice.actor, name=NAME, new=NewVersion(source="x"))
    assert alice.get(f"{FILES}/model-versions/{pending.pk}/MLmodel").status_code == 400
    uri = alice.get(f"{API}/model-versions/get-download-uri", name="odd name #1", version="2")
    assert (uri.status_code, uri.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    latest = alice.post(f"{API}/registered-models/get-latest-versions", {"name": "odd name #1"}).json()
    assert [row["version"] for row in latest["model_versions"]] == ["1"]
    by_alias = alice.get(f"{API}/registered-models/alias", name="odd name #1", alias="latest").json()
    assert by_alias["model_version"]["version"] == "1"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_nothing_is_written_there(method, folder, alice):
    for path in (f"{folder}/MLmodel", f"{folder}/new", "model-versions/x/y"):
        response = alice.call(method, f"{FILES}/{path}", b"changed")
        assert (response.status_code, response.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert body_of(alice.get(f"{FILES}/{folder}/MLmodel")) == CONTENT["MLmodel"]


@pytest.mark.parametrize(
    "path",
    [
        "model-versions",
        "model-versions/",
        "model-versions/not-an-id/MLmodel",
        "model-versions/00000000-0000-0000-0000-000000000000/MLmodel",
        "{folder}/../../1/x",
        "{folder}/%2e%2e/x",
        "{folder}/%252e%252e/x",
    ],
)
def test_no_path_leads_elsewhere(path, folder, alice):
    path = path.format(folder=folder)
    assert alice.get(f"{FILES}/{path}").status_code in {400, 404}
    assert alice.get(FILES, path=path).status_code in {400, 404}


def test_a_version_is_copied_by_name_and_by_address_at_once(folder, version, alice, bob):
    for number, source in enumerate(
        ("models:/odd name #1/1", f"models:/{NAME}/1", f"mlflow-artifacts:/{folder}"), start=1
    ):
        body = {"name": "copy", "source": source, "description": "d", "tags": [{"key": "a", "value": "b"}]}
        if number == 1:
            alice.post(f"{API}/registered-models/create", {"name": "copy"})
        hidden = bob.post(f"{API}/model-versions/create", {**body, "name": "of_bob"})
        assert hidden.status_code == 404, hidden.content
        made = alice.post(f"{API}/model-versions/create", body)
        assert made.status_code == 200, made.content
        copy = made.json()["model_version"]
        assert (copy["name"], copy["version"], copy["status"]) == ("copy", str(number), "READY")
        assert (copy["description"], copy["tags"]) == ("d", [{"key": "a", "value": "b"}])
        assert (copy["source"], copy["run_id"]) == (f"models:/{NAME}/1", RUN)
    assert b"odd name" not in hidden.content
    assert not Securable.objects.filter(name="of_bob").exists()
