"""What is taken away is refused on the very next request, at each door."""

import pytest
from django.test import Client

from registry.models import ADMINS, Membership, ModelVersion, Principal, VersionStatus
from registry.privileges import Privilege, SecurableType
from registry.services import grants, registered_models, tokens
from registry.services.actors import load_actor
from registry.services.grants import Change
from registry.services.securables import Changes
from registry.services.tokens import create_token
from tests.access.cells import Spec, World
from tests.access.conftest import undone
from tests.access.wire_calls import Request, body_of

pytestmark = pytest.mark.django_db
MODEL = SecurableType.REGISTERED_MODEL

DOORS = {
    "databricks-uc": Request("GET", "/api/2.0/mlflow/unity-catalog/registered-models/get?name=<model_full>"),
    "unity-catalog": Request("GET", "/api/2.1/unity-catalog/models/<model_full>"),
    "mlflow": Request("GET", "/ajax-api/2.0/mlflow/registered-models/get?name=<model_full>"),
    "mlflow-ui": Request("GET", "/mlflow/ajax-api/2.0/mlflow/registered-models/get?name=<model_full>"),
    "files": Request("GET", "/api/2.0/fs/files/Models/<catalog>/<schema>/<model>/1/MLmodel"),
    "directories": Request("GET", "/api/2.0/fs/directories/Models/<catalog>/<schema>/<model>/1"),
    "modelkeep": Request("GET", "/api/modelkeep/models/<model_full>/alias-history"),
    "pages": Request("GET", "/explore/data/models/<catalog>/<schema>/<model>"),
}
TRACKING = Request("GET", "/mlflow/version")
"""Needs no more than a valid credential; without a tracking server it is answered with 503."""


@pytest.fixture(autouse=True)
def no_tracking_server(settings, tmp_path):
    settings.MLFLOW_SOCKET = str(tmp_path / "nobody-listens.sock")


def status(world: World, door: str, token: str | None = None) -> int:
    request = TRACKING if door == "tracking" else DOORS[door]
    response = request.send(Client(), world.names, token or world.token)
    body_of(response)
    return response.status_code


@pytest.fixture(params=[*DOORS, "tracking"])
def door(request) -> str:
    return request.param


@pytest.fixture
def reader(world: World):
    """The subject may load the model, by grants of its own."""
    with undone():
        world.arrange(MODEL, Spec(holds=(Privilege.EXECUTE,)), "none")
        yield world


def works(world: World, door: str) -> bool:
    return status(world, door) == (503 if door == "tracking" else 200)


def test_a_revoked_token(reader, door):
    assert works(reader, door)
    other = create_token(actor=load_actor(reader.subject))
    tokens.revoke_token(actor=load_actor(reader.subject), token_id=str(_token(reader).pk))
    assert status(reader, door) in {401, 302}
    # Another token of the same person goes on.
    assert status(reader, door, other.value) in {200, 503}


def _token(world: World):
    return world.subject.tokens.get(prefix=world.token[:8])


def test_an_expired_token(reader, door):
    assert works(reader, door)
    token = _token(reader)
    token.expires_at = token.created_at
    token.save()
    assert status(reader, door) in {401, 302}


def test_a_disabled_user(reader, door):
    assert works(reader, door)
    Principal.objects.filter(pk=reader.subject.pk).update(is_active=False)
    assert status(reader, door) in {401, 302}


@pytest.mark.parametrize("door", DOORS)
def test_a_revoked_grant(reader, door):
    assert works(reader, door)
    grants.update_grants(
        actor=load_actor(reader.admin),
        type_=MODEL,
        full_name=reader.names.model_full,
        changes=[Change(reader.subject.name, remove=(Privilege.EXECUTE,))],
    )
    assert status(reader, door) == 404


@pytest.mark.parametrize("door", DOORS)
def test_a_revoked_parent(reader, door):
    assert works(reader, door)
    grants.update_grants(
        actor=load_actor(reader.admin),
        type_=SecurableType.SCHEMA,
        full_name=reader.names.schema_full,
        changes=[Change(reader.subject.name, remove=(Privilege.USE_SCHEMA,))],
    )
    assert status(reader, door) == 403


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("link", ["subject in inner", "inner in outer"])
def test_a_membership_that_ended(world, door, link):
    with undone():
        world.arrange(MODEL, Spec(owns="OBJECT", through_groups=True), "none")
        assert works(world, door)
        group, member = (
            (world.inner_group, world.subject)
            if link == "subject in inner"
            else (world.outer_group, world.inner_group)
        )
        Membership.objects.get(group=group, member=member).delete()
        assert status(world, door) == 404


@pytest.mark.parametrize("door", DOORS)
def test_ownership_handed_over(world, door):
    with undone():
        world.arrange(MODEL, Spec(owns="OBJECT"), "none")
        assert works(world, door)
        name = world.names.model_full
        registered_models.update_model(
            actor=load_actor(world.subject), name=name, changes=Changes(owner="keeper@example.com")
        )
        assert status(world, door) == 404


@pytest.mark.parametrize("door", sorted(set(DOORS) - {"files"}))
def test_an_administrator_no_more(world, door):
    with undone():
        world.arrange(MODEL, Spec(admin=True), "none")
        assert works(world, door)
        Membership.objects.get(group__key=ADMINS, member=world.subject).delete()
        assert status(world, door) == 404


def test_a_signed_link_ends_with_the_right_that_made_it(reader):
    made = Request("POST", "/api/2.0/fs/create-download-url", {"path": "/Models/prod/ml/ranker/1/MLmodel"})
    url = made.send(Client(), reader.names, reader.token).json()["url"]
    link = Request("GET", url.partition("testserver")[2])
    response = link.send(Client(), reader.names, None)
    assert body_of(response) == b"flavors: {}"
    grants.update_grants(
        actor=load_actor(reader.admin),
        type_=MODEL,
        full_name=reader.names.model_full,
        changes=[Change(reader.subject.name, remove=(Privilege.EXECUTE,))],
    )
    response = link.send(Client(), reader.names, None)
    assert response.status_code in {403, 404}
    assert b"flavors" not in body_of(response)


def test_a_session_ends_with_the_user(reader):
    client = Client()
    client.force_login(reader.subject)
    assert client.get("/explore/data/models/prod/ml/ranker").status_code == 200
    Principal.objects.filter(pk=reader.subject.pk).update(is_active=False)
    answer = client.get("/explore/data/models/prod/ml/ranker")
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/sign-in")


def test_the_world_is_as_these_tests_think(world):
    assert ModelVersion.objects.get(version=1, model__securable__key="ranker").status == VersionStatus.READY
