"""Large files in parts at the S3 door."""

import hashlib

import pytest

from registry.models import ManifestEntry, MultipartUpload
from registry.services import model_versions
from registry.services.model_versions import NewVersion
from registry.services.temporary_credentials import Operation
from tests.s3_door.conftest import MODEL, S3, files_of, refused

pytestmark = pytest.mark.django_db


def begin(s3, path):
    response = s3.sign("POST", s3.url(path, "uploads")).send()
    assert response.status_code == 200, response.content
    return response.content.decode().partition("<UploadId>")[2].partition("</UploadId>")[0]


def part(s3, path, upload, number, body):
    return s3.sign("PUT", s3.url(path, f"partNumber={number}&uploadId={upload}"), body).send()


def document(*etags):
    rows = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in enumerate(etags, 1))
    return f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()


def complete(s3, path, upload, *etags):
    return s3.sign("POST", s3.url(path, f"uploadId={upload}"), document(*etags)).send()


@pytest.fixture
def upload(writer):
    return begin(writer, "big")


def test_parts_become_a_file(writer, pending, upload):
    etags = [part(writer, "big", upload, n, body)["ETag"] for n, body in enumerate((b"aaaa", b"bbbb", b"c"), 1)]
    response = complete(writer, "big", upload, *etags)
    assert response.status_code == 200, response.content
    sha256 = hashlib.sha256(b"aaaabbbbc").hexdigest()
    assert sha256 in response.content.decode()
    assert ManifestEntry.objects.get(version=pending).blob_id == sha256
    assert complete(writer, "big", upload, *etags).status_code == 200, "the answer may have been lost"


def test_a_presigned_part_needs_no_header(writer, pending, upload):
    """Stock MLflow sends the parts of large files so."""
    response = writer.presign("PUT", writer.url("big", f"partNumber=1&uploadId={upload}")).send(body=b"presigned")
    assert response.status_code == 200, response.content
    assert complete(writer, "big", upload, response["ETag"]).status_code == 200
    assert files_of(pending) == {"big": 9}


def test_an_aborted_upload_is_gone(writer, upload):
    assert writer.sign("DELETE", writer.url("big", f"uploadId={upload}")).send().status_code == 204
    assert not MultipartUpload.objects.exists()
    refused(part(writer, "big", upload, 1, b"x"), 404, "NoSuchUpload")
    refused(complete(writer, "big", upload, "x"), 404, "NoSuchUpload")
    refused(writer.sign("DELETE", writer.url("big", f"uploadId={upload}")).send(), 404, "NoSuchUpload")


@pytest.mark.parametrize("unknown", ["x", "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11", "..%2F..%2Fblobs"])
def test_an_upload_that_never_began(writer, unknown):
    refused(part(writer, "big", unknown, 1, b"x"), 404, "NoSuchUpload")


def test_an_upload_belongs_to_its_key_version_and_holder(writer, upload, people):
    refused(part(writer, "other", upload, 1, b"x"), 404, "NoSuchUpload")
    second = model_versions.begin_version(actor=people.owner, name=MODEL, new=NewVersion())
    other = S3(people, "owner", second, Operation.READ_WRITE)
    refused(part(other, "big", upload, 1, b"x"), 404, "NoSuchUpload")


@pytest.mark.parametrize("number", ["0", "10001", "x", ""])
def test_part_numbers_have_bounds(writer, upload, number):
    refused(part(writer, "big", upload, number, b"x"), 400, "InvalidArgument")


def test_parts_must_be_those_that_were_sent(writer, pending, upload):
    etag = part(writer, "big", upload, 1, b"x")["ETag"]
    refused(complete(writer, "big", upload, "0" * 32), 400, "InvalidPart")
    refused(complete(writer, "big", upload, etag, "0" * 32), 400, "InvalidPart")
    refused(complete(writer, "big", upload), 400, "InvalidPart")
    for body in (b"<x/>", b"junk", b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>"):
        refused(writer.sign("POST", writer.url("big", f"uploadId={upload}"), body).send(), 400, "MalformedXML")
    assert files_of(pending) == {}
    assert complete(writer, "big", upload, etag).status_code == 200


def test_a_part_with_another_body_than_was_signed_is_not_kept(writer, pending, upload):
    signed = writer.sign("PUT", writer.url("big", f"partNumber=1&uploadId={upload}"), b"right")
    refused(signed.send(body=b"wrong"), 400, "XAmzContentSHA256Mismatch")
    etag = signed.send()["ETag"]
    assert complete(writer, "big", upload, etag).status_code == 200
    assert files_of(pending) == {"big": 5}


def test_nothing_goes_on_after_finalize(writer, upload, ready):
    refused(part(writer, "big", upload, 1, b"x"), 403, "AccessDenied")
    refused(complete(writer, "big", upload, "x"), 403, "AccessDenied")
    refused(writer.sign("POST", writer.url("late", "uploads")).send(), 403, "AccessDenied")


def test_a_checksum_over_all_parts_is_not_promised(writer, upload):
    signed = writer.sign(
        "POST", writer.url("big", f"uploadId={upload}"), document("x"), headers={"x-amz-checksum-crc32": "AAAA"}
    )
    refused(signed.send(), 501, "NotImplemented")
