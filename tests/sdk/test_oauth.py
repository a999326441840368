"""Service principals exchange a secret for an access token; each end of either is felt at once."""

import base64
import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from registry.models import ApiToken, AuditEvent, ServicePrincipalSecret
from registry.services import access_tokens
from registry.services.access_tokens import MAX_FAILURES, issue_access_token
from registry.services.actors import RequestContext
from registry.services.principals import ProfileChanges, update_principal
from registry.services.service_principal_secrets import MAX_SECRETS, create_secret, delete_secret
from tests.sdk.conftest import Api

TOKEN = "/oidc/v1/token"
ME = "/api/2.0/preview/scim/v2/Me"
GRANT = {"grant_type": "client_credentials", "scope": "all-apis"}


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def exchange(form: dict[str, str], headers: dict[str, str] | None = None):
    return Client().post(TOKEN, form, headers=headers or {})


def sign_in(robot, secret: str = "") -> str:
    answer = exchange(GRANT, basic(robot.client_id, secret or robot.secret.value))
    assert answer.status_code == 200, answer.content
    return answer.json()["access_token"]


def works(token: str) -> bool:
    api = Api(token)
    api("GET", ME)
    assert api.status in {200, 401}
    return api.status == 200


def test_the_metadata_leads_to_the_endpoint(db):
    found = Client().get("/oidc/.well-known/oauth-authorization-server", headers={"host": "keep.example:8443"}).json()
    assert found["token_endpoint"] == "http://keep.example:8443/oidc/v1/token"
    assert found["authorization_endpoint"]
    assert found["issuer"] == "http://keep.example:8443/oidc"


@pytest.mark.parametrize("path", [TOKEN, f"{TOKEN}/"])
@pytest.mark.parametrize("by", ["header", "form"])
def test_a_secret_gives_an_hour(robot, by, path):
    value = robot.secret.value
    if by == "header":
        answer = Client().post(path, GRANT, headers=basic(robot.client_id, value))
    else:
        answer = Client().post(path, {**GRANT, "client_id": robot.client_id, "client_secret": value})
    body = answer.json()
    assert (body["token_type"], body["scope"], body["expires_in"]) == ("Bearer", "all-apis", 3600)
    assert answer["Cache-Control"] == "no-store"
    me = Api(body["access_token"])("GET", ME)
    assert me["userName"] == robot.client_id


def test_only_hashes_are_kept(robot):
    token = sign_in(robot)
    rows = [*ApiToken.objects.values(), *ServicePrincipalSecret.objects.values(), *AuditEvent.objects.values()]
    assert token not in str(rows)
    assert robot.secret.value not in str(rows)


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({}, 400, "unsupported_grant_type"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "all-apis admin"}, 400, "invalid_scope"),
        ({**GRANT, "assume_group": "7"}, 400, "invalid_request"),
        ({**GRANT, "authorization_details": "[]"}, 400, "invalid_request"),
        ({**GRANT, "client_id": "\x00"}, 400, "invalid_request"),
        (GRANT, 401, "invalid_client"),
        ({**GRANT, "client_id": "x"}, 401, "invalid_client"),
        ({**GRANT, "client_id": "x", "client_secret": "y"}, 401, "invalid_client"),
    ],
)
def test_refusals_speak_oauth(db, form, status, code):
    answer = exchange(form)
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert answer.json()["error_description"]
    assert answer["Content-Type"] == "application/json"


def test_repeated_fields_and_odd_headers_are_refused(db):
    twice = Client().post(TOKEN, "grant_type=client_credentials&scope=a&scope=b", "application/x-www-form-urlencoded")
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    for header in ("Basic", "Basic !", "Basic " + base64.b64encode(b"\xff:\xff").decode(), "Bearer x"):
        answer = exchange(GRANT, {"authorization": header})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert Client().get(TOKEN).status_code == 405
    assert Client().post(TOKEN, json.dumps(GRANT), "application/json").json()["error"] == "unsupported_grant_type"


def test_the_secret_in_the_address_does_not_count(robot):
    query = {**GRANT, "client_id": robot.client_id, "client_secret": robot.secret.value}
    assert Client().post(TOKEN, query_params=query).status_code == 400


def test_an_id_and_a_secret_belong_together(people, robot):
    answer = exchange(GRANT, basic("reader@example.com", robot.secret.value))
    assert answer.status_code == 401
    assert exchange(GRANT, basic(robot.client_id, robot.secret.value[:-1] + "x")).status_code == 401


def test_a_deleted_secret_takes_its_tokens_along_and_no_other(people, robot):
    other = create_secret(actor=people.metastore_admin, principal_id=robot.principal.pk)
    mine, theirs = sign_in(robot), sign_in(robot, other.value)
    assert works(mine)
    delete_secret(
        actor=people.metastore_admin, principal_id=robot.principal.pk, secret_id=str(robot.secret.secret.pk)
    )
    assert not works(mine)
    assert works(theirs)
    assert exchange(GRANT, basic(robot.client_id, robot.secret.value)).status_code == 401


def test_a_disabled_service_principal_is_refused_everywhere(people, robot):
    token = sign_in(robot)
    update_principal(
        actor=people.metastore_admin, principal_id=robot.principal.pk, changes=ProfileChanges(is_active=False)
    )
    assert not works(token)
    assert exchange(GRANT, basic(robot.client_id, robot.secret.value)).status_code == 401


def test_a_token_ends_with_its_hour_and_with_its_secret(people, robot, monkeypatch):
    token = sign_in(robot)
    ApiToken.objects.filter(secret__isnull=False).update(expires_at=timezone.now())
    assert not works(token)
    short = create_secret(actor=people.metastore_admin, principal_id=robot.principal.pk, lifetime_seconds=60)
    body = exchange(GRANT, basic(robot.client_id, short.value)).json()
    assert body["expires_in"] in {58, 59, 60}
    ServicePrincipalSecret.objects.filter(pk=short.secret.pk).update(expires_at=timezone.now())
    assert exchange(GRANT, basic(robot.client_id, short.value)).status_code == 401


def test_ended_tokens_are_swept_when_the_next_is_made(robot):
    for _ in range(3):
        sign_in(robot)
    ApiToken.objects.filter(secret=robot.secret.secret).update(expires_at=timezone.now())
    sign_in(robot)
    assert robot.secret.secret.tokens.count() == 1


def test_access_tokens_are_no_personal_tokens(api, robot):
    sign_in(robot)
    rows = api("metastore_admin")("GET", "/api/2.0/token-management/tokens")["token_infos"]
    assert robot.principal.pk not in {row["owner_id"] for row in rows}


def test_every_try_is_in_the_trail(robot):
    sign_in(robot)
    exchange(GRANT, basic(robot.client_id, "wrong"))
    rows = AuditEvent.objects.filter(action="issueAccessToken").order_by("pk").values_list("decision", "actor")
    assert list(rows) == [("ALLOW", robot.client_id), ("DENY", "modelkeep-system")]
    robot.secret.secret.refresh_from_db()
    assert robot.secret.secret.last_used_at is not None


def test_wrong_secrets_are_throttled_and_a_right_one_passes(robot, monkeypatch):
    wrong = basic(robot.client_id, "wrong")
    assert [exchange(GRANT, wrong).status_code for _ in range(MAX_FAILURES + 1)] == [401] * MAX_FAILURES + [429]
    refused = exchange(GRANT, wrong)
    assert refused.json()["error"] == "invalid_client"
    assert int(refused["Retry-After"]) > 0
    assert AuditEvent.objects.filter(action="issueAccessToken").count() == MAX_FAILURES
    assert works(sign_in(robot))
    now = timezone.now
    monkeypatch.setattr(access_tokens.timezone, "now", lambda: now() + access_tokens.WAIT + timedelta(seconds=1))
    assert exchange(GRANT, wrong).status_code == 401


def test_other_addresses_are_not_throttled(robot):
    context = RequestContext(source_ip="192.0.2.7")
    for _ in range(MAX_FAILURES + 2):
        exchange(GRANT, basic(robot.client_id, "wrong"))
    with pytest.raises(access_tokens.Unauthenticated):
        issue_access_token(client_id=robot.client_id, client_secret="wrong", context=context)


def secrets_path(robot) -> str:
    return f"/api/2.0/accounts/servicePrincipals/{robot.principal.pk}/credentials/secrets"


def test_secrets_are_shown_once(api, robot):
    admin = api("metastore_admin")
    made = admin("POST", secrets_path(robot), {"lifetime": "3600s"})
    assert (admin.status, made["status"]) == (200, "ACTIVE")
    listed = admin("GET", secrets_path(robot))["secrets"]
    assert {row["id"] for row in listed} == {made["id"], str(robot.secret.secret.pk)}
    assert made["secret"] not in str(listed)
    assert admin("DELETE", f"{secrets_path(robot)}/{made['id']}") == {}
    assert admin("DELETE", f"{secrets_path(robot)}/{made['id']}")["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_secrets_are_paged(api, robot, people):
    for _ in range(2):
        create_secret(actor=people.metastore_admin, principal_id=robot.principal.pk)
    admin, seen, query = api("metastore_admin"), [], {"page_size": 2}
    while True:
        page = admin("GET", secrets_path(robot), **query)
        seen += [row["id"] for row in page["secrets"]]
        if not page["next_page_token"]:
            break
        query["page_token"] = page["next_page_token"]
    assert len(seen) == len(set(seen)) == 3


@pytest.mark.parametrize(
    "body", [{"lifetime": "soon"}, {"lifetime": "0s"}, {"lifetime": "99999999999s"}, {"scopes": ["sql"]}]
)
def test_what_a_secret_cannot_be(api, robot, body):
    admin = api("metastore_admin")
    assert admin("POST", secrets_path(robot), body)["error_code"] == "INVALID_PARAMETER_VALUE"
    assert admin.status == 400


def test_there_is_an_end_to_secrets(api, robot):
    admin = api("metastore_admin")
    for _ in range(MAX_SECRETS - 1):
        admin("POST", secrets_path(robot), {})
        assert admin.status == 200
    assert "delete one" in admin("POST", secrets_path(robot), {})["message"]
    ServicePrincipalSecret.objects.update(expires_at=timezone.now())
    admin("POST", secrets_path(robot), {})
    assert admin.status == 200


def test_secrets_are_for_administrators_and_for_oneself(api, people, robot):
    outsider = api("outsider")
    for method, path in (("POST", ""), ("GET", ""), ("DELETE", f"/{robot.secret.secret.pk}")):
        outsider(method, secrets_path(robot) + path, {} if method == "POST" else None)
        assert outsider.status == 403
    own = Api(sign_in(robot))
    assert own("POST", secrets_path(robot), {})["secret"]
    admin = api("metastore_admin")
    admin("POST", f"/api/2.0/accounts/servicePrincipals/{people.principals['reader'].pk}/credentials/secrets", {})
    assert admin.status == 404
