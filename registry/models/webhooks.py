"""Webhooks: addresses that are told what happens to models."""

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from registry.models.principals import Principal
from registry.models.securables import Securable


class WebhookStatus(models.TextChoices):
    """A disabled webhook is told nothing, and what waits for it is skipped."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"


class Webhook(models.Model):
    """Tells `url` of `events` at or below `scope`, as far as `owner` may see the models that they are about."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63)
    description = models.TextField(blank=True)
    url = models.CharField(max_length=2000)
    events = ArrayField(models.CharField(max_length=60))
    status = models.CharField(max_length=10, choices=WebhookStatus.choices, default=WebhookStatus.ACTIVE)
    sealed_secret = models.TextField(blank=True, editable=False)
    owner = models.ForeignKey(Principal, models.PROTECT, related_name="webhooks")
    scope = models.ForeignKey(
        Securable,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="webhooks",
        help_text="A catalog, schema or model. Empty: everything in the metastore.",
    )
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ("-created_at", "-id")
        indexes: ClassVar = [
            # Every change asks who listens to it.
            GinIndex(fields=["events"], condition=models.Q(status="ACTIVE"), name="webhook_listening"),
            models.Index(fields=["-created_at", "-id"], name="webhook_recent"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_secret(self) -> bool:
        """Whether deliveries are signed."""
        return bool(self.sealed_secret)
