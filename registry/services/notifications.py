"""Notices: what the product itself has to say, put down for notification destinations in the caller's transaction."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from registry.models import Delivery, NotificationDestination, Securable
from registry.services.delivery_queue import wake_deliveries


@dataclass(frozen=True)
class Notice:
    """One thing to say. `event` is for programs (`alert.triggered`), subject and text for people, data for both."""

    event: str
    subject: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    securable: Securable | None = None


def notify(*, destination_ids: Iterable[UUID], notice: Notice, now: datetime | None = None) -> list[Delivery]:
    """Put a notice down for some destinations; those that are gone are left out. Two queries.

    Call in the transaction of what the notice is about: it is sent once that is committed, tried again until it is
    given up, and stands in each destination's log. Who may be told is the caller's to decide.
    """
    now = now or timezone.now()
    body = json.dumps(
        {
            "event": notice.event,
            "subject": notice.subject,
            "text": notice.text,
            "timestamp": now.isoformat(),
            "data": dict(notice.data),
        },
        default=str,
    )
    rows = Delivery.objects.bulk_create(
        Delivery(
            destination=destination,
            event=notice.event,
            securable=notice.securable,
            securable_name=notice.securable.full_name if notice.securable else "",
            body=body,
            due_at=now,
            created_at=now,
        )
        for destination in NotificationDestination.objects.filter(pk__in=list(destination_ids))
    )
    transaction.on_commit(partial(wake_deliveries, [row.pk for row in rows]))
    return rows
