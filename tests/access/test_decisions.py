"""Every cell of decisions.toml, at the services and through each dialect."""

import json
from collections import defaultdict

import pytest
from django.http import HttpResponseBase
from django.test import Client

from registry.errors import AccessDenied, NotFound, Unauthenticated
from registry.models import AuditEvent, ModelVersion
from registry.privileges import Action, SecurableType
from registry.services.actors import RequestContext, load_actor
from registry.services.tokens import authenticate_token
from tests.access.cells import COMMON_ACTORS, MISSING, OUTCOMES, Names, World, read_actors, read_rows
from tests.access.conftest import WITNESS, undone
from tests.access.service_calls import CALLS, Call
from tests.access.wire_calls import EXCHANGES, Exchange, Request, body_of

pytestmark = pytest.mark.django_db

ROWS = read_rows()
ACTORS = read_actors()
CELLS = {(row.on, row.action, row.actor, missing): row.outcomes[missing] for row in ROWS for missing in MISSING}
KINDS_AND_ACTORS = sorted({(row.on, row.actor) for row in ROWS})
DIALECTS_KINDS_AND_ACTORS = [
    (dialect, on, who)
    for dialect, on in sorted({(exchange.dialect, exchange.on) for exchange in EXCHANGES})
    for kind, who in KINDS_AND_ACTORS
    if kind == on
]
CLIENT = Client()
"""One for all: it loads the middleware once, and no answer here sets a cookie."""
KNOWN_TO_ALL = {SecurableType.METASTORE}
NOT_ON_THE_WIRE = {Action.SELECT_TABLE, Action.MODIFY_TABLE, Action.MANAGE_MONITOR, Action.ADMINISTER_METASTORE}


def test_the_file_is_whole():
    blocks = defaultdict(set)
    for row in ROWS:
        assert row.actor in ACTORS, row
        assert set(row.outcomes.values()) <= OUTCOMES, row
        assert row.actor not in blocks[row.on, row.action], f"{row} stands twice"
        blocks[row.on, row.action].add(row.actor)
    assert {action for _, action in blocks} == set(Action)
    for key, actors in blocks.items():
        assert set(COMMON_ACTORS) <= actors, key
    assert len(CELLS) > 1000


def test_every_action_is_called():
    wanted = {(row.on, row.action) for row in ROWS}
    assert {(call.on, call.action) for call in CALLS} == wanted
    on_the_wire = {(exchange.on, exchange.action) for exchange in EXCHANGES}
    assert on_the_wire == {(on, action) for on, action in wanted if action not in NOT_ON_THE_WIRE}


@pytest.mark.parametrize(("on", "who"), KINDS_AND_ACTORS)
def test_services(world: World, on, who):
    wrong = []
    for missing in MISSING:
        with undone():
            world.arrange(on, ACTORS[who], missing)
            for call in CALLS:
                expected = CELLS.get((call.on, call.action, who, missing))
                if call.on != on or expected is None:
                    continue
                with undone():
                    found = _outcome(world, call, who)
                if found != expected:
                    wrong.append(f"{call.name} without {missing}: expected {expected}, found {found}")
    assert not wrong, "\n".join([f"{who} on {on}", *wrong])


def _outcome(world: World, call: Call, who: str) -> str:
    if who == "anonymous":
        with pytest.raises(Unauthenticated):
            authenticate_token("", context=RequestContext())
        return "401"
    actor = load_actor(world.subject)
    before = AuditEvent.objects.count()
    try:
        answer = call.call(actor, world.names)
    except (AccessDenied, NotFound) as error:
        return _refusal(world, call, error, before)
    if call.action != Action.READ_GRANTS:
        return "ok"
    return "ok" if WITNESS in answer else "own"


def _refusal(world: World, call: Call, error: AccessDenied | NotFound, before: int) -> str:
    rows = list(AuditEvent.objects.order_by("-id")[: AuditEvent.objects.count() - before])
    # The gate alone writes no rows: the service around it does.
    if call.name != "require" and [(row.decision, row.actor) for row in rows] != [("DENY", world.subject.name)]:
        return f"{len(rows)} audit rows"
    if isinstance(error, AccessDenied):
        named = error.missing and error.securable and error.owner
        return "403" if named and error.securable in error.message and error.owner in error.message else error.message
    return "404"


# --- The dialects --------


@pytest.mark.parametrize(("dialect", "on", "who"), DIALECTS_KINDS_AND_ACTORS)
def test_dialects(world: World, dialect, on, who):
    exchanges = [exchange for exchange in EXCHANGES if (exchange.dialect, exchange.on) == (dialect, on)]
    wrong = []
    for missing in MISSING:
        with undone():
            world.arrange(on, ACTORS[who], missing)
            # Nobody fills a version that somebody else is uploading.
            ModelVersion.objects.filter(pk=world.pending.pk).update(created_by=world.subject)
            for exchange in exchanges:
                expected = CELLS.get((on, exchange.action, who, missing))
                if expected is not None:
                    found = _answered(world, exchange, who)
                    if found != expected:
                        wrong.append(f"{exchange.name} without {missing}: expected {expected}, found {found}")
    assert not wrong, "\n".join([f"{who} on {on}", *wrong])


def _answered(world: World, exchange: Exchange, who: str) -> str:
    token = None if who == "anonymous" else world.token
    with undone():
        response = exchange.request.send(CLIENT, world.names, token)
        body = body_of(response)
    if response.status_code == 404 and exchange.on not in KNOWN_TO_ALL:
        twin = world.names.twin(exchange.on)
        with undone():
            missing = exchange.request.send(CLIENT, twin, token)
        different = _differences(response, body, missing, exchange.on, world.names)
        if different:
            return different
    return _read(exchange, response.status_code, body)


def _read(exchange: Exchange, status: int, body: bytes) -> str:
    if status in {200, 204}:
        return "own" if exchange.action == Action.READ_GRANTS and WITNESS.encode() not in body else "ok"
    if exchange.request.method == "HEAD":
        return str(status)
    answer = json.loads(body)
    missing = "NOT_FOUND" if exchange.dialect == "files" else "RESOURCE_DOES_NOT_EXIST"
    codes = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: missing}
    as_expected = set(answer) == {"error_code", "message"} and codes.get(status) == answer["error_code"]
    return str(status) if as_expected else f"{status} {answer}"


def _differences(
    hidden: HttpResponseBase, body: bytes, missing: HttpResponseBase, on: SecurableType, names: Names
) -> str:
    """How a hidden object's answer differs from a missing one's, apart from the name; empty when it does not."""
    if missing.status_code != hidden.status_code:
        return f"404, but {missing.status_code} when it is missing"
    spelled = body_of(missing).decode().replace(names.twin(on).short(on), names.short(on))
    if spelled != body.decode():
        return f"404 {body.decode()}, but {spelled} when it is missing"
    headers = [{**response.headers, "X-Request-Id": "", "Content-Length": ""} for response in (hidden, missing)]
    return "" if headers[0] == headers[1] else f"404 {headers[0]}, but {headers[1]} when it is missing"


def test_bad_credentials_are_no_credentials(world: World):
    for credential in ("", "Bearer", "Bearer ", "Bearer nonsense", "Digest x", "Basic !!!", f"Bearer {world.token}x"):
        request = Request("GET", "/api/2.1/unity-catalog/models/<model_full>")
        client = Client(headers={"Authorization": credential} if credential else {})
        response = request.send(client, world.names, None)
        assert response.status_code == 401, credential
        assert response["WWW-Authenticate"].startswith("Bearer")
