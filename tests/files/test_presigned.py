"""Links of the object store itself: what they are bound to, and that nothing they write is trusted."""

import hashlib
from contextlib import suppress
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx
import pytest

from registry.errors import Conflict, TooLarge, Unavailable
from registry.models import AuditEvent, ManifestEntry
from registry.services import artifacts, blob_sweep, model_versions
from registry.services.direct_uploads import take_in_uploads
from registry.storage.blobs import blob_store
from registry.storage.ranges import join_pieces
from registry.storage.s3 import arrivals, direct
from registry.storage.s3.bucket import Bucket
from registry.storage.s3.client import ObjectChanged
from tests.files.conftest import MODEL, left_behind, make_ready
from tests.files.test_multipart import PATH as WEIGHTS
from tests.files.test_multipart import Upload
from tests.files.test_versions import refused

pytestmark = pytest.mark.django_db

PATH = "/Models/prod/ml/iris/1/data/é & ?.bin"
CONTENT = b"0123456789"
NAME = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def kind():
    return "s3"


@pytest.fixture(autouse=True)
def links(settings, stores):
    settings.S3_LINKS = True


def url_of(client, kind, path=PATH, **more):
    answer = client.post(f"/api/2.0/fs/create-{kind}-url", {"path": path, **more})
    assert answer.status_code == 200, answer.content
    assert answer.json()["headers"] == []
    return answer.json()["url"]


def send(client, content=CONTENT, path=PATH):
    """Write a file at the object store itself, as clients do: without a token."""
    url = url_of(client, "upload", path)
    assert httpx.put(url, content=content).status_code == 200
    return url


def take_in(people):
    take_in_uploads(actor=people.owner, name=MODEL, version=1)


def files():
    return dict(ManifestEntry.objects.values_list("path", "blob_id"))


# --- Reading ----------------------------------------------------------------------------------------------------


@pytest.fixture
def ready(owner, version):
    owner.put(quote("1/data/é & ?.bin"), CONTENT)
    make_ready(version)
    return version


def test_a_file_is_read_at_the_store_without_a_token(reader, ready, object_store):
    url = url_of(reader, "download")
    assert url.startswith(object_store.url)
    answer = httpx.get(url)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["Content-Length"] == "10"
    assert "Last-Modified" in answer.headers
    part = httpx.get(url, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")


def test_a_link_is_bound_to_one_blob_for_a_while_and_downloads_it(reader, ready, settings):
    settings.SIGNED_URL_SECONDS = 60
    url = urlsplit(url_of(reader, "download", expire_time="2099-01-01T00:00:00Z"))
    query = parse_qs(url.query)
    assert url.path.endswith(f"/artifacts/blobs/{NAME[:2]}/{NAME[2:4]}/{NAME}")
    assert 58 <= int(query["X-Amz-Expires"][0]) <= 60
    assert query["X-Amz-SignedHeaders"] == ["host"]
    assert query["response-content-disposition"][0].startswith("attachment")
    assert query["response-content-type"] == ["application/octet-stream"]
    assert len(query["X-Amz-Signature"][0]) == 64
    assert AuditEvent.objects.filter(actor="reader@example.com", params__operation="READ").exists()


def test_clients_are_sent_to_the_address_that_they_can_reach(reader, ready, settings):
    settings.S3_PUBLIC_ENDPOINT_URL = "https://files.example.com"
    assert url_of(reader, "download").startswith("https://files.example.com/")


def test_who_may_not_load_gets_no_link(outsider, ready):
    refused(outsider.post("/api/2.0/fs/create-download-url", {"path": PATH}), 404, "NOT_FOUND")


# --- Writing ----------------------------------------------------------------------------------------------------


def test_what_is_written_at_the_store_becomes_a_file_when_the_version_is_finalized(people, owner, version, stores):
    url = send(owner)
    assert unquote(unquote(urlsplit(url).path)).endswith(f"/direct/{version.pk}/data/é & ?.bin")
    assert files() == {}
    take_in(people)
    assert files() == {"data/é & ?.bin": NAME}
    assert artifacts.read_small_file(version, "data/é & ?.bin", 100) == CONTENT
    assert left_behind(stores / "artifacts") == [f"blobs/{NAME[:2]}/{NAME[2:4]}/{NAME}"]
    event = AuditEvent.objects.get(action="writeModelVersionFile")
    assert (event.params["sha256"], event.params["bytes"]) == (NAME, 10)
    take_in(people)
    assert files() == {"data/é & ?.bin": NAME}


def test_finalizing_takes_in_first(people, owner, version):
    send(owner, b"no model at all", "/Models/prod/ml/iris/1/MLmodel")
    with pytest.raises(model_versions.UnusableModel, match="MLmodel"):
        model_versions.finalize_version(actor=people.owner, name=MODEL, version=1)
    assert AuditEvent.objects.filter(action="writeModelVersionFile").count() == 1


def test_the_last_writing_counts(people, owner, version):
    url = send(owner, b"first")
    assert httpx.put(url, content=b"second").status_code == 200
    take_in(people)
    assert artifacts.read_small_file(version, "data/é & ?.bin", 100) == b"second"


def test_a_link_that_still_writes_changes_no_finished_version(people, owner, reader, version, stores, settings):
    url = send(owner)
    take_in(people)
    make_ready(version)
    assert httpx.put(url, content=b"another").status_code == 200
    take_in(people)
    assert files() == {"data/é & ?.bin": NAME}
    assert httpx.get(url_of(reader, "download")).content == CONTENT
    settings.BLOB_GRACE_SECONDS = -60
    assert blob_sweep.sweep_blobs(dry_run=True).temporary_files == 1
    assert blob_sweep.sweep_blobs().temporary_files == 1
    assert len(left_behind(stores / "artifacts")) == 1


def test_the_sweep_leaves_what_waits_for_a_pending_version(people, owner, version, settings):
    send(owner)
    settings.BLOB_GRACE_SECONDS = -60
    assert blob_sweep.sweep_blobs().temporary_files == 0
    take_in(people)
    assert files() == {"data/é & ?.bin": NAME}


@pytest.fixture
def small_parts(monkeypatch):
    """Ten bytes are a large file."""
    monkeypatch.setattr(arrivals, "PART_BYTES", 4)


def test_a_large_file_is_copied_inside_the_store_before_it_is_hashed(people, owner, version, stores, small_parts):
    send(owner)
    take_in(people)
    assert join_pieces(blob_store().open(NAME)) == CONTENT
    assert len(left_behind(stores / "artifacts")) == 1


def test_writing_again_after_the_copy_changes_nothing_that_is_kept(people, owner, version, small_parts, monkeypatch):
    url = send(owner)
    adopt = arrivals.adopt

    def write_then_adopt(*args, **options):
        httpx.put(url, content=b"9876543210")
        return adopt(*args, **options)

    monkeypatch.setattr(direct.arrivals, "adopt", write_then_adopt)
    take_in(people)
    assert files() == {"data/é & ?.bin": NAME}
    assert join_pieces(blob_store().open(NAME)) == CONTENT


def test_writing_again_before_the_copy_never_names_bytes_by_a_digest_of_others(
    people, owner, version, small_parts, monkeypatch
):
    url = send(owner)
    copy = Bucket.copy

    def write_then_copy(*args):
        httpx.put(url, content=b"9876543210")
        return copy(*args)

    monkeypatch.setattr(Bucket, "copy", write_then_copy)
    # A store that knows conditional copies refuses; on any other one the later bytes are the file.
    with suppress(Unavailable):
        take_in(people)
    for sha256 in files().values():
        assert hashlib.sha256(join_pieces(blob_store().open(sha256))).hexdigest() == sha256


def test_a_copy_that_the_store_refuses_is_told_and_nothing_is_kept(people, owner, version, small_parts, monkeypatch):
    send(owner)
    monkeypatch.setattr(Bucket, "copy", lambda *_: (_ for _ in ()).throw(ObjectChanged("x")))
    with pytest.raises(Unavailable):
        take_in(people)
    assert files() == {}


def test_a_file_beyond_the_limit_is_refused_and_removed(people, owner, version, settings, stores):
    send(owner)
    settings.MAX_FILE_BYTES = 9
    with pytest.raises(TooLarge):
        take_in(people)
    assert left_behind(stores / "artifacts") == []
    assert files() == {}


def test_a_file_that_would_be_a_folder_is_refused(people, owner, version):
    owner.put("1/data", b"x")
    send(owner)
    with pytest.raises(Conflict):
        take_in(people)
    assert list(files()) == ["data"]


def test_a_path_too_long_for_a_key_is_written_through_us(owner, version):
    url = url_of(owner, "upload", "/Models/prod/ml/iris/1/" + "/".join(["é" * 100] * 3))
    assert url.startswith("http://testserver/_blob/")


# --- Parts ------------------------------------------------------------------------------------------------------


def part_urls(upload, count):
    return [part["url"] for part in upload.links(1, count).json()["upload_part_urls"]]


def test_parts_go_to_the_store_and_become_one_file_with_our_digest(owner, version, stores, object_store):
    upload = Upload(owner)
    urls = part_urls(upload, 2)
    assert all(url.startswith(object_store.url) for url in urls)
    etags = [
        (number, httpx.put(url, content=content).headers["ETag"])
        for number, (url, content) in enumerate(zip(urls, (CONTENT, b"end"), strict=True), start=1)
    ]
    assert upload.complete(etags).json() == {}
    assert files() == {"weights.bin": hashlib.sha256(CONTENT + b"end").hexdigest()}
    assert artifacts.read_small_file(version, "weights.bin", 100) == CONTENT + b"end"
    assert httpx.put(urls[0], content=b"late").status_code >= 400
    refused(upload.links(), 404, "NOT_FOUND")


def test_a_part_written_by_another_is_found_by_its_etag(owner, version):
    upload = Upload(owner)
    (url,) = part_urls(upload, 1)
    mine = httpx.put(url, content=CONTENT).headers["ETag"]
    theirs = httpx.put(url, content=b"9876543210").headers["ETag"]
    assert mine != theirs
    refused(upload.complete([(1, mine)]), 400, "INVALID_PARAMETER_VALUE")
    assert upload.complete([(1, theirs)]).json() == {}


def test_parts_too_small_for_the_store_are_told(owner, version, monkeypatch):
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 5 * 1024**2)
    upload = Upload(owner)
    etags = [
        (number, httpx.put(url, content=CONTENT).headers["ETag"])
        for number, url in enumerate(part_urls(upload, 2), 1)
    ]
    assert "5 MiB" in refused(upload.complete(etags), 400, "INVALID_PARAMETER_VALUE")
    assert upload.path == WEIGHTS
