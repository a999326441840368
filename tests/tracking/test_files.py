"""Artifacts by path: rights, traversal, streaming, headers, and the two spellings of their place."""

import hashlib
import io

import httpx
import pytest
from django.test import RequestFactory

from registry.api.tracking.views import proxy
from registry.models import ApiToken
from tests.tracking.cases import FILES, V2
from tests.tracking.conftest import Caller, grant, unique

SDK = "unknown/0.0.0 databricks-sdk-py/0.156.0 python/3.11.7 os/linux auth/pat"


def _body(response):
    return b"".join(response.streaming_content) if response.streaming else response.content


def test_files_go_up_and_come_down(things, alice, bob, reader, tracking):
    path = f"{FILES}/{things.experiment}/{things.run}/artifacts/a folder/50%.txt"
    assert alice.call("PUT", path, b"hello").status_code == 200
    stored = tracking.root / things.experiment / things.run / "artifacts" / "a folder" / "50%.txt"
    assert stored.read_bytes() == b"hello"
    response = alice.get(path)
    assert _body(response) == b"hello"
    assert response["Content-Length"] == "5"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"].startswith("attachment")
    assert bob.get(path).status_code == 404
    grant(things, reader, "CAN_READ")
    assert _body(reader.get(path)) == b"hello"
    assert reader.call("PUT", path, b"changed").status_code == 403
    assert reader.call("DELETE", path).status_code == 403
    listed = reader.get(FILES, path=f"{things.experiment}/{things.run}/artifacts").json()
    assert [entry["path"] for entry in listed["files"]] == ["a folder"]
    assert alice.call("DELETE", path).status_code == 200
    assert not stored.exists()


def test_a_range_is_passed_on(things, alice):
    path = f"{FILES}/{things.experiment}/{things.run}/artifacts/f.bin"
    alice.call("PUT", path, b"0123456789")
    response = alice.call("GET", path, headers={"Range": "bytes=2-4"})
    assert (response.status_code, _body(response)) == (206, b"234")
    assert response["Content-Range"] == "bytes 2-4/10"


def test_a_page_of_a_users_runs_nothing(things, alice):
    alice.call("PUT", f"{FILES}/{things.experiment}/{things.run}/artifacts/x.html", b"<script>alert(1)</script>")
    response = alice.get("/get-artifact", run_uuid=things.run, path="x.html")
    assert _body(response) == b"<script>alert(1)</script>"
    assert "sandbox" in response["Content-Security-Policy"]
    assert response["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "path",
    [
        "{own}/../{other}/secret.txt",
        "{own}/%2e%2e/{other}/secret.txt",
        "{own}/%252e%252e/{other}/secret.txt",
        "{own}/..%2f{other}/secret.txt",
        "{own}/..%5c{other}%5csecret.txt",
        "{own}%2f..%2f{other}/secret.txt",
        "./{other}/secret.txt",
        "/{other}/secret.txt",
        "//{other}/secret.txt",
        "{other}/secret.txt",
        "{other}%2fsecret.txt",
        "%20{other}/secret.txt",
    ],
)
def test_another_experiments_files_cannot_be_reached(path, things, alice, bob, tracking):
    own = bob.post(f"{V2}/experiments/create", {"name": things.name + "-bob"}).json()["experiment_id"]
    secret = tracking.root / things.experiment / "secret.txt"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_bytes(b"secret")
    address = path.format(own=own, other=things.experiment)
    for method in ("GET", "PUT", "DELETE"):
        response = bob.call(method, f"{FILES}/{address}", b"x" if method == "PUT" else None)
        assert response.status_code in {400, 404}, address
    assert bob.call("GET", f"{FILES}?path={address}").status_code in {400, 404}
    assert secret.read_bytes() == b"secret"


@pytest.mark.parametrize("query", ["", "path=", "path=.", "path=/", "path=1&path=0"])
def test_the_root_is_not_listed(query, tracking, alice, admin):
    assert alice.call("GET", f"{FILES}?{query}").status_code == 400
    assert admin.call("GET", f"{FILES}?{query}").status_code == 400


@pytest.mark.parametrize("path", ["../../0", "..%2f..%2f0", "a/../../../0"])
def test_a_runs_path_stays_in_the_run(path, things, alice):
    for route in (f"{V2}/artifacts/list", "/get-artifact"):
        assert alice.call("GET", f"{route}?run_id={things.run}&path={path}").status_code == 400


def test_a_file_beyond_the_limit_is_refused(things, alice, settings, tracking):
    settings.MAX_FILE_BYTES = 10
    path = f"{FILES}/{things.experiment}/{things.run}/artifacts/big.bin"
    response = alice.call("PUT", path, b"x" * 11)
    assert response.status_code == 413
    assert not (tracking.root / things.experiment / things.run / "artifacts" / "big.bin").exists()


def test_each_client_gets_the_spelling_it_can_read(things, alice):
    def uris(agent):
        run = alice.call("GET", f"{V2}/runs/get?run_id={things.run}", agent=agent).json()["run"]["info"]
        model = alice.call("GET", f"{V2}/logged-models/{things.model}", agent=agent).json()["model"]["info"]
        query = f"experiment_id={things.experiment}"
        experiment = alice.call("GET", f"{V2}/experiments/get?{query}", agent=agent).json()["experiment"]
        by_name = alice.call("GET", f"{V2}/experiments/get-by-name?experiment_name={things.name}", agent=agent)
        assert by_name.json()["experiment"]["artifact_location"] == experiment["artifact_location"]
        return run["artifact_uri"], model["artifact_uri"], experiment["artifact_location"]

    experiment, run, model = things.experiment, things.run, things.model
    assert uris("mlflow-python-client/3.17.2") == (
        f"mlflow-artifacts:/{experiment}/{run}/artifacts",
        f"mlflow-artifacts:/{experiment}/models/{model}/artifacts",
        f"mlflow-artifacts:/{experiment}",
    )
    root = "dbfs:/databricks/mlflow-tracking"
    assert uris(SDK) == (
        f"{root}/{experiment}/{run}/artifacts",
        f"{root}/{experiment}/logged_models/{model}/artifacts",
        f"{root}/{experiment}",
    )


def test_a_value_that_looks_like_a_uri_is_left_alone(things, alice):
    value = '{"artifact_uri": "mlflow-artifacts:/1/x"}'
    alice.post(f"{V2}/runs/log-parameter", {"run_id": things.run, "key": "p", "value": value})
    run = alice.call("GET", f"{V2}/runs/get?run_id={things.run}", agent=SDK).json()["run"]
    assert run["data"]["params"] == [{"key": "p", "value": value}]


def test_a_large_file_streams_both_ways(web):
    alice = Caller("alice@example.com")
    chunk = bytes(range(256)) * 4096
    digest = hashlib.sha256()

    def chunks():
        for _ in range(32):
            digest.update(chunk)
            yield chunk

    with httpx.Client(base_url=web, headers=alice.headers, timeout=60) as client:
        created = client.post(f"{V2}/experiments/create", json={"name": unique("large")}).json()
        path = f"{FILES}/{created['experiment_id']}/x/artifacts/large.bin"
        length = {"Content-Length": str(32 * len(chunk))}
        assert client.put(path, content=chunks(), headers=length).status_code == 200
        seen = hashlib.sha256()
        with client.stream("GET", path) as response:
            for part in response.iter_bytes():
                seen.update(part)
    assert seen.digest() == digest.digest()


def test_a_body_that_breaks_off_leaves_nothing(things, alice, tracking):
    path = f"{FILES}/{things.experiment}/{things.run}/artifacts/half.bin"
    kept = tracking.root / things.experiment / things.run / "artifacts" / "half.bin"
    factory = RequestFactory(headers=alice.headers)

    def put(body, **environ):
        return factory.put(path, body, **{"wsgi.input": io.BytesIO(body), "asgi.scope": {}, **environ})

    in_chunks = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    announced = put(b"half", CONTENT_LENGTH="8")
    chunked = put(b"half", **in_chunks, **{"asgi.scope": {"modelkeep.disconnected": True}})
    for request in (announced, chunked):
        response = proxy(request)
        assert response.status_code == 400
        assert b"broke off" in response.content
        assert not kept.exists()
    complete = put(b"whole", **in_chunks)
    assert proxy(complete).status_code == 200
    assert kept.read_bytes() == b"whole"


def test_who_uploads_is_asked_for_again_before_the_last_byte(things, alice, tracking):
    class Arriving(io.BytesIO):
        def read(self, *size):
            ApiToken.objects.all().delete()
            return super().read(*size)

    address = f"{FILES}/{things.experiment}/{things.run}/artifacts/late.bin"
    environ = {"wsgi.input": Arriving(b"late"), "CONTENT_LENGTH": "4", "asgi.scope": {}}
    response = proxy(RequestFactory(headers=alice.headers).put(address, b"late", **environ))
    assert (response.status_code, b"revoked" in response.content) == (403, True)
    assert not (tracking.root / things.experiment / things.run / "artifacts" / "late.bin").exists()
