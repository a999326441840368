"""Settings: users, groups and service principals, for metastore admins; one's own groups for everybody."""

import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.models import AuditEvent, Membership, Principal, ServicePrincipalSecret
from registry.services.service_principal_secrets import create_secret
from tests.conftest import make_group, make_user

pytestmark = pytest.mark.django_db
XSS = "<script>alert(1)</script>"
LISTS = ["/settings/users", "/settings/groups", "/settings/service-principals"]


def over(path):
    return {"HTTP_HX_REQUEST": "true", "HTTP_HX_CURRENT_URL": f"http://testserver{path}"}


def toast_of(response):
    return json.loads(response.headers["HX-Trigger"])["toast"]


def shown_once(response):
    return re.search(r'id="shown-once">([^<]+)<', response.content.decode())[1]


@pytest.fixture
def admin(sign_in):
    return sign_in("metastore_admin")


def robot(name="nightly"):
    return Principal.objects.create(kind="SERVICE_PRINCIPAL", name=f"id-{name}", key=f"id-{name}", display_name=name)


def test_a_user_is_made_and_signs_in_with_the_password_that_is_shown_once(admin, browser, people):
    made = admin.post(
        "/settings/users/new", {"email": "New@Example.com", "display_name": f"N {XSS}"}, **over("/settings/users")
    )
    assert XSS not in made.content.decode()
    password = shown_once(made)
    signed = browser.post("/sign-in", {"name": "new@example.com", "password": password})
    assert signed.status_code == 302
    assert browser.get("/").headers["Location"].startswith("/profile/password")
    user = Principal.objects.get(key="new@example.com")
    for page in ("/settings/users", f"/settings/users/{user.pk}"):
        text = admin.get(page).content.decode()
        assert password not in text
        assert XSS not in text
    assert not AuditEvent.objects.filter(params__icontains=password).exists()


@pytest.mark.parametrize("email", ["", "no address", "reader@example.com"])
def test_what_cannot_be_made_is_said_in_the_form(admin, people, email):
    refused = admin.post("/settings/users/new", {"email": email}, **over("/settings/users"))
    assert refused.status_code in {400, 409}
    assert "shown-once" not in refused.content.decode()
    assert "field-error" in refused.content.decode() or "alert-bad" in refused.content.decode()


def test_disabling_is_at_once_and_taken_back(admin, sign_in, people):
    reader = people.principals["reader"]
    browser = sign_in("reader")
    assert browser.get("/").status_code == 200
    path = f"/settings/users/{reader.pk}"
    toast = toast_of(admin.post(f"/settings/principals/{reader.pk}/active", {"active": "0"}, **over(path)))
    assert browser.get("/").status_code == 302
    assert "Disabled" in admin.get(path).content.decode()
    admin.post(toast["undo"]["url"], toast["undo"]["values"], **over(path))
    assert sign_in("reader").get("/").status_code == 200


def test_the_last_administrator_stays(admin, people):
    who = people.principals["metastore_admin"]
    refused = admin.post(f"/settings/principals/{who.pk}/active", {"active": "0"}, **over("/settings/users"))
    assert "no active administrator" in toast_of(refused)["text"]
    who.refresh_from_db()
    assert who.is_active


def test_a_password_is_reset_once_it_is_confirmed(admin, browser, people):
    url = f"/settings/users/{people.principals['reader'].pk}/password"
    assert "shown-once" not in admin.get(url, **over("/settings/users")).content.decode()
    password = shown_once(admin.post(url, **over("/settings/users")))
    assert browser.post("/sign-in", {"name": "reader@example.com", "password": password}).status_code == 302


def test_editing_and_deleting(admin, people, flights):
    reader, owner = people.principals["reader"], people.principals["metastore_admin"]
    edit = f"/settings/principals/{reader.pk}/edit"
    admin.post(edit, {"name": "renamed@example.com", "display_name": "Renamed"}, **over("/settings/users"))
    reader.refresh_from_db()
    assert (reader.name, reader.display_name) == ("renamed@example.com", "Renamed")
    kept = admin.post(f"/settings/principals/{owner.pk}/delete", **over("/settings/users"))
    assert "Transfer these" in kept.content.decode()
    gone = admin.post(f"/settings/principals/{reader.pk}/delete", **over(f"/settings/users/{reader.pk}"))
    assert gone.headers["HX-Redirect"] == "/settings/users"
    assert not Principal.objects.filter(pk=reader.pk).exists()


def test_groups_have_members_and_groups_in_them(admin, people):
    made = admin.post("/settings/groups/new", {"display_name": "pilots"}, **over("/settings/groups"))
    pilots = Principal.objects.get(key="pilots")
    path = f"/settings/groups/{pilots.pk}"
    assert made.headers["HX-Redirect"] == path
    for name in ("reader@example.com", "stewards"):
        toast = toast_of(admin.post(f"{path}/add", {"members": name}, **over(path)))
    assert "stewards" in admin.get(path).content.decode()
    assert "reader@example.com" in admin.get(path).content.decode()
    admin.post(toast["undo"]["url"], toast["undo"]["values"], **over(path))
    assert [link.member.name for link in Membership.objects.filter(group=pilots)] == ["reader@example.com"]
    reader = people.principals["reader"]
    toast = toast_of(admin.post(f"{path}/remove", {"member": reader.pk}, **over(path)))
    assert not Membership.objects.filter(group=pilots).exists()
    admin.post(toast["undo"]["url"], toast["undo"]["values"], **over(path))
    assert Membership.objects.filter(group=pilots, member=reader).exists()


def test_circles_and_strangers_are_refused_in_the_form(admin, people):
    outer = make_group("outer")
    inner = make_group("inner", outer)
    path = f"/settings/groups/{outer.pk}"
    circle = admin.post(f"{path}/add", {"members": "inner"}, **over(path))
    assert "cannot belong" in circle.content.decode()
    nobody = admin.post(f"{path}/add", {"members": XSS}, **over(path))
    assert "does not exist" in nobody.content.decode()
    assert XSS not in nobody.content.decode()
    joined = admin.post(f"/settings/principals/{outer.pk}/join", {"members": "inner"}, **over(path))
    assert joined.status_code == 204
    assert Membership.objects.filter(group=inner, member=outer).exists()


def test_everybody_cannot_be_chosen(admin, people):
    everybody = Principal.objects.get(key="account users")
    text = admin.get(f"/settings/groups/{everybody.pk}").content.decode()
    assert "Its members cannot be chosen" in text
    assert "Add member" not in text


def test_secrets_are_shown_once_and_deleted(admin, people):
    admin.post("/settings/service-principals/new", {"display_name": "nightly"}, **over(LISTS[2]))
    made = Principal.objects.get(display_name="nightly")
    path = f"/settings/service-principals/{made.pk}"
    secret = shown_once(admin.post(f"{path}/secrets/new", {"lifetime": "90"}, **over(path)))
    assert secret.startswith("mks")
    page = admin.get(path).content.decode()
    assert secret not in page
    assert secret[:8] in page
    row = ServicePrincipalSecret.objects.get(principal=made)
    admin.post(f"{path}/secrets/{row.pk}/delete")
    assert not made.secrets.exists()
    refused = admin.post(f"{path}/secrets/new", {"lifetime": "9999"}, **over(path))
    assert "shown-once" not in refused.content.decode()


def test_too_many_secrets_are_refused_in_the_form(admin, people):
    made = robot()
    for _ in range(5):
        create_secret(actor=people.metastore_admin, principal_id=made.pk)
    path = f"/settings/service-principals/{made.pk}"
    refused = admin.post(f"{path}/secrets/new", {"lifetime": "90"}, **over(path))
    assert "delete one that is not in use" in refused.content.decode()


def test_others_see_their_own_groups_and_nothing_else(sign_in, people):
    make_group("pilots", people.principals["reader"])
    make_group("outer", Principal.objects.get(key="pilots"))
    make_group("strangers")
    browser = sign_in("reader")
    text = browser.get("/settings/groups").content.decode()
    assert "pilots" in text
    assert "outer" in text
    assert "strangers" not in text
    assert "Create group" not in text
    assert "/settings/users" not in text
    pilots, made = Principal.objects.get(key="pilots"), robot()
    before = list(Principal.objects.order_by("pk").values())
    for path in (
        *("/settings/users", "/settings/service-principals", f"/settings/groups/{pilots.pk}"),
        *(f"/settings/users/{people.principals['owner'].pk}", f"/settings/service-principals/{made.pk}"),
    ):
        assert browser.get(path).status_code == 403, path
    for path, data in (
        ("/settings/users/new", {"email": "x@example.com"}),
        ("/settings/groups/new", {"display_name": "x"}),
        ("/settings/service-principals/new", {"display_name": "x"}),
        (f"/settings/groups/{pilots.pk}/add", {"members": "outsider@example.com"}),
        (f"/settings/groups/{pilots.pk}/remove", {"member": people.principals["reader"].pk}),
        (f"/settings/principals/{pilots.pk}/delete", {}),
        (f"/settings/principals/{pilots.pk}/edit", {"name": "x"}),
        (f"/settings/principals/{made.pk}/active", {"active": "0"}),
        (f"/settings/principals/{people.principals['reader'].pk}/join", {"members": "strangers"}),
        (f"/settings/users/{people.principals['owner'].pk}/password", {}),
        (f"/settings/service-principals/{made.pk}/secrets/new", {"lifetime": "90"}),
    ):
        assert browser.post(path, data).status_code == 403, path
    assert list(Principal.objects.order_by("pk").values()) == before
    assert not ServicePrincipalSecret.objects.exists()


def test_settings_open_with_what_one_may_use(sign_in, people):
    assert sign_in("metastore_admin").get("/settings").status_code == 302
    target = sign_in("outsider").get("/settings").headers["Location"]
    assert sign_in("outsider").get(target).status_code == 200


@pytest.mark.parametrize("path", LISTS)
def test_lists_filter_and_cost_the_same_for_few_and_many(admin, people, path):
    robot()
    make_group("one")
    admin.get(path)
    with CaptureQueriesContext(connection) as few:
        admin.get(path)
    for number in range(60):
        user = make_user(f"user{number:02}@example.com")
        make_group(f"group{number:02}", user)
        robot(f"robot{number:02}")
    with CaptureQueriesContext(connection) as many:
        page = admin.get(path)
    assert len(many) == len(few)
    assert page.context["page"].next_page_token
    (found,) = admin.get(path, {"q": "55"}).context["page"].items
    assert "55" in found.label
    assert admin.get(path, {"q": "%_'\"", "page": ""}).status_code == 200
    assert admin.get(path, {"page": "junk"}).status_code == 400
    newest = admin.get(path, {"order": "-created"})
    assert "59" in newest.context["page"].items[0].label
    assert 'aria-sort="descending"' in newest.content.decode()
    assert admin.get(path, {"order": "label"}).status_code == 400


def test_members_cost_the_same_for_few_and_many(admin, people):
    group = make_group("pilots", people.principals["reader"])
    path = f"/settings/groups/{group.pk}"
    admin.get(path)
    with CaptureQueriesContext(connection) as few:
        admin.get(path)
    for number in range(60):
        Membership.objects.create(group=group, member=make_user(f"user{number:02}@example.com"))
    with CaptureQueriesContext(connection) as many:
        page = admin.get(path)
    assert len(many) == len(few)
    second = admin.get(path, {"page": page.context["page"].next_page_token})
    assert "user55" in second.content.decode()
