"""Where one installation keeps its files: everything below one data folder."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from config.stack.errors import StackError

SOCKET_PATH_LIMIT = 107
"""The longest path that a Unix socket can have on Linux."""
LONGEST_SOCKET = "replicas/0123456789ab/s"


@dataclass(frozen=True)
class DataFolder:
    """The layout of a data folder. Nothing is created until `prepare`."""

    root: Path

    @classmethod
    def at(cls, path: str | Path) -> DataFolder:
        """Name a data folder by any spelling of its path."""
        return cls(Path(path).expanduser().resolve())

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def redis(self) -> Path:
        return self.root / "redis"

    @property
    def tracking(self) -> Path:
        return self.root / "tracking"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def serving(self) -> Path:
        return self.root / "serving"

    @property
    def static(self) -> Path:
        return self.root / "static"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def lock(self) -> Path:
        return self.run / "up.lock"

    @property
    def state(self) -> Path:
        return self.run / "state.json"

    @property
    def secret_key(self) -> Path:
        return self.root / "secret.key"

    @property
    def sockets(self) -> Path:
        """Where sockets live: `run`, or a short folder of its own when the path would be too long for one."""
        if len(os.fsencode(self.run / LONGEST_SOCKET)) <= SOCKET_PATH_LIMIT:
            return self.run
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"modelkeep-{digest}"

    @property
    def postgres_sockets(self) -> Path:
        return self.sockets / "postgres"

    @property
    def redis_socket(self) -> Path:
        return self.sockets / "redis.sock"

    @property
    def mlflow_socket(self) -> Path:
        return self.sockets / "mlflow.sock"

    @property
    def replica_sockets(self) -> Path:
        """One folder per replica in it."""
        return self.sockets / "replicas"

    def prepare(self) -> None:
        """Create the folders; raise StackError when that is not possible."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.run, self.logs, self.redis, self.tracking, self.artifacts, self.serving, self.static):
                folder.mkdir(mode=0o700, exist_ok=True)
            self.sockets.mkdir(mode=0o700, exist_ok=True)
            self.replica_sockets.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StackError(unwritable(self.root, error)) from error
        _require_own_folder(self.sockets)
        if len(os.fsencode(self.sockets / LONGEST_SOCKET)) > SOCKET_PATH_LIMIT:
            raise StackError(
                f"The path of the sockets in {self.sockets} is longer than {SOCKET_PATH_LIMIT} bytes. "
                "Choose a shorter --data-dir, or set TMPDIR to a short path."
            )


def unwritable(folder: Path, error: OSError) -> str:
    """Say why a folder cannot be written, and the remedy."""
    return (
        f"Cannot write to the data folder {folder}: {error.strerror or error}. "
        "Choose another with --data-dir, or change its permissions."
    )


def _require_own_folder(folder: Path) -> None:
    """Refuse a folder in a shared place that somebody else made before us: they could offer false sockets."""
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid():
        raise StackError(f"{folder} belongs to somebody else. Remove it, or choose another --data-dir.")
