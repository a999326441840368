"""Bodies in chunks (aws-chunked): decoded while they stream, and refused when a piece is not what was signed.

The examples of the S3 API reference come first: what holds for them holds for clients that we do not run.
"""

import base64
import hashlib
import io
import tracemalloc
import zlib

import pytest
from django.test import RequestFactory

from registry.api.s3 import signature as signatures
from registry.api.s3.chunks import ChunkedBody
from registry.api.s3.errors import S3Error
from registry.api.s3.signature import Signature, SigningKey, check_signature
from tests.s3_door.conftest import files_of, refused

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SCOPE = "20130524/us-east-1/s3/aws4_request"
DATE = "20130524T000000Z"
EMPTY = hashlib.sha256(b"").hexdigest()


def signature(value, *, headers=(), payload="", expires=None):
    return Signature("AKIAIOSFODNN7EXAMPLE", "", DATE, SCOPE, tuple(headers), value, payload, expires)


# --- The examples of the reference ------------------------------------------------------------------------------


def test_the_documented_example_of_a_header():
    given = signature(
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        headers=["host", "range", "x-amz-content-sha256", "x-amz-date"],
        payload=EMPTY,
    )
    headers = {
        "Host": "examplebucket.s3.amazonaws.com",
        "Range": "bytes=0-9",
        "x-amz-content-sha256": EMPTY,
        "x-amz-date": DATE,
    }
    request = RequestFactory().get("/test.txt", headers=headers)
    check_signature(request, given, secret=SECRET, now=given.moment)
    with pytest.raises(S3Error, match="not that of this request"):
        check_signature(request, given, secret="other", now=given.moment)


def test_the_documented_example_of_a_presigned_url():
    given = signature(
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        headers=["host"],
        payload="UNSIGNED-PAYLOAD",
        expires=86400,
    )
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"AKIAIOSFODNN7EXAMPLE/{SCOPE}",
        "X-Amz-Date": DATE,
        "X-Amz-Expires": "86400",
        "X-Amz-SignedHeaders": "host",
    }
    request = RequestFactory().get("/test.txt", query, headers={"Host": "examplebucket.s3.amazonaws.com"})
    check_signature(request, given, secret=SECRET, now=given.moment)


DOCUMENTED = [
    (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
]


def test_the_documented_example_of_chunks():
    seed = signature("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
    key = SigningKey(signatures._derive(SECRET, SCOPE), seed)
    body = b"".join(
        f"{size:x};chunk-signature={sig}\r\n".encode() + b"a" * size + b"\r\n" for size, sig in DOCUMENTED
    )
    assert drained(ChunkedBody(io.BytesIO(body), key=key, trailing=False)) == b"a" * 66560


# --- The framing ------------------------------------------------------------------------------------------------


def drained(source, size=7000):
    return b"".join(iter(lambda: source.read(size), b""))


def framed(*pieces, trailer=""):
    body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return body + b"0\r\n" + trailer.encode() + b"\r\n"


class Trickle:
    """Hands out a byte at a time, as a network may."""

    def __init__(self, body):
        self._body = io.BytesIO(body)

    def read(self, size):
        return self._body.read(min(size, 1))


@pytest.mark.parametrize("source", [io.BytesIO, Trickle])
@pytest.mark.parametrize("pieces", [(), (b"x",), (b"abc", b"\r\n", b"0\r\n\r\n", b"z" * 300)])
def test_chunks_are_joined(source, pieces):
    body = ChunkedBody(source(framed(*pieces, trailer="x-amz-checksum-crc32:AA==\r\n")), key=None, trailing=True)
    assert drained(body, 5) == b"".join(pieces)
    assert body.trailer == {"x-amz-checksum-crc32": "AA=="}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"3\r\nab",
        b"3\r\nabc",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"3;chunk-signature=" + b"0" * 64 + b"\r\nabc\r\n0\r\n\r\n",
        b"1" * 17 + b"\r\n",
        b"3" * 10_000,
        b"0\r\n" + b"a:b\r\n" * 10_000,
        b"0\r\n\xff\r\n",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_framing_that_cannot_be(body):
    with pytest.raises(S3Error):
        drained(ChunkedBody(io.BytesIO(body), key=None, trailing=True))


def test_a_trailer_that_was_not_announced():
    with pytest.raises(S3Error):
        drained(ChunkedBody(io.BytesIO(framed(b"x", trailer="a:b\r\n")), key=None, trailing=False))


def test_memory_does_not_grow_with_a_chunk():
    size = 64 * 1024 * 1024

    class Long:
        def __init__(self):
            self.parts = [f"{size:x}\r\n".encode(), *([b"\0" * 65536] * (size // 65536)), b"\r\n0\r\n\r\n"]

        def read(self, most):
            return self.parts.pop(0) if self.parts else b""

    body, total = ChunkedBody(Long(), key=None, trailing=True), 0
    tracemalloc.start()
    while piece := body.read(1024 * 1024):
        total += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == size
    assert peak < 2 * 1024 * 1024


# --- At the door ------------------------------------------------------------------------------------------------


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def unsigned(s3, path, *pieces, checksum=None, length=None, algorithm="crc32"):
    body = b"".join(pieces)
    headers = {
        "Content-Encoding": "aws-chunked",
        "X-Amz-Decoded-Content-Length": str(len(body) if length is None else length),
        "X-Amz-Trailer": f"x-amz-checksum-{algorithm}",
    }
    trailer = f"x-amz-checksum-{algorithm}:{crc32(body) if checksum is None else checksum}\r\n"
    payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    return s3.put(path, framed(*pieces, trailer=trailer if checksum != "" else ""), headers=headers, payload=payload)


@pytest.mark.django_db
class TestUnsigned:
    def test_is_taken_with_its_checksum(self, writer, pending):
        response = unsigned(writer, "f", b"hello ", b"world")
        assert (response.status_code, response["x-amz-checksum-crc32"]) == (200, crc32(b"hello world"))
        assert files_of(pending) == {"f": 11}

    def test_may_be_empty(self, writer, pending):
        assert unsigned(writer, "f").status_code == 200
        assert files_of(pending) == {"f": 0}

    @pytest.mark.parametrize("checksum", ["AAAAAA==", ""])
    def test_needs_the_right_checksum(self, writer, pending, checksum):
        refused(unsigned(writer, "f", b"hello", checksum=checksum), 400, "BadDigest")
        assert files_of(pending) == {}

    def test_needs_a_checksum_that_is_computed_here(self, writer):
        refused(unsigned(writer, "f", b"x", algorithm="crc64nvme"), 501, "NotImplemented")

    @pytest.mark.parametrize(("length", "code"), [(4, "InvalidRequest"), (6, "IncompleteBody")])
    def test_must_be_as_long_as_announced(self, writer, pending, length, code):
        refused(unsigned(writer, "f", b"hello", length=length), 400, code)
        assert files_of(pending) == {}

    @pytest.mark.parametrize("length", ["", "-1", "x", "9" * 20])
    def test_needs_an_announcement(self, writer, length):
        refused(unsigned(writer, "f", b"hello", length=length), 411, "MissingContentLength")

    def test_has_a_limit(self, writer, pending, settings):
        settings.MAX_FILE_BYTES = 4
        refused(unsigned(writer, "f", b"hello"), 400, "EntityTooLarge")
        assert files_of(pending) == {}


def signed_chunks(s3, path, *pieces, trailer=None, tamper=lambda body: body):
    """A body whose chunks and trailer are signed one over the other, as other vendors' clients send it."""
    body = b"".join(pieces)
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    headers = {"X-Amz-Decoded-Content-Length": str(len(body))}
    if trailer:
        headers["X-Amz-Trailer"] = trailer[0]
    request = s3.sign("PUT", s3.url(path), b"", headers=headers, payload=kind)
    authorization = request.headers["Authorization"]
    seed = authorization.rpartition("Signature=")[2]
    scope = authorization.partition("Credential=")[2].partition(",")[0].partition("/")[2]
    date = request.headers["X-Amz-Date"]
    key = SigningKey(signatures._derive(s3.given.secret_access_key, scope), signature(seed))
    previous, framed_body = seed, b""
    for piece in (*pieces, b""):
        digest = hashlib.sha256(piece).hexdigest()
        previous = key.sign("\n".join(["AWS4-HMAC-SHA256-PAYLOAD", date, scope, previous, EMPTY, digest]))
        framed_body += f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece + (b"\r\n" if piece else b"")
    if trailer:
        line = f"{trailer[0]}:{trailer[1]}\n"
        digest = hashlib.sha256(line.encode()).hexdigest()
        last = key.sign("\n".join(["AWS4-HMAC-SHA256-TRAILER", date, scope, previous, digest]))
        framed_body += f"{trailer[0]}:{trailer[1]}\r\nx-amz-trailer-signature:{last}\r\n".encode()
    return request.send(body=tamper(framed_body + b"\r\n"))


@pytest.mark.django_db
class TestSigned:
    def test_is_taken(self, writer, pending):
        assert signed_chunks(writer, "f", b"a" * 70_000, b"tail").status_code == 200
        assert files_of(pending) == {"f": 70_004}

    def test_is_taken_with_a_trailer(self, writer, pending):
        response = signed_chunks(writer, "f", b"hello", trailer=("x-amz-checksum-crc32", crc32(b"hello")))
        assert response.status_code == 200, response.content
        assert files_of(pending) == {"f": 5}

    @pytest.mark.parametrize(
        "tamper",
        [
            lambda body: body.replace(b"hello", b"evil!"),
            lambda body: body.replace(b"chunk-signature=", b"chunk-signature=0", 1)[:-1],
            lambda body: body.replace(b"\r\nhello\r\n", b"\r\nworld\r\n"),
        ],
    )
    def test_changed_bytes_are_refused(self, writer, pending, tamper):
        assert signed_chunks(writer, "f", b"hello", b"world", tamper=tamper).status_code in {400, 403}
        assert files_of(pending) == {}

    def test_chunks_that_changed_places_are_refused(self, writer, pending):
        def swap(body):
            first, second, rest = body.split(b"\r\n", 4)[:2], body.split(b"\r\n", 4)[2:4], body.split(b"\r\n", 4)[4]
            return b"\r\n".join([*second, *first, rest])

        refused(signed_chunks(writer, "f", b"hello", b"world", tamper=swap), 403, "SignatureDoesNotMatch")
        assert files_of(pending) == {}

    def test_a_trailer_that_is_not_signed_is_refused(self, writer, pending):
        def forge(body):
            return body.replace(crc32(b"hello").encode(), crc32(b"evil!").encode())

        trailer = ("x-amz-checksum-crc32", crc32(b"hello"))
        refused(signed_chunks(writer, "f", b"hello", trailer=trailer, tamper=forge), 403, "SignatureDoesNotMatch")
        assert files_of(pending) == {}

    def test_chunks_without_signatures_are_refused(self, writer, pending):
        refused(signed_chunks(writer, "f", b"hello", tamper=lambda _: framed(b"hello")), 400, "InvalidRequest")
        assert files_of(pending) == {}
