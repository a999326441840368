"""Who is told of what happens in the seeded world, with a log to look at."""

from datetime import timedelta

from django.utils import timezone

from registry.models import Delivery, DeliveryAttempt, DestinationKind
from registry.services.actors import Actor
from registry.services.notification_destinations import create_destination
from registry.services.webhook_events import message
from registry.services.webhooks import NewWebhook, create_webhook


def build(rosa: Actor) -> None:
    """A webhook with a log: one delivery that arrived, one that was refused; and a destination."""
    webhook = create_webhook(
        actor=rosa,
        new=NewWebhook(
            name="nightly-tests",
            url="https://ci.example.com/hooks/models",
            events=["model_version.created", "model_version_alias.created"],
            description="Runs the acceptance tests of a version before anybody may promote it.",
            secret="not a secret at all",
        ),
    )
    told = [("SUCCEEDED", 200, "", "queued as job 4711"), ("FAILED", 503, "The answer was 503.", "no runner is free")]
    for minutes, (state, status, error, answer) in enumerate(told, 1):
        at = timezone.now() - timedelta(minutes=10 * minutes)
        facts = {"name": "prod.flights.delay", "alias": "Champion", "version": "5"}
        delivery = Delivery.objects.create(
            webhook=webhook,
            event="model_version_alias.created",
            securable_name="prod.flights.delay",
            body=message("model_version_alias.created", facts, now=at),
            state=state,
            attempts=1,
            error=error,
            created_at=at,
            finished_at=at,
        )
        DeliveryAttempt.objects.create(
            delivery=delivery, number=1, at=at, milliseconds=180, status_code=status, error=error, answer=answer
        )
    addresses = {"addresses": ["models@example.com", "ada@example.com"]}
    create_destination(actor=rosa, display_name="Model team", kind=DestinationKind.EMAIL, config=addresses)
