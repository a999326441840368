"""What a client packed is judged by the names in its archive, which is never unpacked."""

import io
import tarfile

import pytest
from django.utils import timezone

from registry.errors import InvalidState
from registry.models import Blob, ManifestEntry, ModelVersion
from registry.services import model_versions, registered_models
from registry.services.model_versions import NewVersion
from registry.storage.blobs import blob_store
from serving.services.packed_environments import ENVIRONMENT, inspect_packed_environment
from serving.services.staging import stage_deployment

pytestmark = pytest.mark.django_db

NAME = "workspace.default.packed"
PYTHON = "./lib/python3.11/site-packages/"
GOOD = [
    f"{PYTHON}mlflow_skinny-3.17.2.dist-info/METADATA",
    f"{PYTHON}numpy/core/_multiarray.cpython-311-x86_64-linux-gnu.so",
]


@pytest.fixture
def version(people, settings, tmp_path):
    settings.ARTIFACT_ROOT = str(tmp_path)
    registered_models.create_model(actor=people.owner, name=NAME)
    made = model_versions.begin_version(actor=people.owner, name=NAME, new=NewVersion())
    return ModelVersion.objects.get(pk=made.pk)


def archive(*names: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    return packed.getvalue()


def pack(version, body: bytes) -> None:
    received = blob_store().receive(io.BytesIO(body), limit=10**6)
    blob_store().keep(received)
    blob = Blob.objects.create(sha256=received.sha256, size=received.size, used_at=timezone.now())
    ManifestEntry.objects.create(version=version, path=ENVIRONMENT, blob=blob, modified_at=timezone.now())


def test_a_good_environment_tells_what_it_holds(version, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    pack(version, archive(*GOOD))
    found = inspect_packed_environment(version)
    assert (found.python, found.machine, found.mlflow, found.files) == ("3.11", "x86_64", "3.17.2", 2)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ([], "no Python library"),
        ([f"{PYTHON}mlflow-2.22.0.dist-info/METADATA"], r"mlflow 2\.22\.0; 3\.1 or newer"),
        ([f"{PYTHON}numpy/__init__.py"], r"mlflow \(none\)"),
        ([GOOD[0], GOOD[1].replace("x86_64", "aarch64")], "made for aarch64"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(version, monkeypatch, names, complaint):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    pack(version, archive(*names))
    with pytest.raises(InvalidState, match=complaint):
        inspect_packed_environment(version)


def test_a_version_without_environment_a_damaged_and_a_large_one_are_refused(version, settings):
    with pytest.raises(InvalidState, match="holds no packed environment"):
        inspect_packed_environment(version)
    pack(version, b"this is no archive" * 100)
    with pytest.raises(InvalidState, match="damaged"):
        inspect_packed_environment(version)
    settings.PACKED_ENVIRONMENT_MAX_BYTES = 10
    with pytest.raises(InvalidState, match="more than the 10"):
        inspect_packed_environment(version)


def test_a_pending_version_is_not_staged(people, version):
    with pytest.raises(InvalidState, match="PENDING_REGISTRATION"):
        stage_deployment(actor=people.owner, name=NAME, version=1)
