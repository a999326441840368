"""A closed-loop load generator: each client waits for its answer before it asks again, on one kept connection."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from config.stack import processes

PROCESSES = 2


@dataclass(frozen=True)
class Task:
    """Paths to ask for in turn, with a token where the server wants one."""

    port: int
    paths: Sequence[str]
    token: str = ""
    pids: tuple[int, ...] = ()
    """Whose processor time answers cost: the server's and its database's."""
    prompt: bool = True
    """Acknowledge what arrives at once. A server that sends head and body apart otherwise waits 40 ms for it, as it
    does with Python's own clients; that says nothing about its work."""


@dataclass(frozen=True)
class Window:
    """What one window saw."""

    latencies: list[float]
    seconds: float
    cpu: float
    """Seconds of processor time that it cost the server and the database."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    @property
    def cost(self) -> float:
        """Processor time of one answer in milliseconds."""
        return 1000 * self.cpu / len(self.latencies)

    @property
    def median(self) -> float:
        """Median latency in milliseconds."""
        found = sorted(self.latencies)
        return 1000 * found[len(found) // 2]


def processor_time(pids: Sequence[int]) -> float:
    """Seconds of processor time that these processes and all below them have taken, ended children included."""
    ticks = 0
    for pid in {member for root in pids for member in processes.tree(root)}:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


class Generator:
    """The processes that ask. Made before the measurement, so that no window pays for their start."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        for number in range(PROCESSES):
            ours, theirs = context.Pipe()
            context.Process(target=_serve, args=(theirs, number), daemon=True).start()
            self._pipes.append(ours)

    def window(self, task: Task, *, clients: int, seconds: float) -> Window:
        """Let some clients ask for some seconds.

        Raises:
            RuntimeError: an answer other than 200.
        """
        share = [clients // PROCESSES + (number < clients % PROCESSES) for number in range(PROCESSES)]
        before = processor_time(task.pids)
        busy = [(pipe, count) for pipe, count in zip(self._pipes, share, strict=True) if count]
        for pipe, count in busy:
            pipe.send((task, count, seconds))
        latencies: list[float] = []
        longest = 0.0
        for pipe, _ in busy:
            found, took = pipe.recv()
            if isinstance(found, str):
                raise RuntimeError(found)  # noqa: TRY004  (the answer is wrong, not its type)
            latencies += found
            longest = max(longest, took)
        return Window(latencies, longest, processor_time(task.pids) - before)


def _serve(pipe: Connection, number: int) -> None:
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            task, clients, seconds = pipe.recv()
            pipe.send(_run(task, clients, seconds, offset=number * 1000))


def _run(task: Task, clients: int, seconds: float, *, offset: int) -> tuple[Any, float]:
    latencies: list[float] = []
    failures: list[str] = []
    began = time.perf_counter()
    threads = [
        threading.Thread(target=_client, args=(task, began + seconds, offset + n * 97, latencies, failures))
        for n in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (failures[0] if failures else latencies), time.perf_counter() - began


def _client(task: Task, until: float, offset: int, latencies: list[float], failures: list[str]) -> None:
    headers = {"Authorization": f"Bearer {task.token}"} if task.token else {}
    connection = http.client.HTTPConnection("127.0.0.1", task.port, timeout=120)
    count = len(task.paths)
    try:
        for turn in itertools.count(offset):
            began = time.perf_counter()
            if began >= until:
                return
            path = task.paths[turn % count]
            connection.request("GET", path, headers=headers)
            if task.prompt:
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            answer = connection.getresponse()
            body = answer.read()
            latencies.append(time.perf_counter() - began)
            if answer.status != 200:
                failures.append(f"{answer.status} for {path}: {body[:300]!r}")
                return
    except (OSError, http.client.HTTPException) as error:
        failures.append(f"{path}: {error!r}")
    finally:
        connection.close()
