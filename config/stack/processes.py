"""What the kernel says about running processes, read from /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def is_alive(pid: int) -> bool:
    """Say whether a process runs (a zombie does not)."""
    fields = _stat(pid)
    return fields is not None and fields[0] not in {"Z", "X"}


def uptime(pid: int) -> float | None:
    """Answer for how many seconds a process has been running; None when it is gone."""
    fields = _stat(pid)
    if fields is None:
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / _TICKS


def children(pid: int) -> list[int]:
    """Answer the direct children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def tree(pid: int) -> Iterator[int]:
    """Answer a process and everything below it."""
    yield pid
    for child in children(pid):
        yield from tree(child)


def memory(pid: int) -> int:
    """Answer the bytes held by a process and everything below it; a page that n share counts as 1/n."""
    return sum(_proportional(member) for member in tree(pid))


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _stat(pid: int) -> list[str] | None:
    """Answer the fields of /proc/PID/stat after the name, which may itself hold spaces and parentheses."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
