"""Environments that clients packed with their models: `_databricks/model_environment.tar`, the whole of `sys.prefix`.

The archive is a stranger's. Of it only plain files below site-packages are taken, into an environment made here with
an interpreter of ours, so that no path of the client's machine and no program of its `bin` is ever used. Nothing of
it runs outside the sandbox.
"""

import hashlib
import re
import shutil
import subprocess
import tarfile
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.utils import timezone

from registry.errors import InvalidState
from registry.models import ModelVersion
from registry.storage.blobs import blob_store
from registry.storage.ranges import PieceStream
from serving.models import EnvironmentKind, ServingEnvironment
from serving.services.environment_builds import Watch, create_venv
from serving.services.environment_errors import EnvironmentFailed
from serving.services.interpreters import Interpreter, choose_interpreter
from serving.services.packed_environments import inspect_packed_environment, packed_blob
from serving.services.readable_folders import make_readable

_SITE_PACKAGES = re.compile(r"^(?:\./)?(?:.*/)?lib/python(\d+\.\d+)/(?:site|dist)-packages/(.+)$")
_MAX_UNPACKED_BYTES = 8 * 1024**3
_LOOK_SECONDS = 0.2
_FILE_MODE = 0o644


def client_environment(version: ModelVersion) -> ServingEnvironment:
    """The row of the environment packed with a version; the archive is read by its headers where it is new.

    Raises:
        EnvironmentFailed: it cannot be served here; the message says why.
    """
    try:
        blob = packed_blob(version)
    except InvalidState as error:
        raise EnvironmentFailed(error.message) from error
    known = ServingEnvironment.objects.filter(kind=EnvironmentKind.CLIENT_PACKED, blob=blob)
    for row in known:
        interpreter, _ = choose_interpreter(row.python)
        if row.digest == _digest(blob.sha256, interpreter.version, interpreter.platform):
            return row
    try:
        found = inspect_packed_environment(version)
    except InvalidState as error:
        raise EnvironmentFailed(error.message) from error
    interpreter, _ = choose_interpreter(found.python)
    row, _ = ServingEnvironment.objects.get_or_create(
        digest=_digest(blob.sha256, interpreter.version, interpreter.platform),
        defaults={
            "kind": EnvironmentKind.CLIENT_PACKED,
            "python": interpreter.version,
            "platform": interpreter.platform,
            "requirements": version.requirements,
            "blob": blob,
            "packed_bytes": blob.size,
            "created_at": timezone.now(),
        },
    )
    return row


def _digest(sha256: str, python: str, platform: str) -> str:
    return hashlib.sha256("\0".join(("client-packed", python, platform, sha256)).encode()).hexdigest()


def fill_client_packed(row: ServingEnvironment, folder: Path, watch: Watch) -> None:
    """Unpack the packages of a client's archive into an environment of ours."""
    interpreter, _ = choose_interpreter(row.python)
    create_venv(folder, interpreter, watch)
    watch.log(f"Unpacking what the client packed, {row.packed_bytes or 0:,} bytes: nothing is resolved or downloaded")
    minor = ".".join(str(part) for part in interpreter.minor)
    target = folder / "lib" / f"python{minor}" / "site-packages"
    pieces = iter(blob_store().open(str(row.blob_id)))
    try:
        with tarfile.open(fileobj=PieceStream(pieces), mode="r|") as archive:
            count, size = _take(archive, target, minor, watch)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise EnvironmentFailed("The packed environment is damaged. Register the model again.") from error
    watch.log(f"{count:,} files, {size:,} bytes")
    _compile(target, interpreter, watch)


def _compile(packages: Path, interpreter: Interpreter, watch: Watch) -> None:
    """Clients leave compiled files out, and nobody can write them later. Compiling runs nothing of what is compiled.

    What does not compile is left as it is: it may never be imported.
    """
    watch.log("Compiling")
    # Without site, else .pth files of the archive would run here.
    command = [interpreter.path, "-I", "-S", "-m", "compileall", "-q", "-j", "0", str(packages)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}) as process:  # noqa: S603
        try:
            deadline = time.monotonic() + settings.SERVING_BUILD_SECONDS
            while process.poll() is None and time.monotonic() < deadline:
                watch.check()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_SECONDS)
        finally:
            process.kill()


def _take(archive: tarfile.TarFile, target: Path, minor: str, watch: Watch) -> tuple[int, int]:
    count = size = 0
    made: set[Path] = set()
    for member in archive:
        archive.members = []  # type: ignore[attr-defined]  # Else tarfile keeps every header it has read.
        match = _SITE_PACKAGES.match(member.name)
        if match is None or match.group(1) != minor or not member.isfile():
            continue
        names = PurePosixPath(match.group(2)).parts
        if ".." in names or not names:
            raise EnvironmentFailed(f"The packed environment holds the path '{member.name}', which is refused.")
        size += member.size
        if size > _MAX_UNPACKED_BYTES:
            raise EnvironmentFailed(f"The packed environment unpacks to more than {_MAX_UNPACKED_BYTES:,} bytes.")
        path = target.joinpath(*names)
        if path.parent not in made:
            make_readable(path.parent, below=target)
            made.add(path.parent)
        _write(archive, member, path)
        count += 1
        if count % 500 == 0:
            watch.check()
    return count, size


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = archive.extractfile(member)
    if source is None:
        return
    with path.open("wb") as file:
        shutil.copyfileobj(source, file)
    path.chmod(_FILE_MODE | (member.mode & 0o111))
