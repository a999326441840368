"""Every change has its audit rows in the same transaction, and every denial has one."""

import ast
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, transaction
from django.test import Client

from registry.models import (
    AliasMove,
    AuditEvent,
    Grant,
    LineageEdge,
    ManifestEntry,
    ModelAlias,
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    Securable,
    SecurableTag,
    Table,
)
from registry.privileges import Action, Privilege, SecurableType
from registry.services import audit
from registry.services.actors import load_actor
from registry.services.audit import audited, record
from tests.access.cells import Spec, World
from tests.access.conftest import undone
from tests.access.service_calls import CALLS, Call
from tests.access.wire_calls import EXCHANGES, body_of
from tests.conftest import make_user

pytestmark = pytest.mark.django_db

READS = {
    Action.READ_CATALOG,
    Action.READ_SCHEMA,
    Action.READ_MODEL,
    Action.READ_VERSION,
    Action.READ_TABLE,
    Action.READ_GRANTS,
}
ROW = {
    "authorize_upload": "generateTemporaryModelVersionCredential",
    "create_webhook": "createWebhook",
    "report_load": "emitModelVersionLineage",
}
"""Where the row is not called by the action that was asked for."""
ONLY_TOLD = {"require", "plan_deletion"}
"""What asks for the right to write, and writes nothing."""
WRITES = [call for call in CALLS if call.action not in READS and call.name not in ONLY_TOLD]
ALMIGHTY = Spec(
    owns="OBJECT", admin=True, holds=(Privilege.CREATE_MODEL, Privilege.CREATE_TABLE, Privilege.CREATE_SCHEMA)
)
CLIENT = Client()


def named(call: Call) -> str:
    return f"{call.name}-{call.on}"


def almighty(world: World, on: SecurableType):
    """An actor who may do everything to the object."""
    world.arrange(on, ALMIGHTY, "none")
    return load_actor(world.subject)


def snapshot() -> dict[str, list]:
    tables = [Securable, SecurableTag, RegisteredModel, ModelVersion, ModelVersionTag, ModelAlias, AliasMove, Grant]
    tables += [Table, ManifestEntry, LineageEdge, get_user_model()]
    return {table.__name__: list(table.objects.order_by("pk").values()) for table in tables}


@pytest.mark.parametrize("call", WRITES, ids=named)
def test_a_write_leaves_exactly_one_row(world, call):
    with undone():
        actor = almighty(world, call.on)
        last = AuditEvent.objects.latest("id").id
        call.call(actor, world.names)
        rows = list(AuditEvent.objects.filter(id__gt=last))
    expected = ROW.get(call.name, str(call.action))
    assert [(row.action, row.decision, row.actor) for row in rows] == [(expected, "ALLOW", world.subject.name)]
    row = rows[0]
    assert row.actor_id == world.subject.pk
    assert row.request_id
    assert row.securable_id
    is_new = expected.startswith("create") and call.action != Action.CREATE_VERSION
    if not is_new:
        assert row.securable_id == str(world.objects[call.on].pk)
        assert row.securable_type == call.on


@pytest.mark.parametrize("call", [call for call in CALLS if call.action in READS], ids=named)
def test_a_read_leaves_none(world, call):
    with undone():
        actor = almighty(world, call.on)
        before = AuditEvent.objects.count()
        call.call(actor, world.names)
        assert AuditEvent.objects.count() == before


class PulledThePlug(Exception):
    """What goes wrong in these tests, at the worst moment."""


@pytest.mark.parametrize("call", WRITES, ids=named)
def test_a_failure_behind_the_write_leaves_neither_row_nor_change(world, call, monkeypatch):
    write = audit._write

    def write_and_fail(entries):
        write(entries)
        raise PulledThePlug

    with undone():
        actor = almighty(world, call.on)
        before, rows = snapshot(), AuditEvent.objects.count()
        monkeypatch.setattr(audit, "_write", write_and_fail)
        with pytest.raises(PulledThePlug):
            call.call(actor, world.names)
        assert snapshot() == before
        assert AuditEvent.objects.count() == rows


@pytest.mark.parametrize("call", WRITES, ids=named)
def test_a_row_that_cannot_be_written_stops_the_change(world, call, monkeypatch):
    def refuse(entries):
        raise PulledThePlug

    with undone():
        actor = almighty(world, call.on)
        before = snapshot()
        monkeypatch.setattr(audit, "_write", refuse)
        with pytest.raises(PulledThePlug):
            call.call(actor, world.names)
        assert snapshot() == before


def test_a_change_that_records_nothing_is_undone(world):
    @audited
    def forgetful(*, actor):
        Securable.objects.filter(pk=world.objects[SecurableType.CATALOG].pk).update(comment="unseen")

    before = snapshot()
    with pytest.raises(RuntimeError, match="without an audit row"):
        forgetful(actor=load_actor(world.admin))
    assert snapshot() == before
    with pytest.raises(RuntimeError, match="needs an audited service function"):
        record(actor=load_actor(world.admin), action="anything")


def test_denials_leave_one_row_at_every_door(world):
    for exchange in EXCHANGES:
        if exchange.on == SecurableType.METASTORE:
            continue
        with undone():
            last = AuditEvent.objects.latest("id").id
            response = exchange.request.send(CLIENT, world.names, world.token)
            body_of(response)
            rows = list(AuditEvent.objects.filter(id__gt=last))
        told = f"{exchange.dialect} {exchange.name}"
        assert response.status_code == 404, told
        assert [(row.decision, row.actor) for row in rows] == [("DENY", world.subject.name)], told
        assert rows[0].securable_id == str(world.objects[exchange.on].pk), told
        assert rows[0].request_id == response["X-Request-Id"], told


def test_what_is_missing_is_no_denial(world):
    """There is nothing that somebody was kept from."""
    for call in CALLS:
        if call.on == SecurableType.METASTORE or call.name == "require":
            continue
        before = AuditEvent.objects.count()
        with undone(), pytest.raises(Exception, match="does not exist"):
            call.call(load_actor(world.subject), world.names.twin(call.on))
        assert AuditEvent.objects.count() == before


# --- Rows stay --------


@pytest.fixture
def guarded(world):
    """The database as in the product: without the switch that lets tests empty its tables."""
    with undone():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL modelkeep.allow_truncate = 'off'")
        yield world


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE registry_auditevent SET actor = 'somebody else'",
        "UPDATE registry_auditevent SET decision = 'ALLOW' WHERE id = (SELECT max(id) FROM registry_auditevent)",
        "DELETE FROM registry_auditevent",
        "DELETE FROM registry_auditevent WHERE id = (SELECT max(id) FROM registry_auditevent)",
        "TRUNCATE registry_auditevent",
        "TRUNCATE registry_auditevent CASCADE",
    ],
)
def test_sql_cannot_change_the_trail(guarded, statement):
    assert AuditEvent.objects.exists()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_orm_cannot_change_the_trail(guarded):
    event = AuditEvent.objects.latest("id")
    for change in (event.delete, event.save, AuditEvent.objects.all().delete):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()


def test_the_trail_outlives_the_people_it_speaks_of(guarded):
    user = make_user("gone@example.com")
    audit.record_denial(load_actor(user), audit.AccessDenied("no"))
    user.delete()
    assert AuditEvent.objects.latest("id").actor == "gone@example.com"


# --- No service is left out --------


NOT_YET_A_CHANGE = {"multipart_uploads.begin_upload": "a place to put parts; completing the upload is audited"}


def test_every_service_that_takes_an_actor_is_audited():
    """A public service function is decorated, calls one that is, or only reads what it has scoped in SQL."""
    folder = Path(settings.BASE_DIR) / "registry" / "services"
    found = {path.stem: ast.parse(path.read_text()) for path in sorted(folder.glob("*.py"))}
    writers = [
        f"{module}.{function.name}"
        for module, tree in found.items()
        for function in tree.body
        if isinstance(function, ast.FunctionDef) and _writes_by_itself(function) and not _is_audited(function)
    ]
    assert set(writers) == set(NOT_YET_A_CHANGE)


def _writes_by_itself(function: ast.FunctionDef) -> bool:
    """A public function whose first argument is the actor, and that changes rows in its own body."""
    arguments = function.args.kwonlyargs
    if function.name.startswith("_") or not arguments or arguments[0].arg != "actor" or function.args.args:
        return False
    verbs = {"save", "create", "delete", "bulk_create", "update_or_create", "get_or_create", "bulk_update"}
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in verbs
        for node in ast.walk(function)
    )


def _is_audited(function: ast.FunctionDef) -> bool:
    return any(isinstance(one, ast.Name) and one.id == "audited" for one in function.decorator_list)
