"""Monitors: a table whose rows are profiled again and again, and the refreshes that did it."""

import uuid
from typing import ClassVar

from django.db import models

from registry.models import Operation, Principal, Securable


class MonitorKind(models.TextChoices):
    """How the rows of a table are looked at: all at once, in windows of time, or as the log of a model."""

    SNAPSHOT = "SNAPSHOT"
    TIME_SERIES = "TIME_SERIES"
    INFERENCE_LOG = "INFERENCE_LOG"


class ProblemType(models.TextChoices):
    """What the model of an inference log does."""

    CLASSIFICATION = "CLASSIFICATION"
    REGRESSION = "REGRESSION"


class MonitorStatus(models.TextChoices):
    """PENDING until the first refresh has succeeded; ERROR: the last one failed, and what was made before stays."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    ERROR = "ERROR"
    FAILED = "FAILED"
    DELETE_PENDING = "DELETE_PENDING"


class Monitor(models.Model):
    """What is watched about one table. It reads and writes as its owner, whose rights are asked at each refresh.

    Everything that either API can say of a monitor is kept here, in neutral words. The metric tables are securables
    of their own: they may be renamed, and they outlive the monitor.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    table = models.OneToOneField(Securable, models.CASCADE, related_name="monitor")
    owner = models.ForeignKey(Principal, models.PROTECT, related_name="monitors")
    kind = models.CharField(max_length=16, choices=MonitorKind.choices)
    status = models.CharField(max_length=16, choices=MonitorStatus.choices, default=MonitorStatus.PENDING)
    version = models.PositiveIntegerField(default=0, help_text="Grows with every update.")
    failure_message = models.TextField(blank=True)

    timestamp_column = models.CharField(max_length=255, blank=True)
    granularities = models.JSONField(default=list, blank=True, help_text='As "1 day", "30 minutes".')
    problem_type = models.CharField(max_length=16, choices=ProblemType.choices, blank=True)
    prediction_column = models.CharField(max_length=255, blank=True)
    prediction_proba_column = models.CharField(max_length=255, blank=True)
    label_column = models.CharField(max_length=255, blank=True)
    model_id_column = models.CharField(max_length=255, blank=True)
    slicing_expressions = models.JSONField(default=list, blank=True)
    custom_metrics = models.JSONField(default=list, blank=True)
    baseline_table = models.ForeignKey(Securable, models.SET_NULL, null=True, blank=True, related_name="baseline_of")
    baseline_table_name = models.CharField(max_length=1024, blank=True, help_text="As it was named; may be gone.")

    output_schema = models.ForeignKey(Securable, models.SET_NULL, null=True, related_name="monitor_outputs")
    output_schema_name = models.CharField(max_length=1024, help_text="As it was named; may be gone.")
    profile_table = models.ForeignKey(Securable, models.SET_NULL, null=True, blank=True, related_name="profiles_of")
    drift_table = models.ForeignKey(Securable, models.SET_NULL, null=True, blank=True, related_name="drift_of")
    insights_table = models.ForeignKey(Securable, models.SET_NULL, null=True, blank=True, related_name="insights_of")
    assets_dir = models.CharField(max_length=1024, blank=True)
    dashboard_id = models.CharField(max_length=64, blank=True, help_text="Empty: none was wanted.")

    quartz_cron = models.CharField(max_length=255, blank=True, help_text="Empty: refreshed only when asked.")
    time_zone = models.CharField(max_length=64, blank=True)
    is_paused = models.BooleanField(default=False)
    next_run_at = models.DateTimeField(null=True, blank=True)
    failure_emails = models.JSONField(default=list, blank=True)
    failure_destinations = models.JSONField(default=list, blank=True, help_text="Ids of notification destinations.")
    client_settings = models.JSONField(
        default=dict, blank=True, help_text="What clients set that changes nothing here, kept to be told back."
    )
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ("-created_at",)
        indexes: ClassVar = [
            # Beat looks for what is due.
            models.Index(fields=["next_run_at"], condition=models.Q(next_run_at__isnull=False), name="monitor_due"),
            models.Index(fields=["-created_at", "-id"], name="monitor_recent"),
        ]

    def __str__(self) -> str:
        return f"Monitor of {self.table.full_name}"


class RefreshState(models.TextChoices):
    """PENDING → RUNNING → SUCCESS | FAILED | CANCELED."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class RefreshTrigger(models.TextChoices):
    """What a refresh was asked for by."""

    MANUAL = "MANUAL"
    SCHEDULE = "SCHEDULE"


class MonitorRefresh(models.Model):
    """One computation of the metrics. At most one runs and one waits for each monitor.

    The one that waits behind another has no operation yet: it is given one when the other ends.
    """

    monitor = models.ForeignKey(Monitor, models.CASCADE, related_name="refreshes")
    operation = models.OneToOneField(Operation, models.SET_NULL, null=True, blank=True, related_name="+")
    state = models.CharField(max_length=10, choices=RefreshState.choices, default=RefreshState.PENDING)
    trigger = models.CharField(max_length=10, choices=RefreshTrigger.choices, default=RefreshTrigger.MANUAL)
    message = models.TextField(blank=True)
    requested_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")
    monitor_version = models.PositiveIntegerField(null=True, blank=True)
    table_version = models.BigIntegerField(null=True, blank=True, help_text="The Delta version that was profiled.")
    windows = models.PositiveIntegerField(default=0)
    rows_read = models.PositiveBigIntegerField(default=0)
    rows_written = models.PositiveBigIntegerField(default=0)
    warnings = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "monitor refreshes"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["monitor"], condition=models.Q(state="PENDING"), name="monitor_refresh_one_waits"
            ),
            models.UniqueConstraint(
                fields=["monitor"], condition=models.Q(state="RUNNING"), name="monitor_refresh_one_runs"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["monitor", "-id"], name="monitor_refresh_recent"),
            # Beat looks for what waits and was given no operation.
            models.Index(fields=["state"], condition=models.Q(state="PENDING"), name="monitor_refresh_waiting"),
        ]

    def __str__(self) -> str:
        return f"Refresh {self.pk} of {self.monitor_id}"
