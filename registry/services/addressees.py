"""People who are written to. An address becomes a destination of its own, so that what is sent there has a log.

Such destinations are not in the list that people choose from. An administrator who deletes one ends the letters to
it: it is made again only by who names it again. One that an administrator edits is a destination like any other.
"""

from collections.abc import Iterable
from uuid import UUID

from django.utils import timezone

from registry.models import DestinationKind, NotificationDestination, Principal, PrincipalKind
from registry.names import lookup_key
from registry.services.actors import Actor
from registry.services.audit import audited, record
from registry.services.notification_destinations import SERVICE, checked_addresses


def destinations_of(emails: Iterable[str]) -> dict[str, UUID]:
    """The destinations that write to exactly one of these addresses, by address. One query."""
    wanted = {lookup_key(email) for email in emails}
    if not wanted:
        return {}
    rows = NotificationDestination.objects.filter(
        kind=DestinationKind.EMAIL, addresses__in=[[email] for email in wanted]
    )
    return {row.addresses[0]: row.pk for row in rows.order_by("created_at")}


@audited
def keep_addressees(*, actor: Actor, emails: Iterable[str]) -> list[UUID]:
    """The destinations of some addresses, in their order; made where there are none. Joins the caller's transaction.

    For what is to be told to addresses, as of alerts, monitors and endpoints: whoever has those may name anybody's.

    Raises:
        InvalidParameter: no e-mail address.
    """
    wanted = list(dict.fromkeys(lookup_key(email) for email in emails))
    if wanted:
        checked_addresses(wanted)
    known = destinations_of(wanted)
    now = timezone.now()
    for email in wanted:
        if email in known:
            continue
        made, _ = NotificationDestination.objects.get_or_create(
            key=f" {email}",  # No name begins with a space: an address is in nobody's way.
            defaults={
                "display_name": email,
                "for_address": True,
                "kind": DestinationKind.EMAIL,
                "addresses": [email],
                "created_at": now,
                "created_by": actor.principal,
                "updated_at": now,
                "updated_by": actor.principal,
            },
        )
        known[email] = made.pk
        record(
            actor=actor,
            action="createNotificationDestination",
            service_name=SERVICE,
            subject=("NOTIFICATION_DESTINATION", str(made.pk), made.display_name),
            after={"kind": made.kind, "addresses": made.addresses},
        )
    return [known[email] for email in wanted]


def unknown_users(emails: Iterable[str]) -> list[str]:
    """The addresses that neither a user of this workspace nor a destination has. Two queries."""
    wanted = {lookup_key(email): email for email in emails}
    users = Principal.objects.filter(key__in=list(wanted), kind=PrincipalKind.USER, is_active=True)
    known = {*users.values_list("key", flat=True), *destinations_of(wanted)}
    return [email for key, email in wanted.items() if key not in known]
