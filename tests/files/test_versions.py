"""Files of versions over the Files API."""

import asyncio
import hashlib
import io
import os
from contextlib import nullcontext

import pytest
from django.utils import timezone

from config import asgi
from registry.errors import AccessDenied
from registry.models import ApiToken, AuditEvent, Blob, ManifestEntry, MultipartUpload, Principal
from registry.privileges import Privilege, SecurableType
from registry.services import files, grants, registered_models
from registry.services.actors import RequestContext
from registry.services.grants import Change
from registry.services.securables import Changes
from registry.services.tokens import authenticate_token, create_token
from tests.files.conftest import (
    DIRECTORIES,
    FILES,
    MODEL,
    anonymous,
    begin,
    broken_off,
    left_behind,
    make_ready,
)

pytestmark = pytest.mark.django_db

CONTENT = os.urandom(300_000)


@pytest.fixture
def ready(owner, version):
    assert owner.put("1/MLmodel", b"flavors: {}").status_code == 204
    assert owner.put("1/data/model.pkl", CONTENT).status_code == 204
    make_ready(version)
    return version


def refused(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    assert response.json()["error_code"] == code
    return response.json()["message"]


def test_a_file_comes_back_whole(reader, ready):
    response = reader.get("1/data/model.pkl")
    assert response.status_code == 200
    assert response.getvalue() == CONTENT
    assert response["Content-Length"] == str(len(CONTENT))
    assert response["ETag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert response["Last-Modified"].endswith("GMT")
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"] == 'attachment; filename="model.pkl"'


def test_head_tells_what_get_would(reader, ready):
    head = reader.send("HEAD", f"{FILES}/1/data/model.pkl")
    get = reader.get("1/data/model.pkl")
    get.getvalue()
    assert head.status_code == 200
    assert head.content == b""
    for name in ("Content-Length", "ETag", "Last-Modified", "Content-Type"):
        assert head[name] == get[name]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=299990-", 299_990, 300_000),
        ("bytes=-10", 299_990, 300_000),
        ("bytes=299999-999999999", 299_999, 300_000),
        ("bytes=-999999999", 0, 300_000),
    ],
)
def test_a_range_is_answered_with_that_part(reader, ready, asked, start, end):
    response = reader.get("1/data/model.pkl", HTTP_RANGE=asked)
    assert response.getvalue() == CONTENT[start:end]
    assert response["Content-Length"] == str(end - start)
    if end - start < len(CONTENT):
        assert response.status_code == 206
        assert response["Content-Range"] == f"bytes {start}-{end - 1}/300000"


@pytest.mark.parametrize("asked", ["bytes=300000-", "bytes=400000-500000", "bytes=-0"])
def test_a_range_outside_is_refused_with_the_size(reader, ready, asked):
    response = reader.get("1/data/model.pkl", HTTP_RANGE=asked)
    refused(response, 416, "INVALID_PARAMETER_VALUE")
    assert response["Content-Range"] == "bytes */300000"


@pytest.mark.parametrize("asked", ["bytes=", "bytes=-", "bytes=9-5", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b"])
def test_a_range_that_is_none_gets_the_whole_file(reader, ready, asked):
    response = reader.get("1/data/model.pkl", HTTP_RANGE=asked)
    assert (response.status_code, response.getvalue()) == (200, CONTENT)


def test_conditions_on_the_time_and_the_content_are_kept(reader, ready):
    modified = reader.send("HEAD", f"{FILES}/1/data/model.pkl")["Last-Modified"]
    resumed = {"HTTP_RANGE": "bytes=10-", "HTTP_IF_UNMODIFIED_SINCE": modified}
    assert reader.get("1/data/model.pkl", **resumed).getvalue() == CONTENT[10:]
    stale = {"HTTP_IF_UNMODIFIED_SINCE": "Thu, 01 Jan 2015 00:00:00 GMT"}
    refused(reader.get("1/data/model.pkl", **stale), 412, "FAILED_PRECONDITION")
    etag = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert reader.get("1/data/model.pkl", HTTP_IF_NONE_MATCH=etag).status_code == 304
    for condition, status in ((etag, 206), (modified, 206), ('"other"', 200)):
        answer = reader.get("1/data/model.pkl", HTTP_RANGE="bytes=1-2", HTTP_IF_RANGE=condition)
        assert answer.status_code == status
        answer.getvalue()


def test_folders_list_what_is_right_below_them(owner, ready):
    for slash in ("", "/"):
        root = owner.send("GET", f"{DIRECTORIES}/1{slash}").json()
        assert [(c["path"], c["is_directory"], c.get("file_size")) for c in root["contents"]] == [
            ("/Models/prod/ml/iris/1/MLmodel", False, 11),
            ("/Models/prod/ml/iris/1/data", True, None),
        ]
        assert root["next_page_token"] == ""
    below = owner.send("GET", f"{DIRECTORIES}/1/data").json()["contents"]
    assert [(c["name"], c["file_size"]) for c in below] == [("model.pkl", 300_000)]
    assert below[0]["last_modified"] > 1_600_000_000_000
    assert owner.send("HEAD", f"{DIRECTORIES}/1/data").status_code == 200
    for missing in ("1/gone", "1/MLmodel", "1/dat"):
        refused(owner.send("GET", f"{DIRECTORIES}/{missing}"), 404, "NOT_FOUND")
        assert owner.send("HEAD", f"{DIRECTORIES}/{missing}").status_code == 404


def test_a_listing_goes_on_where_its_page_ended(owner, version):
    for name in ("b/1", "b/2", "a", "B", "c%25", "ä"):
        assert owner.put(f"1/{name}", b"x").status_code == 204
    names, token = [], ""
    for _ in range(10):
        page = owner.send("GET", f"{DIRECTORIES}/1?page_size=2&page_token={token}").json()
        names += [c["name"] for c in page["contents"]]
        token = page["next_page_token"]
        if not token:
            break
    assert names == ["B", "a", "b", "c%", "ä"]


def test_an_upload_again_replaces_the_file(owner, reader, version):
    owner.put("1/MLmodel", b"one")
    owner.put("1/MLmodel", b"two")
    exists = owner.put("1/MLmodel?overwrite=", b"three")
    assert refused(exists, 400, "RESOURCE_ALREADY_EXISTS").endswith("replace it.")
    make_ready(version)
    assert reader.get("1/MLmodel").getvalue() == b"two"


def test_the_same_bytes_are_kept_once(owner, people, version, stores):
    begin(people.owner)
    for path in ("1/a", "1/b", "2/a"):
        assert owner.put(path, CONTENT).status_code == 204
    assert Blob.objects.count() == 1
    assert ManifestEntry.objects.count() == 3
    assert len(left_behind(stores / "artifacts")) == 1


@pytest.mark.parametrize("announced", [300_001, 10**9])
def test_a_broken_off_upload_leaves_nothing(owner, version, stores, announced):
    response = owner.put("1/model.pkl", **broken_off(CONTENT, announced))
    assert "Nothing was kept" in refused(response, 400, "INVALID_PARAMETER_VALUE")
    assert left_behind(stores / "artifacts") == []
    assert not ManifestEntry.objects.exists()


def chunked(body, **scope):
    return {
        "wsgi.input": io.BytesIO(body),
        "asgi.scope": scope,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "CONTENT_LENGTH": "",
    }


def test_a_body_in_chunks_is_taken_when_it_ends_and_refused_when_it_breaks_off(owner, version, stores):
    gone = chunked(CONTENT, **{"modelkeep.disconnected": True})
    assert "broke off" in refused(owner.put("1/x", **gone), 400, "INVALID_PARAMETER_VALUE")
    assert left_behind(stores / "artifacts") == []
    assert owner.put("1/x", **chunked(CONTENT)).status_code == 204
    assert ManifestEntry.objects.get().blob.size == len(CONTENT)


def test_the_server_entry_notes_a_client_that_went_away(monkeypatch):
    async def read_body(scope, receive, send):
        while (await receive()).get("more_body"):
            pass

    async def receive():
        return messages.pop()

    async def send(message):
        pytest.fail("nothing is sent")

    monkeypatch.setattr(asgi, "_django", read_body)
    ended = {"type": "http.request", "body": b"y"}
    for last, noted in ((ended, False), ({"type": "http.disconnect"}, True)):
        messages = [last, {"type": "http.request", "body": b"x", "more_body": True}]
        scope = {"type": "http", "path": "/", "method": "PUT"}
        asyncio.run(asgi.application(scope, receive, send))
        assert scope.get("modelkeep.disconnected", False) is noted


def test_limits_are_kept(owner, version, stores, settings):
    settings.MAX_FILE_BYTES = 1000
    announced = broken_off(b"", 1001)
    refused(owner.put("1/big", **announced), 413, "INVALID_PARAMETER_VALUE")
    assert announced["wsgi.input"].tell() == 0
    settings.MAX_FILES_PER_VERSION = 2
    for path, status in (("1/a", 204), ("1/b", 204), ("1/a", 204), ("1/c", 400)):
        assert owner.put(path, b"x").status_code == status


def test_a_file_and_a_folder_never_share_a_name(owner, version):
    assert owner.put("1/data/x", b"x").status_code == 204
    refused(owner.put("1/data", b"x"), 409, "RESOURCE_CONFLICT")
    refused(owner.put("1/data/x/y", b"x"), 409, "RESOURCE_CONFLICT")
    refused(owner.send("PUT", f"{DIRECTORIES}/1/data/x"), 409, "RESOURCE_CONFLICT")
    for made in ("1/data", "1/new", "1"):
        assert owner.send("PUT", f"{DIRECTORIES}/{made}").status_code == 204
    refused(owner.send("DELETE", f"{DIRECTORIES}/1/data"), 409, "RESOURCE_CONFLICT")
    assert owner.send("DELETE", f"{FILES}/1/data/x").status_code == 204
    refused(owner.send("DELETE", f"{FILES}/1/data/x"), 404, "NOT_FOUND")
    assert owner.send("DELETE", f"{DIRECTORIES}/1/data").status_code == 204


CLIMBING = {
    "parent": "1/../2/x",
    "here": "1/./x",
    "empty": "1//x",
    "nul": "1/a%00b",
    "encoded": "1/..%2f..%2fx",
    "backslash": "1/a%5cb",
    "long name": "1/" + "x" * 300,
    "long path": "1/" + "x/" * 600 + "x",
}


@pytest.mark.parametrize("path", CLIMBING.values(), ids=CLIMBING.keys())
def test_a_path_that_climbs_is_refused(owner, version, path):
    assert owner.put(path, b"x").status_code == 400
    assert owner.get(path).status_code in {400, 404}
    assert not ManifestEntry.objects.exists()


@pytest.mark.parametrize(
    "path", ["Volumes/x", "Models/prod/ml/iris", "Models/prod/ml/iris/x/f", "Models/a.b/c/d/1/f"]
)
def test_what_is_not_kept_here_does_not_exist(owner, path):
    refused(owner.send("GET", f"/api/2.0/fs/files/{path}"), 404, "NOT_FOUND")


# --- Rights -----------------------------------------------------------------------------------------------------


def test_a_hidden_version_reads_like_a_missing_one(outsider, ready):
    for method, kind in (
        ("GET", "files"),
        ("HEAD", "files"),
        ("PUT", "files"),
        ("DELETE", "files"),
        ("GET", "directories"),
    ):
        hidden = outsider.send(method, f"/api/2.0/fs/{kind}/Models/prod/ml/iris/1/MLmodel")
        missing = outsider.send(method, f"/api/2.0/fs/{kind}/Models/prod/ml/gone/1/MLmodel")
        assert hidden.status_code == missing.status_code == 404
        assert hidden.content.replace(b"iris", b"gone") == missing.content
    denied = AuditEvent.objects.filter(decision="DENY", actor="outsider@example.com")
    assert denied.count() == 5


def test_without_a_token_nothing_is_read(version):
    body = broken_off(CONTENT, len(CONTENT))
    response = anonymous("PUT", f"{FILES}/1/x", **body)
    refused(response, 401, "UNAUTHENTICATED")
    assert body["wsgi.input"].tell() == 0


def test_a_reader_may_not_write_and_is_told_why(reader, version):
    body = broken_off(CONTENT, len(CONTENT))
    assert "CREATE_MODEL_VERSION" in refused(reader.put("1/x", **body), 403, "PERMISSION_DENIED")
    assert body["wsgi.input"].tell() == 0


def test_nobody_writes_into_the_version_of_another(steward, owner, version):
    message = refused(steward.put("1/x", b"x"), 403, "PERMISSION_DENIED")
    assert "owner@example.com" in message


def test_a_contributor_writes_its_own_version_and_reads_none(steward, people, model):
    mine = begin(people.steward)
    assert steward.put(f"{mine.version}/x", b"x").status_code == 204
    make_ready(mine)
    assert "EXECUTE" in refused(steward.get(f"{mine.version}/x"), 403, "PERMISSION_DENIED")


def test_a_pending_version_cannot_be_read_and_a_ready_one_not_be_written(owner, reader, version):
    owner.put("1/x", b"x")
    assert "READY" in refused(reader.get("1/x"), 400, "INVALID_PARAMETER_VALUE")
    make_ready(version)
    for response in (
        owner.put("1/y", b"y"),
        owner.put("1/x", b"y"),
        owner.send("DELETE", f"{FILES}/1/x"),
        owner.post(f"{FILES}/1/z?action=initiate-upload&overwrite=true"),
        owner.post("/api/2.0/fs/create-upload-url", {"path": "/Models/prod/ml/iris/1/y"}),
    ):
        assert "never change" in refused(response, 400, "INVALID_PARAMETER_VALUE")
    assert reader.get("1/x").getvalue() == b"x"
    assert not MultipartUpload.objects.exists()


def test_a_revoked_right_is_refused_at_once(people, reader, ready):
    assert reader.get("1/MLmodel").getvalue() == b"flavors: {}"
    grants.update_grants(
        actor=people.metastore_admin,
        type_=SecurableType.REGISTERED_MODEL,
        full_name=MODEL,
        changes=[Change("reader@example.com", (), (Privilege.EXECUTE,))],
    )
    assert reader.get("1/MLmodel").status_code == 404


class Arriving:
    """A body of four bytes; something happens before its last piece."""

    def __init__(self, meanwhile):
        self.left, self.meanwhile = [b"ab", b"cd"], meanwhile

    def read(self, _size):
        if len(self.left) == 1:
            self.meanwhile()
        return self.left.pop(0) if self.left else b""


@pytest.mark.parametrize(
    ("meanwhile", "word"),
    [
        (lambda: ApiToken.objects.all().delete(), "revoked"),
        (lambda: Principal.objects.filter(key="owner@example.com").update(is_active=False), "disabled"),
        (lambda: ApiToken.objects.update(expires_at=timezone.now()), ""),
    ],
    ids=["token revoked", "user disabled", "token ran out"],
)
def test_who_writes_is_asked_for_again_at_the_end(people, version, meanwhile, word):
    value = create_token(actor=people.owner, lifetime_seconds=3600).value
    actor = authenticate_token(value, context=RequestContext())
    expected = pytest.raises(AccessDenied, match=word) if word else nullcontext()
    with expected:
        files.write_file(actor=actor, path="/Models/prod/ml/iris/1/x", source=Arriving(meanwhile), expected=4)
    assert ManifestEntry.objects.exists() == (not word)


def test_a_rename_moves_no_file(people, owner, reader, ready):
    registered_models.update_model(actor=people.owner, name=MODEL, changes=Changes(new_name="prod.ml.rose"))
    assert reader.get("1/MLmodel").status_code == 404
    renamed = reader.send("GET", "/api/2.0/fs/files/Models/prod/ml/rose/1/MLmodel")
    assert renamed.getvalue() == b"flavors: {}"


def test_taking_bytes_and_writing_them_stand_on_the_trail(reader, ready):
    reader.get("1/MLmodel").getvalue()
    reader.post("/api/2.0/fs/create-download-url", {"path": "/Models/prod/ml/iris/1/MLmodel"})
    loads = AuditEvent.objects.filter(action="generateTemporaryModelVersionCredential", decision="ALLOW")
    assert [row.params["path"] for row in loads] == ["MLmodel", "MLmodel"]
    written = AuditEvent.objects.filter(action="writeModelVersionFile").first()
    assert written.params["sha256"] == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS"])
def test_an_unknown_method_is_refused_in_json(owner, method):
    refused(owner.send(method, f"{FILES}/1/x"), 405, "ENDPOINT_NOT_FOUND")
