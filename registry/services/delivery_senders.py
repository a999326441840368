"""How a delivery reaches its receiver: a signed request for a webhook; a request or an e-mail for a destination."""

import json
import smtplib
import time
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage

from registry.errors import InvalidState
from registry.models import Delivery, DestinationKind, NotificationDestination, Webhook
from registry.services.delivery_http import Answer, post, signature
from registry.services.sealing import unseal

WEBHOOK_SECRET = "webhook"  # noqa: S105  (what it is sealed for)
DESTINATION_SETTINGS = "destination"
_SMTP = "django.core.mail.backends.smtp.EmailBackend"


def send(delivery: Delivery, *, now: datetime) -> Answer:
    """Try once. Never raises for what the receiver does.

    `now` stands in the signed header, by which receivers refuse what is old.
    """
    try:
        if delivery.webhook is not None:
            return _to_webhook(delivery.webhook, delivery, now=now)
        if delivery.destination is not None:
            return _to_destination(delivery.destination, delivery, now=now)
    except InvalidState as error:
        return Answer(0, error=error.message, final=True)
    raise ValueError("a delivery has a receiver")


def _to_webhook(webhook: Webhook, delivery: Delivery, *, now: datetime) -> Answer:
    delivery_id, timestamp = str(delivery.pk), str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "X-MLflow-Delivery-Id": delivery_id,
        "X-MLflow-Timestamp": timestamp,
    }
    if delivery.replay_of_id:
        headers["X-Modelkeep-Replay-Of"] = str(delivery.replay_of_id)
    if webhook.sealed_secret:
        secret = unseal(webhook.sealed_secret, purpose=WEBHOOK_SECRET)
        headers["X-MLflow-Signature"] = signature(
            secret, delivery_id=delivery_id, timestamp=timestamp, body=delivery.body
        )
    return post(webhook.url, body=delivery.body.encode(), headers=headers)


def _to_destination(destination: NotificationDestination, delivery: Delivery, *, now: datetime) -> Answer:
    notice = json.loads(delivery.body)
    if destination.kind == DestinationKind.EMAIL:
        return _by_email(destination.addresses, notice, delivery)
    sealed = json.loads(unseal(destination.sealed_config, purpose=DESTINATION_SETTINGS))
    headers = {"Content-Type": "application/json", "X-Modelkeep-Delivery-Id": str(delivery.pk)}
    if destination.kind == DestinationKind.SLACK:
        text = json.dumps({"text": f"*{notice['subject']}*\n{notice['text']}"})
        return post(sealed["url"], body=text.encode(), headers=headers)
    if password := sealed.get("password", ""):
        # What was agreed with the receiver signs as well, as a webhook's secret does.
        timestamp = str(int(now.timestamp()))
        signed = signature(password, delivery_id=str(delivery.pk), timestamp=timestamp, body=delivery.body)
        headers |= {"X-Modelkeep-Timestamp": timestamp, "X-Modelkeep-Signature": signed}
    username = sealed.get("username", "")
    auth = (username, sealed.get("password", "")) if username or sealed.get("password") else None
    return post(sealed["url"], body=delivery.body.encode(), headers=headers, auth=auth)


def _by_email(addresses: list[str], notice: dict[str, Any], delivery: Delivery) -> Answer:
    if settings.EMAIL_BACKEND == _SMTP and not settings.EMAIL_HOST:
        return Answer(0, error="No mail server is set: an operator names one with MODELKEEP_SMTP_HOST.", final=True)
    began = time.monotonic()
    # The same at every attempt, so that a mail server or reader can tell a repetition.
    headers = {"Message-ID": f"<{delivery.pk}@modelkeep>", "Auto-Submitted": "auto-generated"}
    subject = " ".join(str(notice["subject"]).split())
    mail = EmailMessage(subject=subject, body=str(notice["text"]), to=list(addresses), headers=headers)
    error = ""
    try:
        mail.send()
    except smtplib.SMTPException as refused:
        error = f"The mail server refused the message ({type(refused).__name__})."
    except OSError as failed:
        error = f"The mail server cannot be reached ({failed.strerror or type(failed).__name__})."
    return Answer(int((time.monotonic() - began) * 1000), error=error)
