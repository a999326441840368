"""Reads what a client packed with its model: `_databricks/model_environment.tar`, by its headers alone.

The archive comes from outside: nothing of it is unpacked, imported or trusted here. Its names tell which Python,
platform and mlflow it holds, which is what decides whether it can be served.
"""

import platform
import re
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from django.conf import settings

from registry.errors import InvalidState
from registry.models import Blob, ManifestEntry, ModelVersion
from registry.storage.blobs import blob_store
from registry.storage.ranges import PieceStream

ENVIRONMENT = "_databricks/model_environment.tar"
MINIMUM_MLFLOW = (3, 1)
RUNTIMES = (3, 4)
"""Serverless environment versions that environments may be packed in."""
_RUNTIME = re.compile(r"^client\.(\d+)")
_MAX_MEMBERS = 500_000
_PYTHON = re.compile(r"(?:^|/)lib/python(\d+\.\d+)/")
_EXTENSION = re.compile(r"\.cpython-\d+-(\w+)-linux-\w+\.so$")
_MLFLOW = re.compile(r"(?:^|/)mlflow(?:_skinny)?-(\d+(?:\.\d+)+)[^/]*\.dist-info/")


@dataclass(frozen=True)
class PackedEnvironment:
    """What the archive holds, as its names tell."""

    size_bytes: int
    files: int
    python: str
    machine: str
    mlflow: str

    def as_result(self) -> dict[str, object]:
        """The facts as JSON."""
        return asdict(self)


def packed_blob(version: ModelVersion) -> Blob:
    """The bytes of the environment packed with a version.

    Raises:
        InvalidState: there is none, it is too large, or was packed where environments are not served from.
    """
    entry = ManifestEntry.objects.select_related("blob").filter(version=version, path=ENVIRONMENT).first()
    if entry is None:
        raise InvalidState(
            "This version holds no packed environment. Register it with env_pack='databricks_model_serving'."
        )
    limit = settings.PACKED_ENVIRONMENT_MAX_BYTES
    if entry.blob.size > limit:
        raise InvalidState(
            f"The packed environment has {entry.blob.size:,} bytes, more than the {limit:,} that may be served. "
            "Leave out packages that the model does not need."
        )
    _check_runtime(version)
    return entry.blob


def inspect_packed_environment(version: ModelVersion) -> PackedEnvironment:
    """Check that the environment packed with a version can be served here. Reads the archive once.

    Raises:
        InvalidState: as `packed_blob`; or it is damaged, or was made for another machine or an old mlflow.
    """
    blob = packed_blob(version)
    found = _read_names(iter(blob_store().open(blob.sha256)), blob.size)
    _check_servable(found)
    return found


def _check_runtime(version: ModelVersion) -> None:
    """The client writes the version of its serverless environment into MLmodel, as client.4.1, where it has one."""
    runtime = str(version.mlmodel.get("databricks_runtime") or "")
    match = _RUNTIME.match(runtime)
    if match and int(match.group(1)) not in RUNTIMES:
        allowed = " or ".join(str(number) for number in RUNTIMES)
        raise InvalidState(
            f"The model was packed in environment version {match.group(1)} ('{runtime}'); version {allowed} can be "
            "served. Log and register it from such an environment."
        )


def _read_names(chunks: Iterator[bytes], size: int) -> PackedEnvironment:
    facts = {"python": "", "machine": "", "mlflow": ""}
    files = 0
    try:
        with tarfile.open(fileobj=PieceStream(chunks), mode="r|") as archive:
            for member in archive:
                files += 1
                if files > _MAX_MEMBERS:
                    raise InvalidState(f"The packed environment holds more than {_MAX_MEMBERS:,} files.")
                _note(member.name, facts)
                # Else tarfile keeps every header it has read.
                archive.members = []  # type: ignore[attr-defined]
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise InvalidState("The packed environment is no tar archive, or is damaged. Register it again.") from error
    return PackedEnvironment(size_bytes=size, files=files, **facts)


def _note(name: str, facts: dict[str, str]) -> None:
    for key, pattern in (("python", _PYTHON), ("machine", _EXTENSION), ("mlflow", _MLFLOW)):
        if not facts[key] and (match := pattern.search(name)):
            facts[key] = match.group(1)


def _check_servable(found: PackedEnvironment) -> None:
    if not found.python:
        raise InvalidState("The packed environment holds no Python library folder (lib/python3.x).")
    if found.machine and found.machine != platform.machine():
        raise InvalidState(
            f"The packed environment was made for {found.machine}, this server runs {platform.machine()}. "
            "Register the model from a machine of that kind."
        )
    if not found.mlflow or tuple(int(part) for part in found.mlflow.split(".")[:2]) < MINIMUM_MLFLOW:
        raise InvalidState(
            f"The packed environment holds mlflow {found.mlflow or '(none)'}; 3.1 or newer is needed to serve it."
        )
