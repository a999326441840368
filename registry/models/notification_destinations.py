"""Notification destinations: where alerts go, by web request or by e-mail."""

import uuid

from django.db import models

from registry.models.principals import Principal


class DestinationKind(models.TextChoices):
    """How a destination is reached."""

    WEBHOOK = "WEBHOOK"
    EMAIL = "EMAIL"
    SLACK = "SLACK"


class NotificationDestination(models.Model):
    """A named place that notices are sent to. Its address may be a secret, and is sealed like one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    display_name = models.CharField(max_length=255)
    key = models.CharField(max_length=255, unique=True, editable=False)
    kind = models.CharField(max_length=20, choices=DestinationKind.choices)
    addresses = models.JSONField(default=list, blank=True, help_text="Of e-mail; every other setting is sealed.")
    sealed_config = models.TextField(blank=True, editable=False)
    for_address = models.BooleanField(
        default=False, help_text="Made for an address that somebody named; not in the list to choose from."
    )
    settings_set = models.JSONField(default=list, blank=True, help_text="Names of the settings that are sealed.")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ("key",)

    def __str__(self) -> str:
        return self.display_name
