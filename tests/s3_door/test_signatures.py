"""A request that was not signed just so is refused, and nothing is kept of it."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.credentials import Credentials
from django.test import Client
from django.utils import timezone

from registry.api.s3 import door
from registry.services import model_versions
from registry.services.model_versions import NewVersion
from registry.services.temporary_credentials import Operation
from tests.s3_door.conftest import HOST, MODEL, S3, Chosen, content_of, files_of, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed(writer):
    return writer.sign("PUT", writer.url("f"), b"body", headers={"x-amz-meta-a": "1"})


@pytest.fixture
def clock(monkeypatch):
    """Sets the door's time to so much from now."""

    class Clock:
        def shift(self, **by):
            moment = datetime.now(UTC) + timedelta(**by)
            monkeypatch.setattr(door.timezone, "now", lambda: moment)

    return Clock()


def test_as_signed_it_passes(signed, pending):
    assert signed.send().status_code == 200
    assert files_of(pending) == {"f": 4}


def test_a_changed_path(signed, writer, pending):
    refused(signed.send(url=writer.url("g")), 403, "SignatureDoesNotMatch")
    assert files_of(pending) == {}


def test_a_changed_method(signed):
    refused(signed.send(method="DELETE", body=b""), 403, "SignatureDoesNotMatch")


def test_a_changed_or_added_query(signed, writer):
    refused(signed.send(url=writer.url("f", "partNumber=1")), 403, "SignatureDoesNotMatch")


def test_a_changed_header(signed):
    refused(signed.send(headers={"x-amz-meta-a": "2"}), 403, "SignatureDoesNotMatch")
    refused(signed.send(headers={"Host": "elsewhere"}), 403, "SignatureDoesNotMatch")


def test_a_header_that_was_not_signed(signed):
    refused(signed.send(headers={"x-amz-copy-source": "/x"}), 403, "AccessDenied")


def test_a_signed_header_that_is_missing(signed):
    refused(signed.send(drop=["x-amz-meta-a"]), 403, "SignatureDoesNotMatch")


def test_another_body(signed, pending):
    refused(signed.send(body=b"evil"), 400, "XAmzContentSHA256Mismatch")
    refused(signed.send(body=b"longer body"), 400, "XAmzContentSHA256Mismatch")
    assert files_of(pending) == {}


def test_another_body_hash(signed):
    refused(signed.send(headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}), 403, "SignatureDoesNotMatch")


def test_no_body_hash(signed):
    refused(signed.send(drop=["X-Amz-Content-SHA256"]), 400, "InvalidRequest")


def test_a_body_hash_of_an_unknown_kind(writer):
    refused(writer.put("f", b"x", payload="STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), 501, "NotImplemented")


def test_a_body_that_is_not_signed_is_taken_when_that_is_signed(writer, pending):
    assert writer.put("f", b"anything", payload="UNSIGNED-PAYLOAD").status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer x",
        "Basic eDp5",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=y",
        "AWS4-HMAC-SHA256 Credential=x/20300101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature="
        + "0" * 64,
        "AWS x:y",
    ],
)
def test_other_credentials_open_nothing(signed, value):
    assert signed.send(headers={"Authorization": value}).status_code in {400, 403}


def test_no_credential():
    for method in ("GET", "PUT", "POST", "DELETE"):
        refused(Client().generic(method, "/s3/modelkeep/x/1/f"), 403, "AccessDenied")


def test_a_bearer_token_is_no_signature(writer):
    response = Client().get("/s3/modelkeep?list-type=2", headers={"Authorization": f"Bearer {writer.token.value}"})
    refused(response, 403, "AccessDenied")


def with_credentials(s3, access_key=None, secret=None, token=None):
    made = s3.given
    changed = Credentials(
        access_key or made.access_key_id, secret or made.secret_access_key, token or made.session_token
    )
    return s3.sign("GET", s3.url("MLmodel"), auth=Chosen(changed)).send()


def test_another_secret(reader):
    refused(with_credentials(reader, secret="guess"), 403, "SignatureDoesNotMatch")


def test_another_access_key(reader, writer):
    refused(with_credentials(reader, access_key="MKOTHER"), 403, "InvalidAccessKeyId")
    refused(with_credentials(reader, access_key=writer.given.access_key_id), 403, "InvalidAccessKeyId")


def test_another_session_token(reader, writer):
    refused(with_credentials(reader, token="forged"), 400, "InvalidToken")
    refused(with_credentials(reader, token=reader.given.session_token[:-6] + "AAAAAA"), 400, "InvalidToken")
    refused(with_credentials(reader, token=writer.given.session_token), 403, "InvalidAccessKeyId")


def test_no_session_token(reader):
    auth = Chosen(Credentials(reader.given.access_key_id, reader.given.secret_access_key))
    refused(reader.sign("GET", reader.url("MLmodel"), auth=auth).send(), 403, "InvalidAccessKeyId")


def test_any_region_is_fine(reader):
    auth = Chosen(reader.credentials, region="eu-central-7")
    assert reader.sign("GET", reader.url("MLmodel"), auth=auth).send().status_code == 200


# --- Time -------------------------------------------------------------------------------------------------------


def test_a_clock_that_is_off(reader, clock):
    signed = reader.sign("GET", reader.url("MLmodel"))
    clock.shift(minutes=14)
    assert signed.send().status_code == 200
    for minutes in (16, -16):
        clock.shift(minutes=minutes)
        refused(signed.send(), 403, "RequestTimeTooSkewed")


def test_credentials_end_when_they_say(reader, clock, settings):
    settings.TEMPORARY_CREDENTIALS_SECONDS = 60
    short = S3(reader.people, "reader", _version(reader), Operation.READ)
    signed = short.sign("GET", short.url("MLmodel"))
    assert signed.send().status_code == 200
    clock.shift(seconds=61)
    refused(signed.send(), 400, "ExpiredToken")


def _version(s3):
    return model_versions.get_version(actor=s3.people.owner, name=MODEL, version=1)


def test_credentials_never_last_longer_than_an_hour(settings, reader):
    settings.TEMPORARY_CREDENTIALS_SECONDS = 10**6
    made = S3(reader.people, "reader", _version(reader), Operation.READ).given
    assert made.expires_at <= timezone.now() + timedelta(hours=1)


def test_a_presigned_url_ends_when_it_says(reader, clock):
    signed = reader.presign("GET", reader.url("MLmodel"), expires=60)
    assert content_of(signed.send()) == b"0123456789"
    clock.shift(seconds=62)
    refused(signed.send(), 403, "AccessDenied")
    clock.shift(minutes=-16)
    refused(signed.send(), 403, "AccessDenied")


def test_a_presigned_url_is_bound_to_all_it_says(reader):
    signed = reader.presign("GET", reader.url("MLmodel"))
    refused(signed.send(method="DELETE"), 403, "SignatureDoesNotMatch")
    refused(signed.send(url=signed.url.replace("MLmodel", "data/model.pkl")), 403, "SignatureDoesNotMatch")
    refused(
        signed.send(url=signed.url.replace("X-Amz-Expires=300", "X-Amz-Expires=301")), 403, "SignatureDoesNotMatch"
    )
    refused(signed.send(url=signed.url + "&uploadId=x"), 403, "SignatureDoesNotMatch")
    for wrong in ("0", "604801", "x", "-1"):
        refused(
            signed.send(url=signed.url.replace("X-Amz-Expires=300", f"X-Amz-Expires={wrong}")), 403, "AccessDenied"
        )


# --- Whose key --------------------------------------------------------------------------------------------------


def test_read_credentials_write_nothing(reader, people, model):
    pending = model_versions.begin_version(actor=people.owner, name=MODEL, new=NewVersion())
    for response in (
        reader.put("new", b"x"),
        reader.delete("MLmodel"),
        reader.sign("POST", reader.url("new", "uploads")).send(),
    ):
        refused(response, 403, "AccessDenied")
        assert b"reading only" in response.content
    assert files_of(pending) == {}


@pytest.mark.parametrize(
    "path",
    [
        "../2/MLmodel",
        "..",
        "a/../../../x",
        "./MLmodel",
        "a//b",
        "a\\b",
        "/etc/passwd",
        "a\x00b",
        "x" * 300,
        "a/" * 600 + "b",
    ],
)
def test_a_path_that_climbs_or_cannot_be(writer, pending, path):
    response = writer.put(path, b"x")
    assert response.status_code in {400, 403}, response.content
    assert files_of(pending) == {}


def test_encoded_climbing_is_climbing(writer, pending):
    url = f"{HOST}/s3/modelkeep/{writer.root}%2E%2E/%2E%2E/x"
    response = writer.sign("PUT", url, b"x").send()
    assert response.status_code in {400, 403}
    assert files_of(pending) == {}


def test_keys_outside_of_every_version(writer):
    for key in ("x", "blobs/aa", writer.root.split("/")[0], writer.root.rstrip("/"), "x" + writer.root + "f"):
        refused(writer.sign("PUT", f"{HOST}/s3/modelkeep/{key}", b"x").send(), 403, "AccessDenied")
