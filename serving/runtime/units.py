"""A process for each request that a replica works on at a time, forked from the one that has loaded the model.

Threads would take turns at the interpreter's lock, and libraries that are not made for them get in each other's way;
these processes share the model's memory instead. Not every model can be forked: see `Inventory`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import socket
import stat
import sys
import threading
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from .scoring import Answered, Scorer

_SET_DEATH_SIGNAL = 1
_LOOKS = 3
_BETWEEN_LOOKS = 0.01
_ALLOCATORS = ("jemalloc_bg_thd",)
"""Threads of memory allocators, which start anew in a fork. PyArrow brings one as soon as it is imported."""


class Inventory:
    """The threads and open files of this process before a model is loaded, to be compared with those after it.

    A fork has no threads but one, and shares the position of open files and what comes over sockets with all others.
    So a model that keeps any of these stays in one process.

    Args:
        address: of the replica's own socket, whose connections come and go.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._threads: set[int] = set()
        self._files: set[str] = set()
        # Where they cannot be read, they cannot be compared either.
        with contextlib.suppress(OSError):
            self._threads, self._files = _threads(), self._open_files()

    def why_not_fork(self) -> str:
        """Empty when the model may be forked; else the reason for people. May be asked from the main thread only."""
        if os.environ.get("CUDA_VISIBLE_DEVICES"):
            return "it may use a GPU"
        gc.collect()
        try:
            looks = [self._look(number) for number in range(_LOOKS)]
        except OSError as error:
            return f"its threads cannot be counted ({error})"
        if set.intersection(*(threads for threads, _ in looks)):
            return "the model keeps threads of its own"
        kept = set.intersection(*(files for _, files in looks))
        return f"the model keeps files or connections open ({', '.join(sorted(kept))})" if kept else ""

    def _look(self, number: int) -> tuple[set[int], set[str]]:
        """What is new. Connections that come at this moment are in one look and not in the next."""
        if number:
            time.sleep(_BETWEEN_LOOKS)
        ours = {thread.native_id for thread in threading.enumerate() if thread.name in ("accept", "read")}
        return _threads() - self._threads - ours, self._open_files() - self._files

    def _open_files(self) -> set[str]:
        found = set()
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 — runs on the model's interpreter, cheapest form
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
                if not target.startswith(("/dev/", "/proc/")) and not self._is_ours(int(name)):
                    found.add(target)
        return found

    def _is_ours(self, descriptor: int) -> bool:
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                return False
            with socket.socket(fileno=os.dup(descriptor)) as known:
                return bool(known.getsockname() == self._address)
        except OSError:
            return False


class Unit:
    """One forked process, as the thread of the parent that hands it requests sees it. Answers like a Scorer.

    Fork from the main thread: the process ends with the thread that forked it. When it ends by itself, so does the
    parent, as if the model had run there.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._peer, inside = Pipe()
        with warnings.catch_warnings():
            # Its other threads read sockets, and hold no lock that the fork needs.
            warnings.simplefilter("ignore")
            self._pid = os.fork()
        if self._pid == 0:
            self._peer.close()
            _answer_all(inside, scorer)
        inside.close()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def answer(self, body: bytes, content_type: str, *, request_id: str, stream: Callable[[bytes], bool]) -> Answered:
        """See Scorer."""
        return self._ask((body, content_type, request_id), stream)

    def prove(self) -> str:
        """See Scorer."""
        return self._ask(None, bool)[2].decode()

    def _ask(self, question: tuple[bytes, str, str] | None, stream: Callable[[bytes], bool]) -> Answered:
        try:
            self._peer.send(question)
            while True:
                chunk, answer = self._peer.recv()
                if answer is not None:
                    return answer  # type: ignore[no-any-return]
                self._peer.send(stream(chunk))
        except (EOFError, OSError):
            # It has ended: whoever watches it ends the replica.
            threading.Event().wait()
            raise

    def _watch(self) -> None:
        _, status = os.waitpid(self._pid, 0)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        sys.stderr.write(f"A process of the model ended with code {code}.\n")
        sys.stderr.flush()
        os._exit(code or 1)


def fork_units(scorer: Scorer, count: int) -> list[Unit]:
    """So many processes that hold the model."""
    # What is there already stays where it is: collecting garbage would copy its pages.
    gc.collect()
    gc.freeze()
    return [Unit(scorer) for _ in range(count)]


def _answer_all(peer: Connection, scorer: Scorer) -> NoReturn:
    """The life of a forked process: it ends with its parent."""
    code = 1
    try:
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        if "numpy" in sys.modules:
            # Each would draw the same numbers; the interpreter itself has seen to its own.
            sys.modules["numpy"].random.seed()

        def stream(chunk: bytes) -> bool:
            peer.send((chunk, None))
            return bool(peer.recv())

        while True:
            question = peer.recv()
            if question is None:
                peer.send((None, (200, "text/plain", scorer.prove().encode("utf-8", "replace"))))
            else:
                body, content_type, request_id = question
                peer.send((None, scorer.answer(body, content_type, request_id=request_id, stream=stream)))
    except (EOFError, OSError):
        code = 0
    finally:
        os._exit(code)


def _threads() -> set[int]:
    found = set()
    for name in os.listdir("/proc/self/task"):  # noqa: PTH208 — as above
        with contextlib.suppress(FileNotFoundError), open(f"/proc/self/task/{name}/comm") as comm:  # noqa: PTH123
            if comm.read().strip() not in _ALLOCATORS:
                found.add(int(name))
    return found
