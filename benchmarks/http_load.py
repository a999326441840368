"""A closed loop of POSTs on kept connections, cheap enough not to be what is measured: one process, raw sockets."""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Posts:
    """Bodies to post in turn."""

    port: int
    path: str
    bodies: Sequence[bytes]
    token: str = ""

    def wire(self) -> list[bytes]:
        """The requests as they are sent."""
        credential = f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{credential}"
        return [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in self.bodies]


@dataclass
class Answers:
    """What came back. Latencies in milliseconds, sorted."""

    latencies: list[float]
    seconds: float
    statuses: Counter[int]
    bodies: Counter[bytes] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def at(self, share: float) -> float:
        """The latency that this share of the answers did not pass."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


class _Client(asyncio.Protocol):
    def __init__(self, requests: list[bytes], offset: int, until: float, answers: Answers) -> None:
        self._requests, self._turn, self._until, self._answers = requests, offset, until, answers
        self._buffer = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if found else None
        if length is None or len(rest) < int(length[1]):
            return
        self._buffer = b""
        self._answers.latencies.append((time.perf_counter() - self._asked) * 1000)
        self._answers.statuses[int(head[9:12])] += 1
        if len(self._answers.bodies) < 1000:
            self._answers.bodies[rest] += 1
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if not self.ended.done():
            self._answers.statuses[0] += 1
            self.ended.set_result(None)

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        if self._asked >= self._until:
            self.ended.set_result(None)
            self._transport.close()
            return
        self._turn += 1
        self._transport.write(self._requests[self._turn % len(self._requests)])


async def _run(posts: Posts, clients: int, seconds: float) -> Answers:
    answers = Answers([], 0.0, Counter())
    requests, began = posts.wire(), time.perf_counter()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(
            lambda n=n: _Client(requests, n * 7, began + seconds, answers), "127.0.0.1", posts.port
        )
        for n in range(clients)
    ]
    await asyncio.gather(*(client.ended for _, client in made))
    answers.seconds = time.perf_counter() - began
    answers.latencies.sort()
    return answers


def _serve(pipe: Connection) -> None:
    while True:
        try:
            posts, clients, seconds = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(asyncio.run(_run(posts, clients, seconds)))
        except OSError:
            # Nobody listens there, or not yet.
            pipe.send(Answers([], seconds, Counter({0: clients})))


class Poster:
    """The process that asks; started before anything is measured."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        context.Process(target=_serve, args=(theirs,), daemon=True).start()

    def window(self, posts: Posts, *, clients: int, seconds: float) -> Answers:
        """Let some clients ask for some seconds; each waits for its last answer, however long that takes."""
        self._pipe.send((posts, clients, seconds))
        answers: Answers = self._pipe.recv()
        return answers
