"""A name and password sent with every request: throttled like the sign-in page, and only failures are recorded."""

import base64

import pytest

from registry.models import AuditEvent, Principal

pytestmark = pytest.mark.django_db

ME = "/api/2.0/preview/scim/v2/Me"
PASSWORD = "correct horse battery"


@pytest.fixture
def ask(client, people):
    owner = Principal.objects.get(key="owner@example.com")
    owner.set_password(PASSWORD)
    owner.save()

    def send(password: str, name: str = "Owner@example.com"):
        credential = base64.b64encode(f"{name}:{password}".encode()).decode()
        return client.get(ME, HTTP_AUTHORIZATION=f"Basic {credential}")

    return send


def test_the_right_password_opens_and_leaves_no_row(ask):
    before = AuditEvent.objects.count()
    answer = ask(PASSWORD)
    assert answer.json()["userName"] == "owner@example.com"
    assert AuditEvent.objects.count() == before


def test_after_five_wrong_ones_not_even_the_right_one_is_looked_at(ask):
    assert {ask("wrong").status_code for _ in range(5)} == {401}
    assert AuditEvent.objects.filter(action="signIn", decision="DENY").count() == 5
    refused = ask(PASSWORD)
    assert refused.status_code == 401
    assert "Too many failed sign-ins" in refused.json()["message"]


def test_a_password_given_by_somebody_else_opens_nothing(ask):
    Principal.objects.filter(key="owner@example.com").update(password_change_required=True)
    answer = ask(PASSWORD)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert "password of your own" in answer.json()["message"]
