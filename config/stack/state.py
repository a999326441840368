"""What a running `up` says about itself to other shells: a lock that it holds, a file that it rewrites."""

from __future__ import annotations

import fcntl
import json
import os
import time
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from config.stack import processes
from config.stack.errors import StackError
from config.stack.options import ROOT
from config.stack.paths import DataFolder, unwritable

STOPPING_SECONDS = 45.0
"""How long the rest of a killed run may take to stop."""
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class ChildState:
    """One process as `status` shows it."""

    name: str
    state: str
    pid: int | None
    restarts: int


@dataclass(frozen=True)
class StackState:
    """A running stack. `environment` is what another process needs to work on the same installation."""

    pid: int
    version: str
    url: str
    ready: bool
    environment: Mapping[str, str]
    children: tuple[ChildState, ...]


def version() -> str:
    """Answer the release."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def write(folder: DataFolder, state: StackState) -> None:
    """Replace the state file; raises OSError."""
    draft = folder.state.with_suffix(".new")
    # It may hold the password of a database server.
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(state), indent=1))
    draft.replace(folder.state)


def read(folder: DataFolder) -> StackState | None:
    """Answer the state of the stack that runs on a folder; None when none does."""
    if not is_locked(folder.lock):
        return None
    try:
        found = json.loads(folder.state.read_text())
    except (OSError, ValueError):
        return None
    if not processes.is_alive(found["pid"]):
        return None
    return StackState(**{**found, "children": tuple(ChildState(**child) for child in found["children"])})


def is_locked(lock: Path) -> bool:
    """Say whether an `up`, or the rest of one, holds the folder."""
    try:
        handle = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def acquire(folder: DataFolder) -> int:
    """Take the folder for this process; answer the descriptor that holds it, which children inherit.

    Waits for the processes of a run that was killed. Raises StackError when another `up` runs, or cannot
    stop.
    """
    try:
        handle = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StackError(unwritable(folder.root, error)) from error
    deadline = time.monotonic() + STOPPING_SECONDS
    while not _try_lock(handle):
        _refuse_second(folder)
        if time.monotonic() > deadline:
            raise StackError(f"Processes of an earlier run still use {folder.root}. End them, then try again.")
        time.sleep(POLL_SECONDS)
    os.truncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refuse_second(folder: DataFolder) -> None:
    text = folder.lock.read_text().strip()
    if not text.isdecimal() or not processes.is_alive(int(text)):
        return
    running = read(folder)
    where = f" at {running.url}" if running else ""
    raise StackError(
        f"Modelkeep already runs on {folder.root} (process {text}){where}. "
        f"Stop it with `kill {text}`, or choose another folder with --data-dir."
    )
