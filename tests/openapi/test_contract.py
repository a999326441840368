"""Requests made up from the document, against a running product: no failure, and no answer but the documented ones.

Everything is drawn from a fixed seed. Names of what really stands there take the place of some of the drawn ones, so
that requests get behind the first look-up.
"""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from registry.api.openapi.document import build_document, operations
from tests.clients.conftest import Server, server

__all__ = ["server"]
pytestmark = pytest.mark.contract

EXAMPLES = 10
NOT_IMPLEMENTED = 501


def no_failure(context, response, case) -> None:
    """As `not_a_server_error`, but a documented 501 says that a call is understood and deliberately not served."""
    if response.status_code != NOT_IMPLEMENTED:
        not_a_server_error(context, response, case)


CHECKED = [no_failure, status_code_conformance, content_type_conformance, response_schema_conformance]
ORDER = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""What deletes comes last: what stands there is there for all others."""

LEFT_OUT = {
    "tracking": "MLflow's own answers, which the document leaves to MLflow",
}
NO_JSON = {("POST", "/api/modelkeep/archive"): "takes an archive, of which no strategy makes up a whole one"}
DIALECTS = sorted({one.dialect.slug for one in operations()} - LEFT_OUT.keys())


@dataclass
class Caller:
    """Somebody with a token, and the names of what stands there."""

    token: str
    names: dict[str, list[Any]]
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311  (drawn anew alike)

    def fill(self, given: Any) -> Any:
        """The same with real names in some of the fields that have one, at any depth."""
        if isinstance(given, list):
            return [self.fill(item) for item in given]
        if not isinstance(given, dict):
            return given
        return {key: self._real(key, value) for key, value in given.items()}

    def _real(self, key: str, value: Any) -> Any:
        if key in self.names and self.chance.random() < 0.85:
            return self.chance.choice(self.names[key])
        return self.fill(value)


def _build_world(server: Server) -> dict[str, list[Any]]:
    """A model with a version, alias and tag, a table, a user, a group, a service principal, a statement."""
    mark = uuid.uuid4().hex[:8]
    catalog, name = f"contract_{mark}", "things"
    schema = f"{catalog}.{name}"

    def made(method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = server.call(method, path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    uc, scim = "/api/2.1/unity-catalog", "/api/2.0/preview/scim/v2"
    place = {"catalog_name": catalog, "schema_name": name}
    made("POST", f"{uc}/catalogs", {"name": catalog})
    made("POST", f"{uc}/schemas", {"catalog_name": catalog, "name": name})
    made("POST", f"{uc}/models", {**place, "name": "model"})
    version = {**place, "model_name": "model", "source": "made up"}
    made("POST", f"{uc}/models/versions", version)
    made("PUT", f"{uc}/models/{schema}.model/aliases/champion", {"version_num": 1})
    made("POST", f"{uc}/tables", {**place, "name": "table", "columns": [{"name": "a", "type_name": "LONG"}]})
    user = made("POST", f"{scim}/Users", {"userName": f"{mark}@example.com"})
    group = made("POST", f"{scim}/Groups", {"displayName": f"group {mark}"})
    robot = made("POST", f"{scim}/ServicePrincipals", {"displayName": f"robot {mark}"})
    token = made("POST", "/api/2.0/token/create", {"comment": "contract"})
    statement = made("POST", "/api/2.0/sql/statements", {"statement": "SELECT 1"})
    warehouse = server.call("GET", "/api/2.0/sql/warehouses").json()["warehouses"][0]["id"]
    metastore = server.call("GET", f"{uc}/metastore_summary").json()
    path = f"Models/{catalog}/{name}/model/1/file.txt"
    return {
        "name": [f"{schema}.model", f"{schema}.model", "model", catalog],
        "full_name": [f"{schema}.model", schema, f"{schema}.table"],
        "model_name": ["model", f"{schema}.model"],
        "source_name": [f"{schema}.model"],
        "destination_name": [f"{schema}.copy"],
        "entity_name": [f"{schema}.model"],
        "entity_type": ["models", "tables"],
        "securable_type": ["FUNCTION", "TABLE", "SCHEMA", "METASTORE"],
        "securable_name": [f"{schema}.model"],
        "catalog_name": [catalog],
        "schema_name": [name],
        "version": ["1", "2"],
        "subentity": ["1"],
        "source_version": [1],
        "version_num": [1],
        "alias": ["champion", "challenger"],
        "principal": [f"{mark}@example.com"],
        "principal_id": [user["id"], group["id"], robot["id"]],
        "value": [user["id"], "EXECUTE"],
        "application_id": [robot["applicationId"]],
        "token_id": [token["token_info"]["token_id"]],
        "statement_id": [statement["statement_id"]],
        "chunk_index": ["0", "1"],
        "warehouse_id": [warehouse],
        "statement": ["SELECT 1", f"SHOW GRANTS ON SCHEMA {schema}", "SELECT * FROM system.access.audit LIMIT 3"],
        "wait_timeout": ["0s", "5s"],
        "metastore_id": [metastore["metastore_id"]],
        "key": ["team"],
        "tag_key": ["team"],
        "filter": [f"name='{schema}.model'", 'displayName co "a"', "name LIKE '%a%'"],
        "order_by": [["name ASC"]],
        "max_results": [1, 0, 1000],
        "page_token": [""],
        "add": [["EXECUTE"], ["ALL_PRIVILEGES"]],
        "path": [path, f"/{path}", f"/Models/{catalog}/{name}/model/1"],
        "action": ["initiate-upload", "getRegisteredModel"],
        "keys": ["enableTokensConfig"],
        "time": ["2030-01-31T12:00:00Z"],
        "models": [f"{schema}.model"],
        "lifetime_seconds": [60, 3600],
        # Requests must not lock out those who make them.
        "enableTokensConfig": ["true"],
        "maxTokenLifetimeDays": [""],
    }


@pytest.fixture
def caller(request, server) -> Caller:
    """An administrator, or somebody with no right on anything; each time among things of their own."""
    world = _build_world(server)
    if request.param == "administrator":
        return Caller(server.environment["DATABRICKS_TOKEN"], world)
    body = {"application_id": world["application_id"][0], "comment": "contract"}
    made = server.call("POST", "/api/2.0/token-management/on-behalf-of/tokens", json=body)
    return Caller(made.json()["token_value"], world)


def _schema():
    config = SchemathesisConfig(
        projects=ProjectsConfig(
            default=ProjectConfig(
                generation=GenerationConfig(
                    modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE], with_security_parameters=False
                )
            )
        )
    )
    return schemathesis.openapi.from_dict(build_document(), config=config)


def _operations(schema, slug: str) -> Iterator[Any]:
    known = {(one.path, one.method): one for one in operations()}
    found = [result.ok() for result in schema.get_all_operations()]
    mine = [
        one
        for one in found
        if known[one.path, one.method.upper()].dialect.slug == slug and (one.method.upper(), one.path) not in NO_JSON
    ]
    return iter(sorted(mine, key=lambda one: ORDER.index(one.method.upper())))


@pytest.mark.parametrize("caller", ["administrator", "outsider"], indirect=True)
@pytest.mark.parametrize("slug", DIALECTS)
def test_answers_are_the_documented_ones(server, caller, slug):
    failures: list[str] = []
    with requests.Session() as session:
        for operation in _operations(_schema(), slug):
            found = _complaint(operation, server.url, caller, session)
            if found:
                failures.append(f"{operation.method.upper()} {operation.path}: {found}")
    assert not failures, "\n\n".join(failures)


def _complaint(operation, url: str, caller: Caller, session: requests.Session) -> str:
    """What the first request that is answered otherwise than documented is, and how; empty where none is."""

    @seed(20_260_101)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(case=operation.as_strategy())
    def ask(case) -> None:
        case.path_parameters = caller.fill(case.path_parameters)
        case.query = caller.fill(case.query)
        if isinstance(case.body, dict):
            case.body = caller.fill(case.body)
        headers = {"Authorization": f"Bearer {caller.token}"}
        response = case.call(base_url=url, session=session, headers=headers, timeout=90)
        case.validate_response(response, checks=CHECKED)

    try:
        ask()
    except Exception as error:  # noqa: BLE001  (whatever it is belongs into the list)
        return f"{type(error).__name__} {error}"[:1500]
    return ""
