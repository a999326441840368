"""Sends one delivery: claim, send, record. May be killed anywhere and run again.

A claim counts an attempt and holds the row for some time; sending happens outside of any transaction; what came of it
is recorded only by the holder of the newest claim. A worker that dies in between leaves a row that is due again when
its claim ends, and is then sent once more with the same id, for the receiver to tell the two apart from two events.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from registry.models import Delivery, DeliveryAttempt, DeliveryOrigin, DeliveryState, WebhookStatus
from registry.services.access import gather_facts
from registry.services.actors import load_actor
from registry.services.delivery_http import Answer
from registry.services.delivery_queue import wake_deliveries
from registry.services.delivery_senders import send

_MOST_AT_ONCE = 4
"""Attempts at one receiver at a time: one that is slow must not keep every worker from the others."""
_LOOKUP_SECONDS = 60
"""What looking up a name may take besides the exchange itself."""
_LOST = "The worker ended before it could note what came of this attempt."
_GROWTH = 3

Jitter = Callable[[float, float], float]


def claim_lasts() -> timedelta:
    """How long a claim holds: longer than any attempt takes."""
    return timedelta(seconds=2 * settings.WEBHOOK_TIMEOUT_SECONDS + _LOOKUP_SECONDS)


def retry_pause(attempts: int, *, retry_after: int = 0, jitter: Jitter = random.uniform) -> timedelta:
    """The wait after that many failed attempts: longer each time, spread, and not before the receiver said."""
    longest = settings.WEBHOOK_MAX_RETRY_SECONDS
    pause = min(longest, settings.WEBHOOK_RETRY_SECONDS * _GROWTH ** min(attempts - 1, 20))
    return timedelta(seconds=max(pause * jitter(0.5, 1.0), min(retry_after, longest)))


def max_attempts(delivery: Delivery) -> int:
    """How often a delivery is tried: a test once, everything else until it is given up."""
    return 1 if delivery.origin == DeliveryOrigin.TEST else settings.WEBHOOK_MAX_ATTEMPTS


@dataclass(frozen=True)
class Claim:
    """A delivery that this worker has, and the number of the attempt."""

    delivery: Delivery
    number: int
    at: datetime


def deliver(*, delivery_id: UUID, now: datetime | None = None, jitter: Jitter = random.uniform) -> Answer | None:
    """Try a delivery once, if it is due and nobody has it. None: there was nothing to do."""
    claim = claim_delivery(delivery_id=delivery_id, now=now or timezone.now())
    if claim is None:
        return None
    answer = send(claim.delivery, now=claim.at)
    record_attempt(claim, answer, now=now, jitter=jitter)
    _wake_next(claim.delivery, now=now or timezone.now())
    return answer


def claim_delivery(*, delivery_id: UUID, now: datetime) -> Claim | None:
    """Take a due delivery for one attempt, or end it where it must not be sent any more."""
    with transaction.atomic():
        delivery = _lock(delivery_id, Q(due_at__lte=now))
        if delivery is None:
            return None
        if delivery.attempts and not delivery.log.filter(number=delivery.attempts).exists():
            delivery.log.create(number=delivery.attempts, at=delivery.due_at or now, milliseconds=0, error=_LOST)
        reason = _why_not(delivery)
        if reason:
            _skip(delivery, reason, now=now)
            return None
        if delivery.attempts >= max_attempts(delivery):
            _end(delivery, DeliveryState.FAILED, _LOST, now=now)
            return None
        if _in_flight(delivery, now) >= _MOST_AT_ONCE:
            # Whoever ends an attempt at the same receiver wakes it up, or the sweep does.
            Delivery.objects.filter(pk=delivery.pk).update(sent_at=None)
            return None
        take(delivery, now=now)
        delivery.save(update_fields=["attempts", "due_at", "claimed_until"])
    return Claim(delivery, delivery.attempts, now)


def take(delivery: Delivery, *, now: datetime) -> None:
    """Count an attempt and hold the delivery; the caller saves it."""
    delivery.attempts += 1
    delivery.due_at = delivery.claimed_until = now + claim_lasts()


def _lock(delivery_id: UUID, condition: Q) -> Delivery | None:
    rows = Delivery.objects.select_related(
        "webhook__owner", "destination", "securable__parent__parent", "securable__owner"
    )
    rows = rows.select_for_update(no_key=True, skip_locked=True, of=("self",))
    return rows.filter(condition, pk=delivery_id, state=DeliveryState.PENDING).first()


def _why_not(delivery: Delivery) -> str:
    """Why a delivery must not be sent any more; empty when it may. Two queries for a webhook."""
    webhook = delivery.webhook
    if webhook is None or delivery.origin == DeliveryOrigin.TEST:
        return ""
    if webhook.status != WebhookStatus.ACTIVE:
        return "The webhook is disabled."
    owner = load_actor(webhook.owner)
    if not owner.is_active:
        return f"The webhook's owner, {owner.name}, is disabled."
    if delivery.securable is None:
        return (
            "" if owner.is_metastore_admin else "The model is gone, so nobody can tell whether the owner may see it."
        )
    if not gather_facts(actor=owner, securable=delivery.securable).visible:
        return f"The webhook's owner, {owner.name}, may not see the model."
    return ""


def _in_flight(delivery: Delivery, now: datetime) -> int:
    return _same_receiver(delivery).filter(claimed_until__gt=now).count()


def _same_receiver(delivery: Delivery) -> "QuerySet[Delivery]":
    return Delivery.objects.filter(
        state=DeliveryState.PENDING, webhook=delivery.webhook_id, destination=delivery.destination_id
    )


def _skip(delivery: Delivery, reason: str, *, now: datetime) -> None:
    """End it unsent. What was never sent is forgotten: the log is read by whom it was kept from."""
    if not delivery.log.exclude(error=_LOST).exists():
        delivery.body = delivery.securable_name = ""
    _end(delivery, DeliveryState.SKIPPED, reason, now=now)


def _end(delivery: Delivery, state: DeliveryState, error: str, *, now: datetime) -> None:
    delivery.state, delivery.error = state, error
    delivery.due_at = delivery.claimed_until = None
    delivery.finished_at = now
    delivery.save(
        update_fields=["state", "error", "due_at", "claimed_until", "finished_at", "body", "securable_name"]
    )


def record_attempt(
    claim: Claim, answer: Answer, *, now: datetime | None = None, jitter: Jitter = random.uniform
) -> bool:
    """Note what came of a claim, and when the next attempt is due. False: somebody has claimed it since."""
    ended = now or timezone.now()
    with transaction.atomic():
        rows = Delivery.objects.select_for_update(no_key=True)
        delivery = rows.filter(pk=claim.delivery.pk, state=DeliveryState.PENDING, attempts=claim.number).first()
        if delivery is None:
            return False
        DeliveryAttempt.objects.create(
            delivery=delivery,
            number=claim.number,
            at=claim.at,
            milliseconds=answer.milliseconds,
            status_code=answer.status_code,
            error=answer.error,
            answer=answer.text,
        )
        if answer.ok:
            _end(delivery, DeliveryState.SUCCEEDED, "", now=ended)
        elif answer.final or claim.number >= max_attempts(delivery):
            _end(delivery, DeliveryState.FAILED, answer.error, now=ended)
        else:
            delivery.error, delivery.claimed_until, delivery.sent_at = answer.error, None, None
            delivery.due_at = ended + retry_pause(claim.number, retry_after=answer.retry_after, jitter=jitter)
            delivery.save(update_fields=["error", "claimed_until", "sent_at", "due_at"])
    return True


def _wake_next(delivery: Delivery, *, now: datetime) -> None:
    """Wake a worker for the longest waiting delivery that nobody was woken up for, to the same receiver."""
    waiting = _same_receiver(delivery).filter(due_at__lte=now, sent_at=None)
    wake_deliveries(list(waiting.order_by("due_at").values_list("pk", flat=True)[:1]))
