"""The stores on disk: nothing half-written, nothing outside, bounded reads."""

import hashlib
import io
import os

import pytest

from registry.errors import Conflict, FileMissing, InvalidParameter, TooLarge, Unavailable
from registry.storage import incoming
from registry.storage.blobs import LocalBlobStore, blob_store
from registry.storage.parts import LocalPartStore, Part
from registry.storage.ranges import PIECE_BYTES, join_pieces
from registry.storage.s3.arrivals import PART_BYTES
from registry.storage.trees import LocalTreeStore, split_path, tree_store
from tests.files.conftest import left_behind

BIG = os.urandom(3 * incoming.CHUNK_BYTES + 17)
HUGE = os.urandom(1024) * (2 * PART_BYTES // 1024) + b"the rest"
"""More than an object store takes in one request."""


class Dripping(io.BytesIO):
    """Gives less than asked for, as sockets do."""

    def read(self, size=-1, /):
        return super().read(min(size, 70_001))


@pytest.fixture
def blobs(stores):
    return blob_store()


@pytest.fixture
def trees(stores):
    return tree_store()


@pytest.fixture
def folder_tree(tmp_path):
    (tmp_path / "tree").mkdir()
    return LocalTreeStore(tmp_path / "tree")


@pytest.mark.parametrize("content", [b"", b"x", BIG, HUGE], ids=["empty", "tiny", "big", "huge"])
def test_bytes_come_back_as_they_went_in(blobs, content):
    received = blobs.receive(Dripping(content), limit=len(HUGE))
    assert (received.sha256, received.size) == (hashlib.sha256(content).hexdigest(), len(content))
    blobs.keep(received)
    assert blobs.size(received.sha256) == len(content)
    assert join_pieces(blobs.open(received.sha256)) == content
    assert join_pieces(blobs.open(received.sha256, start=len(content) // 2)) == content[len(content) // 2 :]


def test_a_range_is_read_in_bounded_pieces(blobs):
    received = blobs.receive(io.BytesIO(BIG), limit=len(BIG))
    blobs.keep(received)
    pieces = list(blobs.open(received.sha256, start=5, length=PIECE_BYTES + 5))
    assert [len(piece) for piece in pieces] == [PIECE_BYTES, 5]
    assert b"".join(pieces) == BIG[5 : PIECE_BYTES + 10]


def test_a_file_shorter_than_promised_breaks_off_instead_of_ending(blobs):
    received = blobs.receive(io.BytesIO(b"abc"), limit=10)
    blobs.keep(received)
    with pytest.raises(OSError, match="early"):
        list(blobs.open(received.sha256, length=4))


@pytest.mark.parametrize("content", [b"same", HUGE], ids=["small", "large"])
def test_keeping_the_same_content_twice_leaves_one_file(blobs, stores, content):
    for _ in range(2):
        received = blobs.receive(io.BytesIO(content), limit=len(HUGE))
        blobs.keep(received)
        received.discard()
    assert len(left_behind(stores)) == 1
    assert join_pieces(blobs.open(received.sha256)) == content


def test_deleting_is_idempotent_and_an_open_reader_reads_on(blobs):
    received = blobs.receive(io.BytesIO(b"abc"), limit=10)
    blobs.keep(received)
    reading = blobs.open(received.sha256)
    blobs.delete(received.sha256)
    blobs.delete(received.sha256)
    assert join_pieces(reading) == b"abc"
    assert blobs.size(received.sha256) is None
    with pytest.raises(FileMissing):
        blobs.open(received.sha256)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_a_sha256_names_a_blob(blobs, name):
    with pytest.raises(FileMissing):
        blobs.open(name)


class Failing(io.RawIOBase):
    def __init__(self, error):
        self.error, self.pieces = error, [b"a" * 10]

    def read(self, size=-1, /):
        if self.pieces:
            return self.pieces.pop()
        raise self.error


@pytest.mark.parametrize(
    ("source", "limit", "expected", "error"),
    [
        (lambda: io.BytesIO(b"12345"), 4, None, TooLarge),
        (lambda: io.BytesIO(b"123"), 100, 4, InvalidParameter),
        (lambda: io.BytesIO(b"12345"), 100, 4, InvalidParameter),
        (lambda: Failing(ConnectionResetError()), 100, None, ConnectionResetError),
    ],
    ids=["too large", "short", "long", "reset"],
)
def test_a_body_that_fails_leaves_nothing(blobs, stores, source, limit, expected, error):
    with pytest.raises(error):
        blobs.receive(source(), limit=limit, expected=expected)
    assert left_behind(stores) == []


def test_a_large_body_that_fails_leaves_nothing(blobs, stores):
    with pytest.raises(InvalidParameter):
        blobs.receive(io.BytesIO(HUGE), limit=2 * len(HUGE), expected=len(HUGE) + 1)
    with pytest.raises(TooLarge):
        blobs.receive(io.BytesIO(HUGE), limit=len(HUGE) - 1)
    assert left_behind(stores) == []


def test_a_full_disk_is_told(tmp_path):
    with pytest.raises(Unavailable):
        LocalBlobStore(tmp_path).receive(Failing(OSError(28, "No space left on device")), limit=100)
    assert left_behind(tmp_path) == []


def test_an_announced_size_beyond_the_limit_is_refused_unread(blobs):
    source = io.BytesIO(b"12345")
    with pytest.raises(TooLarge):
        blobs.receive(source, limit=4, expected=5)
    assert source.tell() == 0


def test_the_sweep_takes_old_temporary_files_only(tmp_path):
    blobs = LocalBlobStore(tmp_path)
    old = blobs.receive(io.BytesIO(b"old"), limit=10)
    new = blobs.receive(io.BytesIO(b"new"), limit=10)
    os.utime(old.handle, (1, 1))
    assert blobs.sweep_temporary(before=60, dry_run=True) == 1
    assert old.handle.exists()
    assert blobs.sweep_temporary(before=60, dry_run=False) == 1
    assert not old.handle.exists()
    assert new.handle.exists()


# --- Trees ------------------------------------------------------------------------------------------------------


def put(trees, path, content):
    trees.keep(trees.receive(io.BytesIO(content), limit=100), path)


def test_a_tree_keeps_replaces_lists_walks_and_deletes(trees, stores):
    put(trees, "1/r/artifacts/a.txt", b"one")
    put(trees, "1/r/artifacts/a.txt", b"two!")
    put(trees, "1/r/artifacts/b/c.txt", b"c")
    assert join_pieces(trees.open("1/r/artifacts/a.txt")) == b"two!"
    assert join_pieces(trees.open("1/r/artifacts/a.txt", start=1, length=2)) == b"wo"
    assert [(e.name, e.is_directory, e.size) for e in trees.children("1/r/artifacts")] == [
        ("a.txt", False, 4),
        ("b", True, 0),
    ]
    assert sorted(e.name for e in trees.walk("1/r/artifacts")) == ["a.txt", "b/c.txt"]
    trees.delete("1/r/artifacts/b/c.txt")
    trees.delete_folder("1/r/artifacts/b")
    assert [e.name for e in trees.children("1/r/artifacts")] == ["a.txt"]
    assert left_behind(stores / "tracking") == ["1/r/artifacts/a.txt"]


BAD = ["", "/etc/passwd", "..", "a/../b", "a//b", "./a", "a/.", "a\x00b", "a\\b", "a/", "x" * 256, "é" * 128]


@pytest.mark.parametrize("path", BAD, ids=range(len(BAD)))
def test_a_path_that_climbs_or_cannot_be_a_path_is_refused(trees, path):
    with pytest.raises(InvalidParameter):
        split_path(path)
    for call in (trees.open, trees.stat, trees.children, trees.delete, trees.make_folder):
        with pytest.raises(InvalidParameter):
            call(path)
    with pytest.raises(InvalidParameter):
        put(trees, path, b"x")


def test_no_symbolic_link_is_followed(folder_tree, tmp_path):
    trees = folder_tree
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (tmp_path / "tree" / "folder").symlink_to(outside)
    (tmp_path / "tree" / "file").symlink_to(outside / "secret")
    for path in ("folder/secret", "file", "folder"):
        with pytest.raises(FileMissing):
            trees.open(path)
        with pytest.raises(FileMissing):
            trees.stat(path)
    with pytest.raises(FileMissing):
        trees.children("folder")
    with pytest.raises(Conflict):
        put(trees, "folder/new", b"x")
    put(trees, "file", b"mine")
    assert (outside / "secret").read_text() == "secret"
    assert join_pieces(trees.open("file")) == b"mine"


def test_what_is_no_file_is_not_opened(folder_tree, tmp_path):
    os.mkfifo(tmp_path / "tree" / "pipe")
    (tmp_path / "tree" / "folder").mkdir()
    for path in ("pipe", "folder"):
        with pytest.raises(FileMissing):
            folder_tree.open(path)


def test_a_file_and_a_folder_never_share_a_name(trees):
    put(trees, "folder/inside", b"x")
    put(trees, "plain", b"x")
    with pytest.raises(FileMissing):
        trees.open("folder")
    assert trees.stat("folder").is_directory
    with pytest.raises(Conflict):
        trees.delete_folder("folder")
    with pytest.raises(Conflict):
        put(trees, "folder", b"x")
    with pytest.raises(Conflict):
        put(trees, "plain/below", b"x")
    with pytest.raises(Conflict):
        trees.make_folder("plain/below")
    with pytest.raises(Conflict):
        trees.delete("folder")
    with pytest.raises(FileMissing):
        trees.delete("gone")


# --- Parts ------------------------------------------------------------------------------------------------------

UPLOAD = "5f3c8a52-9b1b-4c39-8f4e-0d9c1d1f7a10"


def joined(parts, etags):
    with parts.open(UPLOAD, etags) as source:
        return b"".join(iter(lambda: source.read(4), b""))


def send(parts, number, content, **announced):
    return parts.receive(UPLOAD, number, io.BytesIO(content), limit=100, **announced)


def test_parts_of_one_size_become_one_file_without_a_copy(tmp_path):
    parts = LocalPartStore(tmp_path)
    sent = [
        send(parts, number, content, expected=len(content))
        for number, content in ((1, b"one"), (3, b"!"), (2, b"two"))
    ]
    ordered = sorted(sent, key=lambda part: part.number)
    assert parts.sizes(UPLOAD, ordered) == [3, 3, 1]
    assert joined(parts, ordered) == b"onetwo!"
    received = parts.take(UPLOAD, ordered)
    assert received.handle.read_bytes() == b"onetwo!"
    assert received.sha256 == hashlib.sha256(b"onetwo!").hexdigest()
    with pytest.raises(InvalidParameter):
        send(parts, 4, b"x", expected=1)
    assert parts.sizes(UPLOAD, ordered) == [3, 3, 1], "a completion that failed can be repeated"
    assert parts.take(UPLOAD, ordered).sha256 == received.sha256


OTHERS = {
    "sent again": lambda parts: [send(parts, 1, b"two", expected=3), send(parts, 2, b"x", expected=1)],
    "longer than the first": lambda parts: [send(parts, 2, b"longer", expected=6)],
    "length unknown": lambda parts: [send(parts, 2, b"x")],
    "empty": lambda parts: [send(parts, 2, b"", expected=0)],
}


@pytest.mark.parametrize("rest", OTHERS.values(), ids=OTHERS.keys())
def test_parts_that_do_not_fit_are_joined_by_copying(tmp_path, rest):
    parts = LocalPartStore(tmp_path)
    first = send(parts, 1, b"one", expected=3)
    others = rest(parts)
    ordered = others if others[0].number == 1 else [first, *others]
    assert parts.take(UPLOAD, ordered) is None
    assert joined(parts, ordered)[:3] == (b"two" if others[0].number == 1 else b"one")
    assert sum(parts.sizes(UPLOAD, ordered)) == len(joined(parts, ordered))


def test_a_file_that_somebody_may_still_write_to_is_never_taken(tmp_path):
    parts = LocalPartStore(tmp_path)
    first = send(parts, 1, b"one", expected=3)
    (tmp_path / "parts" / UPLOAD / "claim-00002").touch()
    assert parts.take(UPLOAD, [first]) is None
    assert joined(parts, [first]) == b"one"


def test_a_part_that_broke_off_may_take_its_place_again(tmp_path):
    parts = LocalPartStore(tmp_path)
    first = send(parts, 1, b"one", expected=3)
    with pytest.raises(InvalidParameter):
        send(parts, 2, b"tw", expected=3)
    second = send(parts, 2, b"TWO", expected=3)
    assert parts.take(UPLOAD, [first, second]).handle.read_bytes() == b"oneTWO"


def test_a_first_part_that_broke_off_leaves_the_upload_usable(tmp_path):
    parts = LocalPartStore(tmp_path)
    with pytest.raises(InvalidParameter):
        send(parts, 1, b"tw", expected=3)
    ordered = [send(parts, 1, b"first", expected=5), send(parts, 2, b"two", expected=3)]
    assert parts.take(UPLOAD, ordered) is None
    assert joined(parts, ordered) == b"firsttwo"


def test_parts_are_joined_in_the_order_given(tmp_path):
    parts = LocalPartStore(tmp_path)
    second = parts.receive(UPLOAD, 2, io.BytesIO(b"world"), limit=10)
    first = parts.receive(UPLOAD, 1, io.BytesIO(b"hello "), limit=10)
    again = parts.receive(UPLOAD, 2, io.BytesIO(b"there"), limit=10)
    assert second.etag != again.etag
    assert parts.sizes(UPLOAD, [first, again]) == [6, 5]
    with parts.open(UPLOAD, [first, again]) as joined:
        assert b"".join(iter(lambda: joined.read(4), b"")) == b"hello there"
    assert [name for name, _ in parts.uploads()] == [UPLOAD]
    parts.drop(UPLOAD)
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("etag", ["", "../1", "0" * 32, "x" * 32])
def test_an_etag_that_was_not_given_out_names_no_part(tmp_path, etag):
    with pytest.raises(InvalidParameter):
        LocalPartStore(tmp_path).sizes(UPLOAD, [Part(1, etag)])
