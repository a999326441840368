"""Secrets go in and come out only into the process of a served model, by the right that counts then."""

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from registry.errors import AccessDenied, InvalidState, NotFound
from registry.models import AuditEvent
from registry.services import grants
from registry.services.sealing import seal
from registry.services.tokens import create_token
from serving.models import Secret, SecretGrant, SecretScope
from serving.services import secret_scopes, secrets
from serving.services.endpoint_configs import parse_config
from serving.services.endpoint_entities import resolve_entities
from serving.services.secrets import check_references, resolve_environment_vars
from tests.openapi.answers import complaints, operation_of
from tests.serving.factories import make_files_version

pytestmark = pytest.mark.django_db
VALUE = "s3cr3t-päss"


class Api:
    """Calls as stock clients send them; answers have the shape that the document tells."""

    def __init__(self, people):
        self._people, self._tokens, self._client = people, {}, Client()

    def call(self, who, path, query=None, **body):
        if who not in self._tokens:
            self._tokens[who] = create_token(actor=getattr(self._people, who)).value
        headers = {"Authorization": f"Bearer {self._tokens[who]}"}
        url = f"/api/2.0/secrets/{path}"
        if query is not None:
            response = self._client.get(url, query, headers=headers)
        else:
            response = self._client.post(url, json.dumps(body), content_type="application/json", headers=headers)
        assert list(complaints(operation_of("POST" if query is None else "GET", url), response)) == []
        return response


@pytest.fixture
def api(people):
    return Api(people)


@pytest.fixture
def scope(people):
    secret_scopes.create_scope(actor=people.owner, name="team")
    secrets.put_secret(actor=people.owner, scope="team", key="db", value=VALUE.encode())
    return "team"


def test_a_walk_in_the_shapes_of_the_stock_client(api):
    assert api.call("owner", "scopes/create", scope="team").json() == {}
    assert api.call("owner", "scopes/create", scope="team").json()["error_code"] == "RESOURCE_ALREADY_EXISTS"
    assert api.call("owner", "put", scope="team", key="db", string_value=VALUE).json() == {}
    assert api.call("owner", "put", scope="team", key="raw", bytes_value="AP8=").json() == {}
    assert api.call("owner", "scopes/list", {}).json() == {"scopes": [{"name": "team", "backend_type": "DATABRICKS"}]}
    listed = api.call("owner", "list/", {"scope": "team"}).json()["secrets"]
    assert [row["key"] for row in listed] == ["db", "raw"]
    assert all(type(row["last_updated_timestamp"]) is int for row in listed)
    acl = {"principal": "reader@example.com", "permission": "READ"}
    assert api.call("owner", "acls/put", scope="team", **acl).json() == {}
    assert api.call("owner", "acls/get", {"scope": "team", "principal": "reader@example.com"}).json() == acl
    items = api.call("owner", "acls/list", {"scope": "team"}).json()["items"]
    assert items == [{"principal": "owner@example.com", "permission": "MANAGE"}, acl]
    assert api.call("owner", "acls/delete", scope="team", principal="reader@example.com").json() == {}
    assert api.call("owner", "delete", scope="team", key="raw").json() == {}
    assert api.call("owner", "delete", scope="team", key="raw").status_code == 404
    assert api.call("owner", "scopes/delete", scope="team").json() == {}
    assert not Secret.objects.exists()


def test_a_value_is_never_shown_and_lies_sealed(api, people, scope):
    for who in ("owner", "metastore_admin"):
        answer = api.call(who, "get", {"scope": scope, "key": "db"})
        assert answer.status_code == 400
        assert "{{secrets/team/db}}" in answer.json()["message"]
    assert api.call("outsider", "get", {"scope": scope, "key": "db"}).status_code == 404
    resolve_environment_vars(creator=people.owner.principal, vars={"PASSWORD": "{{secrets/team/db}}"})
    with connection.cursor() as cursor:
        for table in ("serving_secret", "serving_secretscope", "registry_auditevent"):
            cursor.execute(f"SELECT count(*) FROM {table} row WHERE row::text LIKE %s", [f"%{VALUE[:6]}%"])
            assert cursor.fetchone() == (0,)


LEVELS = {
    "READ": {"list", "use"},
    "WRITE": {"list", "use", "put", "delete"},
    "MANAGE": {"list", "use", "put", "delete", "acls", "grant", "drop"},
    "": set(),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("through", ["themselves", "a group"])
def test_each_level_allows_what_it_says_and_holds_the_ones_before(people, scope, level, through):
    subject = people.steward
    holder = "stewards" if through == "a group" else subject.name
    if level:
        secret_scopes.put_grant(actor=people.owner, scope=scope, principal=holder, level=level)
    calls = {
        "list": lambda: secrets.list_secrets(actor=subject, scope=scope),
        "use": lambda: resolve_environment_vars(creator=subject.principal, vars={"A": "{{secrets/team/db}}"}),
        "put": lambda: secrets.put_secret(actor=subject, scope=scope, key="new", value=b"x"),
        "delete": lambda: secrets.delete_secret(actor=subject, scope=scope, key="new"),
        "acls": lambda: secret_scopes.list_grants(actor=subject, scope=scope),
        "grant": lambda: secret_scopes.put_grant(
            actor=subject, scope=scope, principal="reader@example.com", level="READ"
        ),
        "drop": lambda: secret_scopes.delete_scope(actor=subject, name=scope),
    }
    for name, call in calls.items():
        if name in LEVELS[level]:
            call()
            continue
        expected = AccessDenied if level and name != "use" else NotFound
        with pytest.raises(expected):
            call()
        if expected is AccessDenied:
            event = AuditEvent.objects.latest("id")
            assert (event.decision, event.securable_name, event.service_name) == ("DENY", "team", "secrets")
    assert [row.name for row in secret_scopes.list_scopes(actor=subject)] == (
        ["team"] if level and "drop" not in LEVELS[level] else []
    )


def test_what_one_may_not_see_reads_as_what_is_not_there(people, scope):
    said = []
    for name in (scope, "nothing"):
        with pytest.raises(NotFound) as refused:
            secrets.list_secrets(actor=people.outsider, scope=name)
        said.append(refused.value.message.replace(name, "…"))
    assert said[0] == said[1]


def test_an_administrator_manages_scopes_and_uses_no_value(people, scope):
    admin = people.metastore_admin
    assert [row.key for row in secrets.list_secrets(actor=admin, scope=scope)] == ["db"]
    with pytest.raises(NotFound):
        resolve_environment_vars(creator=admin.principal, vars={"A": "{{secrets/team/db}}"})
    secret_scopes.put_grant(actor=admin, scope=scope, principal=admin.name, level="READ")
    assert resolve_environment_vars(creator=admin.principal, vars={"A": "{{secrets/team/db}}"}) == {"A": VALUE}


def test_references_are_resolved_by_the_right_as_it_stands(people, scope):
    reader = people.reader
    secret_scopes.put_grant(actor=people.owner, scope=scope, principal=reader.name, level="READ")
    given = {"PLAIN": "1", "PASSWORD": "{{ secrets/team/db }}", "ODD": "{{secrets/team/db}}/x"}
    check_references(actor=reader, variables=given)
    found = resolve_environment_vars(creator=reader.principal, vars=given)
    assert found == {"PLAIN": "1", "PASSWORD": VALUE, "ODD": "{{secrets/team/db}}/x"}
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.actor, event.params) == (
        "getSecret",
        reader.name,
        {"key": "db", "variable": "PASSWORD"},
    )
    secret_scopes.delete_grant(actor=people.owner, scope=scope, principal=reader.name)
    for call in (
        lambda: check_references(actor=people.reader, variables=given),
        lambda: resolve_environment_vars(creator=reader.principal, vars=given),
        lambda: resolve_environment_vars(creator=people.owner.principal, vars={"A": "{{secrets/team/gone}}"}),
    ):
        with pytest.raises(NotFound, match="may use"):
            call()


def test_many_references_cost_as_much_as_one(people, scope):
    for number in range(5):
        secrets.put_secret(actor=people.owner, scope=scope, key=f"k{number}", value=b"v")
    counts = []
    for many in (1, 5):
        given = {f"V{number}": f"{{{{secrets/team/k{number}}}}}" for number in range(many)}
        with CaptureQueriesContext(connection) as asked:
            check_references(actor=people.owner, variables=given)
        counts.append(len(asked))
    assert counts[0] == counts[1]
    assert resolve_environment_vars(creator=people.owner.principal, vars={"A": "b"}) == {"A": "b"}


def test_a_value_moved_to_another_place_cannot_be_opened(people, scope):
    moved = Secret.objects.get(key="db").sealed_value
    Secret.objects.create(
        scope=SecretScope.objects.get(name=scope),
        key="other",
        sealed_value=moved,
        updated_at=Secret.objects.get(key="db").updated_at,
    )
    with pytest.raises(InvalidState):
        resolve_environment_vars(creator=people.owner.principal, vars={"A": "{{secrets/team/other}}"})
    assert seal("x", purpose="a") != seal("x", purpose="a")


def test_bytes_that_are_no_text_cannot_be_an_environment_variable(people, scope):
    secrets.put_secret(actor=people.owner, scope=scope, key="raw", value=b"\xff\x00")
    with pytest.raises(InvalidState, match="no text"):
        resolve_environment_vars(creator=people.owner.principal, vars={"A": "{{secrets/team/raw}}"})


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("scopes/create", {"scope": "a/b"}, "scope"),
        ("scopes/create", {"scope": "x" * 129}, "scope"),
        ("scopes/create", {}, "scope"),
        ("scopes/create", {"scope": "x", "initial_manage_principal": "me"}, "initial_manage_principal"),
        ("put", {"scope": "team", "key": "a b", "string_value": "x"}, "key"),
        ("put", {"scope": "team", "key": "a"}, "string_value"),
        ("put", {"scope": "team", "key": "a", "string_value": "x", "bytes_value": "eA=="}, "string_value"),
        ("put", {"scope": "team", "key": "a", "bytes_value": "!"}, "bytes_value"),
        ("put", {"scope": "team", "key": "a", "bytes_value": "\u00e4\u0083"}, "bytes_value"),
        ("put", {"scope": "team", "key": "a", "string_value": "x" * (128 * 1024 + 1)}, "value"),
        ("acls/put", {"scope": "team", "principal": "nobody@example.com", "permission": "READ"}, "Principal"),
        ("acls/put", {"scope": "team", "principal": "reader@example.com", "permission": "OWN"}, "permission"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name(api, scope, path, body, field):
    answer = api.call("owner", path, **body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert field in answer.json()["message"]
    assert "x" * 200 not in answer.json()["message"]


def test_other_vaults_are_refused_and_everybody_is_called_users(api, people):
    assert api.call("owner", "scopes/create", scope="x", scope_backend_type="AZURE_KEYVAULT").status_code == 501
    api.call("owner", "scopes/create", scope="open", initial_manage_principal="users")
    assert api.call("outsider", "put", scope="open", key="a", string_value="b").json() == {}
    assert SecretGrant.objects.get(scope__name="open").principal.name == "account users"
    assert api.call("owner", "acls/get", {"scope": "open", "principal": "users"}).json()["permission"] == "MANAGE"


def test_a_manager_reads_no_secret_through_somebody_elses_endpoint(people, scope, serving_root):
    """The endpoint acts as its creator, but whoever asks for a configuration needs READ as well."""
    make_files_version(people.metastore_admin, "workspace.default.m", {})
    for who in ("owner", "reader"):
        grants.update_grants(
            actor=people.metastore_admin,
            type_="REGISTERED_MODEL",
            full_name="workspace.default.m",
            changes=[grants.Change(getattr(people, who).name, ("EXECUTE",))],
        )
    entity = {"entity_name": "workspace.default.m", "entity_version": "1", "scale_to_zero_enabled": True}
    entity |= {"workload_size": "Small", "environment_vars": {"DB": "{{secrets/team/db}}"}}
    entities = parse_config({"served_entities": [entity]}).entities
    creator = people.owner.principal
    resolve_entities(actor=people.owner, creator=creator, entities=entities)
    with pytest.raises(NotFound, match=r"DB.*reader@example\.com may use"):
        resolve_entities(actor=people.reader, creator=creator, entities=entities)
    secret_scopes.put_grant(actor=people.owner, scope=scope, principal="reader@example.com", level="READ")
    resolve_entities(actor=people.reader, creator=creator, entities=entities)
    secret_scopes.delete_grant(actor=people.owner, scope=scope, principal="owner@example.com")
    with pytest.raises(NotFound, match=r"owner@example\.com may use"):
        resolve_entities(actor=people.reader, creator=creator, entities=entities)
