"""Signed links: bound to all they say, dead as soon as what they rest on is gone."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from django.core import signing

from registry.models import ApiToken, AuditEvent, ManifestEntry, Principal
from registry.privileges import Privilege, SecurableType
from registry.services import file_links, grants, model_versions
from registry.services.actors import Actor
from registry.services.grants import Change
from registry.storage.signing import BrokenLink, Claim, ExpiredLink, Target, sign, verify
from tests.files.conftest import FILES, MODEL, anonymous, begin, broken_off, left_behind, make_ready
from tests.files.test_versions import refused

PATH = "/Models/prod/ml/iris/1/MLmodel"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLAIM = Claim("GET", Target.VERSION_FILE, "a-version", "MLmodel", 7, int(NOW.timestamp()) + 60)


@pytest.fixture
def ready(owner, version):
    owner.put("1/MLmodel", b"0123456789")
    make_ready(version)
    return version


# --- The signature ----------------------------------------------------------------------------------------------


def test_a_claim_comes_back_as_it_was_signed():
    assert verify(sign(CLAIM), method="GET", now=NOW) == CLAIM
    assert verify(sign(CLAIM), method="HEAD", now=NOW) == CLAIM


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"target": Target.TREE_FILE},
        {"subject": "another-version"},
        {"path": "other"},
        {"principal": 8},
        {"expires": CLAIM.expires + 1},
        {"token": "another"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_changing_any_field_breaks_the_signature(change):
    signature = sign(CLAIM).rpartition(".")[2]
    forged = sign(dataclasses.replace(CLAIM, **change)).rpartition(".")[0]
    with pytest.raises(BrokenLink):
        verify(f"{forged}.{signature}", method=change.get("method", "GET"), now=NOW)


@pytest.mark.parametrize("text", ["", "x", "a.b", "..", "é.é", sign.__doc__ or ""])
def test_what_was_never_signed_is_refused(text):
    with pytest.raises(BrokenLink):
        verify(text, method="GET", now=NOW)


def test_what_was_signed_for_something_else_is_refused():
    other = signing.Signer(salt="elsewhere", sep=".").sign_object(dataclasses.asdict(CLAIM))
    with pytest.raises(BrokenLink):
        verify(other, method="GET", now=NOW)
    with pytest.raises(BrokenLink):
        verify(signing.Signer(salt="modelkeep.files", sep=".").sign_object(["GET"]), method="GET", now=NOW)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", ""])
def test_a_link_works_with_its_own_method_only(method):
    with pytest.raises(BrokenLink):
        verify(sign(CLAIM), method=method, now=NOW)


def test_a_link_ends_when_it_says():
    end = NOW + timedelta(seconds=60)
    verify(sign(CLAIM), method="GET", now=end - timedelta(microseconds=1))
    with pytest.raises(ExpiredLink):
        verify(sign(CLAIM), method="GET", now=end)


@pytest.mark.parametrize(
    ("asked", "token", "seconds"),
    [(None, None, 900), (30, None, 30), (3600, None, 900), (None, 60, 60), (30, 60, 30), (3600, 3600, 900)],
)
def test_nobody_gets_a_longer_life_than_the_setting_and_the_token_allow(settings, asked, token, seconds):
    settings.SIGNED_URL_SECONDS = 900
    moment = None if asked is None else NOW + timedelta(seconds=asked)
    held = ApiToken(expires_at=NOW + timedelta(seconds=token)) if token else None
    actor = Actor(Principal(), frozenset(), is_metastore_admin=False, token=held)
    assert file_links.expiry(actor, moment, now=NOW) == NOW.timestamp() + seconds


# --- Over HTTP --------------------------------------------------------------------------------------------------

pytestmark = pytest.mark.django_db


def test_both_spellings_give_a_link_that_needs_no_token(reader, ready):
    in_body = reader.post("/api/2.0/fs/create-download-url", {"path": PATH}).json()
    in_query = reader.post(f"/api/2.0/fs/create-download-url?path={PATH}&expire_time=2099-01-01T00:00:00Z").json()
    for answer in (in_body, in_query):
        assert answer["headers"] == []
        assert answer["url"].startswith("http://testserver/_blob/")
        url = answer["url"].removeprefix("http://testserver")
        assert anonymous("GET", url).getvalue() == b"0123456789"
        part = anonymous("GET", url, HTTP_RANGE="bytes=2-4")
        assert (part.status_code, part.getvalue()) == (206, b"234")
        head = anonymous("HEAD", url)
        assert (head.status_code, head["Content-Length"], head.content) == (200, "10", b"")


def test_links_carry_the_public_address_where_one_is_set(reader, ready, settings):
    settings.PUBLIC_URL = "https://models.example.com/"
    url = reader.post("/api/2.0/fs/create-download-url", {"path": PATH}).json()["url"]
    assert url.startswith("https://models.example.com/_blob/")


def test_an_upload_link_writes_until_the_version_is_ready(owner, version, reader):
    url = owner.link("upload", PATH)
    assert anonymous("PUT", url, b"first").status_code == 200
    assert anonymous("PUT", url, b"second").status_code == 200
    refused(anonymous("GET", url), 403, "PERMISSION_DENIED")
    make_ready(version)
    refused(anonymous("PUT", url, b"third"), 400, "INVALID_PARAMETER_VALUE")
    assert reader.get("1/MLmodel").getvalue() == b"second"


def test_a_download_link_writes_nothing(reader, ready):
    url = reader.link("download", PATH)
    for method in ("PUT", "DELETE", "POST"):
        assert anonymous(method, url, b"x").status_code in {403, 405}


def test_a_broken_off_upload_over_a_link_leaves_nothing(owner, version, stores):
    url = owner.link("upload", PATH)
    refused(anonymous("PUT", url, **broken_off(b"12", 3)), 400, "INVALID_PARAMETER_VALUE")
    assert left_behind(stores / "artifacts") == []
    assert not ManifestEntry.objects.exists()


def test_a_link_dies_with_the_right_it_rests_on(people, reader, ready):
    url = reader.link("download", PATH)
    change = Change("reader@example.com", (), (Privilege.EXECUTE,))
    grants.update_grants(
        actor=people.metastore_admin, type_=SecurableType.REGISTERED_MODEL, full_name=MODEL, changes=[change]
    )
    refused(anonymous("GET", url), 404, "NOT_FOUND")
    assert anonymous("HEAD", url).status_code == 404
    assert AuditEvent.objects.filter(decision="DENY", actor="reader@example.com").count() == 2


def test_a_link_dies_with_its_principal(people, reader, ready):
    url = reader.link("download", PATH)
    principal = people.reader.principal
    principal.is_active = False
    principal.save()
    refused(anonymous("GET", url), 403, "PERMISSION_DENIED")


def test_links_die_with_the_token_that_asked(people, reader, owner, version):
    begun = owner.post(f"{FILES}/1/big?action=initiate-upload&overwrite=true").json()["multipart_upload"]
    asked = {"path": "/Models/prod/ml/iris/1/big", "session_token": begun["session_token"], "start_part_number": 1}
    part = owner.post("/api/2.0/fs/create-upload-part-urls", asked).json()["upload_part_urls"][0]["url"]
    upload = owner.link("upload", PATH)
    assert anonymous("PUT", upload, b"x").status_code == 200
    make_ready(version)
    download = reader.link("download", PATH)
    assert anonymous("GET", download).getvalue() == b"x"
    ApiToken.objects.all().delete()
    for method, url in (("GET", download), ("PUT", upload), ("PUT", part.removeprefix("http://testserver"))):
        assert "revoked" in refused(anonymous(method, url, b"y"), 403, "PERMISSION_DENIED")


def test_a_link_dies_with_its_version(people, reader, ready):
    url = reader.link("download", PATH)
    model_versions.delete_version(actor=people.owner, name=MODEL, version=1)
    refused(anonymous("GET", url), 404, "NOT_FOUND")


def test_an_upload_link_dies_when_the_right_does(people, steward, version):
    mine = begin(people.steward)
    url = steward.link("upload", f"/Models/prod/ml/iris/{mine.version}/x")
    change = Change("steward@example.com", (), (Privilege.CREATE_MODEL_VERSION,))
    grants.update_grants(
        actor=people.metastore_admin, type_=SecurableType.REGISTERED_MODEL, full_name=MODEL, changes=[change]
    )
    body = broken_off(b"x", 1)
    assert anonymous("PUT", url, **body).status_code == 404
    assert body["wsgi.input"].tell() == 0


def test_an_expired_link_answers_what_stock_clients_renew_on(people, version, owner):
    past = datetime.now(tz=UTC) - timedelta(hours=1)
    signed = file_links.create_upload_link(actor=people.owner, path=PATH, now=past)
    response = anonymous("PUT", f"/_blob/{signed}", b"x")
    assert response.status_code == 403
    assert b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in response.content


def test_a_forged_link_is_refused(version):
    refused(anonymous("GET", "/_blob/abc"), 403, "PERMISSION_DENIED")


@pytest.mark.parametrize("kind", ["download", "upload"])
def test_no_link_for_who_may_not_or_does_not_exist(people, kind, outsider, owner, ready):
    url = f"/api/2.0/fs/create-{kind}-url"
    refused(outsider.post(url, {"path": PATH}), 404, "NOT_FOUND")
    refused(owner.post(url, {"path": "/Models/prod/ml/iris/9/x"}), 404, "NOT_FOUND")
    refused(owner.post(url, {}), 400, "INVALID_PARAMETER_VALUE")
    refused(owner.post(url, {"path": PATH, "expire_time": "soon"}), 400, "INVALID_PARAMETER_VALUE")
    refused(owner.send("POST", url, b"["), 400, "INVALID_PARAMETER_VALUE")
    assert anonymous("POST", url, b"{}").status_code == 401


def test_no_download_link_for_a_file_that_is_missing(reader, ready):
    refused(reader.post("/api/2.0/fs/create-download-url", {"path": PATH + "x"}), 404, "NOT_FOUND")
    refused(reader.get("1/gone"), 404, "NOT_FOUND")
