"""Operations: long work as rows, so that it survives the loss of any process or message."""

import uuid
from typing import ClassVar

from django.db import models

from registry.models.principals import Principal
from registry.models.securables import Securable


class OperationState(models.TextChoices):
    """PENDING → RUNNING → SUCCEEDED | FAILED | CANCELED; RUNNING → PENDING when a lease is lost."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class Operation(models.Model):
    """One piece of long work, asked for by `actor` and run with the actor's rights at that time.

    `fence` grows with every claim: a worker that lost its lease holds an old number and can no longer write.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=60)
    params = models.JSONField(default=dict)
    actor = models.ForeignKey(Principal, models.PROTECT, related_name="operations")
    securable = models.ForeignKey(Securable, models.SET_NULL, null=True, blank=True, related_name="operations")
    subject = models.CharField(max_length=1024, blank=True, help_text="What it works on, for people.")
    state = models.CharField(max_length=12, choices=OperationState.choices, default=OperationState.PENDING)
    progress = models.PositiveSmallIntegerField(default=0, help_text="0 to 100.")
    step = models.CharField(max_length=255, blank=True)
    result = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    effects = models.JSONField(default=list, blank=True, help_text="Effects that took place, each once.")
    worker = models.CharField(max_length=255, blank=True)
    task_id = models.CharField(max_length=64, blank=True, help_text="Celery's id of the task that holds the lease.")
    lease_until = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.ForeignKey(Principal, models.SET_NULL, null=True, blank=True, related_name="+")
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When a worker was last woken up for it.")
    retry_of = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="retries")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When its actor was shown how it ended.")

    class Meta:
        ordering = ("-created_at",)
        indexes: ClassVar = [
            # The sweep looks for rows that are not sent, not running, or whose lease is over.
            models.Index(
                fields=["state", "lease_until"],
                condition=models.Q(state__in=["PENDING", "RUNNING"]),
                name="operation_open",
            ),
            models.Index(fields=["actor", "-created_at"], name="operation_by_actor"),
            models.Index(fields=["securable", "-created_at"], name="operation_by_securable"),
            # Keyset pages over everybody's operations, for metastore admins.
            models.Index(fields=["-created_at", "-id"], name="operation_recent"),
            # The bell counts a person's failures that were not seen yet.
            models.Index(
                fields=["actor", "-finished_at"],
                condition=models.Q(state="FAILED", seen_at__isnull=True),
                name="operation_unseen_failure",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class OperationLogLine(models.Model):
    """One line of an operation's log."""

    operation = models.ForeignKey(Operation, models.CASCADE, related_name="log")
    at = models.DateTimeField()
    level = models.CharField(max_length=10, default="INFO")
    text = models.TextField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.text
