"""Imports from a real MLflow server: everything that can come comes, the rest is told."""

import io
import json
import uuid
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client

from registry.errors import InvalidParameter, InvalidState, NotFound
from registry.models import (
    AuditEvent,
    ModelAlias,
    ModelVersion,
    Operation,
    RegisteredModel,
    Securable,
)
from registry.privileges import Privilege, SecurableType
from registry.services import aliases, model_versions, registered_models
from registry.services.artifacts import place_file
from registry.services.import_mapping import version_source
from registry.services.imported_versions import ImportedVersion, begin_imported
from registry.services.imports import ImportRequest, submit_import
from registry.services.model_versions import NewVersion
from registry.services.operation_runner import run_operation
from registry.services.operations import request_cancel, retry_operation
from registry.services.tokens import create_token
from registry.storage.blobs import blob_store
from tests.imports.conftest import INTO, MLMODEL, UNSIGNED, grant

pytestmark = pytest.mark.django_db


@pytest.fixture
def iris(mlflow_server):
    """Four versions, one deleted: stages, aliases, tags, and one without a signature."""
    server, name = mlflow_server, f"iris-{uuid.uuid4().hex[:8]}"
    server.ask(
        "POST",
        "registered-models/create",
        name=name,
        description="flowers",
        tags=[{"key": "team", "value": "bio"}, {"key": "cost.center", "value": "12"}],
    )
    run, location = server.run()
    for number in range(1, 6):
        run, location = server.run(files={"MLmodel": UNSIGNED}) if number == 4 else server.run()
        tags = [{"key": "a-b", "value": "mapped"}, {"key": "long", "value": "x" * 3000}]
        server.version(name, location, run_id=run, description=f"try {number}", tags=tags)
    server.ask("DELETE", "model-versions/delete", name=name, version="2")
    for number, stage in ((1, "Archived"), (3, "Production"), (5, "Staging")):
        server.ask("POST", "model-versions/transition-stage", name=name, version=str(number), stage=stage)
    server.ask("POST", "registered-models/alias", name=name, alias="best_one", version="1")
    return name


def versions_of(name):
    rows = ModelVersion.objects.filter(model__securable__name=name).order_by("version")
    return {row.version: row for row in rows.prefetch_related("tags", "files", "lineage")}


def tags_of(row):
    return {tag.key: tag.value for tag in row.tags.all()}


def test_everything_comes_with_its_number(import_from, mlflow_server, iris):
    operation = import_from(mlflow_server.url, models=[iris])
    assert (operation.state, operation.error, operation.progress) == ("SUCCEEDED", "", 100)
    made = versions_of(iris)
    assert {number: row.status for number, row in made.items()} == {
        1: "READY",
        3: "READY",
        4: "FAILED_REGISTRATION",
        5: "READY",
    }
    third = made[3]
    assert (third.comment, third.params, third.run_id) == ("try 3", [{"name": "depth", "value": "7"}], "")
    assert third.metrics == [{"key": "auc", "value": 0.75, "timestamp": 12, "step": 3}]
    assert [(edge.kind, edge.name) for edge in third.lineage.all()] == [("TABLE", "prod.ml.clicks")]
    assert {file.path for file in third.files.all()} == {"MLmodel", "data/w.bin"}
    tags = tags_of(third)
    assert (tags["imported_version"], tags["imported_stage"], tags["a_b"]) == ("3", "Production", "mapped")
    assert len(tags["long"]) == 1000
    assert len(tags["imported_run_id"]) == 32
    assert tags["imported_created_at"].startswith("20")
    assert tags_of(made[1])["imported_stage"] == "Archived"
    assert "signature" in made[4].status_message
    assert made[4].files.count() == 0
    model = registered_models.get_model(actor=operation_actor(operation), name=f"{INTO}.{iris}")
    assert model.securable.comment == "flowers"
    model_tags = tags_of(model.securable)
    assert (model_tags["team"], model_tags["cost_center"]) == ("bio", "12")
    found = dict(ModelAlias.objects.filter(model=model).values_list("name", "version__version"))
    assert found == {"best_one": 1, "Champion": 3, "Challenger": 5}


def operation_actor(operation):
    from registry.services.actors import load_actor

    return load_actor(operation.actor)


def test_the_report_names_what_did_not_come_as_it_was(import_from, mlflow_server, iris):
    result = import_from(mlflow_server.url, models=[iris]).result
    assert result["counts"] == {"models": 1, "models_failed": 0, "imported": 3, "present": 0, "failed": 1}
    [model] = result["models"]
    assert [(v["source_version"], v["version"], v["outcome"]) for v in model["versions"]] == [
        (1, 1, "IMPORTED"),
        (3, 3, "IMPORTED"),
        (4, 4, "FAILED"),
        (5, 5, "IMPORTED"),
    ]
    assert {
        "Tag key 'cost.center' became 'cost_center'.",
        "Tag key 'a-b' became 'a_b'.",
        "Values of tag 'long' were cut to 1000 characters.",
    } <= set(model["notes"])


def test_a_dry_run_tells_the_same_and_writes_nothing(import_from, mlflow_server, iris):
    dry = import_from(mlflow_server.url, models=[iris], dry_run=True)
    assert dry.state == "SUCCEEDED", dry.error
    assert (RegisteredModel.objects.count(), ModelVersion.objects.count()) == (0, 0)
    assert not AuditEvent.objects.filter(action="createRegisteredModel").exists()
    real = import_from(mlflow_server.url, models=[iris])
    assert dry.result.pop("dry_run") is True
    assert real.result.pop("dry_run") is False
    assert dry.result == real.result


def test_again_brings_only_what_is_new(import_from, mlflow_server, iris):
    import_from(mlflow_server.url, models=[iris])
    before = {number: row.pk for number, row in versions_of(iris).items()}
    run, location = mlflow_server.run()
    mlflow_server.version(iris, location, run_id=run)
    result = import_from(mlflow_server.url, models=[iris]).result
    assert result["counts"] == {"models": 1, "models_failed": 0, "imported": 1, "present": 3, "failed": 1}
    after = {number: row.pk for number, row in versions_of(iris).items()}
    assert after == {**before, 6: after[6]}


def test_versions_follow_those_of_a_model_that_is_there(import_from, people, mlflow_server, iris):
    name = f"{INTO}.{iris}"
    registered_models.create_model(actor=people.owner, name=name, comment="ours")
    for _ in range(4):
        model_versions.begin_version(actor=people.owner, name=name, new=NewVersion())
    aliases.set_alias(actor=people.owner, name=name, alias="champion", version=2)
    [model] = import_from(mlflow_server.url, models=[iris]).result["models"]
    assert [(v["source_version"], v["version"]) for v in model["versions"]] == [(1, 5), (3, 6), (4, 7), (5, 8)]
    assert "Alias 'Champion' stays at version 2; the source has it at what is version 6 here." in model["notes"]
    assert model["aliases"] == {"best_one": 5, "Challenger": 8}
    assert Securable.objects.get(name=iris).comment == "ours"


def test_stages_stand_for_the_aliases_one_chooses(import_from, mlflow_server, iris):
    [model] = import_from(mlflow_server.url, models=[iris], stages={"Production": "live"}).result["models"]
    assert model["aliases"] == {"best_one": 1, "live": 3}


def test_one_bad_model_does_not_stop_the_others(import_from, mlflow_server, iris):
    result = import_from(mlflow_server.url, models=["no-such-model", iris]).result
    missing, found = result["models"]
    assert "404" in missing["reason"]
    assert len(found["versions"]) == 4


def test_files_where_the_server_does_not_proxy_them(import_from, mlflow_server):
    """A logged model is read through its own door, a foreign location is refused, a broken one told."""
    name = f"odd-{uuid.uuid4().hex[:8]}"
    mlflow_server.ask("POST", "registered-models/create", name=name)
    mlflow_server.version(name, "s3://bucket/model")
    run = mlflow_server.ask("POST", "runs/create", experiment_id="0")["run"]["info"]["run_id"]
    mlflow_server.version(name, f"mlflow-artifacts:/0/{run}/artifacts/model", run_id=run)
    [model] = import_from(mlflow_server.url, models=[name]).result["models"]
    first, second = model["versions"]
    assert (first["outcome"], second["outcome"]) == ("FAILED", "FAILED")
    assert "'s3' location" in first["reason"]
    assert "no files" in second["reason"] or "HTTP" in second["reason"]


def test_files_of_runs_and_logged_models_that_the_server_reads_itself(import_from, mlflow_server):
    """An experiment on a store of its own: nothing of it lies below mlflow-artifacts."""
    name, store = f"direct-{uuid.uuid4().hex[:8]}", mlflow_server.folder / uuid.uuid4().hex
    experiment = mlflow_server.ask("POST", "experiments/create", name=name, artifact_location=f"file://{store}")
    experiment_id = experiment["experiment_id"]
    run = mlflow_server.ask("POST", "runs/create", experiment_id=experiment_id)["run"]["info"]
    logged = mlflow_server.ask("POST", "logged-models", experiment_id=experiment_id, name="model")["model"]["info"]
    mlflow_server.ask("POST", "registered-models/create", name=name)
    locations = [f"{run['artifact_uri']}/model", logged["artifact_uri"]]
    for location in locations:
        folder = Path(location.removeprefix("file://"))
        (folder / "data").mkdir(parents=True)
        (folder / "MLmodel").write_bytes(MLMODEL)
        (folder / "data" / "w.bin").write_bytes(location.encode())
    mlflow_server.version(name, locations[0], run_id=run["run_id"])
    mlflow_server.version(name, f"models:/{logged['model_id']}", model_id=logged["model_id"])
    result = import_from(mlflow_server.url, models=[name]).result
    assert result["counts"]["imported"] == 2, result
    for row in versions_of(name).values():
        assert {file.path for file in row.files.all()} == {"MLmodel", "data/w.bin"}


def test_rights_are_those_of_who_asks(import_from, people, mlflow_server, iris):
    with pytest.raises(NotFound, match=r"prod\.ml"):
        import_from(mlflow_server.url, actor=people.outsider, models=[iris])
    operation = import_from(mlflow_server.url, actor=people.reader, models=[iris])
    assert operation.state == "SUCCEEDED"
    assert "CREATE_MODEL" in operation.result["models"][0]["reason"]
    assert ModelVersion.objects.count() == 0
    assert AuditEvent.objects.filter(decision="DENY", actor="reader@example.com").exists()


def test_a_right_to_add_versions_is_enough_for_versions(import_from, people, mlflow_server, iris):
    name = f"{INTO}.{iris}"
    registered_models.create_model(actor=people.owner, name=name)
    grant(people, SecurableType.REGISTERED_MODEL, name, "reader@example.com", Privilege.CREATE_MODEL_VERSION)
    [model] = import_from(mlflow_server.url, actor=people.reader, models=[iris]).result["models"]
    assert [v["outcome"] for v in model["versions"]] == ["IMPORTED", "IMPORTED", "FAILED", "IMPORTED"]
    assert model["aliases"] == {}
    assert sum("lacks ownership" in note for note in model["notes"]) == 3


def test_every_import_is_in_the_audit_trail(import_from, mlflow_server, iris):
    import_from(mlflow_server.url, models=[iris])
    actions = list(AuditEvent.objects.filter(actor="owner@example.com").values_list("action", flat=True))
    assert actions.count("createModelVersion") == 4
    assert actions.count("finalizeModelVersion") == 3
    assert actions.count("failModelVersion") == 1
    assert {"submitOperation", "createRegisteredModel", "setRegisteredModelAlias"} <= set(actions)


def everything_written():
    rows = [*AuditEvent.objects.values(), *Operation.objects.values()]
    return json.dumps([{key: str(value) for key, value in row.items()} for row in rows])


def test_the_token_is_sealed_while_it_waits_and_gone_afterwards(people, schema, mlflow_server, iris):
    secret = "dapi-very-secret"
    wanted = ImportRequest(source_url=mlflow_server.url, token=secret, into=INTO, models=[iris], allow_private=True)
    operation = submit_import(actor=people.owner, wanted=wanted)
    assert secret not in repr(wanted)
    sealed = Operation.objects.get(pk=operation.pk).params["sealed_token"]
    assert secret not in everything_written()
    run_operation(operation_id=operation.pk)
    operation.refresh_from_db()
    assert operation.state == "SUCCEEDED", operation.error
    assert "sealed_token" not in operation.params
    assert sealed not in everything_written()


def test_a_canceled_import_forgets_its_token_and_is_not_retried_without(people, schema, mlflow_server):
    wanted = ImportRequest(source_url=mlflow_server.url, token="secret", into=INTO, allow_private=True)
    operation = submit_import(actor=people.owner, wanted=wanted)
    request_cancel(actor=people.owner, operation_id=operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.params["needs_token"]) == ("CANCELED", True)
    assert "sealed_token" not in operation.params
    with pytest.raises(InvalidState, match="token"):
        retry_operation(actor=people.owner, operation_id=operation.pk)


def test_a_source_that_is_away_is_tried_again_later(import_from, people):
    operation = import_from("http://127.0.0.1:1")
    assert (operation.state, operation.attempts) == ("PENDING", 1)
    assert "cannot be reached" in operation.log.get().text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"source_url": "file:///etc/passwd"}, "https://host"),
        ({"source_url": "https://user:pass@example.com"}, "password"),
        ({"source_url": "http://localhost:5000"}, "inside this network"),
        ({"source_url": "http://127.0.0.1:5000"}, "inside this network"),
        ({"source_url": "http://169.254.169.254/latest"}, "inside this network"),
        ({"source_url": "http://[::ffff:10.0.0.1]"}, "inside this network"),
        ({"source_url": "http://0x7f.1"}, "inside this network"),
        ({"into": "prod"}, "catalog.schema"),
        ({"stages": {"Production": "latest"}}, "reserved"),
        ({"token": "two\nlines"}, "token"),
    ],
)
def test_what_cannot_be_asked_for(people, schema, options, words):
    options = {"source_url": "http://127.0.0.1:5000", "into": INTO, **options}
    if "source_url" not in options or options["source_url"] == "http://127.0.0.1:5000":
        options["allow_private"] = words != "inside this network"
    with pytest.raises(InvalidParameter, match=words):
        submit_import(actor=people.owner, wanted=ImportRequest(**options))
    assert Operation.objects.count() == 0


def test_over_rest(people, schema):
    def post(body, actor):
        token = create_token(actor=actor).value
        return Client().post(
            "/api/modelkeep/imports",
            json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )

    asked = {"source_url": "http://127.0.0.1:9", "into": INTO, "allow_private": True}
    refused = post(asked, people.owner)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "inside this network" in refused.json()["message"]
    public = {"source_url": "https://8.8.8.8", "into": INTO, "token": "t", "models": ["a"], "dry_run": True}
    hidden = post(public, people.outsider)
    assert hidden.status_code == 404
    begun = post(public, people.owner)
    assert begun.status_code == 200, begun.content
    operation = Operation.objects.get(pk=begun.json()["operation"]["id"])
    assert (operation.kind, operation.state, operation.params["dry_run"]) == ("import_models", "PENDING", True)
    assert operation.params["allow_private"] is False
    assert post({"into": INTO}, people.owner).status_code == 400
    assert post({**public, "models": "a"}, people.owner).status_code == 400


def test_by_command(people, schema, mlflow_server, iris, tmp_path, capsys):
    options = ["--from", mlflow_server.url, "--model", iris, "--into", INTO, "--as", "owner@example.com"]
    report = tmp_path / "report.json"
    with pytest.raises(CommandError, match="Not everything"):
        call_command("import_mlflow", *options, "--allow-private", "--report", str(report))
    assert "3 versions imported, 0 here before, 1 failed" in capsys.readouterr().out
    assert json.loads(report.read_text())["counts"]["imported"] == 3
    with pytest.raises(CommandError, match="inside this network"):
        call_command("import_mlflow", *options)
    with pytest.raises(CommandError, match="no active user"):
        call_command("import_mlflow", *options, "--as", "nobody@example.com")


@pytest.mark.django_db(transaction=True)
def test_a_version_that_was_half_filled_is_filled_beside_one_that_shares_its_files(
    import_from, people, mlflow_server
):
    name = f"twins-{uuid.uuid4().hex[:8]}"
    run, location = mlflow_server.run()
    mlflow_server.ask("POST", "registered-models/create", name=name)
    for _ in range(2):
        mlflow_server.version(name, location, run_id=run)
    registered_models.create_model(actor=people.owner, name=f"{INTO}.{name}")
    source = version_source(mlflow_server.url, name, 2)
    left = begin_imported(actor=people.owner, name=f"{INTO}.{name}", new=ImportedVersion(source=source, number=2))
    with transaction.atomic():
        place_file(version_id=left.pk, path="MLmodel", received=blob_store().receive(io.BytesIO(b"x"), limit=9))
    operation = import_from(mlflow_server.url, models=[name])
    assert operation.result["counts"]["imported"] == 2, operation.error
    made = versions_of(name)
    assert {row.status for row in made.values()} == {"READY"}
    files = [set(row.files.values_list("path", "blob_id")) for row in made.values()]
    assert files[0] == files[1]
    assert made[2].pk == left.pk
