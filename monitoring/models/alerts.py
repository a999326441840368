"""Alerts: a rule on a number, whether it is broken now, and everything that came of looking."""

import uuid
from typing import ClassVar

from django.db import models

from monitoring.models.monitors import Monitor
from registry.models import NotificationDestination, Principal


class AlertSource(models.TextChoices):
    """Where the number comes from: a metric table of a monitor, or a query."""

    METRIC = "METRIC"
    SQL = "SQL"


class AlertState(models.TextChoices):
    """What the last look found. TRIGGERED lasts until the number is back behind the threshold that resolves."""

    UNKNOWN = "UNKNOWN"
    OK = "OK"
    TRIGGERED = "TRIGGERED"
    ERROR = "ERROR"


class Comparison(models.TextChoices):
    """How the number and the threshold are held against each other."""

    LESS_THAN = "LESS_THAN"
    GREATER_THAN = "GREATER_THAN"
    EQUAL = "EQUAL"
    NOT_EQUAL = "NOT_EQUAL"
    GREATER_THAN_OR_EQUAL = "GREATER_THAN_OR_EQUAL"
    LESS_THAN_OR_EQUAL = "LESS_THAN_OR_EQUAL"
    IS_NULL = "IS_NULL"
    IS_NOT_NULL = "IS_NOT_NULL"


class Aggregation(models.TextChoices):
    """What is made of a column of several rows; without one, the first row counts."""

    AVG = "AVG"
    COUNT = "COUNT"
    COUNT_DISTINCT = "COUNT_DISTINCT"
    MAX = "MAX"
    MEDIAN = "MEDIAN"
    MIN = "MIN"
    STDDEV = "STDDEV"
    SUM = "SUM"


class Alert(models.Model):
    """A rule. It is evaluated with the rights that its owner has at that moment.

    `claim` counts evaluations that were begun: one that lost its claim holds an old number and records nothing.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255)
    owner = models.ForeignKey(Principal, models.PROTECT, related_name="alerts")
    source = models.CharField(max_length=8, choices=AlertSource.choices)

    monitor = models.ForeignKey(Monitor, models.CASCADE, null=True, blank=True, related_name="alerts")
    metric_table = models.CharField(max_length=10, blank=True, help_text="PROFILE, DRIFT or INSIGHTS.")
    metric = models.CharField(max_length=255, blank=True, help_text="A column, as js_distance or ks_test.pvalue.")
    selector = models.JSONField(
        default=dict,
        blank=True,
        help_text="Which rows: column_name, granularity, slice_key, slice_value, model_id, drift_type, log_type.",
    )

    query_text = models.TextField(blank=True)
    parameters = models.JSONField(
        default=list, blank=True, help_text="name, value and type of what it is filled with."
    )
    value_column = models.CharField(max_length=255, blank=True)
    value_display = models.CharField(max_length=255, blank=True)
    aggregation = models.CharField(max_length=16, choices=Aggregation.choices, blank=True)
    threshold_column = models.CharField(max_length=255, blank=True)
    threshold_column_display = models.CharField(max_length=255, blank=True)
    threshold_column_aggregation = models.CharField(max_length=16, choices=Aggregation.choices, blank=True)

    comparison = models.CharField(max_length=24, choices=Comparison.choices)
    threshold = models.JSONField(null=True, blank=True, help_text="A number, a text, true or false.")
    resolve_threshold = models.FloatField(
        null=True, blank=True, help_text="A triggered alert is over once the number is behind this one."
    )
    consecutive = models.PositiveSmallIntegerField(default=1, help_text="So many breaches in a row trigger it.")
    empty_result_state = models.CharField(
        max_length=10, choices=AlertState.choices, default=AlertState.UNKNOWN, help_text="What no row means."
    )

    notify_on_ok = models.BooleanField(default=True)
    retrigger_seconds = models.PositiveIntegerField(default=0, help_text="0: told once a breach.")
    destinations = models.ManyToManyField(NotificationDestination, blank=True, related_name="+")
    emails = models.JSONField(default=list, blank=True, help_text="Users that are written to.")
    workflow_destination = models.ForeignKey(
        NotificationDestination,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="A webhook that starts something, as a training, when the alert is triggered.",
    )
    workflow_parameters = models.JSONField(default=dict, blank=True)
    muted_until = models.DateTimeField(null=True, blank=True)

    quartz_cron = models.CharField(max_length=255, blank=True, help_text="Empty: evaluated after each refresh only.")
    time_zone = models.CharField(max_length=64, blank=True)
    is_paused = models.BooleanField(default=False)
    next_run_at = models.DateTimeField(null=True, blank=True)

    state = models.CharField(max_length=10, choices=AlertState.choices, default=AlertState.UNKNOWN)
    message = models.TextField(blank=True)
    last_value = models.JSONField(null=True, blank=True)
    last_evaluated_at = models.DateTimeField(null=True, blank=True)
    streak = models.PositiveIntegerField(default=0, help_text="Breaches in a row, while it is not triggered.")
    due_at = models.DateTimeField(null=True, blank=True, help_text="When a worker may evaluate it.")
    due_trigger = models.CharField(max_length=10, blank=True)
    claim = models.PositiveBigIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True, blank=True)

    summary = models.TextField(blank=True, help_text="The subject of what is sent, with {{placeholders}}.")
    description = models.TextField(blank=True, help_text="The text of what is sent, with {{placeholders}}.")
    template_format = models.CharField(max_length=10, blank=True, help_text="HTML or MARKDOWN, kept to be told back.")
    parent_path = models.CharField(max_length=1024, blank=True)
    warehouse_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ("-created_at",)
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="alert_due"),
            models.Index(
                fields=["next_run_at"], condition=models.Q(next_run_at__isnull=False), name="alert_next_run"
            ),
            models.Index(fields=["-created_at", "-id"], name="alert_recent"),
            models.Index(fields=["owner", "-created_at"], name="alert_by_owner"),
        ]

    def __str__(self) -> str:
        return self.name


class AlertIncident(models.Model):
    """One breach, from the evaluation that opened it to the one that resolved it. An alert has one open at most."""

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="incidents")
    opened_at = models.DateTimeField()
    value = models.JSONField(null=True, blank=True, help_text="What opened it.")
    notified_at = models.DateTimeField(null=True, blank=True, help_text="When it was told last; empty while muted.")
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_value = models.JSONField(null=True, blank=True)
    resolution = models.CharField(max_length=255, blank=True, help_text="Empty, or what else ended it.")

    class Meta:
        ordering = ("-id",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["alert"], condition=models.Q(resolved_at__isnull=True), name="alert_one_open_incident"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["alert", "-id"], name="alert_incident_recent")]

    def __str__(self) -> str:
        return f"Incident {self.pk} of {self.alert_id}"


class EvaluationTrigger(models.TextChoices):
    """Why an alert was looked at."""

    SCHEDULE = "SCHEDULE"
    REFRESH = "REFRESH"
    MANUAL = "MANUAL"


class AlertEvaluation(models.Model):
    """What one look found, and what was told of it."""

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="evaluations")
    incident = models.ForeignKey(AlertIncident, models.SET_NULL, null=True, blank=True, related_name="evaluations")
    at = models.DateTimeField()
    trigger = models.CharField(max_length=10, choices=EvaluationTrigger.choices)
    state = models.CharField(max_length=10, choices=AlertState.choices)
    value = models.JSONField(null=True, blank=True)
    threshold = models.JSONField(null=True, blank=True)
    breached = models.BooleanField(null=True, help_text="Empty: there was no number to judge.")
    message = models.TextField(blank=True)
    window_start = models.DateTimeField(null=True, blank=True)
    window_end = models.DateTimeField(null=True, blank=True)
    notified = models.JSONField(default=list, blank=True, help_text="The events that were put down to be sent.")
    milliseconds = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar = [
            models.Index(fields=["alert", "-id"], name="alert_evaluation_recent"),
            # The log is kept for some time only.
            models.Index(fields=["at"], name="alert_evaluation_at"),
        ]

    def __str__(self) -> str:
        return f"Evaluation {self.pk} of {self.alert_id}"
