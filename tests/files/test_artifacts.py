"""Manifests: totals, copies, ingestion, and what deleting frees."""

import io

import pytest
from django.db import transaction
from django.test import override_settings

from registry.errors import FileMissing, InvalidState, NotFound, TooLarge
from registry.models import Blob, ManifestEntry
from registry.services import artifacts, blob_sweep, model_versions
from registry.storage.blobs import blob_store
from registry.storage.s3.arrivals import PART_BYTES
from tests.files.conftest import MODEL, begin, left_behind, make_ready, remove_below, write_below

pytestmark = pytest.mark.django_db


def fill(version, **files):
    for path, content in files.items():
        received = blob_store().receive(io.BytesIO(content), limit=10**6)
        with transaction.atomic():
            artifacts.place_file(version_id=version.pk, path=path, received=received)


@pytest.fixture
def ready(version):
    fill(version, MLmodel=b"flavors", weights=b"x" * 1000, again=b"x" * 1000)
    make_ready(version)
    return version


def test_totals_and_small_files(ready):
    assert artifacts.manifest_totals(ready) == (3, 2007)
    assert artifacts.read_small_file(ready, "MLmodel", 100) == b"flavors"
    assert artifacts.read_small_file(ready, "conda.yaml", 100) is None
    with pytest.raises(TooLarge):
        artifacts.read_small_file(ready, "weights", 100)


def test_the_packed_environment_is_measured(version):
    assert artifacts.packed_environment_size(version) is None
    fill(version, **{"_databricks/model_environment.tar": b"tar!"})
    assert artifacts.packed_environment_size(version) == 4


def test_a_copy_costs_no_bytes_and_deleting_one_harms_neither(people, ready, stores):
    copy = begin(people.owner)
    before = left_behind(stores / "artifacts")
    assert artifacts.copy_manifest(ready, copy) == 3
    assert left_behind(stores / "artifacts") == before
    assert artifacts.freed_bytes([ready.pk]) == 0
    assert artifacts.freed_bytes([ready.pk, copy.pk]) == 1007
    make_ready(copy)
    model_versions.delete_version(actor=people.owner, name=MODEL, version=1)
    sweep_everything()
    assert artifacts.read_small_file(copy, "weights", 10_000) == b"x" * 1000


def sweep_everything(**options):
    """As if the grace period were over."""
    with override_settings(BLOB_GRACE_SECONDS=-60):
        return blob_sweep.sweep_blobs(**options)


def test_only_ready_versions_are_copied_and_only_into_pending_ones(people, ready):
    second, third = begin(people.owner), begin(people.owner)
    with pytest.raises(InvalidState):
        artifacts.copy_manifest(third, second)
    with pytest.raises(InvalidState):
        artifacts.copy_manifest(ready, ready)
    model_versions.delete_version(actor=people.owner, name=MODEL, version=1)
    with pytest.raises(NotFound):
        artifacts.copy_manifest(ready, second)


# --- Ingestion --------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(stores):
    root = stores / "tracking" / "7" / "models" / "m-1" / "artifacts"
    write_below(root, "MLmodel", b"flavors")
    write_below(root, "data/w", b"w" * 50)
    return root


TREE = "7/models/m-1/artifacts"


def ingest(version, *, stop_after=10**9):
    seen = []

    def cancelled():
        return len(seen) >= stop_after

    done = artifacts.ingest_tree(version, TREE, progress=lambda *facts: seen.append(facts), cancelled=cancelled)
    return done, seen


def test_a_tree_becomes_a_version(version, tree):
    done, seen = ingest(version)
    assert done
    assert seen == [(0, 57, "MLmodel"), (7, 57, "data/w"), (57, 57, "")]
    assert artifacts.read_small_file(version, "data/w", 100) == b"w" * 50
    assert artifacts.manifest_totals(version) == (2, 57)


def test_stopped_in_between_it_goes_on_where_it_was(version, tree, stores):
    assert ingest(version, stop_after=1)[0] is False
    assert [entry.path for entry in ManifestEntry.objects.all()] == ["MLmodel"]
    (kept,) = blob_store().names()
    write_below(tree, "data/w", b"v" * 60)
    assert ingest(version)[0] is True
    assert artifacts.read_small_file(version, "data/w", 100) == b"v" * 60
    assert kept in list(blob_store().names()), "what was there unchanged is not copied again"
    remove_below(tree, "data/w")
    ingest(version)
    assert [entry.path for entry in ManifestEntry.objects.all()] == ["MLmodel"]


def test_an_empty_or_missing_tree_is_told(version, stores, tree):
    remove_below(tree, "MLmodel")
    remove_below(tree, "data/w")
    with pytest.raises(FileMissing):
        ingest(version)


def test_nothing_is_ingested_into_a_ready_version(ready, tree, stores):
    before = left_behind(stores / "artifacts")
    with pytest.raises(InvalidState):
        ingest(ready)
    assert left_behind(stores / "artifacts") == before


# --- The sweep --------------------------------------------------------------------------------------------------


def test_the_sweep_takes_what_nothing_names_after_the_grace_period(people, ready, stores):
    model_versions.delete_version(actor=people.owner, name=MODEL, version=1)
    assert blob_sweep.sweep_blobs() == blob_sweep.SweepReport()
    report = sweep_everything(dry_run=True)
    assert (report.blobs, report.bytes) == (2, 1007)
    assert Blob.objects.count() == 2
    assert sweep_everything() == report
    assert not Blob.objects.exists()
    assert left_behind(stores / "artifacts") == []


def test_the_sweep_leaves_what_a_version_names(ready, stores):
    before = left_behind(stores / "artifacts")
    assert sweep_everything() == blob_sweep.SweepReport()
    assert left_behind(stores / "artifacts") == before


def test_the_sweep_takes_files_whose_row_was_never_committed(db, stores):
    received = blob_store().receive(io.BytesIO(b"orphan"), limit=100)
    blob_store().keep(received)
    assert sweep_everything(dry_run=True).orphan_files == 1
    assert blob_sweep.sweep_blobs().orphan_files == 0
    assert sweep_everything().orphan_files == 1
    assert left_behind(stores / "artifacts") == []
    assert not Blob.objects.exists()


def test_the_sweep_takes_temporary_files_of_dead_uploads(db, stores):
    blob_store().receive(io.BytesIO(bytes(PART_BYTES + 1)), limit=PART_BYTES + 1)
    assert blob_sweep.sweep_blobs().temporary_files == 0
    assert sweep_everything(dry_run=True).temporary_files == 1
    assert sweep_everything().temporary_files == 1
    assert left_behind(stores / "artifacts") == []
