"""When calls were made, kept in small files that all gateway processes of a machine share.

A file for each window holds the times of its last `calls` calls as a ring: another one is free when the oldest of
them has left the window. Looking and adding are a few system calls each, however many calls there are, and no process
waits for another for longer than those take.
"""

import contextlib
import fcntl
import hashlib
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_COUNT = struct.Struct("=Q")
_TIME = struct.Struct("=d")
_LOCK_SECONDS = 0.02
_SWEEP_SECONDS = 3600.0


@dataclass(frozen=True)
class Window:
    """At most `calls` in `seconds`. `key` is whose: windows with equal key and figures are one."""

    key: tuple[str, ...]
    calls: int
    seconds: float


class CallWindows:
    """The windows in a folder, which is made when needed. Use them inside `held`.

    `now` is monotonic time, the same for all processes of the machine. A time that lies ahead is from before the
    machine was started, and long over.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: int | None = None
        self._swept = float("-inf")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out: what is found free stays so until it is taken.

        Raises:
            OSError: the files cannot be used, or a process that was stopped keeps them.
        """
        if self._lock is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.0001)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def wait(self, window: Window, now: float) -> float:
        """Seconds until another call is free; 0 when one is."""
        if window.calls < 1:
            return window.seconds
        try:
            ring = os.open(self._path(window), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return 0.0
        try:
            place = _place(_count(ring), window)
            found = os.pread(ring, _TIME.size, place)
        finally:
            os.close(ring)
        oldest = float(_TIME.unpack(found)[0]) if len(found) == _TIME.size else 0.0
        return max(0.0, oldest + window.seconds - now) if 0 < oldest <= now else 0.0

    def add(self, window: Window, now: float) -> None:
        """Count a call, in place of the oldest."""
        ring = os.open(self._path(window), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            count = _count(ring)
            os.pwrite(ring, _TIME.pack(now), _place(count, window))
            os.pwrite(ring, _COUNT.pack(count + 1), 0)
        finally:
            os.close(ring)
        if now - self._swept > _SWEEP_SECONDS:
            self._swept = now
            self._sweep()

    def close(self) -> None:
        """Let go of the folder; it is taken up again when needed."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _path(self, window: Window) -> Path:
        named = "\0".join((*window.key, str(window.calls), str(window.seconds)))
        return self._folder / hashlib.blake2b(named.encode(), digest_size=16).hexdigest()

    def _sweep(self) -> None:
        """Remove windows that nobody has used for long."""
        old = time.time() - _SWEEP_SECONDS
        for entry in os.scandir(self._folder):
            if entry.name != "lock" and entry.stat().st_mtime < old:
                os.unlink(entry.path)  # noqa: PTH108 — a path of scandir


def _count(ring: int) -> int:
    found = os.pread(ring, _COUNT.size, 0)
    return int(_COUNT.unpack(found)[0]) if len(found) == _COUNT.size else 0


def _place(count: int, window: Window) -> int:
    return _COUNT.size + count % window.calls * _TIME.size
