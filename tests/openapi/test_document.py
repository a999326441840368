"""The document says what is served, all of it and nothing else."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from openapi_spec_validator import validate

from registry.api.openapi import document as documents
from registry.api.openapi.document import (
    UndescribedRoute,
    build_document,
    operations,
    other_spellings,
    sample_of,
)
from registry.api.tracking.routes import TABLE
from registry.services.tokens import create_token
from tests.access.conftest import undone

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def routes(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route
        else:
            yield from routes(entry, route)


def api_routes() -> set[str]:
    """Every route below the beginnings of an API, as Django writes it."""
    begins = ("api/", "(?:mlflow/)?(?:ajax-)?api/", "(?:mlflow/)?model-versions", "oidc/", "_blob", "_sql")
    begins += ("(?:ajax-)?api/", "(?:graphql|", "(?:mlflow/)?api")
    return {
        route
        for route in routes(get_resolver())
        if route.replace("^", "").startswith(begins) and "api/docs" not in route
    }


def routes_described() -> set[str]:
    return {resolve(sample_of(one.dialect, one.path)).route for one in served()}


def served():
    """The operations that Django answers: discovery is answered before it is asked."""
    return [one for one in operations() if not one.path.startswith("/.well-known/")]


def test_it_is_openapi_3_1():
    document = build_document()
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_route_of_an_api_is_in_it_and_no_other():
    assert api_routes() - routes_described() == set()
    assert routes_described() - api_routes() == set()


def test_other_spellings_lead_to_the_same_route():
    checked = 0
    for one in served():
        route = resolve(sample_of(one.dialect, one.path)).route
        for other in other_spellings(one.dialect, one.path):
            found = resolve(sample_of(one.dialect, other)).route
            # The proxy has one pattern for each of its prefixes.
            assert found == route or one.dialect.slug == "tracking", other
            checked += 1
    assert checked > 300


def test_a_slash_at_the_end_changes_nothing():
    for one in served():
        path = sample_of(one.dialect, one.path)
        # A signed link is followed as it was given.
        if not path.startswith(("/_blob/", "/_sql/")):
            assert resolve(f"{path}/").route == resolve(path).route, path


def test_every_operation_can_be_told_apart_and_says_what_it_does():
    assert [name for name, times in Counter(one.id for one in operations()).items() if times > 1] == []
    assert [one.id for one in operations() if not 3 < len(one.summary) <= 100] == []


def test_a_path_that_is_not_served_cannot_be_described():
    from registry.api.sql.reference import DIALECT

    with pytest.raises(UndescribedRoute):
        documents._described(
            DIALECT, "/api/2.0/sql/warehouses", "DELETE", DIALECT.paths["/api/2.0/sql/warehouses"]["GET"]
        )


@pytest.mark.django_db
def test_the_methods_of_each_path_are_those_that_are_served(people, settings, tmp_path):
    settings.STATIC_ROOT = str(tmp_path)
    settings.MLFLOW_SOCKET = str(tmp_path / "nobody-listens.sock")
    token = create_token(actor=people.metastore_admin).value
    client = Client(headers={"Authorization": f"Bearer {token}"})
    described: dict[str, set[str]] = {}
    for one in served():
        if not one.call.passed_on:
            described.setdefault(sample_of(one.dialect, one.path), set()).add(one.method)
    wrong = []
    for path, methods in described.items():
        for method in METHODS:
            with undone():
                response = client.generic(method, path, b"{}", content_type="application/json")
            answered = not _refused_method(response)
            if answered != (method in methods):
                wrong.append(f"{method} {path}: {response.status_code}")
    assert not wrong, "\n".join(wrong)


def test_what_is_passed_on_is_the_table_of_the_proxy():
    described = {(one.method, one.path) for one in served() if one.call.passed_on}
    table = {(method, re.sub(r"<(?:path:)?(\w+)>", r"{\1}", path)) for method, path in TABLE}
    assert table - described == {("GET", "/"), ("GET", "/static-files/{file_path}")}
    assert described - table == set()


def _refused_method(response) -> bool:
    if response.status_code == 405:
        return True
    return response.status_code == 404 and json.loads(response.content).get("error_code") == "ENDPOINT_NOT_FOUND"


@pytest.mark.django_db
def test_it_is_given_to_who_is_signed_in_and_once(people):
    assert Client().get("/api/openapi.json").status_code == 401
    token = create_token(actor=people.outsider).value
    client = Client(headers={"Authorization": f"Bearer {token}"})
    answer = client.get("/api/openapi.json")
    assert answer.status_code == 200
    assert json.loads(answer.content) == build_document()
    again = client.get("/api/openapi.json", headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.post("/api/openapi.json").status_code == 405


def test_a_web_process_starts_without_it():
    """It is built when somebody asks for it."""
    script = (
        "import sys, config.wsgi, django.urls; django.urls.get_resolver().url_patterns; "
        "ours = [name for name in sys.modules if name.startswith(('registry.', 'serving.'))]; "
        "print([name for name in ours if name.endswith('.reference')])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (ran.stdout.strip(), ran.returncode) == ("[]", 0), ran.stderr
