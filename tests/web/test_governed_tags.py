"""Settings, Governed tags: made, changed, and who may assign them."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.models import TagPolicy, TagPolicyRole
from registry.services.tag_policies import create_policy

pytestmark = pytest.mark.django_db
LIST = "/settings/governed-tags"
ONE = f"{LIST}/tag/validation_status"
HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_CURRENT_URL": f"http://testserver{ONE}"}
XSS = "<script>alert(1)</script>"


def toast_of(response):
    return json.loads(response.headers["HX-Trigger"])["toast"]


@pytest.fixture
def governed(people):
    """validation_status, managed by the administrator who made it."""
    values = ["approved", "rejected"]
    return create_policy(actor=people.metastore_admin, key="validation_status", description=XSS, values=values)


def test_a_tag_is_governed_from_the_page(sign_in, people):
    admin = sign_in("metastore_admin")
    wanted = {"key": "tier", "description": "", "values": "gold\n silver \n\n"}
    made = admin.post(f"{LIST}/new", wanted, **HTMX)
    assert made.headers["HX-Redirect"] == f"{LIST}/tag/tier"
    assert TagPolicy.objects.get(key="tier").values == ["gold", "silver"]
    again = admin.post(f"{LIST}/new", wanted, **HTMX)
    assert "has a policy already" in again.content.decode()
    twice = admin.post(f"{LIST}/new", wanted | {"key": "other", "values": "a\na"}, **HTMX)
    assert "must be different" in twice.content.decode()


def test_everybody_reads_the_rules_and_managers_change_them(sign_in, people, governed):
    for who in ("outsider", "metastore_admin"):
        text = sign_in(who).get(ONE).content.decode()
        assert "approved" in text
        assert XSS not in text
    assert "Edit rules" not in sign_in("outsider").get(ONE).content.decode()
    changed = {"description": "", "values": "approved"}
    refused = toast_of(sign_in("metastore_admin").post(f"{ONE}/edit", changed, **HTMX))
    assert refused["kind"] == "success"
    governed.refresh_from_db()
    assert governed.values == ["approved"]


def test_roles_are_given_and_taken_with_a_way_back(sign_in, people, governed):
    admin = sign_in("metastore_admin")
    given = {"principal": "reader@example.com", "role": "ASSIGNER"}
    toast = toast_of(admin.post(f"{ONE}/roles/add", given, **HTMX))
    assert governed.roles.filter(principal=people.principals["reader"], role="ASSIGNER").exists()
    admin.post(toast["undo"]["url"], toast["undo"]["values"], **HTMX)
    assert not governed.roles.filter(principal=people.principals["reader"]).exists()
    toast = toast_of(admin.post(f"{ONE}/roles/remove", {"principal": "admin@example.com", "role": "MANAGER"}, **HTMX))
    assert not governed.roles.exists()
    admin.post(toast["undo"]["url"], toast["undo"]["values"], **HTMX)
    assert governed.roles.get().principal == people.principals["metastore_admin"]
    nobody = admin.post(f"{ONE}/roles/add", {"principal": XSS, "role": "ASSIGNER"}, **HTMX)
    assert XSS not in nobody.content.decode()
    assert "does not exist" in nobody.content.decode()


def test_nobody_else_changes_anything(sign_in, people, governed):
    browser = sign_in("owner")
    before = list(TagPolicyRole.objects.values())
    for path, data in (
        (f"{LIST}/new", {"key": "mine"}),
        (f"{ONE}/edit", {"values": "x"}),
        (f"{ONE}/delete", {}),
        (f"{ONE}/roles/add", {"principal": "owner@example.com", "role": "MANAGER"}),
        (f"{ONE}/roles/remove", {"principal": "admin@example.com", "role": "MANAGER"}),
    ):
        assert browser.post(path, data).status_code == 403, path
    assert list(TagPolicyRole.objects.values()) == before
    assert [policy.values for policy in TagPolicy.objects.all()] == [["approved", "rejected"]]


def test_governing_ends_once_it_is_confirmed(sign_in, people, governed):
    admin = sign_in("metastore_admin")
    assert "What objects are tagged with stays" in admin.get(f"{ONE}/delete", **HTMX).content.decode()
    admin.post(f"{ONE}/delete", **HTMX)
    assert not TagPolicy.objects.exists()
    assert admin.get(ONE).status_code == 404


def test_the_list_costs_the_same_for_few_and_many(sign_in, people, governed):
    browser = sign_in("outsider")
    browser.get(LIST)
    with CaptureQueriesContext(connection) as few:
        browser.get(LIST)
    for number in range(60):
        TagPolicy.objects.create(key=f"key{number:02}", values=["a"] * 9)
    with CaptureQueriesContext(connection) as many:
        page = browser.get(LIST)
    assert len(many) == len(few)
    assert "and 3 more" in page.content.decode()
    assert "key55" in browser.get(LIST, {"page": page.context["page"].next_page_token}).content.decode()
