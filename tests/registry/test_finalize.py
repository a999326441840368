"""The server looks at the uploaded model itself: no MLmodel, no signature, no version."""

import io

import pytest
from django.utils import timezone

from registry.errors import InvalidState
from registry.models import Blob, ManifestEntry, ModelVersion
from registry.services import model_versions, registered_models
from registry.services.mlmodel import UnusableModel
from registry.services.model_versions import NewVersion
from registry.storage.blobs import blob_store

pytestmark = pytest.mark.django_db

NAME = "workspace.default.iris"
SIGNED = b"""
flavors: {python_function: {loader_module: mlflow.sklearn}}
signature:
  inputs: '[{"type": "double", "name": "a", "required": true}]'
  outputs: '[{"type": "long", "required": true}]'
  params: null
"""
BOMB = b"\n".join([b"a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]".encode() for n in range(1, 30)])


@pytest.fixture
def pending(people, settings, tmp_path):
    settings.ARTIFACT_ROOT = str(tmp_path)
    registered_models.create_model(actor=people.owner, name=NAME)
    made = model_versions.begin_version(actor=people.owner, name=NAME, new=NewVersion())
    return ModelVersion.objects.get(pk=made.pk)


def put(version, path: str, body: bytes) -> None:
    received = blob_store().receive(io.BytesIO(body), limit=10**6)
    blob_store().keep(received)
    blob, _ = Blob.objects.get_or_create(
        sha256=received.sha256, defaults={"size": received.size, "used_at": timezone.now()}
    )
    ManifestEntry.objects.create(version=version, path=path, blob=blob, modified_at=timezone.now())


def finalize(people):
    return model_versions.finalize_version(actor=people.owner, name=NAME, version=1)


def test_a_signed_model_becomes_ready_with_its_facts(people, pending):
    put(pending, "MLmodel", SIGNED)
    put(pending, "requirements.txt", b"mlflow==3.17.2\nscikit-learn\n")
    put(pending, "conda.yaml", b"channels: [defaults]\ndependencies: [python=3.11]\n")
    found = finalize(people)
    assert found.status == "READY"
    assert found.signature["inputs"][0]["name"] == "a"
    assert found.requirements.startswith("mlflow==3.17.2")
    assert found.uses_defaults_channel
    assert found.file_count == 3
    assert finalize(people).status == "READY", "a repeated finalize answers the version"


@pytest.mark.parametrize(
    ("mlmodel", "complaint"),
    [
        (None, "No MLmodel file"),
        (b"- a\n- b", "no mapping"),
        (b"a: [", "cannot be read as YAML"),
        (b"a: !!python/object/apply:os.system [id]", "cannot be read as YAML"),
        (b"flavors: {}", "no signature"),
        (b"signature: {inputs: '[]'}", "no outputs"),
        (b"signature: {outputs: '[]'}", "no inputs"),
        (b"signature: {inputs: '[', outputs: '[]'}", "cannot be read"),
        (BOMB, "cannot be read as YAML"),
    ],
)
def test_what_is_no_signed_model_fails_for_good(people, pending, mlmodel, complaint):
    if mlmodel is not None:
        put(pending, "MLmodel", mlmodel)
    with pytest.raises(UnusableModel, match=complaint):
        finalize(people)
    pending.refresh_from_db()
    assert pending.status == "FAILED_REGISTRATION"
    assert complaint in pending.status_message
    with pytest.raises(InvalidState, match="has failed"):
        finalize(people)


def test_an_abandoned_upload_is_reaped(people, pending, settings):
    from datetime import timedelta

    soon = timezone.now() + timedelta(hours=settings.PENDING_VERSION_HOURS - 1)
    late = timezone.now() + timedelta(hours=settings.PENDING_VERSION_HOURS + 1)
    assert model_versions.reap_pending_versions(now=soon) == 0
    assert model_versions.reap_pending_versions(now=late) == 1
    pending.refresh_from_db()
    assert pending.status == "FAILED_REGISTRATION"
    assert "No upload for 24 hours" in pending.status_message
