"""The UI's page and files, the links that clients print, and what is told while the tracking server is away."""

import pytest
from django.test import Client

from registry.models import Principal
from tests.tracking.cases import V2
from tests.tracking.conftest import unique

HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def browser(alice):
    """Alice's browser: a session, no token."""
    client = Client()
    client.force_login(Principal.objects.get(pk=alice.principal.pk))
    return client


def test_the_ui_needs_a_sign_in(tracking, client):
    response = client.get("/mlflow/", headers=HTML)
    assert response.status_code == 302
    assert response["Location"] == "/sign-in?next=/mlflow/"
    assert client.get("/mlflow/", headers={"Accept": "*/*"}).status_code == 401
    assert client.get("/mlflow/static-files/manifest.json", headers=HTML).status_code == 401


def test_the_ui_opens_with_its_files(tracking, browser):
    page = browser.get("/mlflow/", headers=HTML)
    assert page.status_code == 200
    text = b"".join(page.streaming_content).decode()
    assert "static-files/" in text
    assert "default-src 'self'" in page["Content-Security-Policy"]
    script = text.split('src="')[1].split('"')[0]
    response = browser.get("/mlflow/" + script.removeprefix("./"))
    assert response.status_code == 200
    assert len(b"".join(response.streaming_content)) == int(response["Content-Length"])


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/mlflow", "/mlflow/"),
        ("/ml/experiments/7", "/mlflow/#/experiments/7"),
        ("/ml/experiments/7/runs/abc", "/mlflow/#/experiments/7/runs/abc"),
    ],
)
def test_links_lead_into_the_ui(path, to, tracking, client):
    response = client.get(path)
    assert (response.status_code, response["Location"]) == (302, to)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://testserver"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({}, 403),
    ],
)
def test_a_session_counts_for_our_own_pages_only(headers, status, tracking, browser):
    body = {"name": unique()}
    path = f"/mlflow/ajax-api{V2.removeprefix('/api')}/experiments/create"
    response = browser.post(path, body, content_type="application/json", headers=headers)
    assert response.status_code == status


def test_telemetry_goes_nowhere(tracking, alice):
    assert alice.post(f"{V2}/client-telemetry/ingest", {"events": [{}]}).json() == {}
    assert alice.get("/mlflow/ajax-api/3.0/mlflow/ui-telemetry").json()["disable_ui_telemetry"] is True


def test_versions_are_told(tracking, alice):
    assert alice.get("/version").content == b"3.17.2"
    assert alice.get("/mlflow/health").content == b"OK"
    assert "store_type" in alice.get("/api/3.0/mlflow/server-info").json()


def test_a_server_that_is_away_is_a_reason_to_come_back(tracking, settings, browser, alice):
    settings.MLFLOW_SOCKET = str(tracking.root / "no-socket-yet")
    response = alice.get(f"{V2}/runs/get", run_id="a" * 32)
    assert response.status_code == 503
    assert response["Retry-After"]
    assert response.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    page = browser.get("/mlflow/", headers=HTML)
    assert (page.status_code, page["Retry-After"]) == (503, "3")
    assert "starting" in page.content.decode()


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b'{"a": "\\u0000"}', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_cannot_be_read_is_refused(body, tracking, alice):
    response = alice.call("POST", f"{V2}/runs/create", body)
    assert response.status_code == 400
    assert response.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_body_that_was_encoded_twice_is_read(tracking, alice):
    response = alice.call("POST", f"{V2}/experiments/create", b'"{\\"name\\": \\"%s\\"}"' % unique().encode())
    assert response.status_code == 200


def test_a_body_beyond_the_limit_is_refused(tracking, settings, alice):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    response = alice.post(f"{V2}/runs/create", {"experiment_id": "0", "tags": ["x" * 100]})
    assert response.status_code == 413


def test_credentials_are_not_passed_on(tracking, alice, monkeypatch):
    from registry.api.tracking import forwarding

    seen = {}

    def spy(method, path, **kwargs):
        seen.update(kwargs["headers"])
        return real(method, path, **kwargs)

    real = forwarding.send
    monkeypatch.setattr(forwarding, "send", spy)
    alice.call("GET", "/version", headers={"Cookie": "sessionid=1", "X-MLFLOW-WORKSPACE": "other"})
    assert {name.lower() for name in seen} <= {"accept"}
