"""What a service principal signed in with by OAuth is refused at every door the moment its ground is gone."""

import pytest
from django.test import Client
from django.utils import timezone

from registry.models import ApiToken, ServicePrincipalSecret
from registry.privileges import Privilege, SecurableType
from registry.services import catalogs, grants
from registry.services.access_tokens import issue_access_token
from registry.services.actors import RequestContext
from registry.services.grants import Change
from registry.services.memberships import change_members
from registry.services.principals import ProfileChanges, create_group, delete_principal, update_principal
from registry.services.service_principal_secrets import delete_secret
from tests.sdk.conftest import Api

DOORS = {
    "scim": ("GET", "/api/2.0/preview/scim/v2/Me"),
    "unity-catalog": ("GET", "/api/2.1/unity-catalog/catalogs"),
    "tags": ("GET", "/api/2.1/tag-policies"),
    "tokens": ("GET", "/api/2.0/token/list"),
    "databricks-uc": ("GET", "/api/2.0/mlflow/unity-catalog/registered-models/get?name=a.b.c"),
    "mlflow": ("GET", "/ajax-api/2.0/mlflow/registered-models/get?name=a.b.c"),
    "tracking": ("GET", "/mlflow/version"),
    "files": ("GET", "/api/2.0/fs/files/Models/a/b/c/1/MLmodel"),
    "directories": ("GET", "/api/2.0/fs/directories/Models/a/b/c/1"),
    "sql": ("GET", "/api/2.0/sql/warehouses"),
    "staging": ("POST", "/api/2.0/serving-endpoints:stageDeployment"),
    "operations": ("GET", "/api/modelkeep/operations"),
    "permissions": ("GET", "/api/2.0/permissions/experiments/1"),
}


@pytest.fixture(autouse=True)
def no_tracking_server(settings, tmp_path):
    settings.MLFLOW_SOCKET = str(tmp_path / "nobody-listens.sock")


def secret_deleted(admin, robot):
    delete_secret(actor=admin, principal_id=robot.principal.pk, secret_id=str(robot.secret.secret.pk))


def token_ended(admin, robot):
    ApiToken.objects.filter(principal=robot.principal).update(expires_at=timezone.now())


def principal_disabled(admin, robot):
    update_principal(actor=admin, principal_id=robot.principal.pk, changes=ProfileChanges(is_active=False))


def principal_deleted(admin, robot):
    delete_principal(actor=admin, principal_id=robot.principal.pk)


ENDS = [secret_deleted, token_ended, principal_disabled, principal_deleted]


def sign_in(robot) -> str:
    given = issue_access_token(client_id=robot.client_id, client_secret=robot.secret.value, context=RequestContext())
    return given.value


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_it_is_refused_at_once(people, robot, door, end):
    token = sign_in(robot)
    client = Client(HTTP_AUTHORIZATION=f"Bearer {token}")
    method, path = DOORS[door]

    def status() -> int:
        response = client.generic(method, path, b"{}" if method == "POST" else b"", content_type="application/json")
        assert response.status_code < 500 or door == "tracking"
        return response.status_code

    assert status() != 401
    end(people.metastore_admin, robot)
    assert status() == 401


@pytest.mark.parametrize("end", [secret_deleted, principal_disabled, principal_deleted], ids=lambda end: end.__name__)
def test_nothing_is_left_to_sign_in_with(people, robot, end):
    sign_in(robot)
    end(people.metastore_admin, robot)
    with pytest.raises(Exception, match="is not right"):
        sign_in(robot)
    if end is principal_deleted:
        assert not ServicePrincipalSecret.objects.filter(pk=robot.secret.secret.pk).exists()


def test_a_membership_that_ended_counts_no_longer(people, robot):
    admin = people.metastore_admin
    catalogs.create_catalog(actor=admin, name="prod")
    group = create_group(actor=admin, display_name="crew")
    change_members(actor=admin, group_id=group.pk, add=[robot.principal.pk])
    change = Change("crew", add=(Privilege.USE_CATALOG,))
    grants.update_grants(actor=admin, type_=SecurableType.CATALOG, full_name="prod", changes=[change])
    api = Api(sign_in(robot))
    api("GET", "/api/2.1/unity-catalog/catalogs/prod")
    assert api.status == 200
    change_members(actor=admin, group_id=group.pk, remove=[robot.principal.pk])
    api("GET", "/api/2.1/unity-catalog/catalogs/prod")
    assert api.status == 404
