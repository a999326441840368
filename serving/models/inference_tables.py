"""Inference tables: where an endpoint's requests and answers are kept."""

import uuid
from typing import ClassVar

from django.db import models

from registry.models import Principal, Securable
from serving.models.endpoints import ServingEndpoint


class CaptureForm(models.TextChoices):
    """Which of the two documented sets of columns a table has."""

    AI_GATEWAY = "AI_GATEWAY"
    LEGACY = "LEGACY"


class InferenceTable(models.Model):
    """The payload table of an endpoint, in one of its forms. It outlives the endpoint."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(ServingEndpoint, models.SET_NULL, null=True, related_name="inference_tables")
    endpoint_name = models.CharField(max_length=63)
    form = models.CharField(max_length=12, choices=CaptureForm.choices)
    table = models.ForeignKey(Securable, models.SET_NULL, null=True, related_name="+", help_text="The payload table.")
    unpacked_table = models.ForeignKey(
        Securable, models.SET_NULL, null=True, blank=True, related_name="+", help_text="One column per input."
    )
    label_table = models.ForeignKey(
        Securable, models.SET_NULL, null=True, blank=True, related_name="+", help_text="Labels by request id."
    )
    is_enabled = models.BooleanField(default=True)
    retention_days = models.PositiveIntegerField(default=0, help_text="0: for ever.")
    appended_rows = models.PositiveBigIntegerField(default=0)
    dropped_rows = models.PositiveBigIntegerField(default=0)
    unparsed_rows = models.PositiveBigIntegerField(default=0, help_text="Requests that could not be unpacked.")
    appended_at = models.DateTimeField(null=True, blank=True)
    batches = models.JSONField(default=dict, blank=True, help_text="The last batch of each spool that is counted.")
    drops = models.JSONField(default=dict, blank=True, help_text="Dropped rows already counted, by gateway process.")
    tidied_at = models.DateTimeField(null=True, blank=True)
    message = models.TextField(blank=True, help_text="What went wrong last, empty when nothing did.")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["endpoint", "form"], name="inference_table_once"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_name} {self.form}"
