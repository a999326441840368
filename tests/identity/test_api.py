"""SCIM and tokens on the wire."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.models import Principal
from registry.services.catalogs import create_catalog, update_catalog
from registry.services.memberships import change_members
from registry.services.principals import create_group, create_user
from registry.services.securables import Changes

SCIM = "/api/2.0/preview/scim/v2"
JSON = "application/json"


def post(client, path, body):
    return client.post(path, body, content_type=JSON)


def test_me_is_the_caller_with_groups(caller):
    me = caller("steward").get(f"{SCIM}/Me").json()
    assert me["userName"] == "steward@example.com"
    assert me["emails"] == [{"value": "steward@example.com", "type": "work", "primary": True}]
    assert [group["display"] for group in me["groups"]] == ["stewards"]
    assert me["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:User"]
    assert caller("steward").get(f"{SCIM}/Me/").status_code == 200


def test_without_a_token_everything_is_refused_as_scim(client, db):
    response = client.get(f"{SCIM}/Users")
    assert response.status_code == 401
    assert response.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert response.json()["detail"]


def test_others_may_not_list_or_add(caller):
    outsider = caller("outsider")
    assert outsider.get(f"{SCIM}/Users").status_code == 403
    assert post(outsider, f"{SCIM}/Users", {"userName": "x@example.com"}).status_code == 403
    assert outsider.get("/api/2.0/token-management/tokens").status_code == 403


def test_a_user_is_made_found_disabled_and_enabled(caller):
    admin = caller("metastore_admin")
    made = post(admin, f"{SCIM}/Users", {"userName": "Ada@Example.com", "displayName": "Ada L"})
    assert made.status_code == 201
    user = made.json()
    found = admin.get(f"{SCIM}/Users", {"filter": 'userName eq "ADA@example.com"'}).json()
    assert [row["id"] for row in found["Resources"]] == [user["id"]]
    patch = {"Operations": [{"op": "replace", "path": "active", "value": "False"}]}
    assert admin.patch(f"{SCIM}/Users/{user['id']}", patch, content_type=JSON).json()["active"] is False
    whole = {"Operations": [{"op": "replace", "value": {"active": True, "displayName": "Ada"}}]}
    assert admin.patch(f"{SCIM}/Users/{user['id']}", whole, content_type=JSON).json()["displayName"] == "Ada"
    again = post(admin, f"{SCIM}/Users", {"userName": "ada@example.com"})
    assert (again.status_code, again.json()["scimType"]) == (409, "uniqueness")
    assert admin.delete(f"{SCIM}/Users/{user['id']}").status_code == 204
    assert admin.get(f"{SCIM}/Users/{user['id']}").status_code == 404
    assert post(admin, f"{SCIM}/Users", {"userName": "ada@example.com"}).status_code == 201


def test_deleting_who_owns_something_disables(caller, people):
    create_catalog(actor=people.metastore_admin, name="kept")
    update_catalog(actor=people.metastore_admin, name="kept", changes=Changes(owner="owner@example.com"))
    owner, admin = caller("owner"), caller("metastore_admin")
    path = f"{SCIM}/Users/{people.principals['owner'].pk}"
    assert owner.get(f"{SCIM}/Me").status_code == 200
    assert admin.delete(path).status_code == 204
    assert admin.get(path).json()["active"] is False
    assert owner.get(f"{SCIM}/Me").status_code == 401


def test_the_last_administrator_cannot_be_deleted(caller, people):
    admin = caller("metastore_admin")
    me = admin.get(f"{SCIM}/Me").json()["id"]
    assert admin.delete(f"{SCIM}/Users/{me}").status_code == 409
    assert admin.get(f"{SCIM}/Me").json()["active"] is True


@pytest.mark.parametrize("kind", ["Users", "Groups", "ServicePrincipals"])
def test_lists_end_with_an_empty_page(caller, kind):
    admin = caller("metastore_admin")
    seen, start = [], 1
    while rows := admin.get(f"{SCIM}/{kind}", {"startIndex": start, "count": 2}).json()["Resources"]:
        seen += [row["id"] for row in rows]
        start += len(rows)
    assert len(seen) == len(set(seen)) == admin.get(f"{SCIM}/{kind}").json()["totalResults"]
    far = admin.get(f"{SCIM}/{kind}", {"startIndex": 10**30, "count": 100}).json()
    assert far["Resources"] == []


@pytest.mark.parametrize(
    "text",
    [
        "userName",
        'userName gt "x"',
        "userName eq x",
        'password co "a"',
        'userName eq "x" or',
        'userName eq "x" userName eq "y"',
        'userName eq "x',
        'userName eq "\\u0000"',
        'userName eq "\\ud800"',
        'userName eq "\\q"',
        '"userName" eq "x"',
        '(userName eq "x")',
        "active eq 1",
        'active co "t"',
        " or ".join(['id eq "1"'] * 101),
    ],
)
def test_a_filter_that_is_not_understood_says_so(caller, text):
    response = caller("metastore_admin").get(f"{SCIM}/Users", {"filter": text})
    assert response.status_code == 400
    assert "filter" in response.json()["detail"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('userName co "example"', 5),
        ('displayName eq "Ada"', 1),
        ('userName co "EXAMPLE" and displayName co "ada"', 1),
        ('displayName co "\\"; drop"', 0),
        ('displayName eq "owner@example.com"', 1),
        ('userName sw "READ"', 1),
        ('userName eq "reader@example.com" or userName eq "owner@example.com"', 2),
        ('displayName eq "ada" and userName sw "x" or userName sw "owner"', 1),
        ('userName co "example" and userName ne "reader@example.com"', 4),
        ('displayName eq "a and b or c"', 0),
        ('emails.value eq "reader@example.com"', 1),
        ("externalId pr", 0),
        ("active eq true", 5),
        ('active eq "false"', 0),
        ('id eq "99999999999999999999"', 0),
        ('userName co "%"', 0),
    ],
)
def test_filters(caller, people, text, count):
    user = people.principals["reader"]
    user.display_name = "Ada"
    user.save()
    found = caller("metastore_admin").get(f"{SCIM}/Users", {"filter": text}).json()
    assert found["totalResults"] == count


def test_a_group_and_its_members(caller, people):
    admin, reader = caller("metastore_admin"), people.principals["reader"]
    owner = people.principals["owner"]
    body = {"displayName": "crew", "members": [{"value": str(reader.pk)}]}
    group = post(admin, f"{SCIM}/Groups", body).json()
    assert [member["value"] for member in group["members"]] == [str(reader.pk)]
    path = f"{SCIM}/Groups/{group['id']}"
    operations = [
        {"op": "add", "path": "members", "value": [{"value": str(owner.pk)}]},
        {"op": "remove", "path": f'members[value eq "{reader.pk}"]'},
        {"op": "replace", "path": "displayName", "value": "team"},
    ]
    changed = admin.patch(path, {"Operations": operations}, content_type=JSON).json()
    assert (changed["displayName"], [m["value"] for m in changed["members"]]) == ("team", [str(owner.pk)])
    put = admin.put(path, {"displayName": "team", "members": []}, content_type=JSON).json()
    assert put["members"] == []
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404


def test_a_service_principal(caller):
    admin = caller("metastore_admin")
    made = post(admin, f"{SCIM}/ServicePrincipals", {"displayName": "CI"}).json()
    found = admin.get(f"{SCIM}/ServicePrincipals", {"filter": f'applicationId eq "{made["applicationId"]}"'}).json()
    assert found["Resources"][0]["displayName"] == "CI"


@pytest.mark.parametrize("principal_id", ["0", "x", "99999999999999999999", "٣", "%00"])
def test_odd_ids_do_not_exist(caller, principal_id):
    assert caller("metastore_admin").get(f"{SCIM}/Users/{principal_id}").status_code == 404


@pytest.mark.parametrize("path", [f"{SCIM}/Users", f"{SCIM}/Groups", "/api/2.0/token-management/tokens"])
def test_lists_cost_the_same_for_one_row_and_many(caller, people, path):
    admin = caller("metastore_admin")
    admin.get(path)
    with CaptureQueriesContext(connection) as few:
        admin.get(path)
    group = create_group(actor=people.metastore_admin, display_name="g")
    for number in range(4):
        user = create_user(actor=people.metastore_admin, email=f"u{number}@example.com")
        change_members(actor=people.metastore_admin, group_id=group.pk, add=[user.pk])
        create_group(actor=people.metastore_admin, display_name=f"g{number}")
        caller("reader")
    with CaptureQueriesContext(connection) as many:
        assert admin.get(path).status_code == 200
    assert len(many) == len(few)


def test_tokens_are_made_listed_and_ended(caller, client):
    reader = caller("reader")
    made = post(reader, "/api/2.0/token/create", {"comment": "ci", "lifetime_seconds": 60}).json()
    bearer = {"authorization": f"Bearer {made['token_value']}"}
    assert client.get(f"{SCIM}/Me", headers=bearer).status_code == 200
    listed = reader.get("/api/2.0/token/list").json()["token_infos"]
    info = made["token_info"]
    assert info in listed
    assert info["expiry_time"] - info["creation_time"] == pytest.approx(60_000, abs=1000)
    assert [row["expiry_time"] for row in listed if row["comment"] == ""] == [-1]
    assert post(caller("owner"), "/api/2.0/token/delete", {"token_id": info["token_id"]}).status_code == 404
    assert post(reader, "/api/2.0/token/delete", {"token_id": info["token_id"]}).json() == {}
    assert client.get(f"{SCIM}/Me", headers=bearer).status_code == 401


@pytest.mark.parametrize("lifetime", [0, -5, "soon", 10**12])
def test_a_token_needs_a_real_lifetime(caller, lifetime):
    response = post(caller("reader"), "/api/2.0/token/create", {"lifetime_seconds": lifetime})
    assert response.status_code == 400
    assert "lifetime_seconds" in response.json()["message"]


def test_administrators_see_everybodys_tokens_but_no_secret(caller, people):
    caller("reader")
    rows = caller("metastore_admin").get("/api/2.0/token-management/tokens").json()["token_infos"]
    assert people.principals["reader"].pk in {row["owner_id"] for row in rows}
    assert "digest" not in str(rows)
    assert Principal.objects.filter(pk__in=[row["owner_id"] for row in rows]).count() == 2
