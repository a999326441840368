"""Reads what a client packed with its model: `_databricks/model_environment.tar`, by its headers alone.

The archive comes from outside: nothing of it is unpacked, imported or trusted here. Its names tell which Python,
platform and mlflow it holds, which is what decides whether it can be served.
"""

import io
import platform
import re
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from django.conf import settings

from registry.errors import InvalidState
from registry.models import ManifestEntry, ModelVersion
from registry.storage.blobs import blob_store

ENVIRONMENT = "_databricks/model_environment.tar"
MINIMUM_MLFLOW = (3, 1)
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


class _Stream(io.RawIOBase):
    """The chunks of a blob as a file that can only be read forward."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (chunk := next(self._chunks, b"")):
            self._left += chunk
        answer, self._left = self._left[:size], self._left[size:]
        return answer


def inspect_packed_environment(version: ModelVersion) -> PackedEnvironment:
    """Check that the environment packed with a version can be served here. Reads the archive once.

    Raises:
        InvalidState: there is none, it is too large or damaged, or it was made for another machine or an old mlflow.
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
    found = _read_names(iter(blob_store().open(entry.blob.sha256)), entry.blob.size)
    _check_servable(found)
    return found


def _read_names(chunks: Iterator[bytes], size: int) -> PackedEnvironment:
    facts = {"python": "", "machine": "", "mlflow": ""}
    files = 0
    try:
        with tarfile.open(fileobj=_Stream(chunks), mode="r|") as archive:
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
