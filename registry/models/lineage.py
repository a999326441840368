"""Lineage: which tables, runs and versions a version came from, and which jobs and notebooks loaded it."""

from typing import ClassVar

from django.db import models

from registry.models.principals import Principal
from registry.models.registered_models import ModelVersion
from registry.models.securables import Securable


class LineageEdge(models.Model):
    """One arrow at a version: UPSTREAM is what it was made from, DOWNSTREAM what uses it.

    A table is known by name (it may not be governed here); `table` is set where it is, and gates who may see it.
    """

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="lineage")
    direction = models.CharField(max_length=10, choices=[("UPSTREAM", "Upstream"), ("DOWNSTREAM", "Downstream")])
    kind = models.CharField(max_length=20, help_text="TABLE, NOTEBOOK, JOB, DATASET, FUNCTION …")
    name = models.CharField(max_length=1000)
    details = models.JSONField(default=dict, blank=True)
    table = models.ForeignKey(Securable, models.SET_NULL, null=True, blank=True, related_name="lineage")
    recorded_at = models.DateTimeField(auto_now_add=True)
    recorded_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "direction", "kind", "name"], name="lineage_edge_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
