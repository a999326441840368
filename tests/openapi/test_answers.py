"""What is really answered has the shape that the document tells, field by field."""

import pytest
from django.test import Client

from registry.models import Principal
from registry.services.actors import load_actor
from registry.services.tokens import create_token
from tests.access.cells import Names
from tests.access.conftest import undone, world
from tests.access.wire_calls import EXCHANGES, HEIR
from tests.openapi.answers import complaints, operation_of

__all__ = ["world"]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("who", [HEIR, "root@example.com", "subject@example.com"])
def test_exchanges_of_every_action(world, settings, tmp_path, who):
    """The owner of everything, an administrator, and somebody without a right."""
    settings.STATIC_ROOT = str(tmp_path)
    settings.MLFLOW_SOCKET = str(tmp_path / "nobody-listens.sock")
    told, done = [], 0
    for exchange in EXCHANGES:
        with undone():
            token = create_token(actor=load_actor(Principal.objects.get(key=who))).value
            response = exchange.request.send(Client(), Names(), token)
        one = operation_of(exchange.request.method, exchange.request.path)
        if one is None:
            told.append(f"{exchange.name}: is not in the document")
            continue
        done += response.status_code < 300
        told += [f"{exchange.name}: {text}" for text in complaints(one, response)]
    assert not told, "\n".join(told)
    assert done > 100 or who == "subject@example.com"


def test_a_json_body_has_a_limit(people, settings):
    """It is refused before it is in memory, whatever the dialect."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    token = create_token(actor=people.outsider).value
    client = Client(headers={"Authorization": f"Bearer {token}"})
    for path in ("/api/2.0/token/create", "/api/2.1/unity-catalog/catalogs", "/api/2.0/preview/scim/v2/Users"):
        for size, status in ((1000, {200, 400, 403}), (1001, {413})):
            body = b'{"comment": ""}'.rjust(size)
            response = client.generic("POST", path, body, content_type="application/json")
            assert response.status_code in status, (path, size, response.content)


@pytest.mark.parametrize(
    ("path", "more", "field"),
    [
        ("catalogs", {"properties": {"team": {"name": "risk"}}}, "properties"),
        ("catalogs", {"properties": {"team": 3}}, "properties"),
        ("tables", {"columns": [{"name": "a", "nullable": "yes"}]}, "nullable"),
        ("tables", {"columns": [{"name": "a", "comment": 5}]}, "comment"),
        ("tables", {"columns": [{"name": "a", "partition_index": True}]}, "partition_index"),
    ],
)
def test_what_would_be_answered_in_another_shape_is_refused(people, path, more, field):
    token = create_token(actor=people.metastore_admin).value
    client = Client(headers={"Authorization": f"Bearer {token}"})
    root = "/api/2.1/unity-catalog"
    client.post(f"{root}/catalogs", {"name": "shapes"}, content_type="application/json")
    client.post(f"{root}/schemas", {"name": "ml", "catalog_name": "shapes"}, content_type="application/json")
    body = {"name": "new", "catalog_name": "shapes", "schema_name": "ml", **more}
    response = client.post(f"{root}/{path}", body, content_type="application/json")
    assert response.status_code == 400
    assert f"'{field}'" in response.json()["message"]
