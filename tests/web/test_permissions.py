"""Rights on the screens: the matrix, granting with a look ahead, revoking with a way back, and why."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.models import AuditEvent, Grant, Securable
from registry.privileges import Action, Privilege, SecurableType
from registry.services.actors import load_actor
from registry.services.grants import Change, update_grants
from registry.web.rights_in_words import ACTIONS, PRIVILEGES, presets_on
from tests.conftest import make_group, make_user
from tests.web.factories import make_model

pytestmark = pytest.mark.django_db
MODEL = "/explore/data/models/prod/flights/delay"
TAB = f"{MODEL}?tab=permissions"
ON = "/permissions/model/prod.flights.delay"
HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_CURRENT_URL": f"http://testserver{TAB}"}
XSS = "<script>alert(1)</script>"


def give(people, type_, name, who, *privileges):
    change = Change(who if "@" in who else f"{who}@example.com", tuple(privileges))
    update_grants(actor=people.metastore_admin, type_=type_, full_name=name, changes=[change])


@pytest.fixture
def delay(people, flights):
    """prod.flights.delay of the owner, who may use what it lies in."""
    model = make_model(people.metastore_admin, "prod.flights.delay", versions=1)
    Securable.objects.filter(pk=model.securable.pk).update(owner=people.principals["owner"])
    give(people, SecurableType.CATALOG, "prod", "owner", Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    return model


def toast_of(response):
    return json.loads(response.headers["HX-Trigger"])["toast"]


def held(who):
    return set(Grant.objects.filter(principal__key=f"{who}@example.com").values_list("privilege", flat=True))


def test_every_privilege_and_action_has_its_words():
    assert set(PRIVILEGES) == set(Privilege)
    assert set(ACTIONS) == set(Action)
    assert dict(presets_on(SecurableType.REGISTERED_MODEL))["Read"] == [Privilege.EXECUTE]


def test_the_matrix_shows_direct_and_inherited_with_the_source_linked(sign_in, people, delay):
    give(people, SecurableType.CATALOG, "prod", "reader", Privilege.EXECUTE)
    give(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "reader", Privilege.APPLY_TAG)
    page = sign_in("owner").get(TAB).content.decode()
    assert "Revoke APPLY TAG from reader@example.com" in page
    assert 'title="Inherited from catalog prod"' in page
    assert 'href="/explore/data/prod?tab=permissions"' in page
    assert "Revoke EXECUTE" not in page


def test_who_does_not_administer_sees_only_what_is_theirs(sign_in, people, delay):
    give(people, SecurableType.CATALOG, "prod", "reader", Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    give(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "reader", Privilege.EXECUTE)
    give(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "steward", Privilege.EXECUTE)
    page = sign_in("reader").get(TAB).content.decode()
    assert "reader@example.com" in page
    assert "steward@example.com" not in page
    assert "Request access" in page
    for offered in ("Revoke", f'href="{ON}/grant"', "Transfer ownership"):
        assert offered not in page


def test_granting_says_what_was_given_and_takes_back_exactly_that(sign_in, people, delay):
    browser = sign_in("owner")
    give(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "reader", Privilege.APPLY_TAG)
    wanted = {"principal": "reader@example.com", "privileges": ["EXECUTE", "APPLY_TAG"]}
    toast = toast_of(browser.post(f"{ON}/grant", wanted, **HTMX))
    assert toast["text"] == "Granted EXECUTE, APPLY TAG to reader@example.com."
    assert held("reader") == {"EXECUTE", "APPLY_TAG"}
    browser.post(toast["undo"]["url"], toast["undo"]["values"], **HTMX)
    assert held("reader") == {"APPLY_TAG"}


def test_the_way_in_is_granted_with_it_by_who_may(sign_in, people, delay):
    wanted = {"principal": "reader@example.com", "privileges": "EXECUTE", "with_way": "on"}
    browser = sign_in("metastore_admin")
    toast = toast_of(browser.post(f"{ON}/grant", wanted, **HTMX))
    assert sign_in("reader").get(MODEL).status_code == 200
    browser.post(toast["undo"]["url"], toast["undo"]["values"], **HTMX)
    assert held("reader") == set()
    assert sign_in("reader").get(MODEL).status_code == 404


def test_the_preview_tells_and_changes_nothing(sign_in, people, delay):
    rows = AuditEvent.objects.count()
    wanted = {"principal": "reader@example.com", "privileges": "EXECUTE"}
    text = sign_in("metastore_admin").post(f"{ON}/grant/preview", wanted, **HTMX).content.decode()
    assert "USE CATALOG on prod" in text
    assert "Grant the way in as well" in text
    give(people, SecurableType.CATALOG, "prod", "reader", Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    text = sign_in("owner").post(f"{ON}/grant/preview", wanted, **HTMX).content.decode()
    assert "load, download and copy its versions" in text
    assert held("reader") == {"USE_CATALOG", "USE_SCHEMA"}
    assert AuditEvent.objects.count() == rows + 1


def test_the_preview_says_what_is_wrong(sign_in, people, delay):
    browser = sign_in("owner")
    nobody = {"principal": f"nobody{XSS}", "privileges": "EXECUTE"}
    text = browser.post(f"{ON}/grant/preview", nobody, **HTMX).content.decode()
    assert "does not exist" in text
    assert XSS not in text
    assert "Choose who and what" in browser.post(f"{ON}/grant/preview", {}, **HTMX).content.decode()


def test_revoking_one_cell_or_all_with_undo(sign_in, people, delay):
    give(
        people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "reader", Privilege.APPLY_TAG, Privilege.EXECUTE
    )
    browser, who = sign_in("owner"), {"principal": "reader@example.com"}
    toast = toast_of(browser.post(f"{ON}/revoke", who | {"remove": "EXECUTE"}, **HTMX))
    assert held("reader") == {"APPLY_TAG"}
    browser.post(toast["undo"]["url"], toast["undo"]["values"], **HTMX)
    assert held("reader") == {"APPLY_TAG", "EXECUTE"}
    browser.post(f"{ON}/revoke", who | {"remove": ["EXECUTE", "APPLY_TAG"]}, **HTMX)
    assert held("reader") == set()
    assert "did not hold" in toast_of(browser.post(f"{ON}/revoke", who | {"remove": "EXECUTE"}, **HTMX))["text"]


@pytest.mark.parametrize(
    "changes", ["", "[]", "{}", "[1]", '[{"on": "x"}]', "null", '[{"on": "model", "name": "a"}]']
)
def test_changes_that_cannot_be_read_are_refused(sign_in, people, delay, changes):
    toast = toast_of(sign_in("owner").post("/permissions/change", {"changes": changes}, **HTMX))
    assert toast["kind"] == "error"


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("grant", {"principal": "outsider@example.com", "privileges": "MANAGE"}),
        ("grant/preview", {"principal": "outsider@example.com", "privileges": "MANAGE"}),
        ("revoke", {"principal": "owner@example.com", "remove": "EXECUTE"}),
        ("owner", {"owner": "outsider@example.com"}),
    ],
)
def test_nobody_else_changes_anything(sign_in, people, delay, path, data):
    before = list(Grant.objects.order_by("pk").values())
    assert sign_in("outsider").post(f"{ON}/{path}", data).status_code == 404
    give(people, SecurableType.CATALOG, "prod", "reader", Privilege.BROWSE)
    assert sign_in("reader").post(f"{ON}/{path}", data).status_code == 403
    Grant.objects.filter(principal=people.principals["reader"]).delete()
    assert list(Grant.objects.order_by("pk").values()) == before
    assert Securable.objects.get(key="delay").owner == people.principals["owner"]


def test_ownership_is_handed_over_and_back(sign_in, people, delay):
    browser = sign_in("metastore_admin")
    toast = toast_of(browser.post(f"{ON}/owner", {"owner": "reader@example.com"}, **HTMX))
    assert Securable.objects.get(key="delay").owner == people.principals["reader"]
    browser.post(toast["undo"]["url"], toast["undo"]["values"], **HTMX)
    assert Securable.objects.get(key="delay").owner == people.principals["owner"]
    refused = browser.post(f"{ON}/owner", {"owner": "nobody@example.com"}, **HTMX)
    assert refused.status_code == 400
    assert "no active user" in refused.content.decode()


def test_who_gives_it_away_is_offered_no_way_back(sign_in, people, delay):
    toast = toast_of(sign_in("owner").post(f"{ON}/owner", {"owner": "reader@example.com"}, **HTMX))
    assert "undo" not in toast


def test_names_are_suggested_to_who_may_grant_and_to_nobody_else(sign_in, people, delay):
    make_user("zoe@example.com").__class__.objects.filter(key="zoe@example.com").update(display_name=XSS)
    text = sign_in("owner").get(f"{ON}/principals", {"q": "e"}).content.decode()
    assert "reader@example.com" in text
    assert XSS not in sign_in("owner").get(f"{ON}/principals", {"q": "zoe"}).content.decode()
    assert "modelkeep-system" not in sign_in("owner").get(f"{ON}/principals", {"q": "modelkeep"}).content.decode()
    give(people, SecurableType.CATALOG, "prod", "reader", Privilege.BROWSE)
    assert sign_in("reader").get(f"{ON}/principals", {"q": "e"}).status_code == 403
    assert sign_in("outsider").get(f"{ON}/principals", {"q": "e"}).status_code == 404


def test_why_yes_names_privilege_level_and_group(sign_in, people, delay):
    team = make_group("pilots", people.principals["reader"])
    give(people, SecurableType.CATALOG, "prod", "reader", Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    change = Change(team.name, (Privilege.EXECUTE,))
    update_grants(
        actor=people.metastore_admin, type_=SecurableType.SCHEMA, full_name="prod.flights", changes=[change]
    )
    asked = {"principal": "reader@example.com", "action": Action.LOAD_VERSION}
    text = sign_in("owner").get(f"{ON}/why", asked, **HTMX).content.decode()
    assert "<strong>Yes.</strong>" in text
    assert "through the group <strong>pilots</strong>" in text
    assert ">prod.flights</a>" in text


def test_why_not_names_what_is_missing_and_leads_on(sign_in, people, delay):
    asked = {"principal": "reader@example.com", "action": Action.LOAD_VERSION}
    text = sign_in("metastore_admin").get(f"{ON}/why", asked, **HTMX).content.decode()
    assert "<strong>No.</strong>" in text
    assert "USE CATALOG" in text
    assert "/permissions/catalog/prod/grant?principal=reader%40example.com&amp;privilege=USE_CATALOG" in text
    give(people, SecurableType.CATALOG, "prod", "reader", Privilege.BROWSE)
    own = sign_in("reader").get(f"{ON}/why", **HTMX).content.decode()
    assert "You lack" in own
    assert "/requests/new?on=catalog&amp;name=prod&amp;privilege=USE_CATALOG" in own
    about_others = sign_in("reader").get(f"{ON}/why", {"principal": "owner@example.com"}, **HTMX)
    assert "Only who administers" in about_others.content.decode()
    assert sign_in("outsider").get(f"{ON}/why").status_code == 404


def test_a_refused_page_offers_to_ask_for_what_is_missing(sign_in, people, delay):
    give(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "reader", Privilege.EXECUTE)
    text = sign_in("reader").get(MODEL).content.decode()
    assert 'href="/requests/new?on=catalog&amp;name=prod&amp;privilege=USE_CATALOG"' in text


def test_the_metastore_has_its_page(sign_in, people):
    update_grants(
        actor=people.metastore_admin,
        type_=SecurableType.METASTORE,
        full_name="metastore",
        changes=[Change("reader@example.com", (Privilege.CREATE_CATALOG,))],
    )
    assert "Revoke CREATE CATALOG" in sign_in("metastore_admin").get("/settings/permissions").content.decode()
    assert "Revoke" not in sign_in("reader").get("/settings/permissions").content.decode()


def test_the_tab_costs_the_same_for_one_holder_and_many(sign_in, people, delay):
    browser = sign_in("owner")
    give(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "reader", Privilege.EXECUTE)
    browser.get(TAB)
    with CaptureQueriesContext(connection) as few:
        browser.get(TAB)
    for number in range(60):
        user = make_user(f"user{number:03}@example.com")
        Grant.objects.create(securable=delay.securable, principal=user, privilege=Privilege.EXECUTE)
    with CaptureQueriesContext(connection) as many:
        page = browser.get(TAB)
    assert len(many) == len(few)
    assert "user045" in page.content.decode()
    assert "user055" not in page.content.decode()
    token = page.context["holders"].holders.page.next_page_token
    assert "user055" in browser.get(TAB, {"tab": "permissions", "page": token}).content.decode()
    assert "user055" in browser.get(TAB, {"tab": "permissions", "q": "user055"}).content.decode()


def test_names_never_become_markup(sign_in, people, delay):
    group = make_group(f'"{XSS}')
    Grant.objects.create(securable=delay.securable, principal=group, privilege=Privilege.EXECUTE)
    text = sign_in("owner").get(TAB).content.decode()
    assert XSS not in text
    asked = {"principal": group.name, "action": Action.LOAD_VERSION}
    assert XSS not in sign_in("owner").get(f"{ON}/why", asked, **HTMX).content.decode()
    assert load_actor(group).name == group.name
