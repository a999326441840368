"""Requests for access: what somebody would like to be granted, and what became of it."""

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from registry.models.principals import Principal
from registry.models.securables import Securable
from registry.privileges import SecurableType


class AccessRequestState(models.TextChoices):
    """Only a PENDING request can still change."""

    PENDING = "PENDING", "Waiting"
    APPROVED = "APPROVED", "Approved"
    DECLINED = "DECLINED", "Declined"
    WITHDRAWN = "WITHDRAWN", "Withdrawn"


class AccessRequest(models.Model):
    """`requester` asks for `privileges` on a securable, whose name is kept for when it is gone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    securable = models.ForeignKey(Securable, models.SET_NULL, null=True, blank=True, related_name="access_requests")
    securable_type = models.CharField(max_length=20, choices=[(t.value, t.value) for t in SecurableType])
    securable_name = models.CharField(max_length=767)
    requester = models.ForeignKey(Principal, models.CASCADE, related_name="access_requests")
    privileges = ArrayField(models.CharField(max_length=40))
    reason = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=AccessRequestState.choices, default=AccessRequestState.PENDING)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(Principal, models.SET_NULL, null=True, blank=True, related_name="+")
    granted = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    answer = models.TextField(blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints: ClassVar = [
            # Whoever asks again while the first request waits joins it.
            models.UniqueConstraint(
                fields=["requester", "securable"],
                condition=models.Q(state="PENDING"),
                name="access_request_pending_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="access_request_recent"),
            # The bell asks with every page what waits.
            models.Index(fields=["securable"], condition=models.Q(state="PENDING"), name="access_request_waiting"),
            models.Index(fields=["requester", "-created_at"], name="access_request_own"),
        ]

    def __str__(self) -> str:
        return f"{', '.join(self.privileges)} on {self.securable_name} for {self.requester}"

    @property
    def is_stale(self) -> bool:
        """Whether it waits for an answer about something that is gone."""
        return self.state == AccessRequestState.PENDING and self.securable_id is None
