"""Micro-batching: requests that wait anyway are answered by one predict. No timer: a lone one waits for nobody."""

from __future__ import annotations

import json
import queue
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import frames
from .scoring import JSON, is_plain_json

if TYPE_CHECKING:
    from .scoring import Answered, Scorer
    from .server import Job

_SHORTEST_TARGET = 0.025
_TARGET_TO_FLOOR = 4.0
_MOST_ROWS = 8192
_FIRST_ROWS = 64


class BatchLimit:
    """How many rows a batch may have, so that it takes at most some times as long as a short one.

    Grows while full batches are quick and shrinks when one was slow, so the last request of a burst does not wait for
    all the others.
    """

    def __init__(self) -> None:
        self.rows = _FIRST_ROWS
        self._floor = 0.0

    def learn(self, *, rows: int, seconds: float) -> None:
        """Tell how long a batch took."""
        # The floor follows what got slower too, in small steps: the machine may be busier than it was.
        self._floor = seconds if not self._floor else min(seconds, self._floor * 1.02)
        target = max(_SHORTEST_TARGET, _TARGET_TO_FLOOR * self._floor)
        if seconds > target:
            # By half at most: one slow moment of the machine says little.
            self.rows = max(1, self.rows // 2, int(min(rows, self.rows) * target / seconds))
        elif rows * 2 > self.rows:
            self.rows = min(_MOST_ROWS, self.rows * 2)


class Batcher:
    """Takes jobs, answers those of the common shape together, and passes the others on to `singles`.

    One caller's bad row never fails another's: when a batch fails, each of its requests is answered by itself.
    """

    def __init__(
        self,
        scorer: Scorer,
        jobs: queue.SimpleQueue[Job | None],
        finish: Callable[[list[tuple[Job, Answered | None]]], None],
        begin: Callable[[Job], None],
    ) -> None:
        self.singles: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.batches = 0
        self._scorer = scorer
        self._jobs = jobs
        self._finish = finish
        self._begin = begin
        self._limit = BatchLimit()
        self._carried: tuple[Job, list[Any]] | None = None

    def work(self) -> None:
        """Answer for ever; one thread does."""
        while True:
            batch = self._collect()
            if batch and not self._answer(batch):
                for job, _ in batch:
                    job.started = 0.0
                    self.singles.put(job)

    def _collect(self) -> list[tuple[Job, list[Any]]]:
        """What waits, up to the limit; blocks for the first."""
        batch: list[tuple[Job, list[Any]]] = []
        rows = 0
        if self._carried is not None:
            batch.append(self._carried)
            rows = len(self._carried[1])
            self._carried = None
        while True:
            try:
                job = self._jobs.get_nowait() if batch else self._jobs.get()
            except queue.Empty:
                return batch
            if job is None:
                self.singles.put(None)
                return batch
            if job.is_abandoned:
                self._finish([(job, None)])
                continue
            found = self._rows(job)
            if found is None:
                self.singles.put(job)
                if not batch and self._jobs.empty():
                    return batch
                continue
            if batch and rows + len(found) > self._limit.rows:
                self._carried = (job, found)
                return batch
            batch.append((job, found))
            rows += len(found)

    def _rows(self, job: Job) -> list[Any] | None:
        reader = self._scorer.reader
        if reader is None or job.kind != frames.PREDICT:
            return None
        if job.head and not is_plain_json(json.loads(job.head).get("type", JSON)):
            return None
        return reader.rows(job.body)

    def _answer(self, batch: list[tuple[Job, list[Any]]]) -> bool:
        """Answer all of them, or none."""
        reader = self._scorer.reader
        if reader is None:
            return False
        for job, _ in batch:
            self._begin(job)
        rows = batch[0][1] if len(batch) == 1 else [row for _, rows in batch for row in rows]
        try:
            frame = reader.frame(rows)
            if frame is None:
                return False
            started = time.monotonic()
            values = self._scorer.predict_rows(frame)
            self._limit.learn(rows=len(rows), seconds=time.monotonic() - started)
            if values is None:
                return False
            answers: list[tuple[Job, Answered | None]] = []
            start = 0
            for job, own in batch:
                answers.append((job, (200, JSON, self._scorer.encode(values[start : start + len(own)]))))
                start += len(own)
        except BaseException:  # noqa: BLE001 — by itself each of them gets the answer that is its own
            if len(batch) > 1:
                traceback.print_exc()
            return False
        self.batches += 1
        self._finish(answers)
        return True
