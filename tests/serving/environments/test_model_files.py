"""The folder of a version is complete or absent, whoever asks at the same time, and can never be written to."""

import os
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from registry.errors import FileMissing, InvalidState
from registry.models import ModelVersion, VersionStatus
from registry.storage.blobs import LocalBlobStore, blob_store
from serving.services.model_files import materialise_version, model_folder, sweep_model_files
from tests.serving.factories import make_files_version

pytestmark = pytest.mark.django_db

FILES = {"model.pkl": b"weights" * 1000, "code/a/b.py": b"x = 1\n", "_databricks/model_environment.tar": b"tar" * 99}


@pytest.fixture
def version(people, serving_root) -> ModelVersion:
    return make_files_version(people.owner, "workspace.default.folders", FILES)


def test_a_folder_holds_the_files_and_costs_no_bytes(version, settings):
    folder = materialise_version(version)
    assert folder == model_folder(version.pk)
    assert (folder / "model.pkl").read_bytes() == FILES["model.pkl"]
    assert (folder / "code/a/b.py").read_bytes() == FILES["code/a/b.py"]
    assert not (folder / "_databricks").exists(), "what clients pack beside the model is not loaded"
    found = (folder / "model.pkl").stat()
    assert stat.S_IMODE(found.st_mode) == 0o444
    assert found.st_nlink == 2, "the blob itself, under another name"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755, "another user can read it"


def test_a_store_that_cannot_be_linked_is_copied_from(version, monkeypatch):
    def refuse(*_arguments):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    found = materialise_version(version) / "model.pkl"
    assert found.read_bytes() == FILES["model.pkl"]
    assert (stat.S_IMODE(found.stat().st_mode), found.stat().st_nlink) == (0o444, 1)


def test_what_fails_half_way_leaves_nothing(version, monkeypatch):
    blob_store().delete(version.files.get(path="model.pkl").blob_id)
    with pytest.raises(FileMissing):
        materialise_version(version)
    assert list(model_folder(version.pk).parent.iterdir()) == []


def test_a_version_that_is_not_ready_has_no_folder(version):
    version.status = VersionStatus.PENDING_REGISTRATION
    with pytest.raises(InvalidState):
        materialise_version(version)


@pytest.mark.django_db(transaction=True)
def test_many_may_ask_at_once(version, monkeypatch):
    """All of them meet in the middle of making it, and each then finds it whole."""
    meeting, found, place = threading.Barrier(4), [], LocalBlobStore.place

    def placed(self, sha256, target):
        if target.name == "MLmodel":
            meeting.wait(20)
        place(self, sha256, target)

    def ask() -> None:
        found.append((materialise_version(version) / "model.pkl").read_bytes())
        connection.close()

    monkeypatch.setattr(LocalBlobStore, "place", placed)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [FILES["model.pkl"]] * 4
    assert [path.name for path in model_folder(version.pk).parent.iterdir()] == [str(version.pk)]


def test_what_nobody_uses_is_swept(version, settings):
    folder = materialise_version(version)
    later = timezone.now() + timedelta(days=settings.SERVING_UNUSED_DAYS - 1)
    assert sweep_model_files(now=later.timestamp()) == 0
    left = folder.with_name(f"{version.pk}.abc.new")
    left.mkdir()
    assert sweep_model_files(now=later.timestamp()) == 1, "what a killed process left goes after a day"
    assert not left.exists()
    assert sweep_model_files(now=(later + timedelta(days=2)).timestamp()) == 1
    assert not folder.exists()
    assert (materialise_version(version) / "model.pkl").exists()


def test_replicas_may_read_it_whatever_the_umask(version):
    private = os.umask(0o077)
    try:
        folder = materialise_version(version)
    finally:
        os.umask(private)
    inside = [path for path in folder.rglob("*") if path.is_dir()]
    assert inside
    assert {oct(path.stat().st_mode & 0o777) for path in [folder, *inside]} == {"0o755"}
