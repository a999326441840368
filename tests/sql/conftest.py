"""A small governed lake: one schema, an owner who may make tables in it, and statements as each actor sends them."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client

from registry.privileges import Privilege, SecurableType
from registry.services import catalogs, grants, registered_models, schemas
from registry.services.grants import Change
from registry.services.tokens import create_token

URL = "/api/2.0/sql/statements"


@dataclass
class Lake:
    """Sends statements over REST."""

    people: Any
    client: Client = field(default_factory=Client)
    tokens: dict[str, str] = field(default_factory=dict)

    def headers(self, who: str) -> dict[str, str]:
        if who not in self.tokens:
            self.tokens[who] = create_token(actor=getattr(self.people, who)).value
        return {"Authorization": f"Bearer {self.tokens[who]}"}

    def post(self, who: str, **body):
        return self.client.post(URL, body, content_type="application/json", headers=self.headers(who))

    def get(self, who: str, path: str):
        return self.client.get(path, headers=self.headers(who))

    def send(self, who: str, statement: str, **body) -> dict[str, Any]:
        """The answer, whatever the state; patient, because machines that run tests are slow."""
        body = {"wait_timeout": "50s", **body}
        answer = self.post(who, statement=statement, **body)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def run(self, who: str, statement: str, **body) -> list[list[str | None]]:
        """The rows of a statement that must succeed."""
        answer = self.send(who, statement, **body)
        assert answer["status"] == {"state": "SUCCEEDED"}, answer["status"]
        return answer["result"].get("data_array", [])

    def error(self, who: str, statement: str, **body) -> tuple[str, str]:
        """Code and message of a statement that must fail."""
        answer = self.send(who, statement, **body)
        assert answer["status"]["state"] == "FAILED", answer
        assert "result" not in answer
        error = answer["status"]["error"]
        return error["error_code"], error["message"]

    def grant(self, kind: SecurableType, full_name: str, who: str, *privileges: Privilege) -> None:
        change = Change(getattr(self.people, who).name, privileges)
        grants.update_grants(actor=self.people.metastore_admin, type_=kind, full_name=full_name, changes=[change])


@pytest.fixture
def lake(people, settings, tmp_path) -> Lake:
    settings.TABLE_ROOT, settings.SQL_ROOT = str(tmp_path / "tables"), str(tmp_path / "sql")
    lake = Lake(people)
    catalogs.create_catalog(actor=people.metastore_admin, name="prod")
    schemas.create_schema(actor=people.metastore_admin, catalog="prod", name="ml")
    for who in ("owner", "reader"):
        lake.grant(SecurableType.CATALOG, "prod", who, Privilege.USE_CATALOG)
        lake.grant(SecurableType.SCHEMA, "prod.ml", who, Privilege.USE_SCHEMA)
    lake.grant(SecurableType.SCHEMA, "prod.ml", "owner", Privilege.CREATE_TABLE, Privilege.CREATE_MODEL)
    registered_models.create_model(actor=people.owner, name="prod.ml.ranker")
    return lake


@pytest.fixture
def flights(lake: Lake) -> Lake:
    """With a table of three rows that belongs to `owner`."""
    lake.run(
        "owner",
        "CREATE TABLE prod.ml.flights AS SELECT * FROM VALUES (1, 'AA', 10.5), (2, 'UA', NULL), (3, 'AA', -2.0) "
        "AS t(id, carrier, delay)",
    )
    return lake
