"""What this process tells the supervisor about its traffic, once a second."""

import bisect
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from serving.gateway.pool import EntityPool
from serving.routing.stats import LATENCY_BOUNDS_MS, EntityStats, GatewayStats, write_stats


class Meter:
    """Counts by served entity, since the start of the process."""

    def __init__(self, folder: Path, *, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now
        self._started = now()
        self._entities: dict[str, EntityStats] = {}

    def count(self, entity: str, *, status: int, latency_ms: float, queue_ms: float, model_ms: float) -> None:
        """One request is answered."""
        stats = self._stats(entity)
        stats.requests += 1
        if status >= 500:
            stats.errors_5xx += 1
        elif status >= 400:
            stats.errors_4xx += 1
        stats.latency_ms += latency_ms
        stats.queue_ms += queue_ms
        stats.model_ms += model_ms
        stats.latency_counts[bisect.bisect_left(LATENCY_BOUNDS_MS, latency_ms)] += 1

    def arrived(self, entity: str) -> None:
        """A request for the entity came in."""
        self._stats(entity).last_request = self._now()

    def write(self, pools: Mapping[str, EntityPool], dropped_rows: dict[str, int]) -> None:
        """Replace this process's file.

        Raises:
            OSError: it cannot be written.
        """
        for key, pool in pools.items():
            stats = self._stats(key)
            stats.outstanding, stats.queued = pool.in_flight, pool.queued
        for key in self._entities.keys() - pools.keys():
            self._entities[key].outstanding = self._entities[key].queued = 0
        self._folder.mkdir(parents=True, exist_ok=True)
        write_stats(self._folder, GatewayStats(os.getpid(), self._started, self._now(), self._entities, dropped_rows))

    def _stats(self, entity: str) -> EntityStats:
        stats = self._entities.get(entity)
        if stats is None:
            stats = self._entities[entity] = EntityStats()
        return stats
