"""Replicas: the processes that answer for a served entity. The supervisor alone writes these rows."""

import uuid
from typing import ClassVar

from django.db import models

from serving.models.endpoints import ServedEntity, ServingEndpoint


class ReplicaState(models.TextChoices):
    """STARTING → READY → DRAINING → STOPPED, or FAILED from anywhere."""

    STARTING = "STARTING"
    READY = "READY"
    DRAINING = "DRAINING"
    STOPPED = "STOPPED"
    FAILED = "FAILED"


class Replica(models.Model):
    """One process, or one that was. `entity` changes when another configuration takes it over."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    entity = models.ForeignKey(ServedEntity, models.CASCADE, related_name="replicas")
    host = models.CharField(max_length=255)
    state = models.CharField(max_length=10, choices=ReplicaState.choices, default=ReplicaState.STARTING)
    pid = models.PositiveIntegerField(null=True, blank=True)
    reason = models.TextField(blank=True, help_text="Why it ended, or could not start: for people.")
    log_tail = models.TextField(blank=True, help_text="The last lines it wrote, kept when it ended.")
    exit_code = models.IntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        indexes: ClassVar = [
            models.Index(
                fields=["entity"],
                condition=models.Q(state__in=["STARTING", "READY", "DRAINING"]),
                name="replica_alive",
            ),
            models.Index(fields=["entity", "-created_at"], name="replica_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.entity} {self.state}"


class EndpointSample(models.Model):
    """What one entity of an endpoint did in one minute.

    `latency_counts` are the counts of the buckets that `serving.routing.stats.LATENCY_BOUNDS_MS` names.
    """

    endpoint = models.ForeignKey(ServingEndpoint, models.CASCADE, related_name="samples")
    entity_name = models.CharField(max_length=255)
    model_version = models.CharField(max_length=20, blank=True)
    minute = models.DateTimeField()
    requests = models.PositiveBigIntegerField(default=0)
    errors_4xx = models.PositiveBigIntegerField(default=0)
    errors_5xx = models.PositiveBigIntegerField(default=0)
    latency_sum_ms = models.FloatField(default=0)
    latency_counts = models.JSONField(default=list)
    queue_sum_ms = models.FloatField(default=0)
    model_sum_ms = models.FloatField(default=0)
    cpu_percent = models.FloatField(null=True)
    memory_percent = models.FloatField(null=True)
    provisioned_concurrency = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["endpoint", "minute", "entity_name"], name="endpoint_sample_once"),
        ]

    def __str__(self) -> str:
        return f"{self.entity_name} {self.minute:%H:%M}"
