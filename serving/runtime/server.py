"""Sockets and threads of a replica: one thread a connection reads frames, `concurrency` threads see to answers.

Each of those hands what it takes to a process of its own, or predicts itself where the model cannot be forked. Then
health is answered while all predict as long as the model lets go of the interpreter's lock at times.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from . import frames
from .frames import Frame, FrameDecoder, FrameError
from .scoring import JSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from .batching import Batcher
    from .scoring import Answered, Scorer
    from .units import Inventory, Unit

_RECEIVED_BYTES = 256 * 1024
_JOINED_BYTES = 128 * 1024
_FAREWELL_SECONDS = 2.0
"""How long a drained replica waits for its callers to close their connections."""


class Connection:
    """A caller's socket. Any thread may send; frames do not mix."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self._lock = threading.Lock()
        self.is_open = True

    def send(self, parts: list[bytes]) -> None:
        """Send whole frames in parts; a caller that is gone is not an error."""
        whole = [b"".join(parts)] if sum(map(len, parts)) <= _JOINED_BYTES else parts
        with self._lock:
            try:
                for part in whole:
                    self.peer.sendall(part)
            except OSError:
                self.is_open = False


class Job:
    """A request that was taken and not yet answered."""

    __slots__ = ("answered", "body", "call", "canceled", "connection", "done", "head", "kind", "received", "started")

    def __init__(self, connection: Connection, frame: Frame) -> None:
        self.connection = connection
        self.kind = frame.kind
        self.call = frame.call
        self.head = frame.head
        self.body = frame.body
        self.received = time.monotonic()
        self.started = 0.0
        self.canceled = False
        self.done = False
        self.answered = False

    @property
    def is_abandoned(self) -> bool:
        """Nobody waits for it."""
        return self.canceled or not self.connection.is_open


class Server:
    """Takes frames on a Unix socket and has the scorer answer them.

    Args:
        address: path of the socket.
        threads: how many requests are worked on at a time.
        timeout: seconds after which a running prediction makes the replica say that it is `stuck`.
        batch: requests that wait are answered together where the scorer can.
    """

    def __init__(self, address: str, *, threads: int = 1, timeout: float = 120.0, batch: bool = False) -> None:
        self._address = address
        self._threads = max(1, threads)
        self._timeout = timeout
        self._batch = batch
        self._scorer: Scorer | None = None
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        # What is answered one by one: everything, unless a batcher takes from the other one.
        self._singles = self._jobs
        # Guards what follows; taken for moments only.
        self._lock = threading.Lock()
        self._taken: dict[tuple[int, int], Job] = {}
        self._drainers: list[tuple[Connection, int]] = []
        self._draining = False
        self._drained = threading.Event()
        self._connections: set[Connection] = set()
        self._all_gone = threading.Condition(self._lock)
        self._is_closing = False
        self._served = 0
        self._failed = 0
        self._batcher: Batcher | None = None
        self._listener: socket.socket | None = None
        self._how = ""

    def listen(self) -> None:
        """Bind the socket and answer health from now on; predictions wait until the model is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._address)  # noqa: PTH108 — runs on the model's interpreter, cheapest form
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self._address)
        # The folder says who may come here; the replica may run under another user than those who connect.
        os.chmod(self._address, 0o666)  # noqa: PTH101, S103
        listener.listen(128)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="accept", daemon=True).start()

    def serve(self, scorer: Scorer, before: Inventory) -> None:
        """Answer until drained. Call it on the main thread; `before` is of the time when nothing was loaded."""
        workers: list[Callable[[], None]] = [
            functools.partial(self._work, one) for one in self._scorers(scorer, before)
        ]
        self._scorer = scorer
        if self._batch and scorer.can_batch:
            from .batching import Batcher

            batcher = self._batcher = Batcher(scorer, self._jobs, self._finish_all, self._begin)
            workers = [*workers, batcher.work]
            self._singles = batcher.singles
        for number, work in enumerate(workers):
            threading.Thread(target=work, name=f"work-{number}", daemon=True).start()
        self._drained.wait()
        with self._lock:
            drainers = list(self._drainers)
        for connection, call in drainers:
            connection.send([frames.encode(frames.ANSWER, call, status=200)])
        self._say_farewell()

    def _scorers(self, scorer: Scorer, before: Inventory) -> list[Scorer | Unit]:
        """What each of the threads has answer."""
        why_not = before.why_not_fork() if self._threads > 1 else "one request at a time"
        self._how = f"Threads: {why_not}." if why_not else f"{self._threads} processes."
        sys.stderr.write(f"{self._how}\n")
        sys.stderr.flush()
        if why_not:
            return [scorer] * self._threads
        from .units import fork_units

        return [*fork_units(scorer, self._threads)]

    def drain(self) -> None:
        """Take nothing new; `serve` returns when everything taken is answered. Safe in a signal handler."""
        if self._scorer is None:
            # Still loading, perhaps for ever: nothing has been answered, and callers ask elsewhere.
            os._exit(0)
        # Not under the lock: a signal may come while this thread holds it.
        self._draining = True
        threading.Thread(target=self._look_drained, daemon=True).start()

    def health(self) -> dict[str, Any]:
        """What `ReplicaConnection.health` gives. `longest_seconds` is the age of the oldest running prediction."""
        now = time.monotonic()
        with self._lock:
            taken = [job for job in self._taken.values() if not job.done]
            started = [job.started for job in taken if job.started]
            longest = now - min(started) if started else 0.0
            health: dict[str, Any] = {
                "loaded": self._scorer is not None,
                "draining": self._draining,
                "stuck": longest > self._timeout,
                "longest_seconds": round(longest, 3),
                "busy": len(started),
                "queued": len(taken) - len(started),
                "served": self._served,
                "failed": self._failed,
                "threads": self._threads,
                "pid": os.getpid(),
            }
        if self._scorer is not None:
            health["remarks"] = f"{self._scorer.remarks} {self._how}"
            health["batches"] = self._batcher.batches if self._batcher else None
        return health

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            connection = Connection(peer)
            with self._lock:
                self._connections.add(connection)
                is_late = self._is_closing
            if is_late:
                connection.send([_CLOSING])
            threading.Thread(target=self._read, args=(connection,), name="read", daemon=True).start()

    def _read(self, connection: Connection) -> None:
        decoder = FrameDecoder()
        try:
            while data := connection.peer.recv(_RECEIVED_BYTES):
                for frame in decoder.feed(data):
                    self._take(connection, frame)
        except (OSError, FrameError) as error:
            sys.stderr.write(f"A connection broke off: {error}\n")
        finally:
            connection.is_open = False
            with contextlib.suppress(OSError):
                connection.peer.close()
            with self._lock:
                self._connections.discard(connection)
                self._all_gone.notify_all()

    def _take(self, connection: Connection, frame: Frame) -> None:
        if frame.kind in (frames.PREDICT, frames.PROVE):
            job = Job(connection, frame)
            with self._lock:
                if refused := self._draining:
                    pass
                else:
                    self._taken[id(connection), frame.call] = job
            if refused:
                head = json.dumps({"reason": "draining"}).encode()
                connection.send([frames.encode(frames.REFUSED, frame.call, head)])
            else:
                self._jobs.put(job)
        elif frame.kind == frames.CANCEL:
            with self._lock:
                found = self._taken.get((id(connection), frame.call))
                if found is not None:
                    found.canceled = True
        elif frame.kind == frames.HEALTH:
            body = json.dumps(self.health()).encode()
            connection.send([frames.encode(frames.ANSWER, frame.call, body=body, status=200)])
        elif frame.kind == frames.DRAIN:
            with self._lock:
                self._drainers.append((connection, frame.call))
            self.drain()
        else:
            raise FrameError(f"kind {frame.kind}")

    def _say_farewell(self) -> None:
        """Tell every caller that what it sent meanwhile was not taken, and wait until they have heard it.

        A process that ends with unread requests in its sockets would leave their callers to guess.
        """
        with self._lock:
            self._is_closing = True
            connections = list(self._connections)
        for connection in connections:
            connection.send([_CLOSING])
        with self._lock:
            self._all_gone.wait_for(lambda: not self._connections, timeout=_FAREWELL_SECONDS)

    def _look_drained(self) -> None:
        # Nobody connects any more; whoever has is told when all is answered.
        with contextlib.suppress(OSError):
            os.unlink(self._address)  # noqa: PTH108
        with self._lock:
            if self._draining and not self._taken:
                self._drained.set()

    def _begin(self, job: Job) -> None:
        job.started = time.monotonic()

    def _work(self, scorer: Scorer | Unit) -> None:
        jobs = self._singles
        while True:
            job = jobs.get()
            if job is None:
                return
            if job.is_abandoned:
                self._finish(job, None)
                continue
            self._begin(job)
            if job.kind == frames.PROVE:
                error = scorer.prove()
                text = error.encode("utf-8", "replace")
                self._finish(job, (400 if error else 200, "text/plain", text))
            else:
                head = json.loads(job.head) if job.head else {}
                answer = scorer.answer(
                    job.body,
                    head.get("type", "application/json"),
                    request_id=head.get("id", ""),
                    stream=functools.partial(self._stream, job),
                )
                self._finish(job, answer)

    def _stream(self, job: Job, chunk: bytes) -> bool:
        """Send a part of an answer. False when nobody reads it any more."""
        if not job.answered:
            job.answered = True
            head = b'{"type":"text/event-stream"}'
            job.connection.send([frames.encode(frames.START, job.call, head, status=200)])
        job.connection.send([frames.encode(frames.CHUNK, job.call, body=chunk)])
        return not job.is_abandoned

    def _finish(self, job: Job, answer: Answered | None) -> None:
        """Send an answer, or the end of a stream, and forget the job. None: it was canceled before it started."""
        self._finish_all([(job, answer)])

    def _finish_all(self, answered: list[tuple[Job, Answered | None]]) -> None:
        """The same for many at once: each caller's socket is written to once."""
        parts: dict[Connection, list[bytes]] = {}
        for job, answer in answered:
            parts.setdefault(job.connection, []).extend(_frames_of(job, answer))
        with self._lock:
            for job, answer in answered:
                job.done = True
                self._served += 1
                self._failed += answer is None or answer[0] != 200
        for connection, frames_of_it in parts.items():
            connection.send(frames_of_it)
        # Only now: who drains must find every answer sent.
        with self._lock:
            for job, _ in answered:
                self._taken.pop((id(job.connection), job.call), None)
            is_drained = self._draining and not self._taken
        if is_drained:
            self._drained.set()


_CLOSING = frames.encode(frames.CLOSING, 0)


def _frames_of(job: Job, answer: Answered | None) -> list[bytes]:
    """What is sent for a job at its end: header and body, not copied together where they are large."""
    now = time.monotonic()
    status, content_type, body = answer or (499, "text/plain", b"")
    model_us = int((now - job.started) * 1e6) if job.started else 0
    queue_us = int(((job.started or now) - job.received) * 1e6)
    if job.answered:
        return [frames.encode(frames.END, job.call, status=status, model_us=model_us, queue_us=queue_us)]
    head = b"" if content_type == JSON else json.dumps({"type": content_type}).encode()
    try:
        header = frames.encode_header(
            frames.ANSWER, job.call, head, len(body), status=status, model_us=model_us, queue_us=queue_us
        )
    except FrameError as error:
        message = {"error_code": "BAD_REQUEST", "message": f"The answer is too long: {error}"}
        body = json.dumps(message).encode()
        header = frames.encode_header(frames.ANSWER, job.call, b"", len(body), status=400)
    return [header, body]
