"""Who gets what on new experiments, searches that leak nothing, and the permissions API."""

import pytest

from registry.errors import ModelkeepError
from registry.models import AuditEvent, Experiment, ExperimentGrant
from registry.services import experiment_lifecycle
from registry.services.experiments import require_level
from tests.tracking.cases import V2
from tests.tracking.conftest import grant, unique


def _create(caller, name):
    return caller.post(f"{V2}/experiments/create", {"name": name}).json()["experiment_id"]


def _search(caller, **query):
    return caller.get(f"{V2}/experiments/search", **query).json()


def test_a_new_experiment_is_private(tracking, alice, bob):
    experiment = _create(alice, unique())
    assert bob.get(f"{V2}/experiments/get", experiment_id=experiment).status_code == 404
    row = Experiment.objects.get(pk=experiment)
    assert (row.owner, row.grants.count()) == (alice.principal, 0)


def test_an_experiment_below_the_shared_prefix_is_open(tracking, alice, bob):
    experiment = _create(alice, f"/Shared/{unique()}")
    assert bob.post(f"{V2}/runs/create", {"experiment_id": experiment}).status_code == 200
    assert bob.post(f"{V2}/experiments/delete", {"experiment_id": experiment}).status_code == 403


def test_the_default_access_is_a_setting(tracking, settings, alice, bob):
    settings.EXPERIMENT_DEFAULT_ACCESS = "CAN_READ"
    experiment = _create(alice, unique())
    assert bob.get(f"{V2}/experiments/get", experiment_id=experiment).status_code == 200
    assert bob.post(f"{V2}/runs/create", {"experiment_id": experiment}).status_code == 403


def test_the_default_experiment_is_open_to_all_and_owned_by_the_admins(tracking, bob, admin):
    assert bob.post(f"{V2}/runs/create", {"experiment_id": "0"}).status_code == 200
    assert bob.post(f"{V2}/experiments/delete", {"experiment_id": "0"}).status_code == 403
    shown = bob.get("/api/2.0/permissions/experiments/0").json()["access_control_list"]
    assert [entry.get("group_name") for entry in shown] == ["admins", "account users"]


def test_the_default_experiment_can_be_closed(tracking, settings, bob):
    settings.EXPERIMENT_ZERO_ACCESS = "PRIVATE"
    assert bob.post(f"{V2}/runs/create", {"experiment_id": "0"}).status_code == 404


def test_an_experiment_without_a_row_is_the_admins_alone(things, alice, admin):
    Experiment.objects.filter(pk=things.experiment).delete()
    assert alice.get(f"{V2}/experiments/get", experiment_id=things.experiment).status_code == 404
    assert admin.get(f"{V2}/experiments/get", experiment_id=things.experiment).status_code == 200
    path = f"/api/2.0/permissions/experiments/{things.experiment}"
    entry = {"user_name": alice.name, "permission_level": "CAN_MANAGE"}
    assert admin.call("PUT", path, {"access_control_list": [entry]}).status_code == 200
    assert alice.get(f"{V2}/experiments/get", experiment_id=things.experiment).status_code == 200


@pytest.mark.parametrize("field", ["artifact_location", "artifactLocation"])
def test_clients_do_not_choose_where_files_lie(field, tracking, alice):
    body = {"name": unique(), field: "mlflow-artifacts:/0"}
    response = alice.post(f"{V2}/experiments/create", body)
    assert response.status_code == 400
    assert "artifact_location" in response.json()["message"]


def test_an_experiment_that_cannot_be_recorded_is_undone(tracking, monkeypatch, alice, admin):
    def fail(**_):
        raise RuntimeError("the database is gone")

    name = unique("undone")
    with monkeypatch.context() as patch:
        # Stands for a database that fails between the two writes.
        patch.setattr(experiment_lifecycle, "record_created", fail)
        assert alice.post(f"{V2}/experiments/create", {"name": name}).status_code == 500
    assert admin.get(f"{V2}/experiments/get-by-name", experiment_name=name).status_code == 404
    assert alice.post(f"{V2}/experiments/create", {"name": name}).status_code == 200


def test_a_taken_name_is_told_without_sql(tracking, alice):
    name = unique()
    _create(alice, name)
    response = alice.post(f"{V2}/experiments/create", {"name": name})
    assert response.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"
    assert "SQL" not in response.content.decode()


def test_search_pages_over_what_is_readable_only(tracking, monkeypatch, alice, bob, admin):
    monkeypatch.setattr(experiment_lifecycle, "_PAGE", 3)
    mark = unique("page")
    wanted = []
    for number in range(7):
        _create(alice, f"{mark}-a{number}")
        wanted.append(_create(bob, f"{mark}-b{number}"))
    query = {"filter": f"name LIKE '{mark}%'", "order_by": "name ASC", "max_results": 2}
    found, token = [], ""
    for _ in range(4):
        page = _search(bob, **query, **({"page_token": token} if token else {}))
        found.append([row["experiment_id"] for row in page["experiments"]])
        token = page.get("next_page_token", "")
    assert found == [wanted[0:2], wanted[2:4], wanted[4:6], wanted[6:7]]
    assert token == ""
    everything = bob.post(f"{V2}/experiments/search", {"filter": query["filter"], "max_results": 7}).json()
    assert len(everything["experiments"]) == 7
    assert "next_page_token" not in everything
    assert len(_search(admin, filter=query["filter"], max_results=100)["experiments"]) == 14


@pytest.mark.parametrize("query", [{"page_token": "AAAA"}, {"max_results": 0}, {"max_results": 10**6}])
def test_a_bad_page_is_refused(query, tracking, alice):
    response = alice.get(f"{V2}/experiments/search", **query)
    assert response.status_code == 400


def test_renaming_keeps_rights_and_the_new_name(things, alice, reader):
    grant(things, reader, "CAN_READ")
    new_name = unique("/Shared/renamed")
    body = {"experiment_id": things.experiment, "new_name": new_name}
    assert alice.post(f"{V2}/experiments/update", body).status_code == 200
    assert Experiment.objects.get(pk=things.experiment).name == new_name
    assert reader.get(f"{V2}/experiments/get-by-name", experiment_name=new_name).status_code == 200
    assert ExperimentGrant.objects.count() == 1


def test_permissions_are_shown_changed_and_replaced(things, alice, bob, reader):
    path = f"/api/2.0/permissions/experiments/{things.experiment}"
    assert bob.get(path).status_code == 404
    for one in (path, f"{path}/permissionLevels", f"{V2}/experiments/get?experiment_id={things.experiment}"):
        address, _, query = one.partition("?")
        assert alice.call("GET", f"{address}/?{query}").status_code == 200, one
    add = {"access_control_list": [{"user_name": bob.name.upper(), "permission_level": "CAN_READ"}]}
    shown = alice.call("PATCH", path, add).json()
    assert shown["object_id"] == f"/experiments/{things.experiment}"
    assert shown["object_type"] == "mlflowExperiment"
    assert [(e["user_name"], e["all_permissions"][0]["permission_level"]) for e in shown["access_control_list"]] == [
        (alice.name, "CAN_MANAGE"),
        (bob.name, "CAN_READ"),
    ]
    assert bob.get(path).status_code == 200
    assert bob.call("PATCH", path, add).status_code == 403
    everyone = {"access_control_list": [{"group_name": "account users", "permission_level": "CAN_EDIT"}]}
    assert len(alice.call("PUT", path, everyone).json()["access_control_list"]) == 2
    assert list(ExperimentGrant.objects.values_list("principal__name", "level")) == [("account users", "CAN_EDIT")]
    assert reader.post(f"{V2}/runs/create", {"experiment_id": things.experiment}).status_code == 200
    assert alice.call("PUT", path, {"access_control_list": []}).status_code == 200
    assert reader.get(path).status_code == 404
    assert alice.get(path).status_code == 200
    written = AuditEvent.objects.filter(action="changeMlflowExperimentAcl", decision="ALLOW").order_by("id")
    assert [event.after for event in written] == [
        {bob.name: "CAN_READ"},
        {"account users": "CAN_EDIT"},
        {},
    ]


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ({"user_name": "nobody@example.com", "permission_level": "CAN_READ"}, 404),
        ({"user_name": "admins", "permission_level": "CAN_READ"}, 404),
        ({"user_name": "alice@example.com", "permission_level": "CAN_RUN"}, 400),
        ({"user_name": "alice@example.com", "group_name": "admins", "permission_level": "CAN_READ"}, 400),
        ({"permission_level": "CAN_READ"}, 400),
        ("alice", 400),
    ],
)
def test_a_wrong_entry_changes_nothing(entry, status, things, alice, bob):
    path = f"/api/2.0/permissions/experiments/{things.experiment}"
    good = {"user_name": bob.name, "permission_level": "CAN_READ"}
    response = alice.call("PUT", path, {"access_control_list": [good, entry]})
    assert response.status_code == status
    assert not ExperimentGrant.objects.exists()


def test_permission_levels_are_told(things, alice, bob):
    path = f"/api/2.0/permissions/experiments/{things.experiment}/permissionLevels"
    levels = [entry["permission_level"] for entry in alice.get(path).json()["permission_levels"]]
    assert levels == ["CAN_READ", "CAN_EDIT", "CAN_MANAGE"]
    assert bob.get(path).status_code == 404


def test_the_refusal_names_level_and_owner(things, reader):
    grant(things, reader, "CAN_READ")
    with pytest.raises(ModelkeepError) as refused:
        require_level(actor=reader.actor, experiment_id=things.experiment, level="CAN_EDIT")
    assert refused.value.missing == "CAN_EDIT"
    assert refused.value.owner == "alice@example.com"
