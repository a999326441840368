"""Tokens as an administrator manages them, and the settings that bound them."""

import pytest

from registry.models import AuditEvent
from registry.services.principals import create_service_principal
from tests.sdk.conftest import Api

MANAGE = "/api/2.0/token-management"
CONF = "/api/2.0/workspace-conf"
DAY = 24 * 3600


def test_a_token_for_a_service_principal(api, people):
    admin, robot = api("metastore_admin"), create_service_principal(actor=people.metastore_admin, display_name="r")
    made = admin("POST", f"{MANAGE}/on-behalf-of/tokens", {"application_id": robot.name, "lifetime_seconds": 60})
    info = made["token_info"]
    assert (info["owner_id"], info["created_by_username"]) == (robot.pk, "admin@example.com")
    mine = Api(made["token_value"])
    assert mine("GET", "/api/2.0/preview/scim/v2/Me")["userName"] == robot.name
    one = f"{MANAGE}/tokens/{info['token_id']}"
    assert admin("GET", one)["token_info"]["token_id"] == info["token_id"]
    changed = admin("PATCH", one, {"token": {"comment": "nightly"}, "update_mask": "comment"})
    assert changed["comment"] == "nightly"
    assert admin("DELETE", one) == {}
    mine("GET", "/api/2.0/preview/scim/v2/Me")
    assert mine.status == 401
    assert admin("GET", one)["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_others_manage_no_tokens(api, people):
    admin, reader = api("metastore_admin"), api("reader")
    reader("POST", f"{MANAGE}/on-behalf-of/tokens", {"application_id": "x"})
    assert reader.status == 403
    (token,) = admin("GET", "/api/2.0/token/list")["token_infos"]
    for method in ("GET", "DELETE"):
        assert reader(method, f"{MANAGE}/tokens/{token['token_id']}")["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    admin("POST", f"{MANAGE}/on-behalf-of/tokens", {"application_id": "nobody"})
    assert admin.status == 404
    admin("POST", f"{MANAGE}/on-behalf-of/tokens", {"application_id": "modelkeep-system"})
    assert admin.status == 400


def test_tokens_by_their_maker(api, people):
    admin = api("metastore_admin")
    api("reader")
    reader = people.principals["reader"].pk
    for query in ({"created_by_id": reader}, {"created_by_username": "READER@example.com"}):
        rows = admin("GET", f"{MANAGE}/tokens", **query)["token_infos"]
        assert {row["owner_id"] for row in rows} == {reader}


def test_a_comment_of_ones_own(api):
    reader = api("reader")
    (token,) = reader("GET", "/api/2.0/token/list")["token_infos"]
    path = f"/api/2.0/token/{token['token_id']}"
    assert (
        reader("PATCH", path, {"token": {"comment": "laptop"}, "update_mask": "comment"})["token_info"]["comment"]
        == "laptop"
    )
    for body in (
        {"token": {"scopes": []}, "update_mask": "scopes"},
        {"token": {"comment": "x" * 300}, "update_mask": "comment"},
    ):
        assert reader("PATCH", path, body)["error_code"] == "INVALID_PARAMETER_VALUE"


def test_settings_have_defaults(api):
    admin = api("metastore_admin")
    assert admin("GET", CONF, keys="enableTokensConfig,maxTokenLifetimeDays") == {
        "enableTokensConfig": "true",
        "maxTokenLifetimeDays": "",
    }


def test_tokens_can_be_switched_off(api):
    admin, reader = api("metastore_admin"), api("reader")
    assert admin("PATCH", CONF, {"enableTokensConfig": "false"}) == {"enableTokensConfig": "false"}
    assert "enableTokensConfig" in reader("POST", "/api/2.0/token/create", {})["message"]
    assert reader.status == 403
    # Those that are there go on: nobody is locked out.
    reader("GET", "/api/2.0/preview/scim/v2/Me")
    assert reader.status == 200
    admin("PATCH", CONF, {"enableTokensConfig": "true"})
    reader("POST", "/api/2.0/token/create", {})
    assert reader.status == 200
    assert AuditEvent.objects.filter(action="updateWorkspaceSettings").count() == 2


def test_lifetimes_can_be_bounded(api):
    admin, reader = api("metastore_admin"), api("reader")
    admin("PATCH", CONF, {"maxTokenLifetimeDays": "30"})
    info = reader("POST", "/api/2.0/token/create", {})["token_info"]
    assert info["expiry_time"] - info["creation_time"] == pytest.approx(30 * DAY * 1000, abs=2000)
    reader("POST", "/api/2.0/token/create", {"lifetime_seconds": 31 * DAY})
    assert reader.status == 400
    admin("PATCH", CONF, {"maxTokenLifetimeDays": ""})
    assert reader("POST", "/api/2.0/token/create", {})["token_info"]["expiry_time"] == -1


@pytest.mark.parametrize(
    "body",
    [
        {"enableTokensConfig": "maybe"},
        {"maxTokenLifetimeDays": "-1"},
        {"maxTokenLifetimeDays": "99999"},
        {"enableIpAccessLists": "true"},
    ],
)
def test_what_settings_cannot_be(api, body):
    admin = api("metastore_admin")
    assert admin("PATCH", CONF, body)["error_code"] == "INVALID_PARAMETER_VALUE"
    assert admin("GET", CONF, keys="nothing")["error_code"] == "INVALID_PARAMETER_VALUE"


def test_settings_are_for_administrators(api):
    reader = api("reader")
    for method, body, query in (
        ("GET", None, {"keys": "enableTokensConfig"}),
        ("PATCH", {"enableTokensConfig": "false"}, {}),
    ):
        reader(method, CONF, body, **query)
        assert reader.status == 403
