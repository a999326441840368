"""Asking for access: by whom, joined, answered at the gate, withdrawn, stale; on the screens and over REST."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.api.wire import STATUS
from registry.errors import ErrorCode, InvalidParameter, InvalidState, NotFound
from registry.models import AccessRequest, AuditEvent, Grant, Securable
from registry.privileges import Privilege, SecurableType
from registry.services.access_requests import (
    approve_request,
    decline_request,
    get_request,
    list_requests,
    pending_requests_count,
    request_access,
    withdraw_request,
)
from registry.services.grants import Change, update_grants
from registry.services.registered_models import delete_model
from registry.services.tokens import create_token
from tests.web.factories import make_model

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_CURRENT_URL": "http://testserver/requests"}
MODEL = SecurableType.REGISTERED_MODEL
NAME = "prod.flights.delay"
NEW = f"/requests/new?on=model&name={NAME}"
XSS = "<script>alert(1)</script>"


def give(people, type_, name, who, *privileges):
    change = Change(f"{who}@example.com", tuple(privileges))
    update_grants(actor=people.metastore_admin, type_=type_, full_name=name, changes=[change])


def ask(people, who="reader", *privileges, reason=""):
    wanted = privileges or (Privilege.EXECUTE,)
    return request_access(actor=getattr(people, who), type_=MODEL, full_name=NAME, privileges=wanted, reason=reason)


@pytest.fixture
def delay(people, flights):
    """The owner's model, which the reader and the steward may browse."""
    model = make_model(people.metastore_admin, NAME, versions=1)
    Securable.objects.filter(pk=model.securable.pk).update(owner=people.principals["owner"])
    give(people, SecurableType.CATALOG, "prod", "owner", Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    for who in ("reader", "steward"):
        give(people, SecurableType.CATALOG, "prod", who, Privilege.BROWSE)
    return model


def test_who_does_not_know_of_it_cannot_ask(sign_in, people, delay):
    with pytest.raises(NotFound, match=f"Registered model '{NAME}' does not exist"):
        ask(people, "outsider")
    assert sign_in("outsider").get(NEW).status_code == 404
    assert sign_in("outsider").post(NEW, {"privileges": "EXECUTE"}).status_code == 404
    assert not AccessRequest.objects.exists()


def test_a_container_is_known_to_who_holds_something_in_it(people, delay):
    give(people, MODEL, NAME, "outsider", Privilege.EXECUTE)
    made = request_access(
        actor=people.outsider, type_=SecurableType.CATALOG, full_name="prod", privileges=[Privilege.USE_CATALOG]
    )
    assert made.securable_name == "prod"
    with pytest.raises(NotFound):
        request_access(
            actor=people.outsider,
            type_=SecurableType.CATALOG,
            full_name="workspaces",
            privileges=[Privilege.USE_CATALOG],
        )


@pytest.mark.parametrize(("wanted", "words"), [([], "name at least one"), ([Privilege.SELECT], "cannot be granted")])
def test_only_what_can_be_granted_is_asked_for(people, delay, wanted, words):
    with pytest.raises(InvalidParameter, match=words):
        request_access(actor=people.reader, type_=MODEL, full_name=NAME, privileges=wanted)
    with pytest.raises(InvalidParameter, match="already"):
        ask(people, "reader", Privilege.BROWSE)


def test_asking_again_joins_what_waits(people, delay):
    first = ask(people, reason="For a test.")
    second = ask(people, "reader", Privilege.APPLY_TAG, Privilege.EXECUTE)
    assert first.pk == second.pk
    assert second.privileges == ["EXECUTE", "APPLY_TAG"]
    assert second.reason == "For a test."
    withdraw_request(actor=people.reader, request_id=first.pk)
    assert ask(people).pk != first.pk


def test_the_inbox_is_for_who_administers_it(people, delay):
    made = ask(people)
    for who in ("owner", "metastore_admin"):
        assert [row.pk for row in list_requests(actor=getattr(people, who)).items] == [made.pk]
        assert pending_requests_count(getattr(people, who)) == 1
    for who in ("reader", "steward", "outsider"):
        assert list_requests(actor=getattr(people, who)).items == []
        assert pending_requests_count(getattr(people, who)) == 0
    assert [row.pk for row in list_requests(actor=people.reader, box="mine").items] == [made.pk]
    assert get_request(actor=people.reader, request_id=made.pk).pk == made.pk
    for who in ("steward", "outsider"):
        with pytest.raises(NotFound):
            get_request(actor=getattr(people, who), request_id=made.pk)
    for nonsense in ("x", "", "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11"):
        with pytest.raises(NotFound):
            get_request(actor=people.owner, request_id=nonsense)


def test_approving_grants_exactly_what_is_approved_and_leaves_a_trail(people, delay):
    made = ask(people, "reader", Privilege.EXECUTE, Privilege.MANAGE)
    approval = approve_request(actor=people.owner, request_id=made.pk, privileges=[Privilege.EXECUTE], answer="Fine.")
    assert approval.request.state == "APPROVED"
    held = Grant.objects.filter(principal=people.principals["reader"], securable=delay.securable)
    assert [grant.privilege for grant in held] == ["EXECUTE"]
    actions = list(AuditEvent.objects.order_by("-id").values_list("action", flat=True)[:3])
    assert {"approveAccessRequest", "updatePermissions"} <= set(actions)
    with pytest.raises(InvalidState, match=r"approved already by owner@example\.com"):
        approve_request(actor=people.metastore_admin, request_id=made.pk)
    with pytest.raises(InvalidState):
        withdraw_request(actor=people.reader, request_id=made.pk)


@pytest.mark.parametrize("answer", [approve_request, decline_request])
def test_only_who_may_grant_now_answers(people, delay, answer):
    made = ask(people)
    more = {"answer": "No."}
    for who in ("reader", "steward", "outsider"):
        with pytest.raises(NotFound):
            answer(actor=getattr(people, who), request_id=made.pk, **more)
    before = people.owner
    Securable.objects.filter(pk=delay.securable.pk).update(owner=people.principals["steward"])
    with pytest.raises(NotFound):
        answer(actor=before, request_id=made.pk, **more)
    made.refresh_from_db()
    assert made.state == "PENDING"
    assert not Grant.objects.filter(principal=people.principals["reader"], privilege="EXECUTE").exists()


def test_declining_needs_a_reason_which_the_requester_reads(sign_in, people, delay):
    made = ask(people)
    with pytest.raises(InvalidParameter, match="say why"):
        decline_request(actor=people.owner, request_id=made.pk, answer=" ")
    url = f"/requests/{made.pk}/decline"
    assert sign_in("owner").post(url, {"answer": f"Not yet. {XSS}"}, **HTMX).status_code == 204
    text = sign_in("reader").get("/requests?box=mine").content.decode()
    assert "Declined" in text
    assert "Not yet." in text
    assert XSS not in text


def test_what_is_gone_makes_a_request_stale(sign_in, people, delay):
    made = ask(people)
    delete_model(actor=people.metastore_admin, name=NAME)
    made.refresh_from_db()
    assert made.is_stale
    assert pending_requests_count(people.metastore_admin) == 0
    assert "What it is about was deleted" in sign_in("reader").get("/requests?box=mine").content.decode()
    with pytest.raises(NotFound):
        approve_request(actor=people.metastore_admin, request_id=made.pk)
    withdraw_request(actor=people.reader, request_id=made.pk)


def test_from_the_lock_to_being_let_in(sign_in, people, delay):
    reader, owner = sign_in("reader"), sign_in("metastore_admin")
    assert f"/requests/new?on=model&amp;name={NAME}" in reader.get("/explore/tree/prod/flights").content.decode()
    assert "Request access" in reader.get("/explore/data/models/prod/flights/delay").content.decode()
    form = reader.get(NEW, **HTMX)
    assert form.context["chosen"] == ["EXECUTE"]
    answer = reader.post(NEW, {"privileges": "EXECUTE", "reason": f"For a test {XSS}"}, **HTMX)
    assert answer.status_code == 204
    inbox = owner.get("/requests").content.decode()
    assert "For a test" in inbox
    assert XSS not in inbox
    made = AccessRequest.objects.get()
    dialog = owner.get(f"/requests/{made.pk}/approve", **HTMX).content.decode()
    assert "Grant the way in as well" in dialog
    assert "load, download and copy its versions" in dialog
    done = owner.post(f"/requests/{made.pk}/approve", {"privileges": "EXECUTE", "with_way": "on"}, **HTMX)
    assert json.loads(done.headers["HX-Trigger"])["toast"]["text"] == "Granted EXECUTE to reader@example.com."
    page = reader.get("/explore/data/models/prod/flights/delay").content.decode()
    assert "You may browse this model" not in page
    assert "Approved" in reader.get("/requests?box=mine").content.decode()


def test_what_a_button_cannot_do_is_said_in_a_toast(sign_in, people, delay):
    made = ask(people)
    withdraw_request(actor=people.reader, request_id=made.pk)
    again = sign_in("reader").post(f"/requests/{made.pk}/withdraw", **HTMX)
    assert "withdrawn already" in json.loads(again.headers["HX-Trigger"])["toast"]["text"]
    assert sign_in("reader").get("/requests/new").status_code == 400


def test_lists_cost_the_same_for_one_request_and_many(sign_in, people, delay):
    browser = sign_in("owner")
    ask(people)
    browser.get("/requests")
    with CaptureQueriesContext(connection) as few:
        browser.get("/requests")
    now = timezone.now()
    for number in range(60):
        model = make_model(people.metastore_admin, f"prod.flights.m{number}")
        Securable.objects.filter(pk=model.securable.pk).update(owner=people.principals["owner"])
        AccessRequest.objects.create(
            securable=model.securable,
            securable_type=MODEL,
            securable_name=model.securable.full_name,
            requester=people.principals["reader"],
            privileges=["EXECUTE"],
            created_at=now,
            updated_at=now,
        )
    with CaptureQueriesContext(connection) as many:
        page = browser.get("/requests")
    assert len(many) == len(few)
    assert len(page.context["page"].items) == 50
    second = browser.get("/requests", {"page": page.context["page"].next_page_token})
    assert len(second.context["page"].items) == 11


def test_the_same_over_rest(client, people, delay, settings, tmp_path):
    settings.STATIC_ROOT = str(tmp_path)
    tokens = {who: create_token(actor=getattr(people, who)).value for who in ("reader", "owner", "outsider")}

    def call(who, method, path, body=None):
        headers = {"Authorization": f"Bearer {tokens[who]}"}
        response = client.generic(
            method,
            f"/api/modelkeep/{path}",
            json.dumps(body or {}) if method == "POST" else "",
            content_type="application/json",
            headers=headers,
        )
        return response.status_code, response.json()

    wanted = {"securable_type": MODEL, "full_name": NAME, "privileges": ["execute"], "reason": "For a test."}
    status, made = call("reader", "POST", "access-requests", wanted)
    assert (status, made["access_request"]["privileges"]) == (200, ["EXECUTE"])
    one = f"access-requests/{made['access_request']['id']}"
    assert call("outsider", "GET", one)[0] == 404
    assert call("outsider", "POST", "access-requests", wanted)[0] == 404
    assert call("reader", "POST", f"{one}/approve")[0] == 404
    assert len(call("owner", "GET", "access-requests?state=PENDING")[1]["access_requests"]) == 1
    status, told = call(
        "owner",
        "POST",
        "permissions:simulate",
        {"securable_type": MODEL, "full_name": NAME, "principal": "reader@example.com", "add": ["EXECUTE"]},
    )
    assert status == 200
    assert [way["privilege"] for way in told["missing"]] == ["USE_CATALOG", "USE_SCHEMA"]
    status, approved = call("owner", "POST", f"{one}/approve", {"answer": "Fine."})
    assert (status, approved["access_request"]["state"]) == (200, "APPROVED")
    again = call("owner", "POST", f"{one}/decline", {"answer": "No."})
    assert again[0] == STATUS[ErrorCode.INVALID_STATE][0]
    assert "approved already" in again[1]["message"]
