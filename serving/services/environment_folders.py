"""Environments on the disk of this machine: `SERVING_ROOT/environments/<digest>`, complete or not counted.

A folder is made under another name, marked with `.ready` and renamed, so a process that is killed at any point leaves
nothing that anybody takes for an environment. `<digest>.log` beside it keeps what was told while it was made.
"""

import io
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from django.conf import settings

from registry.storage.ranges import PieceStream
from serving.services.environment_errors import EnvironmentFailed

READY = ".ready"
_NEW = ".new"
_LOG = ".log"
_DAY_SECONDS = 86_400
_LOG_BYTES = 256 * 1024
_BUFFER = 1024**2


def environments_root() -> Path:
    """The folder of all environments of this machine, made when it is not there."""
    root = Path(settings.SERVING_ROOT) / "environments"
    root.mkdir(parents=True, exist_ok=True)
    return root


def environment_folder(digest: str) -> Path:
    """Where an environment lies when this machine has it; `bin/python` is its interpreter."""
    return environments_root() / digest


def is_on_disk(digest: str) -> bool:
    """Whether this machine has an environment whole."""
    return (environment_folder(digest) / READY).is_file()


@contextmanager
def new_folder(digest: str) -> Iterator[Path]:
    """A folder to make an environment in; it becomes the environment when the body ends without error.

    Whoever calls this holds the lock of the digest: what an earlier, killed builder left is removed first.
    """
    root = environments_root()
    for left in root.glob(f"{digest}.*{_NEW}"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{digest}.", suffix=_NEW, dir=root))
    folder.chmod(0o755)
    try:
        yield folder
        (folder / READY).touch()
        target = environment_folder(digest)
        if target.exists() and not (target / READY).exists():
            shutil.rmtree(target)
        try:
            folder.rename(target)
        except OSError:
            if not (target / READY).exists():
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_folder(digest: str) -> None:
    """Take an environment off the disk, under another name first so that nobody finds a part of it."""
    folder = environment_folder(digest)
    doomed = folder.with_name(f"{digest}.gone{os.getpid()}{_NEW}")
    with suppress(FileNotFoundError):
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    log_path(digest).unlink(missing_ok=True)


def unclaimed_digests(known: set[str], *, now: float | None = None) -> list[str]:
    """Environments of this machine that no row names any more. Half made ones of killed processes are removed."""
    now = time.time() if now is None else now
    found = []
    for entry in os.scandir(environments_root()):
        old = now - entry.stat(follow_symlinks=False).st_mtime > _DAY_SECONDS
        if entry.is_dir(follow_symlinks=False) and entry.name.endswith(_NEW) and old:
            shutil.rmtree(entry.path, ignore_errors=True)
        elif old and not entry.name.endswith((_NEW, _LOG)) and entry.name not in known:
            found.append(entry.name)
    return found


def folder_bytes(folder: Path) -> int:
    """The bytes of an environment, each file once, shared with other environments or not."""
    seen: set[int] = set()
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            found = Path(path, name).lstat()
            if found.st_ino not in seen:
                seen.add(found.st_ino)
                total += found.st_size
    return total


# --- The log ---------------------------------------------------------------------------------------------------


def log_path(digest: str) -> Path:
    """The file that keeps what was told while an environment was made on this machine."""
    return environments_root() / f"{digest}{_LOG}"


def read_log(digest: str) -> str:
    """The end of that file; empty when there is none."""
    try:
        with log_path(digest).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _LOG_BYTES))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


# --- The packed form -------------------------------------------------------------------------------------------


def pack_folder(folder: Path, target: Path, *, limit: int) -> int:
    """Write an environment as tar.zst, without what belongs to a machine (its interpreter); returns its bytes.

    Raises:
        EnvironmentFailed: it has more than `limit` bytes.
    """
    import zstandard

    compressor = zstandard.ZstdCompressor(level=3, threads=-1)
    with target.open("wb") as file:

        def packed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
            if file.tell() > limit:
                raise _too_large(limit)
            return _packed(member)

        with (
            compressor.stream_writer(file, closefd=False) as stream,
            # Without dereference, files that share an inode would become links to each other.
            tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, dereference=True) as archive,
        ):
            for path in sorted(folder.iterdir()):
                if path.name not in {READY, "pyvenv.cfg", "lib64"}:
                    archive.add(path, arcname=path.name, filter=packed)
        size = file.tell()
    if size > limit:
        raise _too_large(limit)
    return size


def _too_large(limit: int) -> EnvironmentFailed:
    return EnvironmentFailed(
        f"The packed environment has more than the {limit:,} bytes that may be served.",
        suggestion="Leave out packages that the model does not need, or ask for mlflow-skinny instead of mlflow.",
    )


def _packed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if member.name.startswith("bin/python") or not (member.isfile() or member.isdir()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def unpack_archive(pieces: Iterator[bytes], folder: Path) -> None:
    """Unpack what `pack_folder` wrote over a fresh environment of the same Python. Plain files below the folder only.

    Raises:
        EnvironmentFailed: it is damaged, or was not written by `pack_folder`.
    """
    import zstandard

    try:
        with (
            zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes]", PieceStream(pieces))) as stream,
            tarfile.open(fileobj=io.BufferedReader(stream, _BUFFER), mode="r|") as archive,
        ):
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # Else tarfile keeps every header it has read.
                _unpack(archive, member, folder)
    except (tarfile.TarError, zstandard.ZstdError, EOFError, OSError) as error:
        raise EnvironmentFailed(f"The packed environment is damaged: {error}.") from error


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """One member, by far faster than tarfile's own way: 20,000 small files are the rule."""
    if member.name.startswith("/") or ".." in member.name.split("/"):
        raise EnvironmentFailed(f"The packed environment holds the path '{member.name}'.")
    path = f"{folder}/{member.name}"
    if member.isdir():
        os.makedirs(path, mode=0o755, exist_ok=True)  # noqa: PTH103  (pathlib costs a third of the whole)
    elif member.isfile() and (source := archive.extractfile(member)) is not None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o755 if member.mode & 0o100 else 0o644)
        with os.fdopen(descriptor, "wb") as file:
            shutil.copyfileobj(source, file, _BUFFER)
        # Compiled files know the time of their source.
        os.utime(path, (member.mtime, member.mtime))
