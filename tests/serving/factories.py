"""Versions with real files, as a client would have left them, without a client."""

import io
import json
from collections.abc import Mapping

from django.db import transaction

from registry.errors import NotFound
from registry.models import ModelVersion
from registry.services.actors import Actor
from registry.services.artifacts import place_file
from registry.services.model_lookup import find_model
from registry.services.model_versions import NewVersion, begin_version, finalize_version
from registry.services.registered_models import create_model
from registry.storage.blobs import blob_store

SIGNATURE = {
    "inputs": json.dumps([{"name": "x", "type": "double", "required": True}]),
    "outputs": json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]),
    "params": None,
}


def mlmodel(**facts: object) -> bytes:
    """An MLmodel file, with some facts added or replaced."""
    base = {"flavors": {"python_function": {}}, "signature": SIGNATURE, "mlflow_version": "3.17.2"}
    return json.dumps({**base, **facts}).encode()


def make_files_version(actor: Actor, name: str, files: Mapping[str, bytes]) -> ModelVersion:
    """The next version of a model, READY, with these files; an MLmodel is added. Set ARTIFACT_ROOT."""
    try:
        find_model(name)
    except NotFound:
        create_model(actor=actor, name=name)
    version = begin_version(actor=actor, name=name, new=NewVersion())
    for path, body in {"MLmodel": mlmodel(), **files}.items():
        received = blob_store().receive(io.BytesIO(body), limit=10**9)
        with transaction.atomic():
            place_file(version_id=version.pk, path=path, received=received)
    return finalize_version(actor=actor, name=name, version=version.version)
