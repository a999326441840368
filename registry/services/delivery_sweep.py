"""The sweep of deliveries: wakes workers for what is due, and takes old rows out of the log."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from registry.models import Delivery, DeliveryState
from registry.services.delivery_queue import wake_deliveries

_BATCH = 500
_MESSAGE_LOST_AFTER = timedelta(seconds=60)
"""A message that was sent this long ago and had no effect is taken to be lost, or its receiver to be busy."""


def wake_due_deliveries(*, now: datetime | None = None) -> int:
    """Wake workers for deliveries that are due: retries, and what was lost. Returns how many messages were sent.

    May run twice: a message too many finds nothing to do.
    """
    now = now or timezone.now()
    due = Delivery.objects.filter(state=DeliveryState.PENDING, due_at__lte=now)
    # A message from before it was due again speaks of an earlier attempt.
    unsent = due.filter(Q(sent_at=None) | Q(sent_at__lt=F("due_at")) | Q(sent_at__lt=now - _MESSAGE_LOST_AFTER))
    return wake_deliveries(list(unsent.order_by("due_at").values_list("pk", flat=True)[:_BATCH]), now)


def forget_old_deliveries(*, now: datetime | None = None) -> int:
    """Delete deliveries that were over WEBHOOK_LOG_DAYS ago, some at a time. Returns how many."""
    before = (now or timezone.now()) - timedelta(days=settings.WEBHOOK_LOG_DAYS)
    old = Delivery.objects.exclude(state=DeliveryState.PENDING).filter(finished_at__lt=before)
    ids = list(old.order_by("finished_at").values_list("pk", flat=True)[: _BATCH * 10])
    Delivery.objects.filter(pk__in=ids).delete()
    return len(ids)
