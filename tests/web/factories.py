"""Catalogs with models and versions in them, as clients would have left them, without uploading a byte."""

import hashlib
import io
import json

from django.utils import timezone

from registry.models import Blob, ManifestEntry, ModelVersion, RegisteredModel, VersionStatus
from registry.services.actors import Actor
from registry.services.catalogs import create_catalog
from registry.services.model_versions import NewVersion, begin_version, finalize_version
from registry.services.registered_models import create_model
from registry.services.schemas import create_schema
from registry.storage.blobs import blob_store

SIGNATURE = {
    "inputs": [{"name": "distance", "type": "double", "required": True}, {"name": "carrier", "type": "string"}],
    "outputs": [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}],
    "params": [{"name": "threshold", "type": "double", "default": 0.5}],
}
FILES = {"MLmodel": 980, "conda.yaml": 212, "model.pkl": 48_213_004, "requirements.txt": 96}


def make_schema(actor: Actor, full_name: str, comment: str = "") -> str:
    """A catalog with a schema in it."""
    catalog, schema = full_name.split(".")
    create_catalog(actor=actor, name=catalog, comment=comment)
    create_schema(actor=actor, catalog=catalog, name=schema)
    return full_name


def make_model(actor: Actor, full_name: str, *, comment: str = "", versions: int = 0, **tags: str) -> RegisteredModel:
    """A model with some READY versions."""
    model = create_model(actor=actor, name=full_name, comment=comment, tags=tags)
    for _ in range(versions):
        make_version(actor, model)
    return model


def make_version(actor: Actor, model: RegisteredModel, **fields: object) -> ModelVersion:
    """The next version of a model, READY and made now unless the fields say otherwise (`status`, `at`)."""
    now = fields.pop("at", timezone.now())
    model.last_version += 1
    model.save()
    status = fields.pop("status", VersionStatus.READY)
    version = ModelVersion.objects.create(
        model=model,
        version=model.last_version,
        logged_model_id="m-" + "0" * 32,
        created_at=now,
        created_by=actor.principal,
        updated_at=now,
        updated_by=actor.principal,
        touched_at=now,
        **{"signature": SIGNATURE, "requirements": "mlflow==3.17.2\nscikit-learn==1.7.0\n", **fields},
    )
    for path, size in FILES.items():
        digest = hashlib.sha256(f"{path}{size}".encode()).hexdigest()
        blob, _ = Blob.objects.get_or_create(sha256=digest, defaults={"size": size, "used_at": now})
        ManifestEntry.objects.create(version=version, path=path, blob=blob, modified_at=now)
    version.status, version.file_count, version.size_bytes = status, len(FILES), sum(FILES.values())
    version.save()
    return version


def make_stored_version(actor: Actor, name: str) -> ModelVersion:
    """The next version of a model with bytes in the store, finalized as a client would have. Set ARTIFACT_ROOT."""
    version = begin_version(actor=actor, name=name, new=NewVersion())
    parts = {"inputs": '[{"type": "double", "name": "x"}]', "outputs": '[{"type": "double"}]'}
    mlmodel = json.dumps({"flavors": {"python_function": {}}, "signature": parts}).encode()
    for path, body in {"MLmodel": mlmodel, "model.pkl": b"weights" * 100}.items():
        received = blob_store().receive(io.BytesIO(body), limit=10**6)
        blob_store().keep(received)
        used = {"size": received.size, "used_at": timezone.now()}
        blob, _ = Blob.objects.get_or_create(sha256=received.sha256, defaults=used)
        ManifestEntry.objects.create(version=version, path=path, blob=blob, modified_at=timezone.now())
    return finalize_version(actor=actor, name=name, version=version.version)
