"""What the gateway is told when it asks who may query: the product's own authentication and its one gate."""

import json

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from registry.models import AuditEvent, Principal
from registry.services.tokens import create_token
from serving.api.invocations.verdicts import verdict_of
from serving.gateway.verdicts import Caller
from serving.models import EndpointLevel, EndpointPermission, ServingEndpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint(people) -> ServingEndpoint:
    now = timezone.now()
    owner = people.owner.principal
    made = ServingEndpoint.objects.create(name="fraud", creator=owner, created_at=now, updated_at=now)
    for name, level in (("steward@example.com", EndpointLevel.CAN_VIEW), ("stewards", EndpointLevel.CAN_QUERY)):
        principal = Principal.objects.get(key=name)
        EndpointPermission.objects.create(endpoint=made, principal=principal, level=level)
    return made


def with_token(actor) -> Caller:
    token = create_token(actor=actor).value
    return Caller(((b"authorization", f"Bearer {token}".encode()),), "203.0.113.9", "tests")


def denied(verdict):
    return verdict.refusal.status, json.loads(verdict.refusal.body)["error_code"]


def test_who_may_query_is_known_by_id_kind_and_groups(people, endpoint):
    verdict = verdict_of(with_token(people.steward), "fraud")
    assert verdict.refusal is None
    assert (verdict.requester, verdict.kind) == ("steward@example.com", "USER")
    assert verdict.requester_id == str(people.steward.principal.pk)
    assert "stewards" in verdict.groups


def test_who_may_not_is_told_so_and_the_trail_has_it(people, endpoint):
    EndpointPermission.objects.filter(principal__key="stewards").delete()
    assert denied(verdict_of(with_token(people.steward), "fraud")) == (403, "PERMISSION_DENIED")
    event = AuditEvent.objects.filter(decision="DENY").latest("pk")
    assert (event.action, event.actor) == ("queryServingEndpoint", "steward@example.com")
    assert denied(verdict_of(with_token(people.outsider), "fraud")) == (404, "RESOURCE_DOES_NOT_EXIST")
    missing = verdict_of(with_token(people.outsider), "frautd")
    assert denied(missing) == (404, "RESOURCE_DOES_NOT_EXIST"), "hidden and missing read the same"


@pytest.mark.parametrize("headers", [(), ((b"authorization", b"Bearer no"),), ((b"authorization", b"Digest x"),)])
def test_strangers_are_not_let_in(endpoint, headers):
    verdict = verdict_of(Caller(headers), "fraud")
    assert denied(verdict) == (401, "UNAUTHENTICATED")
    assert (b"www-authenticate", b'Bearer realm="modelkeep"') in verdict.refusal.headers


def test_a_browser_session_counts_on_our_own_pages_only(people, endpoint, settings):
    principal = people.steward.principal
    session = SessionStore()
    session[SESSION_KEY] = str(principal.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = principal.get_session_auth_hash()
    session.create()
    cookie = (b"cookie", f"{settings.SESSION_COOKIE_NAME}={session.session_key}".encode())
    assert verdict_of(Caller((cookie, (b"sec-fetch-site", b"same-origin"))), "fraud").refusal is None
    elsewhere = verdict_of(Caller((cookie, (b"sec-fetch-site", b"cross-site"))), "fraud")
    assert denied(elsewhere) == (403, "PERMISSION_DENIED")
