"""Serving environments: interpreter and packages, shared by every version that resolves to the same content."""

import uuid

from django.db import models

from registry.models import Blob, ModelVersion, Operation


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


class ResolvedRequirements(models.Model):
    """What the same question was answered before: `key` is the hash of the lines, the Python and where packages come
    from. A newer question about the same lines need not be resolved again, until the answer is too old.
    """

    key = models.CharField(primary_key=True, max_length=64)
    environment = models.ForeignKey(ServingEnvironment, models.CASCADE, related_name="resolutions")
    resolved_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "resolved requirements"

    def __str__(self) -> str:
        return self.key[:12]


class VersionEnvironment(models.Model):
    """The environment that a version runs in; `proved_at` is when a real prediction was last made there."""

    version = models.OneToOneField(ModelVersion, models.CASCADE, primary_key=True, related_name="environment_link")
    environment = models.ForeignKey(ServingEnvironment, models.CASCADE, related_name="version_links")
    operation = models.ForeignKey(
        Operation, models.SET_NULL, null=True, blank=True, related_name="+", help_text="What last made or proved it."
    )
    proved_at = models.DateTimeField(null=True, blank=True)
    message = models.TextField(blank=True, help_text="Why the version cannot predict in it; empty when it can.")
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.version} in {self.environment}"
