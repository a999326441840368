"""Deliveries as people see them: listed, shown attempt by attempt, sent again, and tried by a test."""

import json
import uuid
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from registry.errors import InvalidParameter, InvalidState
from registry.models import Delivery, DeliveryOrigin, DeliveryState, NotificationDestination, Webhook
from registry.services.actors import Actor
from registry.services.audit import HiddenFromActor, audited, audited_read, record
from registry.services.delivery_http import Answer
from registry.services.delivery_queue import wake_deliveries
from registry.services.delivery_runner import Claim, record_attempt, take
from registry.services.delivery_senders import send
from registry.services.directory import require_administrator
from registry.services.notification_destinations import SERVICE as DESTINATIONS
from registry.services.notification_destinations import find_destination
from registry.services.paging import Page, fetch_page, page_size
from registry.services.webhook_events import EXAMPLES, check_events, message
from registry.services.webhooks import find_managed_webhook, find_webhook, record_on_webhook, visible_webhooks


class HiddenDelivery(HiddenFromActor):
    """A missing delivery, or one the actor may not know of: both read the same."""

    def __init__(self, delivery_id: object, *, action: str) -> None:
        super(HiddenFromActor, self).__init__(f"Delivery '{delivery_id}' does not exist.")
        self.action = action


def _visible(actor: Actor) -> "QuerySet[Delivery]":
    rows = Delivery.objects.select_related("webhook", "destination", "requested_by")
    if actor.is_metastore_admin:
        return rows
    return rows.filter(webhook__in=visible_webhooks(actor).order_by().values("pk"))


def shows_content(delivery: Delivery) -> bool:
    """Whether what a delivery says may be shown with it: only once the owner's right to know it was checked."""
    return delivery.attempts > 0 or delivery.origin == DeliveryOrigin.TEST


@audited_read
def list_deliveries(
    *,
    actor: Actor,
    webhook_id: object = None,
    destination_id: object = None,
    state: str = "",
    max_results: int | None = None,
    page_token: str = "",
) -> Page[Delivery]:
    """The log of one webhook or of one destination, newest first. Two queries.

    Raises:
        NotFound: no such webhook or destination, or a hidden one.
        AccessDenied: a destination's log, without being a metastore admin.
        InvalidParameter: an unknown state, or a token of another list.
    """
    if destination_id is not None:
        require_administrator(actor)
        rows = _visible(actor).filter(destination=find_destination(destination_id))
    else:
        webhook = find_webhook(actor=actor, webhook_id=webhook_id, action="listDeliveries")
        rows = Delivery.objects.select_related("webhook", "destination", "requested_by").filter(webhook=webhook)
    if state:
        rows = rows.filter(state=_state(state))
    return fetch_page(
        rows.defer("body"),
        order=["-created_at", "-pk"],
        size=page_size(max_results),
        token=page_token,
        scope=f"deliveries:{webhook_id}:{destination_id}:{state}",
    )


def _state(text: str) -> str:
    if text.upper() not in DeliveryState.values:
        raise InvalidParameter(f"'state' is '{text}': use one of {', '.join(DeliveryState.values)}.", field="state")
    return text.upper()


def _find(actor: Actor, delivery_id: object, *, action: str) -> Delivery:
    try:
        key = uuid.UUID(str(delivery_id))
    except ValueError as error:
        raise HiddenDelivery(delivery_id, action=action) from error
    found = _visible(actor).filter(pk=key).first()
    if found is None:
        raise HiddenDelivery(delivery_id, action=action)
    return found


@audited_read
def get_delivery(*, actor: Actor, delivery_id: object) -> Delivery:
    """One delivery, with its attempts in `log`. Two queries.

    Raises:
        NotFound: there is none, or the actor may not see it.
    """
    return _find(actor, delivery_id, action="getDelivery")


@audited
def replay_delivery(*, actor: Actor, delivery_id: object, now: datetime | None = None) -> Delivery:
    """Send what a delivery said once more, as a delivery of its own with an id of its own.

    Raises:
        NotFound.
        AccessDenied: the actor may not change the receiver.
        InvalidState: nothing is left of it, or it still waits to be sent.
    """
    found = _find(actor, delivery_id, action="replayDelivery")
    now = now or timezone.now()
    if found.webhook_id is not None:
        find_managed_webhook(actor=actor, webhook_id=found.webhook_id, action="replayDelivery")
    else:
        require_administrator(actor)
    if found.state == DeliveryState.PENDING:
        raise InvalidState(f"Delivery '{found.pk}' is on its way already.")
    if not found.body:
        raise InvalidState(f"Delivery '{found.pk}' was never sent, and nothing is left of it: {found.error}")
    again = Delivery.objects.create(
        webhook=found.webhook,
        destination=found.destination,
        event=found.event,
        origin=DeliveryOrigin.REPLAY,
        securable_id=found.securable_id,
        securable_name=found.securable_name,
        body=found.body,
        due_at=now,
        replay_of=found,
        requested_by=actor.principal,
        created_at=now,
    )
    _record(actor, "replayDelivery", again, of=str(found.pk))
    transaction.on_commit(partial(wake_deliveries, [again.pk]))
    return again


def try_webhook(*, actor: Actor, webhook_id: object, event: str = "") -> Answer:
    """Send an example of an event, or of the webhook's first, at once, and tell what the receiver said.

    The log keeps it. Takes as long as the receiver, up to WEBHOOK_TIMEOUT_SECONDS.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    return _try(_begin_webhook_test(actor=actor, webhook_id=webhook_id, event=event))


@audited
def _begin_webhook_test(*, actor: Actor, webhook_id: object, event: str) -> Claim:
    webhook = find_managed_webhook(actor=actor, webhook_id=webhook_id, action="testWebhook")
    (name,) = check_events([event or webhook.events[0]])
    now = timezone.now()
    return _begin(actor, event=name, body=message(name, EXAMPLES[name], now=now), webhook=webhook, now=now)


def try_destination(*, actor: Actor, destination_id: object) -> Answer:
    """Send a notice that says it is a test, at once, and tell what came of it. The log keeps it.

    Raises:
        NotFound.
        AccessDenied: not a metastore admin.
    """
    return _try(_begin_destination_test(actor=actor, destination_id=destination_id))


@audited
def _begin_destination_test(*, actor: Actor, destination_id: object) -> Claim:
    require_administrator(actor)
    destination = find_destination(destination_id)
    now = timezone.now()
    notice = {
        "event": "test",
        "subject": "Modelkeep: a test",
        "text": f"{actor.name} tries whether notices reach '{destination.display_name}'. Nothing needs to be done.",
        "timestamp": now.isoformat(),
        "data": {},
    }
    return _begin(actor, event="test", body=json.dumps(notice), destination=destination, now=now)


def _begin(
    actor: Actor,
    *,
    event: str,
    body: str,
    now: datetime,
    webhook: Webhook | None = None,
    destination: NotificationDestination | None = None,
) -> Claim:
    delivery = Delivery(
        webhook=webhook,
        destination=destination,
        event=event,
        origin=DeliveryOrigin.TEST,
        body=body,
        requested_by=actor.principal,
        created_at=now,
    )
    take(delivery, now=now)
    delivery.save(force_insert=True)
    _record(actor, "testWebhook" if webhook else "testNotificationDestination", delivery)
    return Claim(delivery, delivery.attempts, now)


def _try(claim: Claim) -> Answer:
    """Outside of any transaction: the receiver may take its time."""
    answer = send(claim.delivery, now=claim.at)
    record_attempt(claim, answer)
    return answer


def _record(actor: Actor, action: str, delivery: Delivery, **params: str) -> None:
    facts = {"delivery": str(delivery.pk), "event": delivery.event, **params}
    if delivery.webhook is not None:
        record_on_webhook(actor, action, delivery.webhook, params=facts)
    elif delivery.destination is not None:
        subject = ("NOTIFICATION_DESTINATION", str(delivery.destination.pk), delivery.destination.display_name)
        record(actor=actor, action=action, service_name=DESTINATIONS, subject=subject, params=facts)
