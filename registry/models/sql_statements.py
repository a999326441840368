"""SQL statements: what was sent by whom, and what became of it. Results lie in files and go after a while."""

import uuid
from typing import ClassVar

from django.db import models

from registry.models.principals import Principal


class StatementState(models.TextChoices):
    """PENDING → RUNNING → SUCCEEDED | FAILED | CANCELED; SUCCEEDED → CLOSED when the result has expired."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    CLOSED = "CLOSED"


class SqlStatement(models.Model):
    """One statement. Only its creator may read it or its result."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    actor = models.ForeignKey(Principal, models.CASCADE, related_name="sql_statements")
    text = models.TextField()
    catalog = models.CharField(max_length=255, blank=True)
    schema = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=12, choices=StatementState.choices, default=StatementState.PENDING)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    disposition = models.CharField(max_length=20)
    format = models.CharField(max_length=20)
    manifest = models.JSONField(default=dict, blank=True, help_text="Columns and chunks of the result.")
    reads = models.JSONField(default=list, blank=True, help_text="Ids of the tables that were read.")
    submitted_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deadline = models.DateTimeField(help_text="Whatever still runs then was lost with its process.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When the result goes.")

    class Meta:
        ordering = ("-submitted_at",)
        indexes: ClassVar = [
            # A person's own history, newest first.
            models.Index(fields=["actor", "-submitted_at"], name="sql_statement_by_actor"),
            # How many statements of a caller run, and which were lost.
            models.Index(
                fields=["actor", "deadline"],
                condition=models.Q(state__in=["PENDING", "RUNNING"]),
                name="sql_statement_open",
            ),
            # The sweep looks for results to take away.
            models.Index(fields=["expires_at"], condition=models.Q(state="SUCCEEDED"), name="sql_statement_expiring"),
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.text[:80]}"
