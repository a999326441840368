"""The audit trail on the screens: who sees what, filters, one event with its changes, files, and verification."""

import csv
import io
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.models import AuditEvent, Operation, OperationState
from registry.privileges import Privilege, SecurableType
from registry.services import audit_trail
from registry.services.actors import RequestContext, load_actor
from registry.services.audit_trail import EventFilter, list_activity, list_events
from registry.services.audit_verification import submit_verification
from registry.services.catalogs import create_catalog
from registry.services.grants import Change, update_grants
from registry.services.operation_runner import run_operation
from registry.services.schemas import create_schema
from registry.services.tokens import create_token
from tests.openapi.answers import complaints, operation_of
from tests.web.factories import make_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(people, flights):
    """The owner owns a schema with a model; the reader was granted something on it."""
    admin = people.metastore_admin
    change = Change(people.owner.name, add=[Privilege.USE_CATALOG, Privilege.CREATE_SCHEMA])
    update_grants(actor=admin, type_=SecurableType.CATALOG, full_name="prod", changes=[change])
    create_schema(actor=people.owner, catalog="prod", name="ml")
    model = make_model(people.owner, "prod.ml.ranker")
    grant = Change(people.reader.name, add=[Privilege.EXECUTE])
    update_grants(
        actor=people.owner, type_=SecurableType.REGISTERED_MODEL, full_name="prod.ml.ranker", changes=[grant]
    )
    create_token(actor=people.reader)
    return model


def test_everybody_sees_own_events_and_those_on_what_they_administer(people, world):
    everything = list_events(actor=people.metastore_admin, wanted=EventFilter()).items
    assert {event.actor for event in everything} >= {
        people.owner.name,
        people.reader.name,
        people.metastore_admin.name,
    }
    # The administrator does something to the owner's model, the owner sees it.
    change = Change(people.outsider.name, add=[Privilege.BROWSE])
    update_grants(
        actor=people.metastore_admin,
        type_=SecurableType.REGISTERED_MODEL,
        full_name="prod.ml.ranker",
        changes=[change],
    )
    seen = list_events(actor=people.owner, wanted=EventFilter()).items
    assert any(e.actor == people.metastore_admin.name and e.securable_name == "prod.ml.ranker" for e in seen)
    assert not any(e.securable_name == "prod.flights" or e.actor == people.reader.name for e in seen)
    assert {event.actor for event in list_events(actor=people.reader, wanted=EventFilter()).items} == {
        people.reader.name
    }
    assert list_events(actor=people.outsider, wanted=EventFilter()).items == []


def test_pages_hold_every_event_once_newest_first(people, world):
    for actor in (people.metastore_admin, people.owner):
        whole = [event.pk for event in list_events(actor=actor, wanted=EventFilter()).items]
        assert whole == sorted(whole, reverse=True)
        assert len(whole) > 2
        found, token = [], ""
        while True:
            page = list_events(actor=actor, wanted=EventFilter(), max_results=2, page_token=token)
            found += [event.pk for event in page.items]
            token = page.next_page_token
            if not token:
                break
        assert found == whole


def test_a_page_costs_as_many_queries_with_many_events(people, world):
    def queries(actor):
        with CaptureQueriesContext(connection) as captured:
            list_events(actor=actor, wanted=EventFilter(), max_results=50)
        return len(captured)

    actors = (people.metastore_admin, people.owner)
    assert [queries(actor) for actor in actors] == [1, 3]
    for number in range(30):
        make_model(people.owner, f"prod.ml.m{number}")
    assert [queries(actor) for actor in actors] == [1, 3]


def test_filters_narrow_the_list(sign_in, people, world):
    own = list_events(actor=people.metastore_admin, wanted=EventFilter(actor=people.reader.name)).items
    assert own
    assert {event.actor for event in own} == {people.reader.name}
    below = list_events(actor=people.metastore_admin, wanted=EventFilter(name="prod.ml")).items
    assert {event.securable_name for event in below} == {"prod.ml", "prod.ml.ranker"}
    browser = sign_in("metastore_admin")
    assert b"No event is like that" in browser.get("/audit?decision=DENY&name=prod.ml").content
    sign_in("outsider").get("/explore/data/models/prod/ml/ranker")
    denied = browser.get("/audit?decision=DENY").content
    assert b"outsider@example.com" in denied
    assert b"Denied" in denied
    assert b"prod.ml.ranker" in browser.get("/audit?since=2020-01-01&until=2199-01-01&type=REGISTERED_MODEL").content
    assert b"No event is like that" in browser.get("/audit?until=2020-01-01").content
    wrong = browser.get("/audit?since=yesterday")
    assert wrong.status_code == 400
    assert b"valid date" in wrong.content


def test_an_event_shows_what_it_changed(sign_in, people, world):
    event = AuditEvent.objects.filter(securable_name="prod.ml.ranker", action="updatePermissions").first()
    page = sign_in("owner").get(f"/audit/events/{event.event_id}").content.decode()
    assert "EXECUTE" in page
    assert "<ins>" in page
    assert event.hash[:12] in page
    hidden = sign_in("reader").get(f"/audit/events/{event.event_id}")
    assert hidden.status_code == 404
    assert b"ranker" not in hidden.content


def test_changes_are_told_value_by_value():
    event = AuditEvent(
        before={"comment": "old", "owner": "ada", "tags": {"a": "1"}, "on": ["x", "y"]},
        after={"comment": "new", "owner": "ada", "tags": {"a": "1", "b": "2"}, "on": ["y", "z"]},
    )
    told = {(one.path, one.before, one.after, one.kind) for one in audit_trail.differences(event)}
    assert told == {
        ("comment", "old", "new", "changed"),
        ("tags.b", None, "2", "added"),
        ("on: x", "x", None, "removed"),
        ("on: z", None, "z", "added"),
    }


def test_files_hold_what_the_filter_finds_and_run_nothing(sign_in, people, world, monkeypatch):
    monkeypatch.setattr(audit_trail, "_CHUNK", 2)
    odd = load_actor(people.reader.principal, context=RequestContext(user_agent="=HYPERLINK(1)"))
    create_token(actor=odd)
    wanted = [event.pk for event in list_events(actor=people.reader, wanted=EventFilter()).items]
    browser = sign_in("reader")
    lines = browser.get("/audit/export?format=jsonl").getvalue().decode().splitlines()
    events = [json.loads(line) for line in lines]
    # The export itself is on the trail by then.
    assert len(events) == len(wanted) + 1
    assert events[0]["action"] == "exportAuditEvents"
    assert {event["actor"] for event in events} == {people.reader.name}
    table = list(csv.DictReader(io.StringIO(browser.get("/audit/export?format=csv").getvalue().decode())))
    assert {row["user_agent"] for row in table} >= {"'=HYPERLINK(1)"}
    assert browser.get("/audit/export?since=never").status_code == 400


def test_rest_lists_exports_and_verifies_with_the_filters_of_the_page(client, people, world):
    root = "/api/modelkeep/audit-events"

    def ask(who, path="", method="get", **query):
        token = create_token(actor=getattr(people, who)).value
        return getattr(client, method)(root + path, query, headers={"authorization": f"Bearer {token}"})

    wanted = {"securable_name": "prod.ml", "decision": "ALLOW", "since": "2020-01-01T00:00:00Z"}
    found, token = [], ""
    while True:
        answer = ask("owner", **wanted, max_results=1, page_token=token)
        assert list(complaints(operation_of("GET", root), answer)) == []
        found += answer.json()["events"]
        token = answer.json()["next_page_token"]
        if not token:
            break
    service = list_events(actor=people.owner, wanted=EventFilter(name="prod.ml", decision="ALLOW")).items
    assert [event["event_id"] for event in found] == [str(event.event_id) for event in service]
    one = f"/{found[0]['event_id']}"
    assert ask("owner", one).json() == {"event": found[0]}
    assert [ask("reader", path).status_code for path in (one, "/nothing")] == [404, 404]
    lines = ask("owner", ":export", **wanted).getvalue().decode().splitlines()
    assert [json.loads(line)["event_id"] for line in lines] == [event["event_id"] for event in found]
    assert ask("owner", since="3190-10-03T05:52:17-16:01").json()["events"] == []
    assert ask("owner", since="0001-01-01T00:00:00+16:01").status_code == 400
    for wrong in ({"since": "yesterday"}, {"until": "2030-01-31T12:00:00"}, {"decision": "MAYBE"}):
        assert ask("owner", **wrong).status_code == 400
    assert ask("owner", ":verify", "post").status_code == 403
    assert ask("metastore_admin", ":verify", "post").json()["operation"]["kind"] == "verify_audit"
    assert ask("metastore_admin", ":verify", "post").status_code == 400


def test_nothing_that_people_write_is_markup(sign_in, people):
    create_catalog(actor=people.metastore_admin, name="prod", comment="<img src=x onerror=alert(1)>")
    event = AuditEvent.objects.filter(action="createCatalog").first()
    browser = sign_in("metastore_admin")
    for path in ("/audit", f"/audit/events/{event.event_id}"):
        assert b"<img src=x" not in browser.get(path).content


def test_administrators_verify_the_trail_and_are_told(sign_in, people, world):
    browser = sign_in("metastore_admin")
    assert b"Never verified" in browser.get("/audit").content
    assert b"erify" not in sign_in("owner").get("/audit").content
    assert sign_in("owner").post("/audit/verify").status_code == 403
    browser.post("/audit/verify")
    operation = Operation.objects.get(kind="verify_audit")
    assert b"Verify now" not in browser.get("/audit").content
    run_operation(operation_id=operation.pk, worker="test", task_id="1")
    operation.refresh_from_db()
    assert operation.state == OperationState.SUCCEEDED
    assert operation.result["events"] > 5
    assert b"Whole" in browser.get("/audit").content


def test_a_trail_that_was_cut_since_the_last_check_is_found(sign_in, people, world):
    first = submit_verification(actor=people.metastore_admin)
    run_operation(operation_id=first.pk, worker="test", task_id="1")
    first.refresh_from_db()
    chain, head = next(iter(first.result["heads"].items()))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = 'replica'")
        cursor.execute("DELETE FROM registry_auditevent WHERE chain = %s AND hash = %s", [chain, head])
        cursor.execute("SET LOCAL session_replication_role = 'origin'")
    second = submit_verification(actor=people.metastore_admin)
    run_operation(operation_id=second.pk, worker="test", task_id="2")
    second.refresh_from_db()
    assert second.state == OperationState.FAILED
    assert "cut at its end" in second.error
    assert b"Not whole" in sign_in("metastore_admin").get("/audit").content


def test_activity_is_for_who_administers_the_object(people, world):
    events = list_activity(actor=people.owner, securable=world.securable).items
    assert {event.securable_name for event in events} == {"prod.ml.ranker"}
    with pytest.raises(Exception, match=r"lacks|does not exist"):
        list_activity(actor=people.reader, securable=world.securable)
