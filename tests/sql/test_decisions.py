"""Every cell of the decision table through the door of SQL: the same as at the services and through REST."""

import pytest
from django.test import Client

from registry.models import AuditEvent
from registry.privileges import Action, SecurableType
from tests.access.cells import MISSING, Names, read_actors, read_rows
from tests.access.conftest import WITNESS, undone, world  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db

METASTORE, CATALOG, SCHEMA = SecurableType.METASTORE, SecurableType.CATALOG, SecurableType.SCHEMA
MODEL, TABLE = SecurableType.REGISTERED_MODEL, SecurableType.TABLE
HEIR = "`keeper@example.com`"
NAME = {CATALOG: "{catalog}", SCHEMA: "{schema_full}", MODEL: "{model_full}", TABLE: "{table_full}"}
UPDATE = {
    CATALOG: Action.UPDATE_CATALOG,
    SCHEMA: Action.UPDATE_SCHEMA,
    MODEL: Action.UPDATE_MODEL,
    TABLE: Action.UPDATE_TABLE,
}
RENAME = {**UPDATE, MODEL: Action.RENAME_MODEL}
DELETE = {
    CATALOG: Action.DELETE_CATALOG,
    SCHEMA: Action.DELETE_SCHEMA,
    MODEL: Action.DELETE_MODEL,
    TABLE: Action.DELETE_TABLE,
}
READ = {
    CATALOG: Action.READ_CATALOG,
    SCHEMA: Action.READ_SCHEMA,
    MODEL: Action.READ_MODEL,
    TABLE: Action.READ_TABLE,
}
TAG = {CATALOG: Action.TAG_CATALOG, SCHEMA: Action.TAG_SCHEMA, MODEL: Action.TAG_MODEL, TABLE: Action.TAG_TABLE}
WORD = {CATALOG: "CATALOG", SCHEMA: "SCHEMA", MODEL: "MODEL", TABLE: "TABLE"}


def _statements():
    yield METASTORE, Action.CREATE_CATALOG, "CREATE CATALOG fresh"
    yield METASTORE, Action.READ_GRANTS, "SHOW GRANTS ON METASTORE"
    yield METASTORE, Action.GRANT, f"GRANT CREATE CATALOG ON METASTORE TO {HEIR}"
    for kind, word in WORD.items():
        on = f"{word} {NAME[kind]}"
        yield kind, READ[kind], f"DESCRIBE {on}"
        yield kind, UPDATE[kind], f"COMMENT ON {on} IS 'new'"
        yield kind, RENAME[kind], f"ALTER {on} RENAME TO renamed"
        yield kind, Action.TRANSFER, f"ALTER {on} SET OWNER TO {HEIR}"
        yield kind, Action.TRANSFER, f"ALTER {on} OWNER TO {HEIR}"
        yield kind, TAG[kind], f"ALTER {on} SET TAGS ('team' = 'x')"
        yield kind, TAG[kind], f"ALTER {on} UNSET TAGS ('team')"
        yield kind, DELETE[kind], f"DROP {on}" + (" CASCADE" if kind in {CATALOG, SCHEMA} else "")
        yield kind, Action.READ_GRANTS, f"SHOW GRANTS ON {on}"
        yield kind, Action.GRANT, f"GRANT BROWSE ON {on} TO {HEIR}"
        yield kind, Action.GRANT, f"REVOKE BROWSE ON {on} FROM {HEIR}"
    yield MODEL, Action.GRANT, f"GRANT EXECUTE ON FUNCTION {NAME[MODEL]} TO {HEIR}"
    yield CATALOG, Action.READ_CATALOG, "SHOW SCHEMAS IN {catalog}"
    yield CATALOG, Action.READ_CATALOG, "USE CATALOG {catalog}"
    yield CATALOG, Action.CREATE_SCHEMA, "CREATE SCHEMA {catalog}.fresh"
    yield SCHEMA, Action.READ_SCHEMA, "SHOW TABLES IN {schema_full}"
    yield SCHEMA, Action.READ_SCHEMA, "SHOW MODELS IN {schema_full}"
    yield SCHEMA, Action.READ_SCHEMA, "USE SCHEMA {schema_full}"
    # What is allowed goes as far as the rows: the name is taken, and the table's rows lie elsewhere.
    yield SCHEMA, Action.CREATE_TABLE, "CREATE TABLE {schema_full}.clicks (x INT)"
    yield SCHEMA, Action.CREATE_TABLE, "CREATE TABLE {schema_full}.clicks AS SELECT 1 AS x"
    yield TABLE, Action.SELECT_TABLE, "SELECT * FROM {table_full}"
    yield TABLE, Action.MODIFY_TABLE, "INSERT INTO {table_full} VALUES (1)"


STATEMENTS = list(_statements())
ROWS = read_rows()
ACTORS = read_actors()
CELLS = {(row.on, row.action, row.actor, missing): row.outcomes[missing] for row in ROWS for missing in MISSING}
KINDS_AND_ACTORS = sorted({(row.on, row.actor) for row in ROWS})
NOT_IN_SQL = {
    (METASTORE, Action.ADMINISTER_METASTORE),
    (SCHEMA, Action.CREATE_MODEL),
    (TABLE, Action.MANAGE_MONITOR),
    *((on, Action.MANAGE_WEBHOOKS) for on in SecurableType),
    *((MODEL, action) for action in Action if "Version" in action or "Alias" in action),
}
CLIENT = Client()


@pytest.fixture(autouse=True)
def _folders(settings, tmp_path):
    settings.TABLE_ROOT, settings.SQL_ROOT = str(tmp_path / "tables"), str(tmp_path / "sql")


def test_every_action_that_sql_has_is_asked_for():
    asked = {(on, action) for on, action, _ in STATEMENTS}
    assert {(row.on, Action(row.action)) for row in ROWS} - asked <= NOT_IN_SQL


@pytest.mark.parametrize(("on", "who"), KINDS_AND_ACTORS)
def test_decision(world, on, who):  # noqa: F811
    wrong = []
    for missing in MISSING:
        with undone():
            world.arrange(on, ACTORS[who], missing)
            for kind, action, statement in STATEMENTS:
                expected = CELLS.get((on, action, who, missing))
                if kind == on and expected is not None:
                    found = _decided(world, on, action, statement, None if who == "anonymous" else world.token)
                    if found != expected:
                        wrong.append(f"{statement} without {missing}: expected {expected}, found {found}")
    assert not wrong, "\n".join([f"{who} on {on}", *wrong])


def _send(statement: str, names: Names, token: str | None):
    text = statement.format(**{name: getattr(names, name) for name in NAMES})
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with undone():
        before = AuditEvent.objects.filter(decision="DENY").count()
        body = {"statement": text, "wait_timeout": "50s"}
        answer = CLIENT.post("/api/2.0/sql/statements", body, content_type="application/json", headers=headers)
        return answer, AuditEvent.objects.filter(decision="DENY").count() - before


NAMES = ("catalog", "schema_full", "model_full", "table_full")


def _decided(world, on, action, statement, token) -> str:  # noqa: F811
    answer, denials = _send(statement, world.names, token)
    if answer.status_code != 200:
        return str(answer.status_code)
    body = answer.json()
    if body["status"]["state"] == "SUCCEEDED":
        return "own" if action == Action.READ_GRANTS and WITNESS not in str(body) else "ok"
    error = body["status"]["error"]
    if error["error_code"] == "ALREADY_EXISTS" or "keeps its rows elsewhere" in error["message"]:
        return "ok"
    if denials != 2:  # The service's own, and the statement's.
        return f"{denials} denials on the trail: {error}"
    if error["message"].startswith("[INSUFFICIENT_PERMISSIONS]"):
        return "403" if "Ask its owner, " in error["message"] else error["message"]
    if error["error_code"] != "NOT_FOUND":
        return str(error)
    twin = world.names.twin(on)
    missing = _send(statement, twin, token)[0].json()["status"]
    spelled = missing["error"]["message"].replace(twin.short(on), world.names.short(on))
    return "404" if spelled == error["message"] else f"404 {error}, but {missing} when it is missing"
