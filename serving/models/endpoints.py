"""Serving endpoints: a name that answers, its configurations by version, and what each of them serves."""

import uuid
from typing import ClassVar

from django.db import models

from registry.models import ModelVersion, Operation, Principal
from serving.models.environments import ServingEnvironment


class ConfigUpdate(models.TextChoices):
    """Whether a new configuration is on its way, as clients poll it."""

    NOT_UPDATING = "NOT_UPDATING"
    IN_PROGRESS = "IN_PROGRESS"
    UPDATE_FAILED = "UPDATE_FAILED"
    UPDATE_CANCELED = "UPDATE_CANCELED"


class ServingEndpoint(models.Model):
    """A named place that answers predictions. It acts as its creator.

    `active_config` answers requests; `pending_config` is being made ready, or is the last one that could not be.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63, unique=True)
    creator = models.ForeignKey(Principal, models.PROTECT, related_name="endpoints")
    description = models.TextField(blank=True)
    config_update = models.CharField(max_length=20, choices=ConfigUpdate.choices, default=ConfigUpdate.NOT_UPDATING)
    active_config = models.ForeignKey("EndpointConfig", models.SET_NULL, null=True, blank=True, related_name="+")
    pending_config = models.ForeignKey("EndpointConfig", models.SET_NULL, null=True, blank=True, related_name="+")
    last_config_version = models.PositiveIntegerField(default=0)
    is_stopped = models.BooleanField(default=False)
    rate_limits = models.JSONField(default=list, blank=True)
    ai_gateway = models.JSONField(default=dict, blank=True)
    email_notifications = models.JSONField(default=dict, blank=True)
    telemetry_config = models.JSONField(default=dict, blank=True)
    route_optimized = models.BooleanField(default=False)
    budget_policy_id = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class ConfigState(models.TextChoices):
    """PENDING → ACTIVE → SUPERSEDED, or PENDING → FAILED | CANCELED."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    SUPERSEDED = "SUPERSEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class EndpointConfig(models.Model):
    """One version of what an endpoint serves. Its entities never change once it is written."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(ServingEndpoint, models.CASCADE, related_name="configs")
    version = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=ConfigState.choices, default=ConfigState.PENDING)
    message = models.TextField(blank=True)
    auto_capture = models.JSONField(default=dict, blank=True)
    rollout = models.JSONField(
        default=dict,
        blank=True,
        help_text="Stepwise shift of traffic: steps (percent, seconds), and the limits that turn it back.",
    )
    reason = models.CharField(
        max_length=255, blank=True, help_text="What led to it: an update, an alias, a roll back."
    )
    operation = models.ForeignKey(Operation, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")
    activated_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-version",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["endpoint", "version"], name="endpoint_config_once"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} config {self.version}"


class EntityRole(models.TextChoices):
    """LIVE entities share the traffic; a SHADOW gets a copy of it, and its answers are dropped."""

    LIVE = "LIVE"
    SHADOW = "SHADOW"


class Deployment(models.TextChoices):
    """State of one served entity, as clients read it."""

    CREATING = "DEPLOYMENT_CREATING"
    READY = "DEPLOYMENT_READY"
    RECOVERING = "DEPLOYMENT_RECOVERING"
    FAILED = "DEPLOYMENT_FAILED"
    ABORTED = "DEPLOYMENT_ABORTED"


class ServedEntity(models.Model):
    """A model version behind an endpoint, in one of its configurations.

    The supervisor runs replicas for entities with `is_wanted`, and only for them. Entities of one endpoint with the
    same `fingerprint` can take over each other's replicas: a change of traffic alone starts nothing.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    config = models.ForeignKey(EndpointConfig, models.CASCADE, related_name="entities")
    name = models.CharField(max_length=255)
    role = models.CharField(max_length=8, choices=EntityRole.choices, default=EntityRole.LIVE)
    traffic_percentage = models.PositiveSmallIntegerField(default=0)
    entity_name = models.CharField(max_length=1024, help_text="Full name of the model when the entity was written.")
    entity_version = models.CharField(max_length=20)
    entity_alias = models.CharField(max_length=255, blank=True, help_text="Set: moving the alias rolls the endpoint.")
    version = models.ForeignKey(ModelVersion, models.SET_NULL, null=True, related_name="served_by")
    environment = models.ForeignKey(ServingEnvironment, models.SET_NULL, null=True, blank=True, related_name="+")
    fingerprint = models.CharField(max_length=64, blank=True)
    workload_size = models.CharField(max_length=20, blank=True)
    workload_type = models.CharField(max_length=30, default="CPU")
    scale_to_zero = models.BooleanField(default=False)
    min_concurrency = models.PositiveIntegerField(default=4)
    max_concurrency = models.PositiveIntegerField(default=4)
    environment_vars = models.JSONField(default=dict, blank=True)
    micro_batching = models.BooleanField(default=False)
    is_wanted = models.BooleanField(default=False)
    deployment = models.CharField(max_length=24, choices=Deployment.choices, default=Deployment.CREATING)
    deployment_message = models.TextField(blank=True)
    build_log = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["config", "name"], name="served_entity_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["config"], condition=models.Q(is_wanted=True), name="served_entity_wanted"),
        ]

    def __str__(self) -> str:
        return self.name


class EndpointTag(models.Model):
    """A key and value on an endpoint."""

    endpoint = models.ForeignKey(ServingEndpoint, models.CASCADE, related_name="tags")
    key = models.CharField(max_length=255)
    value = models.CharField(max_length=1000, blank=True)

    class Meta:
        ordering = ("key",)
        constraints: ClassVar = [models.UniqueConstraint(fields=["endpoint", "key"], name="endpoint_tag_once")]

    def __str__(self) -> str:
        return f"{self.key}:{self.value}"


class EndpointLevel(models.TextChoices):
    """What somebody may do with an endpoint; each level holds the ones before it."""

    CAN_VIEW = "CAN_VIEW"
    CAN_QUERY = "CAN_QUERY"
    CAN_MANAGE = "CAN_MANAGE"


class EndpointPermission(models.Model):
    """A level that somebody, or a group, has on an endpoint."""

    endpoint = models.ForeignKey(ServingEndpoint, models.CASCADE, related_name="permissions")
    principal = models.ForeignKey(Principal, models.CASCADE, related_name="+")
    level = models.CharField(max_length=12, choices=EndpointLevel.choices)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["endpoint", "principal"], name="endpoint_permission_once"),
        ]

    def __str__(self) -> str:
        return f"{self.principal}: {self.level}"


class EndpointEvent(models.Model):
    """Something that happened to an endpoint, for the people who run it."""

    endpoint = models.ForeignKey(ServingEndpoint, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    level = models.CharField(max_length=10, default="INFO")
    message = models.TextField()
    config_version = models.PositiveIntegerField(null=True, blank=True)
    entity_name = models.CharField(max_length=255, blank=True)
    by = models.ForeignKey(Principal, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar = [models.Index(fields=["endpoint", "-id"], name="endpoint_event_recent")]

    def __str__(self) -> str:
        return self.message
