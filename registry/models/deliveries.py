"""Deliveries: what webhooks and notification destinations are sent, as rows, so that nothing is lost on the way."""

import uuid
from typing import ClassVar

from django.db import models

from registry.models.notification_destinations import NotificationDestination
from registry.models.principals import Principal
from registry.models.securables import Securable
from registry.models.webhooks import Webhook


class DeliveryState(models.TextChoices):
    """PENDING → SUCCEEDED | FAILED (the last attempt failed) | SKIPPED (it must not be sent any more)."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


class DeliveryOrigin(models.TextChoices):
    """Why there is a delivery: something happened, somebody tries the address, somebody sends an older one again."""

    EVENT = "EVENT"
    TEST = "TEST"
    REPLAY = "REPLAY"


class Delivery(models.Model):
    """One message to one receiver, written in the transaction of what it tells of.

    Its id is what the receiver knows it by, the same at every attempt, and so are the bytes of `body`. `attempts`
    counts claims: a worker that lost its claim holds an old number and can no longer record.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, models.CASCADE, null=True, related_name="deliveries")
    destination = models.ForeignKey(NotificationDestination, models.CASCADE, null=True, related_name="deliveries")
    event = models.CharField(max_length=60)
    origin = models.CharField(max_length=10, choices=DeliveryOrigin.choices, default=DeliveryOrigin.EVENT)
    securable = models.ForeignKey(Securable, models.SET_NULL, null=True, related_name="+")
    securable_name = models.CharField(max_length=1024, blank=True)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, help_text="When a worker may take it; empty once it is over.")
    claimed_until = models.DateTimeField(null=True, help_text="Until then a worker has it.")
    sent_at = models.DateTimeField(null=True, help_text="When a worker was last woken up for it.")
    error = models.TextField(blank=True)
    replay_of = models.ForeignKey("self", models.SET_NULL, null=True, related_name="replays")
    requested_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at", "-id")
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(webhook__isnull=True) ^ models.Q(destination__isnull=True),
                name="delivery_has_one_receiver",
            ),
        ]
        indexes: ClassVar = [
            # The sweep looks for what is due, a worker for the next one of the same receiver.
            models.Index(fields=["due_at"], condition=models.Q(state="PENDING"), name="delivery_due"),
            models.Index(fields=["webhook", "-created_at", "-id"], name="delivery_by_webhook"),
            models.Index(fields=["destination", "-created_at", "-id"], name="delivery_by_destination"),
            # The log is kept for some time only.
            models.Index(fields=["finished_at"], condition=~models.Q(state="PENDING"), name="delivery_over"),
            # Keyset pages over all of them, in the console.
            models.Index(fields=["-created_at", "-id"], name="delivery_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.id}"


class DeliveryAttempt(models.Model):
    """What came of sending a delivery once."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="log")
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    milliseconds = models.PositiveIntegerField()
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.TextField(blank=True)
    answer = models.TextField(blank=True, help_text="The first bytes of what the receiver said.")

    class Meta:
        ordering = ("delivery", "number")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["delivery", "number"], name="delivery_attempt_once"),
        ]

    def __str__(self) -> str:
        return f"{self.delivery} attempt {self.number}"
