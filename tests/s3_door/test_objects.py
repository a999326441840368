"""Objects at the S3 door: written, read, listed, deleted, in the words of the protocol."""

import base64
import hashlib
import zlib

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.models import AuditEvent
from registry.privileges import Action
from registry.services import model_versions, registered_models
from registry.services.model_versions import NewVersion
from registry.services.securables import Changes
from registry.services.temporary_credentials import Operation
from tests.s3_door.conftest import HOST, MODEL, S3, content_of, files_of, refused

pytestmark = pytest.mark.django_db


def test_a_file_goes_in_and_comes_out(writer, ready, reader):
    response = reader.get("MLmodel")
    assert (response.status_code, content_of(response)) == (200, b"0123456789")
    assert response["ETag"] == f'"{hashlib.sha256(b"0123456789").hexdigest()}"'
    assert response["Content-Disposition"].startswith("attachment")


def test_a_read_is_on_the_audit_trail(ready, reader):
    before = AuditEvent.objects.filter(action=Action.LOAD_VERSION, actor="reader@example.com").count()
    content_of(reader.get("MLmodel"))
    rows = AuditEvent.objects.filter(action=Action.LOAD_VERSION, actor="reader@example.com")
    assert rows.count() == before + 1
    assert rows.latest("id").params["path"] == "MLmodel"


def test_a_write_is_on_the_audit_trail(writer):
    writer.put("MLmodel", b"x")
    row = AuditEvent.objects.get(action="writeModelVersionFile")
    assert (row.actor, row.params["path"]) == ("owner@example.com", "MLmodel")


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [("bytes=2-4", 206, b"234"), ("bytes=-3", 206, b"789"), ("bytes=8-", 206, b"89"), ("bytes=0-99", 200, None)],
)
def test_ranges(reader, asked, status, content):
    response = reader.get("MLmodel", headers={"Range": asked})
    assert (response.status_code, content_of(response)) == (status, content or b"0123456789")


def test_a_range_outside_is_refused_in_xml(reader):
    refused(reader.get("MLmodel", headers={"Range": "bytes=10-"}), 416, "InvalidRange")


def test_conditions(reader):
    right = reader.get("MLmodel")["ETag"]
    assert reader.get("MLmodel", headers={"If-Match": right}).status_code == 200
    refused(reader.get("MLmodel", headers={"If-Match": '"other"'}), 412, "PreconditionFailed")
    assert reader.get("MLmodel", headers={"If-None-Match": right}).status_code == 304


def test_head_tells_the_size_and_the_checksum_when_asked(reader):
    response = reader.head("MLmodel", headers={"X-Amz-Checksum-Mode": "ENABLED"})
    assert (response.status_code, response["Content-Length"], response.content) == (200, "10", b"")
    expected = base64.b64encode(hashlib.sha256(b"0123456789").digest()).decode()
    assert response["x-amz-checksum-sha256"] == expected
    assert "x-amz-checksum-sha256" not in reader.head("MLmodel")


def test_what_is_missing(reader):
    refused(reader.get("other"), 404, "NoSuchKey")
    assert reader.head("other").status_code == 404
    refused(reader.get(""), 400, "InvalidArgument")


def test_an_empty_file(writer, pending):
    assert writer.put("empty", b"").status_code == 200
    assert files_of(pending) == {"empty": 0}


def test_writing_again_replaces(writer, pending):
    writer.put("f", b"one")
    writer.put("f", b"longer")
    assert files_of(pending) == {"f": 6}


def test_names_with_all_kinds_of_characters(writer, pending):
    name = "a b/ü+%41&=?#~'*(x).txt"
    assert writer.put(name, b"x").status_code == 200
    assert files_of(pending) == {name: 1}
    assert writer.head(name)["Content-Length"] == "1"


def test_a_rename_of_the_model_changes_no_key(writer, pending, people):
    registered_models.update_model(actor=people.owner, name=MODEL, changes=Changes(new_name="renamed"))
    assert writer.put("f", b"x").status_code == 200


@pytest.mark.parametrize("name", ["x-amz-copy-source", "if-none-match", "if-match"])
def test_what_would_change_the_meaning_of_a_write_is_refused(writer, pending, name):
    refused(writer.put("f", b"x", headers={name: "*"}), 501, "NotImplemented")
    assert files_of(pending) == {}


# --- Checksums --------------------------------------------------------------------------------------------------


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def test_a_checksum_is_checked_and_told_back(writer, pending):
    response = writer.put("f", b"body", headers={"x-amz-checksum-crc32": crc32(b"body")})
    assert (response.status_code, response["x-amz-checksum-crc32"]) == (200, crc32(b"body"))
    refused(writer.put("g", b"body", headers={"x-amz-checksum-crc32": crc32(b"other")}), 400, "BadDigest")
    refused(writer.put("g", b"body", headers={"Content-MD5": "AAAA"}), 400, "BadDigest")
    assert files_of(pending) == {"f": 4}


@pytest.mark.parametrize("body", [b"", b"body"])
def test_a_checksum_of_sha_kinds(writer, body):
    for kind in ("sha1", "sha256"):
        right = base64.b64encode(hashlib.new(kind, body).digest()).decode()
        assert writer.put("f", body, headers={f"x-amz-checksum-{kind}": right}).status_code == 200
        refused(writer.put("f", body, headers={f"x-amz-checksum-{kind}": "AAAA"}), 400, "BadDigest")


def test_a_checksum_that_is_not_computed_is_refused(writer, pending):
    refused(writer.put("f", b"x", headers={"x-amz-checksum-crc64nvme": "AAAA"}), 501, "NotImplemented")
    assert files_of(pending) == {}


# --- Listing ----------------------------------------------------------------------------------------------------


@pytest.fixture
def many(writer):
    for name in ("a", "b/1", "b/2", "b/c/3", "b0", "z"):
        writer.put(name, b"x")
    return writer


def keys_in(response, tag="Key"):
    text = response.content.decode()
    return [piece.partition(f"</{tag}>")[0] for piece in text.split(f"<{tag}>")[1:]]


def listed(s3, prefix, *more):
    query = "&".join(["list-type=2", f"prefix={s3.root.replace('/', '%2F')}{prefix}", *more])
    response = s3.bucket(query)
    assert response.status_code == 200, response.content
    return response


def test_a_flat_listing_is_in_the_order_of_bytes(many):
    assert keys_in(listed(many, "")) == [many.root + name for name in ("a", "b/1", "b/2", "b/c/3", "b0", "z")]
    assert keys_in(listed(many, "b")) == [many.root + name for name in ("b/1", "b/2", "b/c/3", "b0")]


def test_a_folded_listing_shows_folders(many):
    response = listed(many, "", "delimiter=%2F")
    assert keys_in(response) == [many.root + name for name in ("a", "b0", "z")]
    assert keys_in(response, "Prefix")[1:] == [f"{many.root}b/"]
    deeper = listed(many, "b%2F", "delimiter=%2F")
    assert keys_in(deeper) == [many.root + name for name in ("b/1", "b/2")]
    assert keys_in(deeper, "Prefix")[1:] == [f"{many.root}b/c/"]


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("folded", [[], ["delimiter=%2F"]])
def test_pages_hold_everything_once(many, size, folded):
    found, token = [], []
    for _ in range(10):
        response = listed(many, "", f"max-keys={size}", *folded, *token)
        found += keys_in(response) + keys_in(response, "Prefix")[1:]
        (more,) = keys_in(response, "IsTruncated")
        if more == "false":
            break
        token = [f"continuation-token={keys_in(response, 'NextContinuationToken')[0].replace('=', '%3D')}"]
    whole = listed(many, "", *folded)
    assert sorted(found) == sorted(keys_in(whole) + keys_in(whole, "Prefix")[1:])


def test_the_first_version_of_listing_pages_by_marker(many):
    prefix = many.root.replace("/", "%2F")
    first = many.bucket(f"prefix={prefix}&max-keys=2")
    marker = keys_in(first, "NextMarker")[0]
    second = many.bucket(f"prefix={prefix}&marker={marker.replace('/', '%2F')}")
    assert keys_in(first) + keys_in(second) == keys_in(listed(many, ""))


def test_a_listing_costs_as_many_queries_for_one_as_for_many(writer, django_assert_num_queries, many):
    with CaptureQueriesContext(connection) as one:
        listed(many, "", "max-keys=1")
    with django_assert_num_queries(len(one)):
        listed(many, "")


def test_keys_are_url_encoded_when_asked(writer):
    writer.put("ü <x>&.txt", b"x")
    assert keys_in(listed(writer, "", "encoding-type=url")) == [writer.root + "%C3%BC%20%3Cx%3E%26.txt"]
    assert keys_in(listed(writer, "")) == [writer.root + "ü &lt;x&gt;&amp;.txt"]


@pytest.mark.parametrize(
    "prefix", ["", "0", "{model}", "{model}%2F", "{model}%2F1", "{model}%2F10%2F", "{model}%2F2%2F"]
)
def test_no_listing_reaches_beyond_the_version(many, prefix):
    prefix = prefix.format(model=many.root.partition("/")[0])
    refused(many.bucket(f"list-type=2&delimiter=%2F&prefix={prefix}"), 403, "AccessDenied")


def test_listing_parameters_that_cannot_be_used(many):
    refused(many.bucket("list-type=2&delimiter=x"), 501, "NotImplemented")
    refused(many.bucket("list-type=2&max-keys=-1"), 400, "InvalidArgument")
    refused(many.bucket("list-type=2&continuation-token=%21"), 400, "InvalidArgument")


# --- Deleting ---------------------------------------------------------------------------------------------------


def test_a_file_of_a_pending_version_can_be_deleted(many, pending):
    assert many.delete("a").status_code == 204
    assert many.delete("a").status_code == 204
    body = f"<Delete><Object><Key>{many.root}b0</Key></Object><Object><Key>{many.root}z</Key></Object></Delete>"
    response = many.bucket("delete", method="POST", body=body.encode())
    assert response.status_code == 200, response.content
    assert sorted(files_of(pending)) == ["b/1", "b/2", "b/c/3"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Delete>",
        b"<Other/>",
        b"<Delete/>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>',
        '<?xml version="1.0" encoding="UTF-16"?><Delete/>'.encode("utf-16"),
    ],
)
def test_documents_that_cannot_be_read(many, body):
    refused(many.bucket("delete", method="POST", body=body), 400, "MalformedXML")


# --- The bucket -------------------------------------------------------------------------------------------------


def test_the_bucket_tells_its_region(writer):
    response = writer.bucket(method="HEAD")
    assert (response.status_code, response["x-amz-bucket-region"]) == (200, "us-east-1")
    assert b"LocationConstraint" in writer.bucket("location").content
    root = writer.sign("GET", f"{HOST}/s3").send()
    assert b"<Name>modelkeep</Name>" in root.content


def test_there_is_no_other_bucket(writer):
    refused(writer.sign("GET", f"{HOST}/s3/other").send(), 404, "NoSuchBucket")
    refused(writer.sign("PUT", f"{HOST}/s3/other/x", b"x").send(), 404, "NoSuchBucket")


@pytest.mark.parametrize("query", ["acl", "policy", "versioning", "tagging"])
def test_what_has_no_meaning_here_is_said_to(writer, query):
    refused(writer.bucket(query), 501, "NotImplemented")
    refused(writer.sign("GET", writer.url("f", query)).send(), 501, "NotImplemented")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_bucket_itself_cannot_be_changed(writer, method):
    refused(writer.bucket(method=method), 405, "MethodNotAllowed")


# --- States -----------------------------------------------------------------------------------------------------


def test_nothing_is_written_after_finalize(writer, ready):
    for response in (writer.put("MLmodel", b"x"), writer.put("new", b"x"), writer.delete("MLmodel")):
        refused(response, 403, "AccessDenied")
        assert b"READY" in response.content
    assert files_of(ready) == {"MLmodel": 10, "data/model.pkl": 7}


def test_the_uploader_sees_what_has_arrived_and_takes_no_bytes(writer):
    writer.put("f", b"x")
    assert writer.head("f").status_code == 200
    assert keys_in(listed(writer, "")) == [f"{writer.root}f"]
    refused(writer.get("f"), 403, "AccessDenied")


def test_a_deleted_version_is_gone(reader, people):
    model_versions.delete_version(actor=people.owner, name=MODEL, version=1)
    refused(reader.get("MLmodel"), 404, "NoSuchKey")


def test_the_credentials_of_one_version_open_no_other(people, reader, ready):
    second = model_versions.begin_version(actor=people.owner, name=MODEL, new=NewVersion())
    other = S3(people, "owner", second, Operation.READ_WRITE)
    for s3, method in ((reader, "GET"), (reader, "HEAD"), (other, "PUT"), (other, "DELETE")):
        theirs = other if s3 is reader else reader
        response = s3.sign(method, theirs.url("MLmodel"), b"x" if method == "PUT" else b"").send()
        assert response.status_code == 403, (method, response.content)
    assert files_of(ready) == {"MLmodel": 10, "data/model.pkl": 7}
    assert files_of(second) == {}
