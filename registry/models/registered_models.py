"""Registered models, their versions, aliases and the history of aliases."""

import uuid
from typing import ClassVar

from django.db import models

from registry.models.principals import Principal
from registry.models.securables import Securable


class RegisteredModel(models.Model):
    """What a REGISTERED_MODEL securable has besides a name. `last_version` only grows: numbers are never reused."""

    securable = models.OneToOneField(Securable, models.CASCADE, primary_key=True, related_name="registered_model")
    last_version = models.PositiveIntegerField(default=0)
    deployment_job_id = models.CharField(max_length=255, blank=True)

    def __str__(self) -> str:
        return self.securable.full_name


class VersionStatus(models.TextChoices):
    """Where a version is on its way: only READY versions can be read, and they never change again."""

    PENDING_REGISTRATION = "PENDING_REGISTRATION"
    READY = "READY"
    FAILED_REGISTRATION = "FAILED_REGISTRATION"


class ModelVersion(models.Model):
    """One immutable version of a registered model. Its files hang on `id`, so no rename ever moves a byte."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    status = models.CharField(
        max_length=24, choices=VersionStatus.choices, default=VersionStatus.PENDING_REGISTRATION
    )
    status_message = models.TextField(blank=True)
    source = models.CharField(max_length=2000, blank=True)
    run_id = models.CharField(max_length=64, blank=True)
    run_experiment_id = models.CharField(max_length=64, blank=True)
    run_workspace_id = models.CharField(max_length=64, blank=True)
    logged_model_id = models.CharField(
        max_length=64,
        help_text="Logged model this came from (`model_id` on the wire); made up where there is none.",
    )
    comment = models.TextField(blank=True)
    dependencies = models.JSONField(default=list, blank=True)
    feature_deps = models.TextField(blank=True)
    params = models.JSONField(default=list, blank=True)
    metrics = models.JSONField(default=list, blank=True)
    mlmodel = models.JSONField(default=dict, blank=True, help_text="The MLmodel file, read at finalize.")
    signature = models.JSONField(default=dict, blank=True)
    requirements = models.TextField(blank=True)
    uses_defaults_channel = models.BooleanField(default=False)
    packed_environment_bytes = models.BigIntegerField(null=True, blank=True)
    size_bytes = models.BigIntegerField(default=0)
    file_count = models.PositiveIntegerField(default=0)
    copied_from = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="copies")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")
    ready_at = models.DateTimeField(null=True, blank=True)
    touched_at = models.DateTimeField(help_text="Last sign of life while pending; the reaper reads it.")

    class Meta:
        constraints: ClassVar = [
            # Serves get by number and the keyset pages of a model's versions, newest first.
            models.UniqueConstraint(fields=["model", "version"], name="model_version_once"),
        ]
        indexes: ClassVar = [
            # The reaper looks for versions that are pending and untouched.
            models.Index(
                fields=["touched_at"],
                condition=models.Q(status="PENDING_REGISTRATION"),
                name="model_version_pending",
            ),
            models.Index(fields=["run_id"], name="model_version_run"),
            # Searches give the versions that changed last first: of one model, and of all.
            models.Index(fields=["model", "-updated_at"], name="model_version_changed"),
            models.Index(fields=["-updated_at"], name="model_version_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.model} version {self.version}"


class ModelVersionTag(models.Model):
    """A key and value on a version."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="tags")
    key = models.CharField(max_length=255)
    value = models.CharField(max_length=1000, blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ("key",)
        constraints: ClassVar = [models.UniqueConstraint(fields=["version", "key"], name="model_version_tag_once")]

    def __str__(self) -> str:
        return f"{self.key}:{self.value}"


class ModelAlias(models.Model):
    """A name that points at exactly one version of a model."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=255)
    key = models.CharField(max_length=255, editable=False)
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="aliases")
    set_at = models.DateTimeField()
    set_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ("key",)
        constraints: ClassVar = [models.UniqueConstraint(fields=["model", "key"], name="model_alias_once")]

    def __str__(self) -> str:
        return self.name


class AliasMove(models.Model):
    """One step in an alias's history: append-only, so that who was Champion at a moment can always be told."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="alias_moves")
    key = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    from_version = models.PositiveIntegerField(null=True)
    to_version = models.PositiveIntegerField(null=True, help_text="Empty: the alias was removed.")
    moved_at = models.DateTimeField()
    moved_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar = [
            # Who was Champion on that day.
            models.Index(fields=["model", "key", "-moved_at"], name="alias_move_history"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.from_version} → {self.to_version}"
