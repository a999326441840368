"""Large files in parts, as stock clients send them."""

import hashlib
import os

import pytest

from registry.models import AuditEvent, ManifestEntry, MultipartUpload
from registry.services import blob_sweep, model_versions
from registry.storage.parts import MAX_PARTS
from tests.files.conftest import FILES, MODEL, anonymous, begin, broken_off, left_behind, make_ready
from tests.files.test_versions import refused

pytestmark = pytest.mark.django_db

FILE = f"{FILES}/1/weights.bin"
PATH = "/Models/prod/ml/iris/1/weights.bin"
PARTS = [os.urandom(70_000), os.urandom(70_000), os.urandom(123)]
CONTENT = b"".join(PARTS)


class Upload:
    """One upload session, driven step by step."""

    def __init__(self, client, path=PATH):
        self.client, self.path = client, path
        answer = client.post(f"/api/2.0/fs/files{path}?action=initiate-upload&overwrite=true")
        assert answer.status_code == 200, answer.content
        self.token = answer.json()["multipart_upload"]["session_token"]

    def links(self, first=1, count=1, client=None):
        body = {"path": self.path, "session_token": self.token, "start_part_number": first, "count": count}
        body["expire_time"] = "2099-01-01T00:00:00Z"
        return (client or self.client).post("/api/2.0/fs/create-upload-part-urls", body)

    def link(self, number):
        answer = self.links(number).json()["upload_part_urls"]
        assert [part["part_number"] for part in answer] == [number]
        return answer[0]["url"].removeprefix("http://testserver")

    def send(self, number, content):
        response = anonymous("PUT", self.link(number), content)
        assert response.status_code == 200, response.content
        return response["ETag"]

    def complete(self, etags, client=None):
        query = f"action=complete-upload&upload_type=multipart&session_token={self.token}"
        parts = [{"part_number": number, "etag": etag} for number, etag in etags]
        return (client or self.client).post(f"/api/2.0/fs/files{self.path}?{query}", {"parts": parts})


@pytest.fixture
def upload(owner, version):
    return Upload(owner)


def test_parts_in_any_order_make_one_file(upload, reader, version, stores):
    etags = {number: upload.send(number, PARTS[number - 1]) for number in (3, 1, 2)}
    assert upload.complete(sorted(etags.items())).json() == {}
    make_ready(version)
    response = reader.get("1/weights.bin")
    assert response.getvalue() == CONTENT
    assert response["ETag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'


def test_parts_are_gone_once_completed(upload, stores, django_capture_on_commit_callbacks):
    etags = [(number, upload.send(number, part)) for number, part in enumerate(PARTS, start=1)]
    with django_capture_on_commit_callbacks(execute=True):
        assert upload.complete(etags).status_code == 200
    assert len(left_behind(stores / "artifacts")) == 1


def test_a_part_sent_again_counts_as_its_etag_says(upload, reader, version):
    old = upload.send(1, b"old ")
    new = upload.send(1, b"new ")
    last = upload.send(2, b"end")
    assert old != new
    assert upload.complete([(1, new), (2, last)]).status_code == 200
    make_ready(version)
    assert reader.get("1/weights.bin").getvalue() == b"new end"


def test_completing_again_answers_the_same_and_writes_once(upload, owner, version):
    etags = [(1, upload.send(1, b"all"))]
    for _ in range(2):
        assert upload.complete(etags).json() == {}
    assert AuditEvent.objects.filter(action="writeModelVersionFile").count() == 1
    make_ready(version)
    assert upload.complete(etags).json() == {}


@pytest.mark.parametrize(
    ("named", "word"),
    [
        ([1, 3], "Part 2 is missing"),
        ([2, 3], "Part 1 is missing"),
        ([1, 2, 2], "named twice"),
        ([], "empty"),
        ([1, 2, 3, 4], "Part 4 was not received"),
    ],
)
def test_a_list_of_parts_that_does_not_fit_is_refused(upload, stores, named, word):
    etags = {number: upload.send(number, part) for number, part in enumerate(PARTS, start=1)}
    response = upload.complete([(number, etags.get(number, f'"{"0" * 32}"')) for number in named])
    assert word in refused(response, 400, "INVALID_PARAMETER_VALUE")
    assert not ManifestEntry.objects.exists()
    assert upload.complete(sorted(etags.items())).status_code == 200


def test_an_etag_of_another_part_is_refused(upload):
    first, second = upload.send(1, b"a"), upload.send(2, b"b")
    for wrong in ([(1, second), (2, first)], [(1, "../../x"), (2, second)], [(1, None)]):
        refused(upload.complete(wrong), 400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("broken", [1, 2])
def test_a_broken_off_part_is_no_part(upload, stores, reader, version, broken, django_capture_on_commit_callbacks):
    etags = {1: upload.send(1, b"one")} if broken > 1 else {}
    response = anonymous("PUT", upload.link(broken), **broken_off(b"tw", 3))
    refused(response, 400, "INVALID_PARAMETER_VALUE")
    etags |= {number: upload.send(number, f"p{number}.".encode()) for number in range(len(etags) + 1, 4)}
    with django_capture_on_commit_callbacks(execute=True):
        assert upload.complete(sorted(etags.items())).status_code == 200
    assert len(left_behind(stores / "artifacts")) == 1
    make_ready(version)
    assert reader.get("1/weights.bin").getvalue() == (b"p1.p2.p3." if broken == 1 else b"onep2.p3.")


def test_a_completion_that_fails_can_be_repeated(upload, owner, version, settings, reader):
    etags = [(number, upload.send(number, part)) for number, part in enumerate(PARTS, start=1)]
    settings.MAX_FILES_PER_VERSION = 0
    refused(upload.complete(etags), 400, "INVALID_PARAMETER_VALUE")
    settings.MAX_FILES_PER_VERSION = 10
    assert upload.complete(etags).status_code == 200
    make_ready(version)
    assert reader.get("1/weights.bin").getvalue() == CONTENT


def test_the_parts_together_keep_the_limit(upload, settings):
    etags = [(number, upload.send(number, b"x" * 600)) for number in (1, 2)]
    settings.MAX_FILE_BYTES = 1000
    refused(upload.complete(etags), 413, "INVALID_PARAMETER_VALUE")
    refused(anonymous("PUT", upload.link(3), b"x" * 1001), 413, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(("first", "count"), [(0, 1), (-1, 1), (MAX_PARTS + 1, 1), (1, 0), (1, 1000), ("x", 1)])
def test_numbers_out_of_range_are_refused(upload, first, count):
    refused(upload.links(first, count), 400, "INVALID_PARAMETER_VALUE")


def test_the_session_is_one_persons_for_one_path(upload, owner, steward, people):
    begin(people.steward)
    refused(upload.links(client=steward), 400, "INVALID_PARAMETER_VALUE")
    other = {"path": PATH + "x", "session_token": upload.token, "start_part_number": 1, "count": 1}
    refused(owner.post("/api/2.0/fs/create-upload-part-urls", other), 400, "INVALID_PARAMETER_VALUE")
    for token in ("nonsense", "5f3c8a52-9b1b-4c39-8f4e-0d9c1d1f7a10"):
        body = {**other, "path": PATH, "session_token": token}
        refused(owner.post("/api/2.0/fs/create-upload-part-urls", body), 400, "INVALID_PARAMETER_VALUE")


def test_a_finished_version_takes_no_part_and_no_completion(upload, version):
    url, etag = upload.link(2), upload.send(1, b"x")
    make_ready(version)
    refused(anonymous("PUT", url, b"y"), 400, "INVALID_PARAMETER_VALUE")
    refused(upload.complete([(1, etag)]), 400, "INVALID_PARAMETER_VALUE")
    refused(upload.links(), 400, "INVALID_PARAMETER_VALUE")


def test_aborting_removes_everything_and_may_be_repeated(upload, owner, stores, django_capture_on_commit_callbacks):
    etag, part_url = upload.send(1, b"x"), upload.link(2)
    body = {"path": PATH, "session_token": upload.token, "expire_time": "2099-01-01T00:00:00Z"}
    answer = owner.post("/api/2.0/fs/create-abort-upload-url", body).json()["abort_upload_url"]
    url = answer["url"].removeprefix("http://testserver")
    refused(anonymous("GET", url), 403, "PERMISSION_DENIED")
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            assert anonymous("DELETE", url).status_code == 200
    assert left_behind(stores / "artifacts") == []
    refused(anonymous("PUT", part_url, b"y"), 404, "NOT_FOUND")
    refused(upload.complete([(1, etag)]), 400, "INVALID_PARAMETER_VALUE")


def test_uploads_end_with_their_version_and_the_sweep_takes_the_parts(upload, people, stores, settings):
    upload.send(1, b"x")
    model_versions.delete_version(actor=people.owner, name=MODEL, version=1)
    assert not MultipartUpload.objects.exists()
    assert blob_sweep.sweep_blobs().uploads == 0
    settings.BLOB_GRACE_SECONDS = -10
    assert blob_sweep.sweep_blobs().uploads == 1
    assert left_behind(stores / "artifacts") == []


@pytest.mark.parametrize("action", ["", "?action=dance"])
def test_an_unknown_action_is_refused(owner, version, action):
    assert "initiate-upload" in refused(owner.post(FILE + action), 400, "INVALID_PARAMETER_VALUE")
