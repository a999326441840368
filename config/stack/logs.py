"""The log files of the stack: one per process, kept from growing without bound."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO

ROTATE_BYTES = 10 * 1024**2
KEPT = 3
TAIL_BYTES = 64 * 1024


def open_log(path: Path) -> IO[bytes]:
    """Open a log for a process to append to, after moving a large one out of the way."""
    if _size(path) > ROTATE_BYTES:
        _shift(path)
        path.rename(_numbered(path, 1))
    return path.open("ab")


def rotate_in_use(path: Path) -> None:
    """Shorten a large log that a process holds open: copy it aside, then cut it.

    The process appends, so it goes on at 0. A line written between copy and cut is lost, which is what it
    costs that no process has to reopen its log.
    """
    if _size(path) > ROTATE_BYTES:
        _shift(path)
        shutil.copyfile(path, _numbered(path, 1))
        with path.open("r+b") as file:
            file.truncate(0)


def last_lines(path: Path, *, start: int = 0, count: int = 20) -> str:
    """Answer the last lines written after byte `start`, each indented, for a message at the terminal."""
    lines = [line for line in read_from(path, start).splitlines() if line.strip()][-count:]
    return "\n".join(f"    {line}" for line in lines) or "    (its log is empty)"


def read_from(path: Path, start: int) -> str:
    """Answer what was written after byte `start`: at most the last 64 KiB of it."""
    try:
        with path.open("rb") as file:
            file.seek(max(start, _size(path) - TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _shift(path: Path) -> None:
    for number in range(KEPT - 1, 0, -1):
        if _numbered(path, number).exists():
            _numbered(path, number).replace(_numbered(path, number + 1))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
