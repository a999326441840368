"""Every URL with every method refuses whoever has no credential, and tells a stranger nothing."""

import json
import re
from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from registry.api.tracking.routes import TABLE as TRACKING_ROUTES
from registry.models import (
    ApiToken,
    AuditEvent,
    Grant,
    ModelAlias,
    ModelVersion,
    ModelVersionTag,
    Operation,
    Securable,
    SecurableTag,
)
from registry.services.actors import load_actor
from registry.services.tokens import create_token
from tests.access.conftest import undone
from tests.access.routes import SAMPLES, all_paths
from tests.access.wire_calls import body_of
from tests.conftest import make_user

pytestmark = pytest.mark.django_db
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NO_SUCH_API = {"/api", "/api/", "/ajax-api", "/ajax-api/"}

OPEN = {
    "/sign-in": "where one gets a session",
    "/_blob/x": "the link is the credential: an unsigned one is refused with 403, whoever sends it",
    "/_sql/x": "the link is the credential",
    "/s3": "the signature is the credential: an unsigned request is refused with 403, whoever sends it",
    "/s3/": "as /s3",
    "/s3/modelkeep": "as /s3",
    "/s3/modelkeep/": "as /s3",
    f"/s3/modelkeep/{SAMPLES['key']}": "as /s3",
    "/oidc": "no API at this path: 404 for everybody",
    "/oidc/": "no API at this path: 404 for everybody",
    "/oidc/v1/token": "where a service principal gets a token: its secret is the credential",
    "/oidc/v1/token/": "where a service principal gets a token: its secret is the credential",
    "/oidc/.well-known/oauth-authorization-server": "where to get a token",
    "/oidc/.well-known/oauth-authorization-server/": "where to get a token",
    "/mlflow": "leads to the UI, which asks one to sign in",
    "/ml/experiments/1": "leads to the UI, which asks one to sign in",
    f"/ml/experiments/1/runs/{SAMPLES['run_id']}": "leads to the UI, which asks one to sign in",
    **dict.fromkeys(NO_SUCH_API, "no API at this path: 404 for everybody"),
}
"""Every path that answers a caller without a credential, and why. Static files and the discovery document are served
before the resolver is asked."""

MAY_ANSWER = {path for path in OPEN if path == "/sign-in" or path.startswith("/oidc/.well-known/")}

SIGN_IN = ("/sign-in", "/console/login/", "/console/")
"""Where a browser is sent that has no session; the last one only as a step to the one before."""

SECRETS = (b"hidden words", b"hidden tag", b"keeper@example.com", b"witness@example.com")
"""What stands on the hidden objects and in no request of these tests."""

WRITING = ("POST", "PUT", "PATCH", "DELETE")
TAKEN_FROM_EVERYBODY = {
    "POST /bell/seen": "that one has seen how one's own operations ended",
    "POST /explore/preview": "the text that was sent, as it will look",
    "POST /serving/create/endpoint-plan": "what creating an endpoint would take, of models that one may see",
    "POST /api/2.0/token/create": "a token for oneself",
    "POST ui-telemetry": "a constant, for clients that would report to others",
}


def addresses() -> list[str]:
    """The resolver's paths, and those that the proxy of the tracking server knows behind its one pattern."""
    known = {
        **SAMPLES,
        "artifact_path": "1/x/artifacts/f",
        "file_path": "f.js",
        "model_id": "m-1",
        "trace_id": "tr-1",
    }
    known |= {"request_id": "tr-1", "assessment_id": "a-1", "tag_key": "k"}
    behind_the_proxy = set()
    for _, template in TRACKING_ROUTES:
        path = re.sub(r"<(?:path:)?(\w+)>", lambda match: known[match[1]], template)
        behind_the_proxy.add(f"/mlflow{path}")
        if path.startswith("/api/"):
            behind_the_proxy |= {path, path.replace("/api/", "/ajax-api/", 1)}
    return sorted({*all_paths(), *behind_the_proxy})


@pytest.fixture
def client(settings, tmp_path) -> Client:
    settings.STATIC_ROOT = str(tmp_path)
    settings.MLFLOW_SOCKET = str(tmp_path / "nobody-listens.sock")
    return Client()


def send(client: Client, method: str, path: str, token: str = "") -> HttpResponseBase:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = b"" if method in {"GET", "HEAD", "OPTIONS"} else json.dumps(BODY).encode()
    query = "?name=prod.ml.ranker&version=1&catalog_name=prod&schema_name=ml&alias=champion&key=team"
    with undone():
        return client.generic(method, path + query, body, content_type="application/json", headers=headers)


BODY = {
    "name": "prod.ml.ranker",
    "full_name": "prod.ml.ranker",
    "catalog_name": "prod",
    "schema_name": "ml",
    "model_name": "ranker",
    "version": "1",
    "version_num": 1,
    "alias": "champion",
    "key": "team",
    "value": "x",
    "path": "/Models/prod/ml/ranker/1/MLmodel",
    "operation": "MODEL_VERSION_OPERATION_READ",
    "source_name": "prod.ml.ranker",
    "source_version": "1",
    "destination_name": "prod.ml.ranker",
    "changes": [{"principal": "subject@example.com", "add": ["EXECUTE"]}],
}


def test_every_pattern_is_reached():
    """The sweep would say nothing of a route that its paths do not lead to."""
    reached = {get_resolver().resolve(path).route.replace("^", "") for path in all_paths()}
    assert set(_routes(get_resolver())) - reached == set()


def _routes(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route.replace("^", "")
        else:
            yield from _routes(entry, route)


def test_nobody_is_let_in_without_a_credential(client, world):
    let_in = []
    for path in addresses():
        for method in METHODS:
            response = send(client, method, path)
            if path not in OPEN and not _refused(response):
                let_in.append(f"{method} {path}: {response.status_code}")
    assert not let_in, "\n".join(let_in)


def _refused(response: HttpResponseBase) -> bool:
    if response.status_code in {301, 302}:
        return response["Location"].partition("?")[0] in SIGN_IN
    return response.status_code in {401, 405}


@pytest.mark.parametrize("path", sorted(OPEN))
def test_what_is_open_shows_nothing(client, world, path):
    for method in METHODS:
        response = send(client, method, path)
        assert response.status_code in {*range(300, 303), *range(400, 406)} or path in MAY_ANSWER, method
        assert not any(secret in body_of(response) for secret in SECRETS)


@pytest.fixture
def hidden(world):
    """Words that only who may see the objects may read, and a caller who may see none of them."""
    Securable.objects.filter(pk__in=[one.pk for one in world.objects.values()]).update(comment="hidden words")
    SecurableTag.objects.update(value="hidden tag")
    ModelVersion.objects.update(comment="hidden words")
    stranger = make_user("stranger@example.com")
    return create_token(actor=load_actor(stranger)).value


def rows() -> dict[str, list]:
    """Everything that a stranger must not be able to change."""
    tables = [Securable, SecurableTag, ModelVersion, ModelVersionTag, ModelAlias, Grant, Operation, get_user_model()]
    return {table.__name__: list(table.objects.order_by("pk").values()) for table in tables}


def _for_everybody(method: str, path: str) -> bool:
    return any(path.rstrip("/").endswith(end) for verb, end in map(str.split, TAKEN_FROM_EVERYBODY) if verb == method)


def test_a_stranger_is_told_nothing_and_changes_nothing(client, world, hidden):
    before, told = rows(), []
    known = addresses()
    # The same views under another spelling are not asked again.
    asked = [path for path in known if path.rstrip("/") not in known or not path.endswith("/")]
    for path in asked:
        for method in ("GET", *WRITING):
            response = send(client, method, path, hidden)
            body = body_of(response)
            answer = f"{method} {path}: {response.status_code} {body[:300]!r}"
            if response.status_code == 500 or any(secret in body for secret in SECRETS):
                told.append(answer)
            if (
                method in WRITING
                and response.status_code < 300
                and body != b"{}"
                and not _for_everybody(method, path)
            ):
                told.append(answer)
    assert not told, "\n".join(told)
    assert rows() == before
    allowed = AuditEvent.objects.filter(decision="ALLOW", actor="stranger@example.com")
    # A token for oneself, and a file of one's own events.
    assert allowed.exclude(action="exportAuditEvents").count() == 1
    assert ApiToken.objects.filter(principal__key="stranger@example.com").count() == 1
