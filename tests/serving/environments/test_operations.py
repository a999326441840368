"""Environments ahead of a deployment: built, proved, packed, unpacked elsewhere, staged, swept, shown."""

import io
import shutil
import sys
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from registry.errors import AccessDenied, NotFound
from registry.models import Blob, Operation, OperationState
from registry.services.blob_sweep import sweep_blobs
from registry.services.operation_runner import run_operation
from registry.storage.blobs import blob_store
from serving.models import EnvironmentKind, ServingEnvironment, VersionEnvironment
from serving.services import client_environments, environment_builds
from serving.services.environment_errors import EnvironmentFailed
from serving.services.environment_folders import is_on_disk, remove_folder
from serving.services.environment_operations import build_environment, environment_of
from serving.services.environment_packing import pack_environment, sweep_environments
from serving.services.environments import ensure_environment, environment_path
from serving.services.staging import stage_deployment
from tests.serving.environments.conftest import NAME
from tests.serving.environments.wheels import MLFLOW
from tests.serving.factories import mlmodel

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLE = {
    "MLmodel": mlmodel(saved_input_example_info={"serving_input_path": "serving_input_example.json"}),
    "serving_input_example_dot_json": b'{"inputs": [1, 2]}',
    "predict_dot_py": b"def predict(given):\n    return [2 * x for x in given['inputs']]\n",
}


def finished(operation: Operation) -> Operation:
    run_operation(operation_id=operation.pk)
    operation.refresh_from_db()
    return operation


def log_of(operation: Operation) -> str:
    return "\n".join(operation.log.values_list("text", flat=True))


def test_a_version_is_built_proved_and_packed_and_another_machine_unpacks_it(make_version, people, monkeypatch):
    version = make_version("beta", "mlflow", **EXAMPLE)
    operation = finished(build_environment(actor=people.owner, name=NAME, version=version.version))
    assert operation.state == OperationState.SUCCEEDED, operation.error
    row = ServingEnvironment.objects.get()
    assert operation.result["environment"] == row.digest
    assert 0 < row.packed_bytes < row.size_bytes
    assert "The input example was predicted" in log_of(operation)
    link = VersionEnvironment.objects.get(version=version)
    assert link.proved_at
    assert link.operation == operation

    later = timezone.now() + timedelta(days=2)
    sweep_blobs(now=later)
    assert Blob.objects.filter(pk=row.blob_id).exists(), "the packed form is named by its environment"

    remove_folder(row.digest)
    commands = []
    run = environment_builds.run_uv
    monkeypatch.setattr(environment_builds, "run_uv", lambda a, **o: commands.append(a[0]) or run(a, **o))
    told: list[str] = []
    again = ensure_environment(version=version, log=told.append)
    assert again == row
    assert is_on_disk(row.digest)
    assert commands == ["venv"], "nothing is installed"
    assert any("Unpacking" in line for line in told)

    view = environment_of(actor=people.owner, name=NAME, version=version.version)
    assert ("alpha", "1.0") in view.packages
    assert view.requested == ["beta", "mlflow"]
    assert (view.state, view.is_here, view.shared_by) == ("READY", True, 1)
    assert "Unpacking" in view.log


def test_a_damaged_packed_form_is_built_again(make_version):
    version = make_version("alpha", "mlflow")
    row = pack_environment(ensure_environment(version=version))
    remove_folder(row.digest)
    blob_store().delete(row.blob_id)
    told: list[str] = []
    ensure_environment(version=version, log=told.append)
    assert any("built from its lock instead" in line for line in told)
    assert is_on_disk(row.digest)


def test_an_environment_that_is_too_large_is_not_packed_and_still_serves(make_version, settings):
    row = ensure_environment(version=make_version("alpha", "mlflow"))
    settings.PACKED_ENVIRONMENT_MAX_BYTES = 100
    with pytest.raises(EnvironmentFailed, match="more than the 100 bytes"):
        pack_environment(row)
    assert is_on_disk(row.digest)
    assert not list(Path(settings.SERVING_ROOT).glob("pack-*"))


def test_a_model_that_does_not_predict_says_so_beside_the_version(make_version, people):
    files = {**EXAMPLE, "predict_dot_py": b"import cv2\n"}
    version = make_version("alpha", "mlflow", **files)
    operation = finished(build_environment(actor=people.owner, name=NAME, version=version.version))
    assert operation.state == OperationState.FAILED
    assert "No module named 'cv2'" in operation.error
    assert "Add 'opencv-python-headless'" in operation.error
    view = environment_of(actor=people.owner, name=NAME, version=version.version)
    assert (view.state, view.proved_at) == ("READY", None), "the environment itself is good, for other versions"
    assert "cv2" in view.message


def test_who_may_not_load_the_version_builds_nothing(make_version, people):
    make_version("alpha")
    with pytest.raises((NotFound, AccessDenied)):
        build_environment(actor=people.outsider, name=NAME, version=1)
    with pytest.raises((NotFound, AccessDenied)):
        environment_of(actor=people.outsider, name=NAME, version=1)


def packed(python: str = "", **extra: bytes) -> bytes:
    """The archive of a client's `sys.prefix`: packages, and things of its machine that must not be used."""
    site = f"./lib/python{python or '.'.join(map(str, sys.version_info[:2]))}/site-packages"
    files = {f"{site}/{path}": text.encode() for path, text in MLFLOW.items()}
    files |= {
        f"{site}/mlflow-3.17.2.dist-info/METADATA": b"Name: mlflow\nVersion: 3.17.2\n",
        f"{site}/own_code.py": b"VALUE = 42\n",
        "./bin/python": b"#!/bin/sh\necho stranger\n",
        "./pyvenv.cfg": b"home = /somewhere/else\n",
        **{f"{site}/{path}": body for path, body in extra.items()},
    }
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo(f"{site}/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return body.getvalue()


def test_what_the_client_packed_is_staged_and_a_deployment_then_builds_nothing(make_version, people, monkeypatch):
    files = {**EXAMPLE, "predict_dot_py": b"import own_code\ndef predict(_):\n    return own_code.VALUE\n"}
    archive = {"_databricks/model_environment.tar": packed()}
    version = make_version("not-a-package-anywhere", **files, **archive)
    operation = finished(stage_deployment(actor=people.owner, name=NAME, version=version.version))
    assert operation.state == OperationState.SUCCEEDED, operation.error
    row = ServingEnvironment.objects.get()
    assert row.kind == EnvironmentKind.CLIENT_PACKED
    assert operation.result["mlflow"] == "3.17.2"
    folder = environment_path(row)
    assert (folder / "bin" / "python").is_symlink(), "an interpreter of ours"
    assert "somewhere" not in (folder / "pyvenv.cfg").read_text()
    assert not list(folder.glob("lib/*/site-packages/link"))

    monkeypatch.setattr(environment_builds, "run_uv", lambda *_a, **_o: pytest.fail("nothing may be built"))
    told: list[str] = []
    assert ensure_environment(version=version, log=told.append) == row
    assert any("nothing to build" in line for line in told)


def test_a_packed_environment_that_cannot_be_used_is_unpacked_once_and_the_lines_count(
    make_version, people, monkeypatch
):
    archive = {"_databricks/model_environment.tar": packed(**{"../../../escape": b"x"})}
    version = make_version("alpha", "mlflow", **archive)
    operation = finished(stage_deployment(actor=people.owner, name=NAME, version=version.version))
    assert operation.state == OperationState.FAILED
    told: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(client_environments, "_take", lambda *_: pytest.fail("it is not unpacked again"))
        row = ensure_environment(version=version, log=told.append)
    assert row.kind == EnvironmentKind.RESOLVED
    assert any("WARNING: the packed environment is not used" in line and "escape" in line for line in told)


def test_an_environment_of_another_serverless_version_is_refused(make_version, people):
    archive = {"_databricks/model_environment.tar": packed(), "MLmodel": mlmodel(databricks_runtime="client.2.1")}
    version = make_version("alpha", "mlflow", **archive)
    operation = finished(stage_deployment(actor=people.owner, name=NAME, version=version.version))
    assert "environment version 2" in operation.error


def test_what_nobody_uses_is_swept_and_what_is_used_stays(make_version, settings):
    version = make_version("alpha", "mlflow")
    row = pack_environment(ensure_environment(version=version))
    later = row.last_used_at + timedelta(days=settings.SERVING_UNUSED_DAYS)
    assert sweep_environments(now=later - timedelta(hours=1)) == 0
    stray = environment_path(row).with_name("0" * 64)
    shutil.copytree(environment_path(row), stray, symlinks=True)
    assert sweep_environments(now=later + timedelta(hours=1)) == 1
    assert not is_on_disk(row.digest)
    assert not stray.exists(), "a folder without a row"
    assert not VersionEnvironment.objects.exists()
    sweep_blobs(now=later + timedelta(days=1))
    assert not Blob.objects.filter(pk=row.blob_id).exists()
    assert ensure_environment(version=version).digest == row.digest, "made again when asked"
