"""Environments on the disk of this machine: `SERVING_ROOT/environments/<digest>`, complete or not counted.

A folder is made under another name, marked with `.ready` and renamed, so a process that is killed at any point leaves
nothing that anybody takes for an environment. `<digest>.log` beside it keeps what was told while it was made.
"""

import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings

from serving.services.environment_errors import EnvironmentFailed

READY = ".ready"
_NEW = ".new"
_LOG = ".log"
_DAY_SECONDS = 86_400
_LOG_BYTES = 256 * 1024


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
        with suppress(OSError):  # It is there already: the same content.
            folder.rename(target)
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
        with compressor.stream_writer(file, closefd=False) as stream, _tar(stream) as archive:
            for path in sorted(folder.iterdir()):
                if path.name in {READY, "pyvenv.cfg", "lib64"}:
                    continue
                archive.add(path, arcname=path.name, filter=_packed)
                if file.tell() > limit:
                    break
        size = file.tell()
    if size > limit:
        raise EnvironmentFailed(
            f"The packed environment has more than the {limit:,} bytes that may be served.",
            suggestion="Leave out packages that the model does not need, or ask for mlflow-skinny instead of mlflow.",
        )
    return size


def _tar(stream: object) -> tarfile.TarFile:
    return tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT)  # type: ignore[call-overload,no-any-return]


def _packed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if member.name.startswith("bin/python") or not (member.isfile() or member.isdir()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def unpack_archive(pieces: Iterator[bytes], folder: Path) -> None:
    """Unpack what `pack_folder` wrote over a fresh environment of the same Python.

    Raises:
        EnvironmentFailed: it is damaged.
    """
    import zstandard

    try:
        with (
            zstandard.ZstdDecompressor().stream_reader(_chunks(pieces)) as stream,
            tarfile.open(fileobj=stream, mode="r|") as archive,
        ):
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise EnvironmentFailed(f"The packed environment is damaged: {error}") from error


class _Pieces:
    """Pieces as a file that can only be read forward."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._left) < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._left += piece
        size = len(self._left) if size < 0 else size
        answer, self._left = self._left[:size], self._left[size:]
        return answer


def _chunks(pieces: Iterator[bytes]) -> "_Pieces":
    return _Pieces(pieces)
