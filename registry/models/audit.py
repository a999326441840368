"""The audit trail: append-only, hash-chained rows."""

import uuid
from typing import ClassVar

from django.db import models


class AuditEvent(models.Model):
    """One allow or deny. The database refuses UPDATE and DELETE; `hash` covers the row and `previous_hash`.

    Rows are spread over a few chains, so that writers rarely wait for each other; `sequence` has no gap in a chain.
    Actor and securable are kept by value: the trail outlives what it speaks of.
    """

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(default=uuid.uuid4, unique=True)
    at = models.DateTimeField()
    service_name = models.CharField(max_length=60, default="unityCatalog")
    action = models.CharField(max_length=80)
    decision = models.CharField(max_length=5, choices=[("ALLOW", "Allow"), ("DENY", "Deny")])
    actor_id = models.BigIntegerField(null=True)
    actor = models.CharField(max_length=255)
    securable_type = models.CharField(max_length=40, blank=True)
    securable_id = models.CharField(max_length=64, blank=True)
    securable_name = models.CharField(max_length=1024, blank=True)
    params = models.JSONField(default=dict)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    message = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    source_ip = models.CharField(max_length=64, blank=True)
    user_agent = models.CharField(max_length=512, blank=True)
    chain = models.PositiveSmallIntegerField()
    sequence = models.BigIntegerField()
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ("-id",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chain", "sequence"], name="audit_event_in_chain_once"),
        ]
        indexes: ClassVar = [
            # The audit page filters by who, what and which object, newest first.
            models.Index(fields=["actor", "-id"], name="audit_by_actor"),
            models.Index(fields=["action", "-id"], name="audit_by_action"),
            models.Index(fields=["securable_id", "-id"], name="audit_by_securable"),
            # What an actor did itself, whatever name it had then.
            models.Index(fields=["actor_id", "-id"], name="audit_by_principal"),
            # An object and everything below it, by the beginning of the name.
            models.Index(
                fields=["securable_name", "-id"], name="audit_by_name", opclasses=["varchar_pattern_ops", "int8_ops"]
            ),
            models.Index(fields=["at"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.decision} {self.action} {self.securable_name} by {self.actor}"
