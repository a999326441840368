"""Making one environment on this machine: from its packed form, else from its lock. The row tells how it went."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from uuid import UUID

from django.utils import timezone

from registry.errors import FileMissing
from registry.storage.blobs import blob_store
from serving.models import EnvironmentState, ServingEnvironment
from serving.services.environment_errors import BuildCanceled, EnvironmentFailed
from serving.services.environment_folders import (
    environment_folder,
    folder_bytes,
    is_on_disk,
    log_path,
    new_folder,
    unpack_archive,
)
from serving.services.environment_locks import only_one
from serving.services.environment_trials import try_imports
from serving.services.interpreters import Interpreter, choose_interpreter
from serving.services.package_resolver import locked_packages, source_arguments
from serving.services.uv_process import Canceled, Log, UvResult, never, run_uv, silent

_LOCK_FILE = "requirements.lock"


@dataclass(frozen=True)
class Watch:
    """Who is told of a build line by line, who may cancel it, and the operation that it is a part of."""

    log: Log = silent
    canceled: Canceled = never
    operation_id: UUID | None = None

    def check(self) -> None:
        """Raises BuildCanceled when it was canceled."""
        if self.canceled():
            raise BuildCanceled("canceled")


Fill = Callable[[ServingEnvironment, Path, Watch], None]
"""Puts an environment into an empty folder."""


def make_environment(row: ServingEnvironment, *, fill: Fill, watch: Watch) -> None:
    """Have this machine hold an environment, and say so on its row. Costs a look at the disk when it does.

    One builder at a time, over all workers; others wait, and tell what the builder tells where it works on the same
    disk. A builder that is killed leaves nothing that counts, and the next one begins anew.

    Raises:
        EnvironmentFailed: kept on the row.
        BuildCanceled, Unavailable.
    """
    if row.state == EnvironmentState.READY and is_on_disk(row.digest):
        watch.log(f"Environment {row.digest[:12]} is there already: nothing to build")
        return
    told = _Follower(row.digest, watch)
    with only_one(f"environment:{row.digest}", waiting=told.look):
        row.refresh_from_db()
        if not (row.state == EnvironmentState.READY and is_on_disk(row.digest)):
            _make(row, fill, watch)


def _make(row: ServingEnvironment, fill: Fill, watch: Watch) -> None:
    was_ready = row.state == EnvironmentState.READY
    if not was_ready:
        _mark(row, EnvironmentState.BUILDING, operation_id=watch.operation_id)
    with log_path(row.digest).open("w", encoding="utf-8", buffering=1) as kept:
        try:
            told = Watch(_twice(kept, watch.log), watch.canceled, watch.operation_id)
            if not is_on_disk(row.digest):
                with new_folder(row.digest) as folder:
                    fill(row, folder, told)
                    _check(folder, told)
            size = folder_bytes(environment_folder(row.digest))
        except EnvironmentFailed as error:
            kept.write(f"{error.message}\n")
            _mark(row, EnvironmentState.FAILED, message=error.message)
            raise
        except BaseException:
            # Canceled, or this machine cannot: that says nothing of the environment.
            if not was_ready:
                _mark(row, EnvironmentState.PENDING)
            raise
        _mark(row, EnvironmentState.READY, size_bytes=size, built_at=row.built_at or timezone.now())
        told.log(f"Environment {row.digest[:12]} is ready: {size:,} bytes")


def _check(folder: Path, watch: Watch) -> None:
    watch.log("Checking that mlflow.pyfunc imports")
    found = try_imports(folder, canceled=watch.canceled)
    watch.log(f"Python {found.python}, mlflow {found.mlflow}: imported in {found.import_seconds:.1f} s")


def _mark(row: ServingEnvironment, state: EnvironmentState, *, message: str = "", **values: object) -> None:
    row.state, row.message = state, message
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=["state", "message", *values])


def _twice(kept: TextIO, log: Log) -> Log:
    def tell(text: str) -> None:
        kept.write(f"{text}\n")
        log(text)

    return tell


class _Follower:
    """Tells what another builder tells, while one waits for it."""

    def __init__(self, digest: str, watch: Watch) -> None:
        self._path, self._watch = log_path(digest), watch
        self._told = 0
        self._begun = False

    def look(self) -> None:
        """Tell the lines that came since, unless canceled."""
        self._watch.check()
        if not self._begun:
            self._begun = True
            self._watch.log("Another worker is making this environment: waiting for it")
        with suppress(FileNotFoundError):
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
            for line in lines[self._told :]:
                self._watch.log(line)
            self._told = max(self._told, len(lines))


# --- Ways to fill a folder -------------------------------------------------------------------------------------


def fill_resolved(row: ServingEnvironment, folder: Path, watch: Watch) -> None:
    """From the packed form that another machine left in the store, else from the lock."""
    interpreter, _ = choose_interpreter(row.python)
    create_venv(folder, interpreter, watch)
    if row.blob_id and _unpacked(row, folder, watch):
        return
    watch.log(f"Installing {len(locked_packages(row.lock))} packages")
    lock = folder / _LOCK_FILE
    lock.write_text(row.lock, encoding="utf-8")
    result = run_uv(
        [
            *("pip", "sync", "--python", str(folder / "bin" / "python"), "--require-hashes", "--compile-bytecode"),
            *source_arguments(),
            str(lock),
        ],
        log=watch.log,
        canceled=watch.canceled,
    )
    if result.code != 0:
        raise EnvironmentFailed(
            f"The packages could not be installed: {_last_words(result)}",
            suggestion="Try again; when it stays, ask for another release of the package that is named.",
        )


def create_venv(folder: Path, interpreter: Interpreter, watch: Watch) -> None:
    """An environment without packages that may be moved."""
    arguments = ["venv", "--relocatable", "--allow-existing", "--no-project", "--python", interpreter.path]
    result = run_uv([*arguments, str(folder)], log=watch.log, canceled=watch.canceled)
    if result.code != 0:
        raise EnvironmentFailed(f"Python {interpreter.version} makes no environment: {_last_words(result)}")


def _unpacked(row: ServingEnvironment, folder: Path, watch: Watch) -> bool:
    watch.log(f"Unpacking {row.packed_bytes or 0:,} bytes from the store")
    try:
        unpack_archive(iter(blob_store().open(str(row.blob_id))), folder)
    except (FileMissing, EnvironmentFailed) as error:
        watch.log(f"WARNING: {error.message} It is built from its lock instead.")
        return False
    return True


def _last_words(result: UvResult) -> str:
    return " ".join(result.messages.split())[-1500:]
