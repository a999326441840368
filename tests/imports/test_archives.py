"""Archives: out of one Modelkeep, into another; each content once, nothing taken on trust."""

import hashlib
import io
import json
import os
import tarfile

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from registry.errors import AccessDenied, InvalidParameter, NotFound
from registry.models import (
    AliasMove,
    AuditEvent,
    Blob,
    ManifestEntry,
    ModelAlias,
    ModelVersion,
    Principal,
    RegisteredModel,
)
from registry.privileges import Privilege, SecurableType
from registry.services import aliases, archive_imports, artifacts, model_versions, registered_models
from registry.services.archive_format import ArchiveReader, DamagedArchive, member_head, padding
from registry.services.archive_imports import import_archive
from registry.services.archives import export_models
from registry.services.blob_sweep import sweep_blobs
from registry.services.model_versions import NewVersion
from registry.services.tokens import create_token
from registry.storage.blobs import blob_store
from tests.imports.conftest import INTO, MLMODEL, grant

pytestmark = pytest.mark.django_db
NAME = f"{INTO}.iris"
SHARED = os.urandom(5000)


def ready_version(actor, name, tags=None, **files):
    """A READY version with these files and an MLmodel."""
    version = model_versions.begin_version(actor=actor, name=name, new=NewVersion(comment="good", tags=tags or {}))
    for path, content in {"MLmodel": MLMODEL, **files}.items():
        received = blob_store().receive(io.BytesIO(content), limit=10**9)
        with transaction.atomic():
            artifacts.place_file(version_id=version.pk, path=path, received=received)
    return model_versions.finalize_version(actor=actor, name=name, version=version.version)


@pytest.fixture
def iris(people, schema):
    """Versions 1 and 3 READY, 2 failed; two files of one content; an alias that moved."""
    owner = people.owner
    registered_models.create_model(actor=owner, name=NAME, comment="flowers", tags={"team": "bio"})
    ready_version(owner, NAME, tags={"kind": "a"}, **{"w.bin": SHARED})
    model_versions.begin_version(actor=owner, name=NAME, new=NewVersion())
    ready_version(owner, NAME, **{"w.bin": SHARED, "copy/w.bin": SHARED, "own.bin": b"x" * 700})
    aliases.set_alias(actor=owner, name=NAME, alias="Champion", version=1)
    aliases.set_alias(actor=owner, name=NAME, alias="Champion", version=3)
    return owner


def exported(actor, *names):
    return b"".join(export_models(actor=actor, names=names or (NAME,)).pieces())


def forget_everything(people):
    """What another Modelkeep would know: nothing, not even the bytes."""
    registered_models.delete_model(actor=people.owner, name=NAME)
    ManifestEntry.objects.all().delete()
    Blob.objects.update(used_at="2001-01-01T00:00Z")
    sweep_blobs()
    assert Blob.objects.count() == 0


def bring(actor, raw, **options):
    return import_archive(actor=actor, source=io.BytesIO(raw), **options)


def contents():
    rows = ManifestEntry.objects.order_by("version__version", "path")
    return list(rows.values_list("version__version", "path", "blob_id"))


def test_a_round_trip(people, iris):
    before = contents()
    raw = exported(iris)
    moves = list(AliasMove.objects.order_by("id").values_list("name", "from_version", "to_version", "moved_at"))
    forget_everything(people)
    [report] = bring(people.owner, raw)
    assert [(v.source_version, v.version, v.outcome) for v in report.versions] == [
        (1, 1, "IMPORTED"),
        (3, 3, "IMPORTED"),
    ]
    assert contents() == before
    model = RegisteredModel.objects.get()
    assert (model.last_version, model.securable.comment) == (3, "flowers")
    assert {tag.key: tag.value for tag in model.securable.tags.all()}["team"] == "bio"
    first, third = ModelVersion.objects.order_by("version")
    assert (first.status, first.comment, third.status) == ("READY", "good", "READY")
    tags = {tag.key: tag.value for tag in first.tags.all()}
    assert (tags["kind"], tags["imported_version"], tags["imported_by"]) == ("a", "1", "owner@example.com")
    assert third.signature["inputs"]
    assert list(ModelAlias.objects.values_list("name", "version__version")) == [("Champion", 3)]
    kept = AliasMove.objects.order_by("id").values_list("name", "from_version", "to_version", "moved_at")
    assert list(kept)[:-1] == moves
    assert list(kept)[-1][:3] == ("Champion", None, 3)
    moment = moves[0][3]
    assert aliases.alias_at(actor=people.owner, name=NAME, alias="champion", at=moment) == 1


def test_each_content_is_in_it_once(iris):
    raw = exported(iris)
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        names = tar.getnames()
        sums = tar.extractfile("SHA256SUMS").read().decode().splitlines()
        for line in sums:
            sha256, _, name = line.partition("  ")
            assert hashlib.sha256(tar.extractfile(name).read()).hexdigest() == sha256
    assert names[:2] == ["archive.json", "SHA256SUMS"]
    assert len(names) == len(set(names)) == 2 + 3
    assert len(sums) == 1 + 3
    assert export_models(actor=iris, names=[NAME]).size == len(raw)


def test_again_changes_nothing(people, iris):
    raw = exported(iris)
    forget_everything(people)
    bring(people.owner, raw)
    before = (contents(), list(AliasMove.objects.values()))
    [report] = bring(people.owner, raw)
    assert {version.outcome for version in report.versions} == {"PRESENT"}
    assert (contents(), list(AliasMove.objects.values())) == before


def test_into_another_schema_beside_the_original(people, iris):
    from registry.services import schemas

    schemas.create_schema(actor=people.metastore_admin, catalog="prod", name="eu")
    grant(people, SecurableType.SCHEMA, "prod.eu", "owner@example.com", Privilege.USE_SCHEMA, Privilege.CREATE_MODEL)
    [report] = bring(people.owner, exported(iris), into="prod.eu")
    assert report.name == "prod.eu.iris"
    assert Blob.objects.count() == 3
    assert ModelVersion.objects.filter(status="READY").count() == 4


def test_broken_off_it_goes_on(people, iris, monkeypatch):
    raw = exported(iris)
    before = contents()
    forget_everything(people)
    placed = []

    def power_cut(**options):
        placed.append(options)
        if len(placed) == 2:
            raise KeyboardInterrupt
        real(**options)

    real = artifacts.place_file
    monkeypatch.setattr(archive_imports, "place_file", power_cut)
    with pytest.raises(KeyboardInterrupt):
        bring(people.owner, raw)
    assert ModelVersion.objects.filter(status="PENDING_REGISTRATION").count() == 2
    monkeypatch.setattr(archive_imports, "place_file", real)
    [report] = bring(people.owner, raw)
    assert [version.outcome for version in report.versions] == ["IMPORTED", "IMPORTED"]
    assert contents() == before


def test_who_brings_it_is_asked_for_again_when_files_are_there(people, iris):
    raw = exported(iris)
    forget_everything(people)

    class Slow(io.BytesIO):
        def read(self, *size):
            if self.tell() > len(raw) // 2:
                Principal.objects.filter(key="owner@example.com").update(is_active=False)
            return super().read(*size)

    with pytest.raises(AccessDenied, match="gone or disabled"):
        import_archive(actor=people.owner, source=Slow(raw))
    assert ModelVersion.objects.get(version=3).status == "FAILED_REGISTRATION"


@pytest.mark.django_db(transaction=True)  # Failing and filling again must not share a transaction.
def test_cut_off_it_says_so_and_can_be_given_again(people, iris):
    raw = exported(iris)
    forget_everything(people)
    with pytest.raises(DamagedArchive, match="ends in the middle"):
        bring(people.owner, raw[:-2000])
    assert set(ModelVersion.objects.values_list("version", "status")) == {(1, "READY"), (3, "FAILED_REGISTRATION")}
    bring(people.owner, raw)
    assert set(ModelVersion.objects.values_list("version", "status")) == {(1, "READY"), (3, "READY")}


def pieces_of(raw):
    """The index, and the bytes before and after the front matter."""
    index = ArchiveReader(io.BytesIO(raw)).index()
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        first_blob = tar.getmembers()[2].offset
    return index, raw[first_blob:]


def packed(index, rest):
    """An archive whose digests are right, whatever is in it."""
    body = json.dumps(index).encode()
    sums = f"{hashlib.sha256(body).hexdigest()}  archive.json\n".encode()
    members = [("archive.json", body), ("SHA256SUMS", sums)]
    return b"".join(member_head(n, len(b)) + b + padding(len(b)) for n, b in members) + rest


def test_changed_bytes_are_refused(people, iris):
    raw = bytearray(exported(iris))
    forget_everything(people)
    place = bytes(raw).index(SHARED[:100])
    raw[place] ^= 1
    with pytest.raises(DamagedArchive, match="other bytes than its name"):
        bring(people.owner, bytes(raw))
    assert not ModelVersion.objects.filter(status="READY").exists()
    assert not Blob.objects.filter(size=len(SHARED)).exists()
    assert "broke off" in ModelVersion.objects.get(version=3).status_message


def test_a_changed_description_is_refused(people, iris):
    raw = exported(iris)
    forget_everything(people)
    with pytest.raises(DamagedArchive, match="does not match its digest"):
        bring(people.owner, raw.replace(b'"comment": "flowers"', b'"comment": "flowerz"'))
    assert RegisteredModel.objects.count() == 0


def test_a_digest_alone_gives_nobody_the_bytes(people, iris):
    """An archive that names bytes it does not hold gets none from the store, though they lie there."""
    index, rest = pieces_of(exported(iris))
    index["models"][0]["name"] = f"{INTO}.thief"
    for version in index["models"][0]["versions"]:
        version["id"] = f"00000000-0000-4000-8000-{version['version']:012d}"
    with pytest.raises(DamagedArchive, match="lacks files"):
        bring(people.owner, packed(index, b"\0" * 1024))
    stolen = ManifestEntry.objects.filter(version__model__securable__name="thief")
    assert stolen.count() == 0
    assert rest


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/../b", "a\\b", "", "a//b"])
def test_paths_that_lead_out_are_refused(people, iris, path):
    index, rest = pieces_of(exported(iris))
    forget_everything(people)
    index["models"][0]["versions"][0]["files"][0]["path"] = path
    with pytest.raises(DamagedArchive, match="path"):
        bring(people.owner, packed(index, rest))
    assert RegisteredModel.objects.count() == 0


def with_member(raw, info, body=b""):
    """The archive with something strange after its front matter."""
    index, rest = pieces_of(raw)
    return packed(index, info.tobuf(tarfile.GNU_FORMAT) + body + padding(len(body)) + rest)


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("blobs/../../outside", tarfile.REGTYPE),
        ("/etc/cron.d/x", tarfile.REGTYPE),
        ("blobs/" + "a" * 64, tarfile.SYMTYPE),
        ("blobs/" + "a" * 64, tarfile.LNKTYPE),
        ("x" * 90, tarfile.GNUTYPE_LONGNAME),
        ("x", tarfile.XHDTYPE),
        ("x", tarfile.GNUTYPE_SPARSE),
    ],
)
def test_a_tar_that_does_more_than_hold_blobs_is_refused(people, iris, stores, name, type_):
    raw = exported(iris)
    forget_everything(people)
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, "/etc/passwd" if type_ in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
    before = {path for path in stores.rglob("*") if path.is_file()}
    with pytest.raises(DamagedArchive, match=r"no blob|no plain file|damaged"):
        bring(people.owner, with_member(raw, info))
    assert {path for path in stores.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("raw", [b"", b"x" * 2000, b"\0" * 1024, b"\x1f\x8b" + b"z" * 600])
def test_what_is_no_archive_is_refused(people, schema, raw):
    with pytest.raises(DamagedArchive):
        bring(people.owner, raw)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "no-levels"},
        {"versions": [{"id": "x", "version": 1}]},
        {"versions": [{"id": "00000000-0000-4000-8000-000000000000", "version": 2**31}]},
    ],
)
def test_descriptions_that_cannot_be_are_refused(people, iris, change):
    index, rest = pieces_of(exported(iris))
    index["models"][0].update(change)
    with pytest.raises(InvalidParameter):
        bring(people.owner, packed(index, rest))


def test_strange_text_is_made_storable(people, iris):
    index, rest = pieces_of(exported(iris))
    forget_everything(people)
    index["models"][0]["comment"] = "nul \x00 and half \ud800"
    index["models"][0]["versions"][0]["lineage"] = [
        {"kind": "TABLE", "name": "a.b.c\x00", "details": {"table_version": "\x00"}}
    ]
    index["models"][0]["alias_history"].append(
        {"alias": "Champion", "to_version": 9, "moved_at": "2999-01-01T00:00:00Z"}
    )
    [report] = bring(people.owner, packed(index, rest))
    assert "�" not in report.reason
    assert not AliasMove.objects.filter(to_version=9).exists()


def test_rights_to_export_and_to_import(people, iris):
    with pytest.raises(NotFound):
        exported(people.outsider)
    grant(people, SecurableType.REGISTERED_MODEL, NAME, "reader@example.com", Privilege.APPLY_TAG)
    with pytest.raises(AccessDenied, match="EXECUTE"):
        exported(people.reader)
    grant(people, SecurableType.REGISTERED_MODEL, NAME, "reader@example.com", Privilege.EXECUTE)
    raw = exported(people.reader)
    assert AuditEvent.objects.filter(actor="reader@example.com", params__operation="EXPORT").count() == 1
    with pytest.raises((AccessDenied, NotFound)):
        bring(people.reader, raw)
    forget_everything(people)
    with pytest.raises((AccessDenied, NotFound)):
        bring(people.reader, raw)
    assert RegisteredModel.objects.count() == 0


def test_a_table_that_one_may_not_see_stays_out(people, iris):
    from registry.models import LineageEdge, Securable
    from registry.services.securables import make_securable

    schema_row = Securable.objects.get(type="SCHEMA", name="ml")
    admin = people.metastore_admin
    table = make_securable(actor=admin, type_=SecurableType.TABLE, parent=schema_row, name="secret")
    version = ModelVersion.objects.get(version=1)
    for name, row in (("prod.ml.secret", table), ("elsewhere.x.y", None)):
        LineageEdge.objects.create(version=version, direction="UPSTREAM", kind="TABLE", name=name, table=row)
    assert b"prod.ml.secret" not in exported(iris)
    assert b"elsewhere.x.y" in exported(iris)


def test_the_number_of_queries_does_not_grow_with_versions(people, iris):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            export_models(actor=iris, names=[NAME])
        return len(captured)

    before = queries()
    ready_version(iris, NAME)
    ready_version(iris, NAME)
    assert queries() == before


def test_over_rest(people, iris):
    def get(actor, models):
        token = create_token(actor=actor).value
        return Client().get(
            "/api/modelkeep/archive", {"models": models}, headers={"Authorization": f"Bearer {token}"}
        )

    response = get(people.owner, NAME)
    raw = b"".join(response.streaming_content)
    assert response["Content-Length"] == str(len(raw))
    assert ArchiveReader(io.BytesIO(raw)).index()["exported_by"] == "owner@example.com"
    assert get(people.outsider, NAME).status_code == 404
    assert get(people.owner, "").status_code == 400
    assert get(people.owner, f"{NAME},{INTO}.none").status_code == 404


def test_by_command(people, iris, tmp_path, capsys):
    file = tmp_path / "iris.tar"
    call_command("export_archive", NAME, "--output", str(file), "--as", "owner@example.com")
    assert "3 contents" in capsys.readouterr().out
    assert [path.name for path in tmp_path.glob("iris*")] == ["iris.tar"]
    forget_everything(people)
    call_command("import_archive", str(file), "--as", "owner@example.com")
    assert "2 imported" in capsys.readouterr().out
    assert ModelVersion.objects.filter(status="READY").count() == 2
    with pytest.raises(CommandError, match="no active user"):
        call_command("import_archive", str(file), "--as", "nobody")
    with pytest.raises(CommandError, match="does not exist"):
        call_command("export_archive", f"{INTO}.none", "--output", str(file))
