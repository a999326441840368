"""What the gateways tell, read once in a while: the load of now for scaling, sums a minute for people."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from serving.routing.stats import EntityStats, GatewayStats, read_stats
from serving.supervisor.scaling import Traffic

STALE_SECONDS = 10.0
GONE_SECONDS = 3600.0
_COUNTED = {
    "requests": "requests",
    "errors_4xx": "errors_4xx",
    "errors_5xx": "errors_5xx",
    "latency_ms": "latency_sum_ms",
    "queue_ms": "queue_sum_ms",
    "model_ms": "model_sum_ms",
}


@dataclass
class Minute:
    """What an entity did in the current minute, by the names of the sample's columns."""

    values: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_COUNTED.values(), 0.0))
    latency_counts: list[int] = field(default_factory=list)

    def as_sample(self) -> dict[str, Any]:
        """Columns of a sample."""
        whole = {name: int(self.values[name]) for name in ("requests", "errors_4xx", "errors_5xx")}
        return {**self.values, **whole, "latency_counts": self.latency_counts}


class TrafficBook:
    """Reads the files of a folder. Figures count from when a gateway, or this book, began: none counts twice."""

    def __init__(self, folder: Path, *, clock: float, now: float) -> None:
        self._folder = folder
        self._began = now
        self._offset = clock - now
        self._before: dict[tuple[int, float, str], EntityStats] = {}
        self._minutes: dict[UUID, Minute] = {}
        self.load: dict[UUID, Traffic] = {}

    def read(self, now: float) -> None:
        """Look at what the gateways have written; `now` in seconds since 1970."""
        load: dict[UUID, Traffic] = {}
        for stats in read_stats(self._folder):
            self._count(stats)
            if now - stats.written > GONE_SECONDS:
                (self._folder / f"{stats.pid}.json").unlink(missing_ok=True)
            is_stale = now - stats.written > STALE_SECONDS
            for name, entity in stats.entities.items():
                key = UUID(name)
                known = load.get(key, Traffic())
                last = entity.last_request + self._offset if entity.last_request else 0.0
                load[key] = Traffic(
                    outstanding=known.outstanding + (0 if is_stale else entity.outstanding),
                    queued=known.queued + (0 if is_stale else entity.queued),
                    last_request=max(known.last_request, last),
                )
        self.load = load

    def take_minutes(self) -> Mapping[UUID, Minute]:
        """What was counted since this was last called, by entity."""
        minutes, self._minutes = self._minutes, {}
        return minutes

    def _count(self, stats: GatewayStats) -> None:
        for name, entity in stats.entities.items():
            mark = (stats.pid, stats.started, name)
            before = self._before.get(mark)
            self._before[mark] = entity
            if before is None:
                if stats.started < self._began:
                    # Counted by the supervisor before this one, or lost with it: never twice.
                    continue
                before = EntityStats()
            if entity.requests == before.requests:
                continue
            minute = self._minutes.setdefault(UUID(name), Minute())
            for source, column in _COUNTED.items():
                minute.values[column] += getattr(entity, source) - getattr(before, source)
            counts = [new - old for new, old in zip(entity.latency_counts, before.latency_counts, strict=True)]
            known = minute.latency_counts or [0] * len(counts)
            minute.latency_counts = [one + other for one, other in zip(known, counts, strict=True)]


def minute_of(now: float) -> datetime:
    """The minute that a time, in seconds since 1970, lies in."""
    return datetime.fromtimestamp(now - now % 60, tz=UTC)


def seconds_now() -> float:
    """Seconds since 1970."""
    return time.time()
