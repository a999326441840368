"""How endpoints are used and how they answer: the last minute for scrapers, and stretches of time for charts.

Reads the rows that the supervisor writes for each minute; what is happening right now comes from the gateways' files.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from registry.errors import InvalidParameter
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.statements import fetch
from serving.models import EndpointLevel, EndpointSample
from serving.routing.stats import LATENCY_BOUNDS_MS, is_alive, read_stats
from serving.services.endpoint_access import require_endpoint

DAYS_KEPT = 14
MOST_POINTS = 1000
_MINUTE = timedelta(minutes=1)
_STALE = timedelta(minutes=3)
_BUCKETS = len(LATENCY_BOUNDS_MS) + 1
_COUNTS = ", ".join(f"coalesce(sum((latency_counts->>{place})::bigint), 0)" for place in range(_BUCKETS))
_SERIES = f"""
SELECT endpoint_id, {{names}},
       floor(extract(epoch FROM minute - %s::timestamptz) / %s)::int AS place,
       sum(requests), sum(errors_4xx), sum(errors_5xx), sum(latency_sum_ms), sum(queue_sum_ms), sum(model_sum_ms),
       avg(cpu_percent), avg(memory_percent), avg(provisioned_concurrency), {_COUNTS}
FROM serving_endpointsample
WHERE endpoint_id = ANY(%s::uuid[]) AND minute >= %s AND minute < %s
GROUP BY 1, 2, 3, 4 ORDER BY 2, 3, 4
"""  # noqa: S608  (all parts are above)
_BY_ENTITY = _SERIES.format(names="entity_name, model_version")
_BY_ENDPOINT = _SERIES.format(names="'', ''")


@dataclass(frozen=True)
class Point:
    """A step of time that begins `at`. Times in milliseconds; None where there was nothing to measure."""

    at: datetime
    seconds: float
    requests: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    mean_ms: float | None = None
    queue_ms: float | None = None
    model_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    cpu_percent: float | None = None
    memory_percent: float | None = None
    provisioned_concurrency: float | None = None
    latency_counts: tuple[int, ...] = field(default=(), repr=False)

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0

    @property
    def error_rate(self) -> float | None:
        """Share of the requests that failed, 0 to 1; None without requests."""
        return (self.errors_4xx + self.errors_5xx) / self.requests if self.requests else None


@dataclass(frozen=True)
class Series:
    """One served entity over time: a point for each step, and all of it as one point."""

    entity: str
    version: str
    points: tuple[Point, ...]
    total: Point


def percentile(counts: Sequence[int], share: float) -> float | None:
    """The latency in ms below which that share of the requests lies, by the buckets of `LATENCY_BOUNDS_MS`.

    Interpolates inside a bucket; beyond the last bound it gives that bound.
    """
    wanted, below = sum(counts) * share, 0
    if not wanted:
        return None
    for place, count in enumerate(counts):
        if count and below + count >= wanted:
            if place >= len(LATENCY_BOUNDS_MS):
                break
            low = LATENCY_BOUNDS_MS[place - 1] if place else 0
            return low + (LATENCY_BOUNDS_MS[place] - low) * (wanted - below) / count
        below += count
    return float(LATENCY_BOUNDS_MS[-1])


@audited_read
def endpoint_series(
    *, actor: Actor, name: str, since: datetime, until: datetime | None = None, points: int = 120
) -> list[Series]:
    """What each entity of an endpoint did in a stretch of time, in about `points` steps of minutes. Two queries.

    Entities that are no longer served are there as well. Steps without a request are points of 0 requests.

    Raises:
        NotFound, AccessDenied: needs CAN_VIEW.
        InvalidParameter: no stretch, or too many points.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_VIEW)
    grid = _grid(since, until or timezone.now(), points)
    found: dict[tuple[str, str], dict[int, Point]] = {}
    for _, entity, version, place, *sums in _rows(_BY_ENTITY, [endpoint.pk], grid):
        found.setdefault((entity, version), {})[place] = _point(grid.at(place), grid.seconds, sums)
    return [
        Series(entity, version, grid.filled(places), _total(grid, places.values()))
        for (entity, version), places in found.items()
    ]


@dataclass(frozen=True)
class Traffic:
    """An endpoint's last hours in a few points: for a small chart in a list."""

    per_second: tuple[float, ...]
    p95_ms: tuple[float | None, ...]
    total: Point


def recent_traffic(
    endpoint_ids: Collection[UUID], *, hours: int = 24, points: int = 24, now: datetime | None = None
) -> dict[UUID, Traffic]:
    """Of endpoints that the caller may see; those without a request are left out. One query for all of them."""
    until = now or timezone.now()
    grid = _grid(until - timedelta(hours=hours), until, points)
    found: dict[UUID, dict[int, Point]] = {}
    for endpoint_id, _, _, place, *sums in _rows(_BY_ENDPOINT, list(endpoint_ids), grid):
        found.setdefault(endpoint_id, {})[place] = _point(grid.at(place), grid.seconds, sums)
    traffic = {}
    for endpoint_id, places in found.items():
        filled, total = grid.filled(places), _total(grid, places.values())
        if total.requests:
            rates, tails = tuple(one.per_second for one in filled), tuple(one.p95_ms for one in filled)
            traffic[endpoint_id] = Traffic(rates, tails, total)
    return traffic


@dataclass(frozen=True)
class Live:
    """What an entity has before it right now."""

    outstanding: int = 0
    queued: int = 0
    last_request: float = 0.0


def live_traffic(entity_ids: Collection[UUID]) -> dict[UUID, Live]:
    """What gateways are busy with, by served entity; from their files, no query."""
    found = dict.fromkeys(entity_ids, Live())
    for stats in read_stats(Path(settings.SERVING_ROOT, "gateways")):
        running = is_alive(stats)
        for entity_id in found:
            one, before = stats.entities.get(str(entity_id)), found[entity_id]
            if one is not None:
                found[entity_id] = Live(
                    before.outstanding + (one.outstanding if running else 0),
                    before.queued + (one.queued if running else 0),
                    max(before.last_request, one.last_request),
                )
    return found


# --- Steps of time ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Grid:
    start: datetime
    seconds: int
    count: int

    @property
    def end(self) -> datetime:
        return self.at(self.count)

    def at(self, place: int) -> datetime:
        return self.start + timedelta(seconds=self.seconds * place)

    def filled(self, places: Mapping[int, Point]) -> tuple[Point, ...]:
        return tuple(places.get(place) or Point(self.at(place), self.seconds) for place in range(self.count))


def _grid(since: datetime, until: datetime, points: int) -> _Grid:
    if not 1 <= points <= MOST_POINTS:
        raise InvalidParameter(f"'points' is {points}: use 1 to {MOST_POINTS}.", field="points")
    if until <= since:
        raise InvalidParameter("'until' must be after 'since'.", field="until")
    minutes = max(1, round((until - since) / _MINUTE / points))
    seconds = minutes * 60
    start = datetime.fromtimestamp(since.timestamp() // seconds * seconds, since.tzinfo)
    return _Grid(start, seconds, int(-(-(until - start).total_seconds() // seconds)))


def _rows(statement: str, endpoint_ids: list[UUID], grid: _Grid) -> list[Any]:
    if not endpoint_ids:
        return []
    return list(fetch(statement, [grid.start, grid.seconds, endpoint_ids, grid.start, grid.end]))


def _point(at: datetime, seconds: float, sums: Sequence[Any]) -> Point:
    answered, errors_4xx, errors_5xx, latency, queue, model, cpu, memory, provisioned, *counts = sums
    requests = int(answered)
    counted = tuple(int(count) for count in counts)

    def each(total: float) -> float | None:
        return float(total) / requests if requests else None

    return Point(
        at=at,
        seconds=seconds,
        requests=requests,
        errors_4xx=int(errors_4xx),
        errors_5xx=int(errors_5xx),
        mean_ms=each(latency),
        queue_ms=each(queue),
        model_ms=each(model),
        p50_ms=percentile(counted, 0.5),
        p95_ms=percentile(counted, 0.95),
        p99_ms=percentile(counted, 0.99),
        cpu_percent=cpu,
        memory_percent=memory,
        provisioned_concurrency=None if provisioned is None else float(provisioned),
        latency_counts=counted,
    )


def _total(grid: _Grid, points: Iterable[Point]) -> Point:
    rows = list(points)

    def summed(name: str) -> float:
        return sum((getattr(one, name) or 0.0) * one.requests for one in rows)

    def mean(name: str) -> float | None:
        known = [value for one in rows if (value := getattr(one, name)) is not None]
        return sum(known) / len(known) if known else None

    counts = [sum(column) for column in zip(*(one.latency_counts for one in rows), strict=True)]
    sums = [
        *(sum(getattr(one, name) for one in rows) for name in ("requests", "errors_4xx", "errors_5xx")),
        *(summed(name) for name in ("mean_ms", "queue_ms", "model_ms")),
        *(mean(name) for name in ("cpu_percent", "memory_percent", "provisioned_concurrency")),
        *(counts or [0] * _BUCKETS),
    ]
    return _point(grid.start, grid.seconds * grid.count, sums)


# --- OpenMetrics --------------------------------------------------------------------------------------------------

_GAUGES = (
    ("cpu_usage_percentage", "Processor use of the replicas, in percent of one processor each.", "cpu_percent"),
    ("mem_usage_percentage", "Memory use of the replicas, in percent of what they may have.", "memory_percent"),
    (
        "provisioned_concurrent_requests_total",
        "Requests that can be worked on at a time.",
        "provisioned_concurrency",
    ),
    ("request_count_total", "Requests in the last minute.", "requests"),
    ("request_4xx_count_total", "Requests in the last minute that were answered with 4xx.", "errors_4xx"),
    ("request_5xx_count_total", "Requests in the last minute that were answered with 5xx.", "errors_5xx"),
)
_SUMS = (
    ("model_queue_time_ms", "Time that requests of the last minute waited for a free place.", "queue_sum_ms"),
    ("model_prediction_latency_ms", "Time that the model took for requests of the last minute.", "model_sum_ms"),
)
_NOW_ZERO = ("requests", "errors_4xx", "errors_5xx")


@audited_read
def export_metrics(*, actor: Actor, name: str, now: datetime | None = None) -> str:
    """The last minute of an endpoint as OpenMetrics text, with `# EOF` at its end. Needs CAN_VIEW. Two queries.

    Raises:
        NotFound, AccessDenied.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_VIEW)
    since = (now or timezone.now()) - _STALE
    rows = list(
        EndpointSample.objects.filter(endpoint=endpoint, minute__gte=since).order_by("entity_name", "-minute")
    )
    newest = max((row.minute for row in rows), default=None)
    current = [row for row in rows if row.minute == newest]
    labels = {row.pk: _labels(endpoint.name, row) for row in current}
    lines: list[str] = []
    for metric, text, attribute in _GAUGES:
        lines += _family(metric, "gauge", text)
        values = [(labels[row.pk], getattr(row, attribute)) for row in current]
        if not values and attribute in _NOW_ZERO:
            values = [(f'endpoint_name="{endpoint.name}"', 0)]
        lines += [f"{metric}{{{label}}} {_number(value)}" for label, value in values if value is not None]
    lines += _family("request_latency_ms", "histogram", "Time from a request to its answer, in the last minute.")
    for row in current:
        lines += _histogram("request_latency_ms", labels[row.pk], row.latency_counts, row.latency_sum_ms)
    for metric, text, attribute in _SUMS:
        lines += _family(metric, "histogram", text)
        for row in current:
            lines += _histogram(
                metric, labels[row.pk], [0] * (_BUCKETS - 1) + [row.requests], getattr(row, attribute)
            )[_BUCKETS - 1 :]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _family(metric: str, kind: str, text: str) -> list[str]:
    return [f"# TYPE {metric} {kind}", f"# HELP {metric} {text}"]


def _labels(endpoint: str, row: EndpointSample) -> str:
    pairs = {"endpoint_name": endpoint, "served_entity_name": row.entity_name, "model_version": row.model_version}
    return ",".join(f'{key}="{_escaped(value)}"' for key, value in pairs.items())


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))


def _histogram(metric: str, labels: str, counts: Sequence[int], total: float) -> list[str]:
    lines, below = [], 0
    bounds = [f"{bound}.0" for bound in LATENCY_BOUNDS_MS] + ["+Inf"]
    for bound, count in zip(bounds, [*counts, *[0] * (_BUCKETS - len(counts))], strict=True):
        below += count
        lines.append(f'{metric}_bucket{{{labels},le="{bound}"}} {below}')
    return [*lines, f"{metric}_count{{{labels}}} {below}", f"{metric}_sum{{{labels}}} {_number(total)}"]
