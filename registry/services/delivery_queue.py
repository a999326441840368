"""What deliveries ask of the broker: to wake a worker. The rows are the truth, a lost message costs seconds."""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from celery import current_app
from django.utils import timezone

from registry.models import Delivery, DeliveryState

logger = logging.getLogger(__name__)

DELIVER_TASK = "registry.deliver"
QUEUE = "deliveries"


def wake_deliveries(ids: Sequence[UUID], now: datetime | None = None) -> int:
    """Send the messages that make workers look at some deliveries; returns how many the broker took.

    A failure is logged and never raised: the sweep sends again.
    """
    taken: list[UUID] = []
    for id_ in ids:
        try:
            current_app.send_task(DELIVER_TASK, args=[str(id_)], queue=QUEUE)
        except Exception as error:  # noqa: BLE001  (whatever a broker does, what was committed stays)
            logger.warning("the broker took no message for a delivery (%s); the sweep will send it", error)
            break
        taken.append(id_)
    if taken:
        rows = Delivery.objects.filter(pk__in=taken, state=DeliveryState.PENDING)
        rows.update(sent_at=now or timezone.now())
    return len(taken)
