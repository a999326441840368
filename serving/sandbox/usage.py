"""What a tree of processes takes, read from /proc."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_USER_TIME = 11
_AS_IT_IS = 2


@dataclass(frozen=True)
class Usage:
    """Of one tree of processes, now. `cpu_seconds` counts up while its processes live."""

    memory_bytes: int = 0
    cpu_seconds: float = 0.0
    processes: int = 0


def tree(pid: int) -> Iterator[int]:
    """A process and everything below it, parents first."""
    yield pid
    for child in _children(pid):
        yield from tree(child)


def below(pid: int, levels: int) -> list[int]:
    """The processes so many levels below one."""
    found = [pid]
    for _ in range(levels):
        found = [child for parent in found for child in _children(parent)]
    return found


def of_tree(pid: int, *, is_exact: bool = True) -> Usage:
    """What it takes; nothing when it is gone. Memory that processes share counts once, in parts.

    Otherwise, which costs less, it counts for each of them: never too little.
    """
    memory, seconds, count = 0, 0.0, 0
    for member in tree(pid):
        memory += (_proportional(member) if is_exact else 0) or _resident(member)
        seconds += _seconds(member)
        count += 1
    return Usage(memory, seconds, count)


def of_folder(folder: Path) -> int:
    """The bytes of its files. What disappears meanwhile is not counted."""
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            try:
                found = Path(path, name).lstat()
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode):
                total += found.st_blocks * 512
    return total


def _children(pid: int) -> list[int]:
    try:
        # Each thread of a process has children of its own.
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []
    found = []
    for thread in threads:
        try:
            found += [int(child) for child in (thread / "children").read_text().split()]
        except OSError:
            continue
    return found


def _proportional(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[_AS_IT_IS].split()
    except OSError:
        return 0.0
    return (int(fields[_USER_TIME]) + int(fields[_USER_TIME + 1])) / _TICKS
