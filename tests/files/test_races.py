"""Uploads, copies, deletes and sweeps at the same time, on real connections with real locks."""

import io
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from registry.errors import InvalidState, NotFound
from registry.models import Blob, ManifestEntry, ModelVersion, VersionStatus
from registry.services import artifacts, blob_sweep
from registry.storage.blobs import blob_store
from tests.files.conftest import begin, left_behind, make_ready

pytestmark = pytest.mark.django_db(transaction=True)

CONTENT = b"the same bytes"
WAIT = 20


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as executor:
        yield executor


def in_thread(pool, function, *args):
    """Run on a connection of its own, closed at the end."""

    def run():
        try:
            return function(*args)
        finally:
            connection.close()

    return pool.submit(run)


def sweep():
    """Rows and files as if their grace period were over, but not that of uploads that are just arriving."""
    report = blob_sweep.SweepReport()
    limit = timezone.now() + timedelta(minutes=1)
    blob_sweep._sweep_rows(report, limit=limit, dry_run=False)
    blob_sweep._sweep_orphan_files(report, limit=limit, dry_run=False)
    return report


def upload(version, content=CONTENT, path="f"):
    received = blob_store().receive(io.BytesIO(content), limit=1000)
    with transaction.atomic():
        artifacts.place_file(version_id=version.pk, path=path, received=received)


def wait_until_blocked():
    """Until some connection of this database waits for a lock."""
    ticking = threading.Event()
    for _ in range(WAIT * 100):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
                "WHERE NOT l.granted AND a.datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
        ticking.wait(0.01)
    pytest.fail("nobody waits for a lock")


class Pausing:
    """Stops the sweep in the moment before it deletes."""

    def __init__(self, store):
        self.store = store
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __getattr__(self, name):
        return getattr(self.store, name)

    def delete(self, sha256):
        self.reached.set()
        assert self.go_on.wait(WAIT)
        self.store.delete(sha256)


@pytest.fixture
def pausing(monkeypatch, stores):
    store = Pausing(blob_store())
    monkeypatch.setattr(blob_sweep, "blob_store", lambda: store)
    return store


def readable(version, path="f"):
    return artifacts.read_small_file(version, path, 1000)


def test_an_upload_that_comes_while_the_sweep_deletes_waits_and_keeps_its_bytes(pool, version, pausing):
    upload(version)
    ManifestEntry.objects.all().delete()
    sweeping = in_thread(pool, sweep)
    assert pausing.reached.wait(WAIT)
    writing = in_thread(pool, upload, version)
    wait_until_blocked()
    pausing.go_on.set()
    assert sweeping.result(WAIT).blobs == 1
    writing.result(WAIT)
    assert readable(version) == CONTENT


def test_an_upload_of_bytes_that_the_sweep_found_without_a_row_keeps_them(pool, version, pausing, stores):
    blob_store().keep(blob_store().receive(io.BytesIO(CONTENT), limit=1000))
    sweeping = in_thread(pool, sweep)
    assert pausing.reached.wait(WAIT)
    writing = in_thread(pool, upload, version)
    wait_until_blocked()
    pausing.go_on.set()
    assert sweeping.result(WAIT).orphan_files == 1
    writing.result(WAIT)
    assert readable(version) == CONTENT


def test_the_sweep_passes_over_what_an_open_upload_has_taken(pool, version, stores):
    upload(version)
    ManifestEntry.objects.all().delete()
    placed, go_on = threading.Event(), threading.Event()

    def slow_upload():
        received = blob_store().receive(io.BytesIO(CONTENT), limit=1000)
        with transaction.atomic():
            artifacts.place_file(version_id=version.pk, path="f", received=received)
            placed.set()
            assert go_on.wait(WAIT)

    writing = in_thread(pool, slow_upload)
    assert placed.wait(WAIT)
    assert sweep().blobs == 0
    go_on.set()
    writing.result(WAIT)
    assert sweep().blobs == 0
    assert readable(version) == CONTENT


def test_a_copy_keeps_the_bytes_of_a_source_that_is_deleted_behind_it(pool, people, version):
    upload(version)
    make_ready(version)
    copy = begin(people.owner)
    copied, go_on = threading.Event(), threading.Event()

    def slow_copy():
        with transaction.atomic():
            artifacts.copy_manifest(version, copy)
            copied.set()
            assert go_on.wait(WAIT)

    copying = in_thread(pool, slow_copy)
    assert copied.wait(WAIT)
    deleting = in_thread(pool, delete_version, version)
    wait_until_blocked()
    assert sweep().blobs == 0
    go_on.set()
    copying.result(WAIT)
    deleting.result(WAIT)
    assert sweep().blobs == 0
    assert readable(copy) == CONTENT


def delete_version(version):
    with transaction.atomic():
        ModelVersion.objects.filter(pk=version.pk).delete()


def test_a_write_that_waits_for_finalize_is_refused(pool, version, stores):
    upload(version)
    locked, go_on = threading.Event(), threading.Event()

    def finalize():
        with transaction.atomic():
            row = ModelVersion.objects.select_for_update().get(pk=version.pk)
            locked.set()
            assert go_on.wait(WAIT)
            row.status = VersionStatus.READY
            row.save()

    def write():
        with pytest.raises(InvalidState):
            upload(version, b"too late")

    def write_behind_the_services():
        blob = Blob.objects.get()
        entry = ManifestEntry(version=version, path="x", blob=blob, modified_at=version.created_at)
        with pytest.raises(IntegrityError, match="READY"):
            entry.save()

    finalizing = in_thread(pool, finalize)
    assert locked.wait(WAIT)
    writers = [in_thread(pool, write), in_thread(pool, write_behind_the_services)]
    wait_until_blocked()
    go_on.set()
    finalizing.result(WAIT)
    for writer in writers:
        writer.result(WAIT)
    assert readable(version) == CONTENT
    assert [entry.path for entry in ManifestEntry.objects.all()] == ["f"]


def test_whatever_happens_at_once_no_version_loses_a_byte(pool, people, model, stores):
    sources = [begin(people.owner) for _ in range(4)]
    contents = [b"a", b"b", b"c"]
    stop = threading.Event()

    def sweep_on():
        while not stop.is_set():
            sweep()

    def writing(version, seed):
        dice = random.Random(seed)  # noqa: S311
        for _ in range(40):
            if dice.random() < 0.4:
                with transaction.atomic():
                    try:
                        artifacts.remove_file(version_id=version.pk, path="f")
                    except NotFound:
                        transaction.set_rollback(True)
            else:
                upload(version, dice.choice(contents))

    sweeps = [in_thread(pool, sweep_on) for _ in range(2)]
    writers = [in_thread(pool, writing, version, seed) for seed, version in enumerate(sources)]
    try:
        for writer in writers:
            writer.result(60)
    finally:
        stop.set()
    for sweeping in sweeps:
        sweeping.result(WAIT)
    for version in sources:
        content = readable(version)
        assert content is None or content in contents
    sweep()
    assert len(left_behind(stores / "artifacts" / "blobs")) == ManifestEntry.objects.values("blob").distinct().count()
