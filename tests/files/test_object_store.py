"""What only an object store does: it is away, denies, breaks off, copies in pieces; and what it must never cost."""

import hashlib
import io
import tracemalloc
import uuid
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from django.core.management import CommandError, call_command

from registry.errors import Unavailable
from registry.models import Blob, ManifestEntry, MultipartUpload
from registry.storage.blobs import blob_store
from registry.storage.parts import part_store
from registry.storage.ranges import join_pieces
from registry.storage.s3 import arrivals, bucket
from registry.storage.s3.bucket import Bucket, ObjectFacts
from registry.storage.s3.client import ObjectChanged, ObjectMissing, StoreError
from registry.storage.s3.reads import ObjectRange, ObjectReader
from registry.storage.trees import tree_store
from tests.files.conftest import FILES, left_behind, make_ready
from tests.files.test_storage import HUGE
from tests.files.test_versions import refused

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def kind():
    return "s3"


# --- Away, or denying -------------------------------------------------------------------------------------------


@pytest.fixture
def away(settings):
    def go(root=None):
        settings.S3_ENDPOINT_URL = NOBODY if root is None else settings.S3_ENDPOINT_URL
        settings.ARTIFACT_ROOT = root or settings.ARTIFACT_ROOT

    return go


@pytest.mark.django_db
@pytest.mark.parametrize("root", [None, "s3://no-such-bucket/x"], ids=["away", "no bucket"])
def test_a_store_that_fails_is_told_and_nothing_is_half_done(owner, reader, version, away, root, caplog):
    owner.put("1/f", b"content")
    before = Blob.objects.count()
    away(root)
    for answer in (
        owner.put("1/g", b"new"),
        owner.put("1/f", b"other"),
        owner.post(f"{FILES}/1/g?action=initiate-upload"),
    ):
        message = refused(answer, 503, "TEMPORARILY_UNAVAILABLE")
        assert answer["Retry-After"]
        assert "object store" in message
        assert "127.0.0.1" not in message
        assert "bucket" not in message
    assert [entry.path for entry in ManifestEntry.objects.all()] == ["f"]
    assert Blob.objects.count() == before
    assert not MultipartUpload.objects.exists()
    make_ready(version)
    if root is None:
        answer = reader.get("1/f")
        assert (answer.status_code, "Retry-After" in answer) == (503, True)
    assert any("object store: cannot" in record.getMessage() for record in caplog.records)


class Body:
    def __init__(self, content, error=None):
        self.file, self.error = io.BytesIO(content), error

    def read(self, size):
        piece = self.file.read(size)
        if not piece and self.error:
            raise self.error
        return piece

    def close(self):
        self.file.close()


def test_a_connection_that_breaks_is_resumed_where_it_was():
    asked = []

    def get(start, length, etag):
        asked.append((start, length, etag))
        whole = b"0123456789"[start : start + length]
        return {"Body": Body(whole[:4], ConnectionResetError()), "ETag": '"1"'}

    assert join_pieces(ObjectRange(get, start=1, length=9)) == b"123456789"
    assert asked == [(1, 9, None), (5, 5, '"1"'), (9, 1, '"1"')]


@pytest.mark.parametrize("error", [ObjectChanged(), ObjectMissing(), StoreError()])
def test_a_file_that_cannot_be_resumed_breaks_off_instead_of_ending(error):
    answers = iter([{"Body": Body(b"01", ConnectionResetError()), "ETag": '"1"'}])

    def get(*_):
        try:
            return next(answers)
        except StopIteration:
            raise error from None

    pieces = ObjectRange(get, start=0, length=10)
    assert next(pieces) == b"01"
    with pytest.raises(OSError, match="early"):
        next(pieces)


# --- Memory and copies ------------------------------------------------------------------------------------------


class Zeros:
    """A body that is larger than memory should be."""

    def __init__(self, size):
        self.left = size

    def read(self, size, /):
        size = min(size, self.left)
        self.left -= size
        return bytes(size)


class Forgetful:
    """A bucket that counts and keeps nothing."""

    sizes: list[int]

    def __init__(self):
        self.sizes = []

    def begin_parts(self, name):
        return "u"

    def put_part(self, name, upload, number, body, *, md5):
        self.sizes.append(len(body))
        return str(number)

    def complete_parts(self, name, upload, parts):
        assert [number for number, _ in parts] == list(range(1, len(self.sizes) + 1))

    def facts(self, name):
        return ObjectFacts(name, sum(self.sizes), 0.0, "e")


def test_a_large_upload_takes_a_few_parts_of_memory():
    size, taken_by = 40 * arrivals.PART_BYTES + 5, Forgetful()
    tracemalloc.start()
    try:
        received = arrivals.receive(taken_by, Zeros(size), limit=size, expected=size)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert received.size == size
    assert set(taken_by.sizes[:-1]) == {arrivals.PART_BYTES}
    assert peak < 6 * arrivals.PART_BYTES


def test_parts_grow_so_that_their_number_suffices():
    taken_by = Forgetful()
    limit = 2 * arrivals.PART_BYTES * bucket.MAX_PART_NUMBER
    arrivals.receive(taken_by, Zeros(5 * arrivals.PART_BYTES), limit=limit)
    assert taken_by.sizes == [2 * arrivals.PART_BYTES, 2 * arrivals.PART_BYTES, arrivals.PART_BYTES]


def test_a_reader_hands_out_no_more_than_it_is_asked_for():
    reader = ObjectReader(iter([b"0123", b"45"]))
    assert [reader.read(3), reader.read(3), reader.read(3), reader.read(3)] == [b"012", b"3", b"45", b""]


def test_what_is_large_is_copied_in_pieces_inside_the_store(stores, monkeypatch):
    monkeypatch.setattr(bucket, "COPY_BYTES", len(HUGE) // 3)
    store = blob_store()
    received = store.receive(io.BytesIO(HUGE), limit=len(HUGE))
    store.keep(received)
    received.discard()
    assert join_pieces(store.open(received.sha256)) == HUGE
    assert len(left_behind(stores)) == 1


def test_a_copy_that_fails_leaves_no_pieces(stores, monkeypatch):
    monkeypatch.setattr(bucket, "COPY_BYTES", len(HUGE) // 3)
    store = blob_store()
    received = store.receive(io.BytesIO(HUGE), limit=len(HUGE))
    monkeypatch.setattr(Bucket, "complete_parts", lambda *_: (_ for _ in ()).throw(Unavailable("x")))
    with pytest.raises(Unavailable):
        store.keep(received)
    received.discard()
    assert left_behind(stores) == []


def test_a_file_of_a_run_comes_from_parts_that_lie_under_another_root(stores):
    upload = "5f3c8a52-9b1b-4c39-8f4e-0d9c1d1f7a10"
    part_store().begin(upload)
    part = part_store().receive(upload, 1, io.BytesIO(b"content"), limit=10)
    received = part_store().join(upload, [part], limit=10)
    assert received.sha256 == hashlib.sha256(b"content").hexdigest()
    tree_store().keep(received, "1/r/artifacts/f")
    assert join_pieces(tree_store().open("1/r/artifacts/f")) == b"content"
    part_store().drop(upload)
    assert left_behind(stores) == ["tracking/1/r/artifacts/f"]


def test_parts_on_disk_reach_a_tree_in_the_object_store_and_the_other_way_round(stores, settings, tmp_path):
    for artifacts, tracking in (
        (str(tmp_path / "a"), settings.TRACKING_ROOT),
        (settings.ARTIFACT_ROOT, str(tmp_path / "t")),
    ):
        settings.ARTIFACT_ROOT, settings.TRACKING_ROOT = artifacts, tracking
        received = blob_store().receive(io.BytesIO(b"content"), limit=10)
        tree_store().keep(received, "1/f")
        received.discard()
        assert join_pieces(tree_store().open("1/f")) == b"content"


# --- The sweep --------------------------------------------------------------------------------------------------


def test_the_sweep_ends_uploads_that_are_dead_and_leaves_sessions_alone(stores):
    store = blob_store()
    place = Bucket(f"{stores.bucket}artifacts".removesuffix("/"))
    dead, session = place.begin_parts(".incoming/x"), place.begin_parts("parts/y")
    assert store.sweep_temporary(before=0, dry_run=False) == 0
    assert store.sweep_temporary(before=2**40, dry_run=True) == 1
    assert store.sweep_temporary(before=2**40, dry_run=False) == 1
    assert [found.upload for found in place.open_uploads("")] == [session] != [dead]


# --- Before the start -------------------------------------------------------------------------------------------


def check(settings, root):
    settings.ARTIFACT_ROOT = settings.TRACKING_ROOT = root
    call_command("check_store")


def test_a_store_that_serves_passes_and_nothing_is_left(stores, settings, capsys):
    check(settings, settings.ARTIFACT_ROOT)
    assert "can be used" in capsys.readouterr().out
    assert left_behind(stores) == []


def test_a_folder_needs_no_check(settings, tmp_path, capsys):
    check(settings, str(tmp_path))
    assert "folder" in capsys.readouterr().out


def test_a_missing_bucket_and_a_wrong_root_are_told(settings):
    with pytest.raises(CommandError, match="no bucket 'no-such-bucket': create it, or correct ARTIFACT_ROOT"):
        check(settings, "s3://no-such-bucket/x")
    with pytest.raises(CommandError, match="write s3://bucket/prefix"):
        check(settings, "s3:///x")


def test_a_bucket_is_made_on_demand_once(settings, capsys):
    settings.ARTIFACT_ROOT = settings.TRACKING_ROOT = f"s3://{uuid.uuid4()}/x"
    for _ in range(2):
        call_command("check_store", make_bucket=True)
    assert capsys.readouterr().out.count("can be used") == 2
    settings.S3_ENDPOINT_URL = NOBODY
    with pytest.raises(CommandError, match="cannot be reached"):
        call_command("check_store", make_bucket=True)


def test_a_store_that_does_not_answer_is_told(settings):
    settings.S3_ENDPOINT_URL = NOBODY
    with pytest.raises(CommandError, match="cannot be reached"):
        check(settings, settings.ARTIFACT_ROOT)


DENIALS = [
    ("put_object", "AccessDenied", "lack s3:PutObject"),
    ("list_objects_v2", "AccessDenied", "lack s3:ListBucket"),
    ("create_multipart_upload", "AccessDenied", "lack s3:AbortMultipartUpload and s3:ListMultipartUploadParts"),
    ("list_objects_v2", "SignatureDoesNotMatch", "does not accept the credentials"),
    ("list_objects_v2", "SlowDown", "refuses s3:ListBucket"),
]


@pytest.mark.parametrize(("call", "code", "said"), DENIALS)
def test_a_right_that_is_missing_is_named(settings, monkeypatch, call, code, said):
    from registry.storage.s3.client import client

    def deny(**_):
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, call)

    denying = SimpleNamespace(**{name: getattr(client(), name) for name in dir(client()) if not name.startswith("_")})
    setattr(denying, call, deny)
    monkeypatch.setattr("registry.storage.s3.bucket.client", lambda: denying)
    with pytest.raises(CommandError, match=said):
        check(settings, settings.ARTIFACT_ROOT)
