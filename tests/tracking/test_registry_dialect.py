"""Plain MLflow's registry calls show our models with the caller's rights, and reach no other registry."""

import io

import pytest

from registry.models import Grant, Operation, Principal, Securable
from registry.services.catalogs import create_catalog
from registry.services.model_versions import NewVersion, begin_version
from registry.services.registered_models import create_model
from registry.services.schemas import create_schema
from tests.tracking.cases import FILES
from tests.tracking.conftest import Caller, grant, unique

PREFIXES = ["", "/mlflow"]
API = "/api/2.0/mlflow"
MODELS, VERSIONS = f"{API}/registered-models", f"{API}/model-versions"


@pytest.fixture
def model(tracking, alice):
    name = unique("churn").replace("-", "_")
    made = alice.post(
        f"{MODELS}/create", {"name": name, "description": "d", "tags": [{"key": "team", "value": "Risk"}]}
    )
    assert made.status_code == 200, made.content
    assert made.json()["registered_model"]["name"] == name
    return f"workspace.default.{name}"


def _version(caller, name, run_id=""):
    return begin_version(actor=caller.actor, name=name, new=NewVersion(source="x", run_id=run_id, comment="v"))


def _names(response):
    assert response.status_code == 200, response.content
    return [row["name"] for row in response.json()["registered_models"]]


def _flat(full_name):
    return full_name.split(".")[-1]


def _let_browse(name, caller):
    securable = Securable.objects.get(name=name.split(".")[-1])
    Grant.objects.create(securable=securable, principal=caller.principal, privilege="EXECUTE")


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("api", ["/api/", "/ajax-api/"])
def test_every_door_shows_what_the_caller_may_see(prefix, api, model, alice, bob):
    search = prefix + MODELS.replace("/api/", api) + "/search"
    get = prefix + MODELS.replace("/api/", api) + "/get"
    assert _names(alice.get(search)) == [_flat(model)]
    assert alice.get(get, name=model).status_code == 200
    assert _names(bob.get(search)) == []
    hidden, missing = bob.get(get, name=model), bob.get(get, name="workspace.default.nothing")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    _let_browse(model, bob)
    assert _names(bob.get(search)) == [_flat(model)]


def test_a_name_is_answered_as_it_was_asked(model, alice):
    version = str(_version(alice, model).version)
    alice.post(f"{MODELS}/alias", {"name": model, "alias": "Champion", "version": version})
    for name in (model, _flat(model)):
        shown = alice.get(f"{MODELS}/get", name=name).json()["registered_model"]
        assert (shown["name"], shown["latest_versions"][0]["name"]) == (name, name)
        assert alice.get(f"{MODELS}/get", name=name.upper()).json()["registered_model"]["name"] == name
        one = {"name": name, "version": version}
        for response in (
            alice.get(f"{VERSIONS}/get", **one),
            alice.get(f"{MODELS}/alias", name=name, alias="champion"),
            alice.call("PATCH", f"{VERSIONS}/update", {**one, "description": "d"}),
        ):
            assert response.json()["model_version"]["name"] == name
        latest = alice.post(f"{MODELS}/get-latest-versions", {"name": name}).json()["model_versions"]
        assert [row["name"] for row in latest] == [name]
        found = alice.get(f"{VERSIONS}/search", filter=f"name = '{name}'").json()["model_versions"]
        assert [row["name"] for row in found] == [name]
        assert _names(alice.get(f"{MODELS}/search", filter=f"name = '{name}'")) == [name]
    renamed = alice.post(f"{MODELS}/rename", {"name": _flat(model), "new_name": _flat(model) + "_2"})
    assert renamed.json()["registered_model"]["name"] == _flat(model) + "_2"
    assert alice.get(f"{MODELS}/get", name=model + "_2").status_code == 200


def test_the_workspace_may_have_another_default_schema(people, alice, tracking, settings):
    create_catalog(actor=people.metastore_admin, name="prod")
    create_schema(actor=people.metastore_admin, catalog="prod", name="ml")
    create_model(actor=people.metastore_admin, name="prod.ml.ranker")
    _let_browse("prod.ml.ranker", alice)
    assert _names(alice.get(f"{MODELS}/search")) == []
    for name, privilege in (("prod", "USE_CATALOG"), ("ml", "USE_SCHEMA")):
        Grant.objects.create(
            securable=Securable.objects.get(name=name), principal=alice.principal, privilege=privilege
        )
    assert _names(alice.get(f"{MODELS}/search")) == ["prod.ml.ranker"]
    settings.DEFAULT_CATALOG, settings.DEFAULT_SCHEMA = "prod", "ml"
    assert _names(alice.get(f"{MODELS}/search")) == ["ranker"]
    for name in ("ranker", "ml.ranker", "prod.ml.ranker"):
        assert alice.get(f"{MODELS}/get", name=name).json()["registered_model"]["name"] == name


@pytest.mark.parametrize("name", ["iris.v2", "a.b.c.d", "a\\b", "a/b", ".", " padded"])
def test_a_name_that_cannot_be_kept_is_refused_with_one_that_can(name, tracking, alice):
    response = alice.post(f"{MODELS}/create", {"name": name})
    assert (response.status_code, response.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "'name'" in response.json()["message"]
    if name == "iris.v2":
        assert "iris_v2" in response.json()["message"]


def test_a_prompt_is_no_model(tracking, alice):
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    response = alice.post(f"{MODELS}/create", {"name": "greeting", "tags": tags})
    assert (response.status_code, response.json()["error_code"]) == (501, "NOT_IMPLEMENTED")
    assert not Securable.objects.filter(name="greeting").exists()


def test_the_shape_that_mlflow_reads(model, alice):
    version = _version(alice, model)
    alice.post(f"{MODELS}/alias", {"name": model, "alias": "Champion", "version": str(version.version)})
    found = alice.get(f"{MODELS}/get", name=model).json()["registered_model"]
    assert found["aliases"] == [{"alias": "Champion", "version": "1"}]
    assert found["tags"] == [{"key": "team", "value": "Risk"}]
    assert isinstance(found["creation_timestamp"], int)
    newest = found["latest_versions"][0]
    assert (newest["version"], newest["current_stage"], newest["aliases"]) == ("1", "None", ["Champion"])
    assert newest["model_id"]
    by_alias = alice.get(f"{MODELS}/alias", name=model, alias="champion").json()["model_version"]
    assert by_alias["version"] == "1"


def test_the_life_of_a_model(model, alice, bob):
    version = str(_version(alice, model).version)
    for method, path, body in [
        ("PATCH", f"{MODELS}/update", {"name": model, "description": "new"}),
        ("POST", f"{MODELS}/set-tag", {"name": model, "key": "k", "value": "v"}),
        ("DELETE", f"{MODELS}/delete-tag", {"name": model, "key": "k"}),
        ("PATCH", f"{VERSIONS}/update", {"name": model, "version": version, "description": "new"}),
        ("POST", f"{VERSIONS}/set-tag", {"name": model, "version": version, "key": "k", "value": "v"}),
        ("DELETE", f"{VERSIONS}/delete-tag", {"name": model, "version": version, "key": "k"}),
        ("POST", f"{MODELS}/alias", {"name": model, "alias": "A", "version": version}),
        ("DELETE", f"{MODELS}/alias", {"name": model, "alias": "A"}),
        ("DELETE", f"{VERSIONS}/delete", {"name": model, "version": version}),
        ("POST", f"{MODELS}/rename", {"name": model, "new_name": model + "_2"}),
    ]:
        assert bob.call(method, path, body).status_code == 404, path
        assert alice.call(method, path, body).status_code == 200, path
    assert alice.call("DELETE", f"{MODELS}/delete", {"name": model + "_2"}).status_code == 200
    assert _names(alice.get(f"{MODELS}/search")) == []


def test_stages_are_refused_with_the_way_that_works(model, alice):
    _version(alice, model)
    latest = alice.post(f"{MODELS}/get-latest-versions", {"name": model}).json()["model_versions"]
    assert [row["version"] for row in latest] == ["1"]
    for path, body in [
        (f"{MODELS}/get-latest-versions", {"name": model, "stages": ["Production"]}),
        (f"{VERSIONS}/transition-stage", {"name": model, "version": "1", "stage": "Production"}),
    ]:
        response = alice.post(path, body)
        assert response.status_code == 400
        assert "alias" in response.json()["message"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "abc"),
        ("name = 'workspace.default.{a}'", "a"),
        ("name != 'workspace.default.{a}'", "bc"),
        ("name != '{a}'", "bc"),
        ("name LIKE '%{a}'", "a"),
        ("name LIKE 'alpha%'", "a"),
        ("name LIKE 'ALPHA%'", ""),
        ("name ILIKE 'ALPHA%'", "a"),
        ("name LIKE 'workspace%'", ""),
        ("name LIKE '%default%'", ""),
        ("name LIKE 'workspace.default.a%'", "a"),
        ("name ILIKE 'WORKSPACE.default.a%'", "a"),
        ("name NOT IN ('{a}', '{b}')", "c"),
        ("tags.`mlflow.prompt.is_prompt` != 'true'", "abc"),
        ("tags.`mlflow.prompt.is_prompt` = 'true'", ""),
        ("name ILIKE '%ALPHA%'", "a"),
        ("name LIKE '%a%' AND tags.team = 'risk'", "ab"),
        ("tags.`team` != 'risk'", ""),
        ("tags.`team` != 'sales'", "ab"),
        ("tags.\"team\" ILIKE 'R%'", "ab"),
        ("tag.team LIKE 'r_sk'", "ab"),
        ("name IN ('{a}', '{b}')", "ab"),
        ("name LIKE '%.*%'", ""),
        ("tags.team = 'o''brien'", ""),
    ],
)
def test_search_knows_names_and_tags(text, found, tracking, alice):
    names = {letter: f"{word}_{unique()[2:]}" for letter, word in zip("abc", ["alpha", "beta", "gamma"], strict=True)}
    for letter, name in names.items():
        tags = [] if letter == "c" else [{"key": "team", "value": "risk"}]
        alice.post(f"{MODELS}/create", {"name": name, "tags": tags})
    in_full = "workspace.default." in text.lower()
    wanted = [("workspace.default." if in_full else "") + names[letter] for letter in found]
    assert _names(alice.get(f"{MODELS}/search", filter=text.format(**names), order_by="name ASC")) == wanted
    backwards = _names(alice.get(f"{MODELS}/search", filter=text.format(**names), order_by="name DESC"))
    assert backwards == wanted[::-1]


@pytest.mark.parametrize(
    "query",
    [
        {"filter": "name"},
        {"filter": "name ="},
        {"filter": "name = 'a' OR name = 'b'"},
        {"filter": "name > 'a'"},
        {"filter": "owner = 'a'"},
        {"filter": "name IN ('a'"},
        {"filter": "tags.a IN ('b')"},
        {"filter": "name = 'a' name = 'b'"},
        {"filter": "; DROP TABLE x"},
        {"order_by": "owner"},
        {"order_by": "name SIDEWAYS"},
        {"order_by": ["name ASC", "name DESC"]},
        {"max_results": "200001"},
        {"max_results": "-1"},
        {"page_token": "AAAA"},
    ],
)
def test_a_search_that_cannot_be_read_is_refused(query, tracking, alice):
    for path in (f"{MODELS}/search", f"{VERSIONS}/search"):
        response = alice.get(path, **query)
        assert response.status_code == 400, response.content
        assert next(iter(query)) in response.json()["message"]


def test_versions_are_found_by_run_and_number_and_name(things, model, alice, bob):
    first, second = _version(alice, model, things.run), _version(alice, model)
    assert (first.version, second.version) == (1, 2)

    def found(caller, text, **query):
        response = caller.get(f"{VERSIONS}/search", filter=text, **query)
        assert response.status_code == 200, response.content
        return [row["version"] for row in response.json()["model_versions"]]

    assert found(alice, f"name='{model}'") == ["2", "1"]
    assert found(alice, f"name = '{model}'", order_by="version_number ASC") == ["1", "2"]
    assert found(alice, f"run_id IN ('{things.run}')") == ["1"]
    assert found(alice, f"name='{model}' AND version_number > 1") == ["2"]
    assert found(bob, f"name='{model}'") == []
    assert found(bob, "") == []


def test_pages_follow_each_other(tracking, alice):
    for number in range(5):
        alice.post(f"{MODELS}/create", {"name": f"page_{number}_{unique()[2:]}"})
    query, seen = {"filter": "name LIKE '%page%'", "max_results": 2}, []
    while True:
        page = alice.get(f"{MODELS}/search", **query).json()
        seen += [row["name"] for row in page["registered_models"]]
        if not page["next_page_token"]:
            break
        query["page_token"] = page["next_page_token"]
    assert len(seen) == 5
    assert seen == sorted(seen)


@pytest.mark.parametrize("rows", [1, 4])
def test_a_page_costs_the_same_for_every_number_of_rows(rows, tracking, alice, django_assert_num_queries):
    for number in range(rows):
        alice.post(f"{MODELS}/create", {"name": f"many_{number}"})
        _version(alice, f"workspace.default.many_{number}")
    alice.get(f"{MODELS}/search")
    with django_assert_num_queries(9):
        assert len(_names(alice.get(f"{MODELS}/search"))) == rows


def test_a_version_is_registered_from_what_tracking_holds(things, model, alice, bob):
    alice.call("PUT", f"{FILES}/{things.experiment}/{things.run}/artifacts/model/MLmodel", b"flavors: {}")
    for source in (
        f"runs:/{things.run}/model",
        f"mlflow-artifacts:/{things.experiment}/{things.run}/artifacts/model",
        f"dbfs:/databricks/mlflow-tracking/{things.experiment}/{things.run}/artifacts/model",
    ):
        body = {"name": model, "source": source, "run_id": things.run, "description": "from a run"}
        response = alice.post(f"{VERSIONS}/create", body)
        assert response.status_code == 200, response.content
        made = response.json()["model_version"]
        assert (made["status"], made["run_id"]) == ("PENDING_REGISTRATION", things.run)
        assert bob.post(f"{VERSIONS}/create", {"name": "of_bob", "source": source}).status_code == 404
    assert Operation.objects.count() == 3


def test_a_version_is_registered_from_a_logged_model(things, model, alice):
    folder = f"{FILES}/{things.experiment}/models/{things.model}/artifacts"
    alice.call("PUT", f"{folder}/MLmodel", b"flavors: {}")
    for body in (
        {"source": f"models:/{things.model}"},
        {"source": "anything", "model_id": things.model},
        {"source": f"runs:/{things.run}/model"},
    ):
        response = alice.post(f"{VERSIONS}/create", {"name": model, **body})
        assert response.status_code == 200, response.content
        assert response.json()["model_version"]["model_id"] == things.model


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "s3://bucket/x",
        "mlflow-artifacts:/../x",
        "mlflow-artifacts://host/1/x",
        "",
    ],
)
def test_a_source_that_the_server_does_not_hold_is_refused(source, model, alice):
    response = alice.post(f"{VERSIONS}/create", {"name": model, "source": source})
    assert response.status_code == 400
    assert not Operation.objects.exists()


def test_registry_routes_never_reach_the_tracking_server(tracking, alice, settings):
    settings.MLFLOW_SOCKET = str(tracking.root / "nobody-listens")
    assert alice.get(f"{MODELS}/search").status_code == 200
    for path in (
        f"{MODELS}/anything",
        f"{VERSIONS}/anything",
        f"{API}/webhooks/x/anything",
        "/model-versions/get-artifacts",
    ):
        for prefix in PREFIXES:
            response = alice.get(prefix + path)
            assert response.status_code == 404
    assert alice.get(f"{API}/runs/get", run_id="x").status_code == 503


def test_a_group_that_may_see_a_model_finds_it(model, alice, bob):
    everyone = Principal.objects.get(key="account users")
    securable = Securable.objects.get(name=model.split(".")[-1])
    Grant.objects.create(securable=securable, principal=everyone, privilege="BROWSE")
    assert _names(bob.get(f"{MODELS}/search")) == [_flat(model)]
    assert bob.get(f"{VERSIONS}/search", filter=f"name='{model}'").json()["model_versions"] == []


def test_a_run_of_somebody_else_stays_hidden(things, model, alice):
    stranger = Caller("stranger@example.com")
    grant(things, stranger, "CAN_READ")
    assert stranger.get(f"{API}/runs/get", run_id=things.run).status_code == 200
    assert stranger.get(f"{VERSIONS}/search", filter=f"run_id = '{things.run}'").json()["model_versions"] == []


@pytest.fixture
def stored(settings, tmp_path):
    settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")


def test_the_ui_reads_the_files_of_a_version(stored, model, alice, bob):
    from registry.models import ModelVersion, VersionStatus
    from registry.services.files import write_file

    version = _version(alice, model)
    folder = f"Models/{model.replace('.', '/')}/1"
    write_file(actor=alice.actor, path=f"{folder}/MLmodel", source=io.BytesIO(b"flavors: {}"), expected=11)
    query = {"name": model, "version": "1", "path": "MLmodel"}
    pending = alice.get("/mlflow/model-versions/get-artifact", **query)
    assert pending.status_code == 400
    ModelVersion.objects.filter(pk=version.pk).update(status=VersionStatus.READY)
    response = alice.get("/mlflow/model-versions/get-artifact", **query)
    assert b"".join(response.streaming_content) == b"flavors: {}"
    assert "sandbox" in response["Content-Security-Policy"]
    assert bob.get("/mlflow/model-versions/get-artifact", **query).status_code == 404
    climbing = alice.get("/mlflow/model-versions/get-artifact", **{**query, "path": "../../../x"})
    assert climbing.status_code in {400, 404}
