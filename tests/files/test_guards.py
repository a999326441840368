"""What PostgreSQL itself refuses, whoever asks."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from registry.models import Blob, ManifestEntry, ModelVersion, VersionStatus
from registry.services import model_versions
from tests.files.conftest import MODEL, begin, make_ready

pytestmark = pytest.mark.django_db


@pytest.fixture
def ready(owner, version):
    owner.put("1/a", b"a")
    owner.put("1/b", b"b")
    make_ready(version)
    return version


def refuses(change):
    """The database refuses the change, at the latest when the transaction would commit."""

    def commit():
        with transaction.atomic():
            change()
            check_deferred_constraints()

    with pytest.raises(IntegrityError):
        commit()


def check_deferred_constraints():
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


CHANGES = {
    "source": "elsewhere",
    "run_id": "r",
    "logged_model_id": "m-0",
    "version": 99,
    "status": VersionStatus.PENDING_REGISTRATION,
    "mlmodel": {"x": 1},
    "signature": {"x": 1},
    "requirements": "x",
    "params": [1],
    "metrics": [1],
    "dependencies": [1],
    "feature_deps": "x",
    "size_bytes": 1,
    "file_count": 9,
    "uses_defaults_channel": True,
    "created_at": timezone.now(),
    "ready_at": timezone.now(),
    "run_experiment_id": "9",
    "run_workspace_id": "9",
}


@pytest.mark.parametrize("column", CHANGES)
def test_a_ready_version_never_changes(ready, column):
    refuses(lambda: ModelVersion.objects.filter(pk=ready.pk).update(**{column: CHANGES[column]}))


def test_a_ready_version_may_be_described_and_outlives_its_maker(ready, people, model):
    rows = ModelVersion.objects.filter(pk=ready.pk)
    rows.update(comment="good", updated_at=timezone.now(), updated_by=people.reader.principal)
    rows.update(created_by=None)
    refuses(lambda: rows.update(created_by=people.reader.principal))


def test_a_copy_outlives_what_it_was_copied_from(ready, people, owner):
    copy = begin(people.owner)
    ModelVersion.objects.filter(pk=copy.pk).update(copied_from=ready)
    make_ready(copy)
    model_versions.delete_version(actor=people.owner, name=MODEL, version=1)
    copy.refresh_from_db()
    assert copy.copied_from is None


def test_the_manifest_of_a_ready_version_never_changes(ready):
    entry = ManifestEntry.objects.get(version=ready, path="a")
    other = ManifestEntry.objects.get(version=ready, path="b").blob
    rows = ManifestEntry.objects.filter(pk=entry.pk)
    refuses(lambda: rows.update(blob=other))
    refuses(lambda: rows.update(path="c"))
    refuses(rows.delete)
    refuses(lambda: ManifestEntry.objects.create(version=ready, path="c", blob=other, modified_at=timezone.now()))


def test_an_entry_never_moves_to_another_version(ready, people, owner):
    second, third = begin(people.owner), begin(people.owner)
    owner.put("2/a", b"a")
    rows = ManifestEntry.objects.filter(version=second)
    refuses(lambda: rows.update(version=third))
    refuses(lambda: ManifestEntry.objects.filter(version=ready, path="a").update(version=third))


def test_deleting_a_version_takes_its_entries_and_is_allowed(ready, people):
    model_versions.delete_version(actor=people.owner, name=MODEL, version=1)
    check_deferred_constraints()
    assert not ManifestEntry.objects.exists()


def test_a_blob_never_gets_another_size(ready):
    refuses(lambda: Blob.objects.update(size=5))


def test_a_pending_version_may_change_in_every_way(version, owner):
    owner.put("1/a", b"a")
    ModelVersion.objects.filter(pk=version.pk).update(source="x", mlmodel={"x": 1})
    ManifestEntry.objects.filter(version=version).delete()
    check_deferred_constraints()
