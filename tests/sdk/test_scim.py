"""SCIM beyond the basics: projections, order, patches as identity providers write them, account paths."""

import pytest

from registry.models import Principal
from registry.services.principals import create_group, create_user

SCIM = "/api/2.0/preview/scim/v2"


@pytest.fixture
def ada(people) -> Principal:
    return create_user(
        actor=people.metastore_admin, email="ada@example.com", display_name="Ada King Lovelace", external_id="e-1"
    )


def patch(caller, path: str, *operations: dict) -> dict:
    return caller(
        "PATCH", path, {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}
    )


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({"attributes": "userName"}, {"id", "schemas", "userName"}),
        ({"attributes": "username,name.givenName"}, {"id", "schemas", "userName", "name"}),
        ({"attributes": "urn:ietf:params:scim:schemas:core:2.0:User:active"}, {"id", "schemas", "active"}),
    ],
)
def test_attributes_that_are_asked_for(api, ada, query, keys):
    admin = api("metastore_admin")
    one = admin("GET", f"{SCIM}/Users/{ada.pk}", **query)
    assert set(one) == keys
    (listed,) = admin("GET", f"{SCIM}/Users", filter='userName eq "ada@example.com"', **query)["Resources"]
    assert listed == one
    assert one.get("name", {"givenName": "Ada"}) == {"givenName": "Ada"}


def test_attributes_that_are_left_out(api, ada):
    admin = api("metastore_admin")
    whole = admin("GET", f"{SCIM}/Users/{ada.pk}")
    short = admin("GET", f"{SCIM}/Users/{ada.pk}", excludedAttributes="groups,id,emails.primary")
    assert set(whole) - set(short) == {"groups"}
    assert short["emails"] == [{"value": "ada@example.com", "type": "work"}]
    assert "groups" not in api("reader")("GET", f"{SCIM}/Me", excludedAttributes="groups")


def test_lists_are_sorted(api, people):
    admin = api("metastore_admin")

    def names(**query: str) -> list[str]:
        return [row["userName"] for row in admin("GET", f"{SCIM}/Users", **query)["Resources"]]

    assert names(sortBy="userName") == sorted(names())
    assert names(sortBy="userName", sortOrder="descending") == sorted(names(), reverse=True)
    assert names(sortBy="displayName") == sorted(names())
    assert admin("GET", f"{SCIM}/Users", sortBy="shoeSize")["scimType"] == "invalidValue"


@pytest.mark.parametrize(
    ("operation", "field", "value"),
    [
        ({"op": "Replace", "path": "active", "value": "False"}, "active", False),
        ({"op": "replace", "value": {"active": False, "displayName": "A"}}, "displayName", "A"),
        (
            {"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:displayName", "value": "B"},
            "displayName",
            "B",
        ),
        ({"op": "replace", "path": "name.familyName", "value": "Byron"}, "displayName", "Ada Byron"),
        ({"op": "replace", "path": "name", "value": {"givenName": "A", "familyName": "L"}}, "displayName", "A L"),
        ({"op": "replace", "path": "active"}, "active", False),
        ({"op": "remove", "path": "displayName"}, "displayName", "ada@example.com"),
        ({"op": "remove", "path": "externalId"}, "externalId", None),
        ({"op": "add", "path": "externalId", "value": "e-2"}, "externalId", "e-2"),
        ({"op": "replace", "path": "userName", "value": "New@example.com"}, "userName", "new@example.com"),
        (
            {"op": "replace", "path": 'emails[type eq "work"].value', "value": "x@example.com"},
            "userName",
            "ada@example.com",
        ),
    ],
)
def test_patches_of_a_user(api, ada, operation, field, value):
    assert patch(api("metastore_admin"), f"{SCIM}/Users/{ada.pk}", operation)[field] == value


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ({"op": "move", "path": "active"}, "invalidValue"),
        ({"op": "add", "path": "entitlements", "value": [{"value": "x"}]}, "invalidPath"),
        ({"op": "replace", "path": "active", "value": "maybe"}, "invalidValue"),
        ({"op": "remove", "path": "userName"}, "invalidValue"),
        ({"op": "remove", "path": "active"}, "invalidValue"),
        ({"op": "replace", "value": "x"}, "invalidPath"),
    ],
)
def test_patches_that_are_refused(api, ada, operation, kind):
    admin = api("metastore_admin")
    answer = patch(admin, f"{SCIM}/Users/{ada.pk}", operation)
    assert (admin.status, answer["status"], answer["scimType"]) == (400, "400", kind)
    assert answer["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]


def test_a_patch_is_all_or_nothing(api, ada, people):
    admin = api("metastore_admin")
    group = create_group(actor=people.metastore_admin, display_name="crew")
    path = f"{SCIM}/Groups/{group.pk}"
    patch(
        admin,
        path,
        {"op": "add", "path": "members", "value": [{"value": str(ada.pk)}]},
        {"op": "add", "path": "members", "value": [{"value": "999999"}]},
    )
    assert admin.status == 404
    assert admin("GET", path)["members"] == []


def test_members_come_and_go(api, ada, people):
    admin, reader = api("metastore_admin"), people.principals["reader"]
    inner = create_group(actor=people.metastore_admin, display_name="inner")
    group = create_group(actor=people.metastore_admin, display_name="crew")
    path = f"{SCIM}/Groups/{group.pk}"

    def members(*operations: dict) -> set[str]:
        return {member["display"] for member in patch(admin, path, *operations)["members"]}

    both = [{"value": str(ada.pk)}, {"value": str(inner.pk)}]
    assert members({"op": "add", "value": {"members": both}}) == {"Ada King Lovelace", "inner"}
    assert members({"op": "remove", "path": f'members[value eq "{ada.pk}"]'}) == {"inner"}
    assert members({"op": "remove", "path": "members", "value": [{"value": str(inner.pk)}]}) == set()
    assert members({"op": "replace", "path": "members", "value": [{"value": str(reader.pk)}]}) == {
        "reader@example.com"
    }
    assert members({"op": "remove", "path": "members"}) == set()
    assert patch(admin, path, {"op": "replace", "path": "externalId", "value": "g-1"})["externalId"] == "g-1"
    assert admin("PUT", path, {"displayName": "crew", "members": [{"value": str(ada.pk)}]})["externalId"] is None
    found = admin("GET", f"{SCIM}/Groups", filter='displayName sw "CR"', excludedAttributes="members")["Resources"]
    assert [(row["displayName"], "members" in row) for row in found] == [("crew", False)]


def test_a_circle_of_groups_is_refused(api, people):
    admin = api("metastore_admin")
    one = create_group(actor=people.metastore_admin, display_name="one")
    two = create_group(actor=people.metastore_admin, display_name="two")
    patch(admin, f"{SCIM}/Groups/{one.pk}", {"op": "add", "path": "members", "value": [{"value": str(two.pk)}]})
    assert admin.status == 200
    patch(admin, f"{SCIM}/Groups/{two.pk}", {"op": "add", "path": "members", "value": [{"value": str(one.pk)}]})
    assert admin.status == 400


def test_a_service_principal_from_birth_to_death(api):
    admin = api("metastore_admin")
    made = admin("POST", f"{SCIM}/ServicePrincipals", {"displayName": "CI", "active": False})
    assert (admin.status, made["active"]) == (201, False)
    path = f"{SCIM}/ServicePrincipals/{made['id']}"
    put = admin("PUT", path, {"applicationId": made["applicationId"], "displayName": "CD", "active": True})
    assert (put["displayName"], put["active"]) == ("CD", True)
    admin("PUT", path, {"applicationId": "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11"})
    assert admin.status == 400
    assert patch(admin, path, {"op": "replace", "path": "displayName", "value": "C"})["displayName"] == "C"
    admin("DELETE", path)
    assert admin.status == 204
    assert admin("GET", path)["status"] == "404"


def test_a_user_can_be_born_disabled(api):
    admin = api("metastore_admin")
    made = admin(
        "POST", f"{SCIM}/Users", {"userName": "idle@example.com", "active": False, "emails": [{"value": "z"}]}
    )
    assert (admin.status, made["active"]) == (201, False)


def test_the_account_answers_like_the_workspace(api, ada):
    admin = api("metastore_admin")
    path = "/api/2.0/accounts/00000000-0000-0000-0000-000000000000/scim/v2"
    assert admin("GET", f"{path}/Users/{ada.pk}") == admin("GET", f"{SCIM}/Users/{ada.pk}")
    api_config = admin("GET", f"{path}/ServiceProviderConfig")
    assert api_config["patch"] == {"supported": True}
    assert {row["endpoint"] for row in admin("GET", f"{SCIM}/ResourceTypes")["Resources"]} == {
        "/Users",
        "/Groups",
        "/ServicePrincipals",
    }


def test_errors_read_well_where_none_has_a_word_for_them(api):
    answer = api("metastore_admin")("GET", f"{SCIM}/Users/0")
    assert (answer["scimType"], answer["status"], answer["error_code"]) == ("", "404", "RESOURCE_DOES_NOT_EXIST")
