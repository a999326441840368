"""The door: sessions, throttling, forced password change, and where it leads."""

import pytest
from django.test import Client
from django.urls import reverse

from registry.models import AuditEvent
from registry.services.passwords import MAX_FAILURES, reset_password
from tests.web.conftest import PASSWORD, Browser

PAGES = [
    "/",
    "/profile",
    "/profile/password",
    "/explore/data",
    "/explore/data/prod",
    "/explore/data/prod/flights",
    "/explore/data/prod/flights/t",
    "/explore/data/models/prod/flights/m",
    "/explore/data/models/prod/flights/m/version/1",
    "/explore/tree",
    "/explore/tree/prod",
    "/explore/tree/prod/flights",
]


@pytest.fixture
def user(people):
    found = people.principals["reader"]
    found.set_password(PASSWORD)
    found.save()
    return found


def enter(browser, password=PASSWORD, name="reader@example.com", **more):
    return browser.post("/sign-in", {"name": name, "password": password, **more})


@pytest.mark.parametrize("page", PAGES)
def test_every_page_sends_strangers_to_the_door_and_back(browser, page):
    response = browser.get(page)
    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in?next=")


def test_signing_in_leads_to_where_one_wanted_to_be(browser, user):
    assert enter(browser, name=" Reader@Example.com ", next="/profile")["Location"] == "/profile"
    assert browser.get("/profile").status_code == 200


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_the_door_leads_nowhere_else(browser, user, target):
    assert enter(browser, next=target)["Location"] == "/"


@pytest.mark.parametrize("name", ["reader@example.com", "nobody@example.com"])
def test_a_wrong_password_and_an_unknown_name_read_the_same(browser, user, name):
    response = enter(browser, "wrong", name=name)
    assert response.status_code == 401
    assert "The name or the password is not right." in response.content.decode()


def test_failures_are_throttled_per_name_and_address(browser, user):
    for _ in range(MAX_FAILURES):
        assert enter(browser, "wrong").status_code == 401
    refused = enter(browser)
    assert refused.status_code == 429
    assert "Too many failed sign-ins" in refused.content.decode()
    elsewhere = Browser(REMOTE_ADDR="10.0.0.9")
    assert enter(elsewhere).status_code == 302
    assert enter(browser, "wrong", name="owner@example.com").status_code == 401


def test_success_starts_the_count_again(browser, user):
    for _ in range(MAX_FAILURES - 1):
        enter(browser, "wrong")
    assert enter(browser).status_code == 302
    for _ in range(MAX_FAILURES - 1):
        assert enter(browser, "wrong").status_code == 401
    assert enter(browser).status_code == 302


def test_every_try_leaves_an_audit_row_without_the_password(browser, user):
    enter(browser, "hunter2-secret")
    enter(browser)
    rows = AuditEvent.objects.filter(action="signIn").order_by("id")
    assert [row.decision for row in rows] == ["DENY", "ALLOW"]
    assert rows[1].actor == "reader@example.com"
    assert "hunter2" not in str([row.__dict__ for row in rows])


def test_a_password_made_by_somebody_else_must_be_replaced_first(browser, people, user):
    first = reset_password(actor=people.metastore_admin, principal_id=user.pk)
    assert enter(browser, first, next="/explore/data")["Location"] == "/profile/password?next=%2Fexplore%2Fdata"
    assert browser.get("/explore/data")["Location"].startswith("/profile/password")
    assert browser.get("/console/").status_code == 302
    here = "http://testserver/profile/password?next=%2Fexplore%2Fdata"
    part = browser.get(reverse("bell-badge"), HTTP_HX_REQUEST="true", HTTP_HX_CURRENT_URL=here)
    assert part.status_code == 204, "the bell of the page where it is replaced does not send there again and again"
    weak = browser.post("/profile/password", {"current": first, "new": "short", "again": "short"})
    assert weak.status_code == 400
    differing = browser.post("/profile/password", {"current": first, "new": "a" * 20, "again": "b" * 20})
    assert "differ" in differing.content.decode()
    done = browser.post(
        "/profile/password",
        {"current": first, "new": "a much better one", "again": "a much better one", "next": "/explore/data"},
    )
    assert done["Location"] == "/explore/data"
    assert browser.get("/explore/data").status_code == 200


def test_a_disabled_user_is_out_at_once(browser, user):
    enter(browser)
    user.is_active = False
    user.save()
    assert browser.get("/profile").status_code == 302
    assert enter(browser).status_code == 401


def test_signing_out_is_a_post(browser, user):
    enter(browser)
    assert browser.get("/sign-out").status_code == 405
    browser.post("/sign-out")
    assert browser.get("/profile").status_code == 302


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/profile", "/profile/tokens", "/profile/password"])
def test_forms_without_their_token_are_refused(people, path):
    browser = Client(enforce_csrf_checks=True, HTTP_SEC_FETCH_SITE="same-origin")
    browser.force_login(people.principals["reader"])
    response = browser.post(path, {})
    assert response.status_code == 403
    assert "expired or was sent from another site" in response.content.decode()


def test_another_site_cannot_use_the_session(people):
    browser = Client(HTTP_SEC_FETCH_SITE="cross-site")
    browser.force_login(people.principals["reader"])
    assert browser.post("/profile", {"display_name": "x"}).status_code == 403


def test_pages_forbid_inline_code_and_are_not_kept(sign_in):
    response = sign_in("reader").get("/profile")
    assert "default-src 'self'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]
    assert response["Cache-Control"] == "private, no-store"
    text = response.content.decode()
    assert " style=" not in text
    assert " onclick" not in text
    assert "<script>" not in text
