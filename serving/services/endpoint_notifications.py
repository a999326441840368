"""Who is told how updates of an endpoint end: e-mail addresses, and notification destinations."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from registry.errors import InvalidParameter
from registry.services.actors import Actor
from registry.services.addressees import keep_addressees
from registry.services.notification_destinations import find_destination
from serving.services.endpoint_events import FAILURE, SUCCESS

MAX_RECEIVERS = 50


def parse_notifications(*, actor: Actor, wire: object) -> dict[str, Any]:
    """The lists `on_update_success` and `on_update_failure` as they are kept. Call inside an `audited` function.

    An entry is an e-mail address, for which a notification destination is made where there is none, or the id of a
    destination, as of a webhook.

    Raises:
        InvalidParameter: not such an object, or what is neither an address nor an id.
        NotFound: no such destination.
    """
    if wire is None:
        return {}
    if not isinstance(wire, Mapping):
        raise InvalidParameter("'email_notifications' must be an object.", field="email_notifications")
    unknown = sorted(set(wire) - {SUCCESS, FAILURE})
    if unknown:
        raise InvalidParameter(
            f"'email_notifications.{unknown[0]}' is not known: use '{SUCCESS}' and '{FAILURE}'.",
            field="email_notifications",
        )
    return {name: _receivers(actor, wire[name], name) for name in (SUCCESS, FAILURE) if wire.get(name)}


def _receivers(actor: Actor, given: object, name: str) -> list[dict[str, str]]:
    if not isinstance(given, list) or len(given) > MAX_RECEIVERS or not all(isinstance(one, str) for one in given):
        raise InvalidParameter(
            f"'email_notifications.{name}' must be a list of {MAX_RECEIVERS} e-mails at most.",
            field="email_notifications",
        )
    return [{"receiver": one, "destination_id": str(_destination(actor, one))} for one in dict.fromkeys(given)]


def _destination(actor: Actor, receiver: str) -> UUID:
    if "@" in receiver:
        (found,) = keep_addressees(actor=actor, emails=[receiver])
        return found
    return find_destination(receiver).pk


def notifications_wire(kept: Mapping[str, Any]) -> dict[str, list[str]]:
    """The lists as clients wrote them."""
    return {name: [one["receiver"] for one in kept[name]] for name in (SUCCESS, FAILURE) if kept.get(name)}
