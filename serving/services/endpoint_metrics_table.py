"""`system.serving.endpoint_metrics`: each minute of each served entity, for statements and for alerts on them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from registry.services.actors import Actor
from registry.services.system_tables import SystemTable, add_system_table
from serving.models import EndpointSample
from serving.services.endpoint_access import visible_endpoints
from serving.services.endpoint_metrics import percentile

NAME = "system.serving.endpoint_metrics"
COLUMNS = (
    ("event_time", "TIMESTAMP"),
    ("event_date", "DATE"),
    ("endpoint_id", "STRING"),
    ("endpoint_name", "STRING"),
    ("served_entity_name", "STRING"),
    ("model_version", "STRING"),
    ("request_count", "BIGINT"),
    ("request_4xx_count", "BIGINT"),
    ("request_5xx_count", "BIGINT"),
    ("latency_mean_ms", "DOUBLE"),
    ("latency_p50_ms", "DOUBLE"),
    ("latency_p95_ms", "DOUBLE"),
    ("latency_p99_ms", "DOUBLE"),
    ("queue_mean_ms", "DOUBLE"),
    ("model_mean_ms", "DOUBLE"),
    ("cpu_usage_percentage", "DOUBLE"),
    ("mem_usage_percentage", "DOUBLE"),
    ("provisioned_concurrent_requests", "BIGINT"),
)


def _rows(actor: Actor, since: datetime | None, until: datetime | None) -> Iterator[dict[str, Any]]:
    """The minutes of the endpoints on which the actor has a level, newest first."""
    samples = EndpointSample.objects.filter(endpoint__in=visible_endpoints(actor).values("pk"))
    if since is not None:
        samples = samples.filter(minute__gte=since)
    if until is not None:
        samples = samples.filter(minute__lt=until)
    for sample in samples.select_related("endpoint").order_by("-minute", "pk").iterator(chunk_size=2000):
        told = {"endpoint_id": sample.endpoint.pk.hex, "endpoint_name": sample.endpoint.name}
        yield {"event_time": sample.minute.isoformat(), **told, **facts_of(sample)}


def facts_of(sample: EndpointSample) -> dict[str, Any]:
    """What a minute of an entity was like, under the names of COLUMNS; without its time and its endpoint."""

    def each(total: float) -> float | None:
        return total / sample.requests if sample.requests else None

    return {
        "served_entity_name": sample.entity_name,
        "model_version": sample.model_version,
        "request_count": sample.requests,
        "request_4xx_count": sample.errors_4xx,
        "request_5xx_count": sample.errors_5xx,
        "latency_mean_ms": each(sample.latency_sum_ms),
        "latency_p50_ms": percentile(sample.latency_counts, 0.5),
        "latency_p95_ms": percentile(sample.latency_counts, 0.95),
        "latency_p99_ms": percentile(sample.latency_counts, 0.99),
        "queue_mean_ms": each(sample.queue_sum_ms),
        "model_mean_ms": each(sample.model_sum_ms),
        "cpu_usage_percentage": sample.cpu_percent,
        "mem_usage_percentage": sample.memory_percent,
        "provisioned_concurrent_requests": sample.provisioned_concurrency,
    }


add_system_table(SystemTable(NAME, _rows, COLUMNS))
