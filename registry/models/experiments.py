"""Rights on experiments. The experiments themselves live in the MLflow tracking server."""

from typing import ClassVar

from django.db import models

from registry.models.principals import Principal


class ExperimentLevel(models.TextChoices):
    """CAN_READ < CAN_EDIT < CAN_MANAGE."""

    CAN_READ = "CAN_READ"
    CAN_EDIT = "CAN_EDIT"
    CAN_MANAGE = "CAN_MANAGE"


class Experiment(models.Model):
    """Who owns an experiment of the tracking server. The owner has CAN_MANAGE."""

    experiment_id = models.CharField(primary_key=True, max_length=64)
    name = models.CharField(max_length=1000)
    owner = models.ForeignKey(Principal, models.PROTECT, related_name="experiments")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class ExperimentGrant(models.Model):
    """`principal` has `level` on an experiment."""

    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="grants")
    principal = models.ForeignKey(Principal, models.CASCADE, related_name="+")
    level = models.CharField(max_length=12, choices=ExperimentLevel.choices)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["experiment", "principal"], name="experiment_grant_once"),
        ]

    def __str__(self) -> str:
        return f"{self.level} on {self.experiment} to {self.principal}"
