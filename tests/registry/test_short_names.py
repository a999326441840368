"""One- and two-part names resolve against the workspace's default catalog, where one is set."""

import json

import pytest

from registry.services.tokens import create_token

pytestmark = pytest.mark.django_db

CREATE = "/api/2.0/mlflow/unity-catalog/registered-models/create"


@pytest.fixture
def post(client, people):
    token = create_token(actor=people.owner).value

    def send(name: str):
        return client.post(
            CREATE,
            data=json.dumps({"name": name}),
            content_type="application/json",
            HTTP_AUTHORIZATION=f"Bearer {token}",
        )

    return send


def test_without_a_default_they_are_refused_in_the_words_that_clients_look_for(post):
    for name in ("iris", "default.iris", "a.b.c.d", "a..c"):
        answer = post(name)
        assert answer.status_code == 400, name
        assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
        assert "specify all three levels" in answer.json()["message"]


@pytest.mark.parametrize("name", ["iris", "default.iris", "workspace.default.iris"])
def test_with_a_default_they_resolve(post, settings, name):
    settings.DEFAULT_CATALOG, settings.DEFAULT_SCHEMA = "workspace", "default"
    answer = post(name)
    assert answer.json()["registered_model"]["name"] == "workspace.default.iris"


def test_text_that_cannot_be_stored_is_refused(post):
    for name in ("workspace.default.a\x00b", "workspace.default.\ud800"):
        assert post(name).status_code == 400
