"""Every allow and deny goes through one gate and one table."""

import ast
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from registry.errors import AccessDenied, NotFound
from registry.models import Grant
from registry.privileges import ACTIONS_ON, RULES, Action, Privilege, SecurableType
from registry.services import access
from registry.services.access import Facts, Missing, gather_facts, require
from registry.services.actors import load_actor
from tests.access.cells import Spec, read_actors
from tests.access.conftest import undone
from tests.access.service_calls import CALLS, Call
from tests.access.wire_calls import EXCHANGES, Request, body_of

pytestmark = pytest.mark.django_db
ROOT = Path(settings.BASE_DIR)
SOURCES = sorted(
    path for app in ("registry", "serving", "monitoring", "config") for path in (ROOT / app).rglob("*.py")
)
CODE = [path for path in SOURCES if "migrations" not in path.parts]

CLIENT = Client()
MIGHTY = Spec(owns="OBJECT", admin=True)

HOLD_GRANTS = {
    "registry/models/__init__.py": "names it",
    "registry/models/securables.py": "defines it",
    "registry/services/access.py": "the gate",
    "registry/services/grants.py": "gives, takes and lists grants, after asking the gate",
    "registry/services/holders.py": "lists who holds what, after asking the gate",
    "registry/services/grant_simulation.py": "hands the gate grants that are not there",
    "registry/services/access_requests.py": "whether something below a container is held, so that its name is known",
    "registry/services/home_feed.py": "tells somebody what they were granted lately",
    "registry/services/browsing.py": "gathers what the gate asks of many rows at once",
    "registry/services/setup.py": "makes the first rows of a new installation",
    "registry/admin/securables.py": "shows them to metastore admins",
}
"""The only modules that may know of grants."""

READ_RULES = {
    "registry/privileges.py": "the table",
    "registry/services/access.py": "the gate",
    "registry/services/grants.py": "explains what the gate says",
    "registry/services/grounds.py": "tells which grounds an explanation rests on",
    "registry/services/holders.py": "asks the gate whether everybody's grants are shown",
    "registry/services/grant_simulation.py": "asks the gate what the actor may grant",
}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(path: Path) -> set[str]:
    """The names that a module imports, and the attributes that it reads off anything."""
    tree = ast.parse(path.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    return imported | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_nobody_but_the_gate_looks_at_grants_or_rules():
    assert {_name(path) for path in CODE if {"Grant", "grants_set"} & _imports(path)} <= set(HOLD_GRANTS)
    assert {_name(path) for path in CODE if "RULES" in _imports(path)} <= set(READ_RULES)
    reach = [
        f"{_name(path)}:{node.lineno}"
        for path in CODE
        if _name(path) not in HOLD_GRANTS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword) and node.arg and node.arg.startswith("grants__")
    ]
    assert reach == []


ASK_FOR_ADMINS = {
    "registry/services/actors.py": "defines it",
    "registry/services/access.py": "the gate",
    "registry/services/grants.py": "explains that it decided",
    "registry/services/tokens.py": "somebody else's tokens: no securable",
    "registry/services/operations.py": "everybody's operations: the scope of a list",
    "registry/services/model_search.py": "all versions: the scope of a list",
    "registry/services/tag_policies.py": "governed tags have roles of their own",
    "serving/services/secret_scopes.py": "scopes of secrets have levels of their own",
    "registry/services/experiments.py": "experiments have levels of their own",
    "registry/services/grounds.py": "names it as a ground",
    "registry/services/grant_simulation.py": "needs no way in",
    "registry/services/access_requests.py": "everybody's requests: the scope of a list",
    "registry/services/audit_trail.py": "all events: the scope of a list",
    "registry/services/audit_verification.py": "the whole trail is theirs to verify: no securable",
    "registry/services/webhooks.py": "everybody's webhooks: the scope of a list",
    "registry/services/deliveries.py": "everybody's deliveries: the scope of a list",
    "registry/services/delivery_runner.py": "an event whose model is gone: no securable is left to ask about",
    "registry/api/notification_destinations/views.py": "where a destination's address is shown",
    "registry/web/audit.py": "whether the panel of the verification is shown; the service asks again",
    "registry/web/delivery_log.py": "which actions are shown; the services ask again",
    "registry/web/palette.py": "which commands are shown",
    "registry/web/groups.py": "which of two pages is shown; the services ask again",
    "registry/web/settings_sections.py": "which sections are shown",
    "monitoring/services/alerts.py": "everybody's alerts: the scope of a list; alerts have owners of their own",
    "registry/admin/site.py": "the console's door",
    "serving/services/endpoint_access.py": "endpoints have levels of their own",
    "registry/web/context.py": "which tabs are shown",
}
"""The only modules that may look whether an actor administers the metastore, and for what."""


def test_nobody_else_gives_way_to_administrators():
    assert {_name(path) for path in CODE if "is_metastore_admin" in _imports(path)} <= set(ASK_FOR_ADMINS)


def test_edges_ask_services_and_not_the_database():
    """A view that queries by itself would have to decide by itself."""
    edges = [path for path in CODE if {"api", "web"} & set(path.relative_to(ROOT).parts[1:2])]
    queries = [
        f"{_name(path)}:{node.lineno}"
        for path in edges
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"objects", "raw", "cursor", "_default_manager"}
    ]
    assert queries == []


def test_every_action_has_a_rule_and_a_kind():
    assert set(RULES) == set(Action)
    assert {action for actions in ACTIONS_ON.values() for action in actions} == set(Action)


@pytest.fixture
def closed_gate(monkeypatch):
    """The gate as it would be if the table allowed nobody anything."""
    monkeypatch.setattr(Facts, "missing_for", lambda self, rule: Missing("everything", self.chain[0]))
    monkeypatch.setattr(Facts, "has", lambda self, right, level=0: False)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.name}-{call.on}")
def test_no_service_lets_pass_what_the_gate_refuses(world, closed_gate, call: Call):
    """Even a metastore admin that owns everything is refused everywhere, so nobody decides but the gate."""
    with undone():
        world.arrange(call.on, MIGHTY, "none")
        actor = load_actor(world.subject)
        if call.action == Action.READ_GRANTS:
            assert "witness@example.com" not in call.call(actor, world.names)
            return
        with pytest.raises((AccessDenied, NotFound)):
            call.call(actor, world.names)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: f"{exchange.dialect}-{exchange.name}")
def test_no_dialect_lets_pass_what_the_gate_refuses(world, closed_gate, exchange):
    with undone():
        world.arrange(exchange.on, MIGHTY, "none")
        response = exchange.request.send(CLIENT, world.names, world.token)
        if exchange.action == Action.READ_GRANTS:
            assert b"witness@example.com" not in body_of(response)
        else:
            assert response.status_code in {403, 404}


def test_metastore_grants_do_not_flow_down(world):
    with undone():
        for privilege in (Privilege.MANAGE, Privilege.ALL_PRIVILEGES):
            world.grant(SecurableType.METASTORE, privilege)
        actor = load_actor(world.subject)
        assert not actor.is_metastore_admin
        for kind in (
            SecurableType.CATALOG,
            SecurableType.SCHEMA,
            SecurableType.REGISTERED_MODEL,
            SecurableType.TABLE,
        ):
            assert not gather_facts(actor=actor, securable=_found(world, kind)).visible


@pytest.mark.parametrize("level", [SecurableType.CATALOG, SecurableType.SCHEMA])
def test_container_grants_flow_down_to_all_below(world, level):
    with undone():
        world.grant(SecurableType.CATALOG, Privilege.USE_CATALOG)
        for privilege in (Privilege.USE_SCHEMA, Privilege.EXECUTE, Privilege.SELECT):
            world.grant(level, privilege)
        actor = load_actor(world.subject)
        require(actor=actor, action=Action.LOAD_VERSION, securable=_found(world, SecurableType.REGISTERED_MODEL))
        require(actor=actor, action=Action.SELECT_TABLE, securable=_found(world, SecurableType.TABLE))


def test_all_privileges_on_the_catalog_is_everything_but_manage(world):
    with undone():
        world.grant(SecurableType.CATALOG, Privilege.ALL_PRIVILEGES)
        facts = gather_facts(actor=load_actor(world.subject), securable=_found(world, SecurableType.REGISTERED_MODEL))
        held = {privilege for privilege in Privilege if facts.holds(privilege)}
        assert held == set(Privilege) - {Privilege.MANAGE}


def _found(world, kind: SecurableType):
    rows = type(world.objects[kind]).objects.select_related("owner", "parent__parent__parent")
    return rows.get(pk=world.objects[kind].pk)


# --- What the gate costs --------


def test_a_decision_costs_one_query(world):
    model = _found(world, SecurableType.REGISTERED_MODEL)
    with undone():
        world.arrange(SecurableType.REGISTERED_MODEL, read_actors()["EXECUTE"], "none")
        actor = load_actor(world.subject)
        with CaptureQueriesContext(connection) as asked:
            require(actor=actor, action=Action.LOAD_VERSION, securable=model)
        assert len(asked) == 1
        with CaptureQueriesContext(connection) as asked, pytest.raises(AccessDenied):
            require(actor=actor, action=Action.DELETE_MODEL, securable=model)
        assert len(asked) == 1


def test_a_model_by_name_costs_seven_queries_with_its_credential(world):
    client = Client()
    request = Request("GET", "/api/2.0/mlflow/unity-catalog/registered-models/get?name=<model_full>")
    with undone():
        world.arrange(SecurableType.REGISTERED_MODEL, read_actors()["EXECUTE"], "none")
        assert request.send(client, world.names, world.token).status_code == 200
        with CaptureQueriesContext(connection) as asked:
            assert request.send(client, world.names, world.token).status_code == 200
    assert len(asked) <= 7, [query["sql"] for query in asked]


def test_the_gate_is_one_module():
    """`require` and `require_visible` raise denials; who else builds one must say why here."""
    allowed = {
        "registry/services/access.py": "the gate",
        "registry/services/audit.py": "defines them and writes them down",
        "registry/services/grants.py": "asking about somebody else takes READ_GRANTS",
        "registry/services/file_locations.py": "only its uploader fills a version",
    }
    builders = {
        _name(path)
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"DeniedOnSecurable", "HiddenFromActor"}
    }
    assert builders <= set(allowed)
    assert access.require.__module__ == "registry.services.access"
    assert Grant._meta.model_name == "grant"
