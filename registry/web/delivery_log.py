"""The log of what webhooks and notification destinations were sent: a table, one delivery, and sending it again."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from registry.models import Delivery, DeliveryState
from registry.privileges import Action
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.deliveries import get_delivery, replay_delivery, shows_content
from registry.services.paging import Page
from registry.services.securables import metastore
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import dialog, done
from registry.web.session import signed_in

_TONES = {
    DeliveryState.PENDING: ("warn", "Waiting"),
    DeliveryState.SUCCEEDED: ("ok", "Delivered"),
    DeliveryState.FAILED: ("bad", "Failed"),
    DeliveryState.SKIPPED: ("off", "Skipped"),
}


def log_context(page: Page[Delivery], *, state: str, may_replay: bool) -> dict[str, Any]:
    """What `settings/_deliveries.html` needs."""
    return {
        "page": page,
        "deliveries": [row_of(delivery) for delivery in page.items],
        "state": state.upper(),
        "states": [("", "All"), *((one.value, _TONES[one][1]) for one in DeliveryState)],
        "may_replay": may_replay,
    }


def row_of(delivery: Delivery) -> dict[str, Any]:
    """A delivery as a row: with what it is about only where its owner's right to know that was checked."""
    tone, word = _TONES[DeliveryState(delivery.state)]
    return {
        "delivery": delivery,
        "tone": tone,
        "word": word,
        "about": delivery.securable_name if shows_content(delivery) else "",
        "replayable": delivery.state in {DeliveryState.SUCCEEDED, DeliveryState.FAILED},
    }


@require_safe
@signed_in
@told_in_a_toast
def delivery_page(request: HttpRequest, actor: Actor, delivery_id: str) -> HttpResponseBase:
    """What was sent, and what the receiver said at each attempt."""
    delivery = get_delivery(actor=actor, delivery_id=delivery_id)
    webhook = delivery.webhook
    scope = webhook.scope if webhook else None
    may_replay = (
        Action.MANAGE_WEBHOOKS in allowed_actions(actor=actor, securable=scope or metastore())
        if webhook
        else actor.is_metastore_admin
    )
    context = {
        **row_of(delivery),
        "attempts": list(delivery.log.all()),
        "body": _pretty(delivery.body) if shows_content(delivery) else "",
        "may_replay": may_replay,
        "receiver_page": receiver_page(delivery),
    }
    return dialog(request, "settings/delivery.html", title=f"Delivery of {delivery.event}", **context)


def receiver_page(delivery: Delivery) -> str:
    """The page of the webhook or destination that a delivery went to."""
    if delivery.webhook_id is not None:
        return reverse("webhook", args=[delivery.webhook_id])
    return reverse("destination", args=[delivery.destination_id])


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body


@require_POST
@signed_in
@told_in_a_toast
def replay(request: HttpRequest, actor: Actor, delivery_id: str) -> HttpResponseBase:
    """Send the same once more."""
    again = replay_delivery(actor=actor, delivery_id=delivery_id)
    to = "" if getattr(request, "htmx", False) else receiver_page(again)
    return done(request, to=to, toast="Sent again, as a delivery of its own at the top of the log.")
