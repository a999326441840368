"""Serving environments: interpreter and packages, shared by every version that resolves to the same content."""

import uuid

from django.db import models

from registry.models import Blob, Operation


class EnvironmentKind(models.TextChoices):
    """RESOLVED by us from requirement lines, or CLIENT_PACKED: brought by the client with its model."""

    RESOLVED = "RESOLVED"
    CLIENT_PACKED = "CLIENT_PACKED"


class EnvironmentState(models.TextChoices):
    """PENDING → BUILDING → READY | FAILED."""

    PENDING = "PENDING"
    BUILDING = "BUILDING"
    READY = "READY"
    FAILED = "FAILED"


class ServingEnvironment(models.Model):
    """What models run in. `digest` is the content hash of interpreter, platform and resolved lock."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    digest = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=16, choices=EnvironmentKind.choices, default=EnvironmentKind.RESOLVED)
    state = models.CharField(max_length=10, choices=EnvironmentState.choices, default=EnvironmentState.PENDING)
    message = models.TextField(blank=True)
    python = models.CharField(max_length=20, help_text="Version of the interpreter, as 3.11.7.")
    platform = models.CharField(max_length=60)
    requirements = models.TextField(blank=True, help_text="What the model asked for, a line each.")
    lock = models.TextField(blank=True, help_text="What was resolved, with hashes.")
    size_bytes = models.BigIntegerField(null=True, blank=True)
    packed_bytes = models.BigIntegerField(null=True, blank=True)
    blob = models.ForeignKey(
        Blob, models.PROTECT, null=True, blank=True, related_name="+", help_text="The packed form."
    )
    operation = models.ForeignKey(Operation, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    built_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"Python {self.python}, {self.digest[:12]}"
