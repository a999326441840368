"""Notification destinations: named places for alerts. Metastore admins manage them, everybody may choose one."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from registry.errors import AlreadyExists, InvalidParameter, NotFound
from registry.models import DestinationKind, NotificationDestination
from registry.names import lookup_key
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.delivery_http import check_receiver
from registry.services.delivery_senders import DESTINATION_SETTINGS
from registry.services.directory import require_administrator
from registry.services.paging import Page, fetch_page, page_size
from registry.services.sealing import seal, unseal

SERVICE = "notificationDestinations"
MAX_ADDRESSES = 50
_MAX_NAME = 255
_SECRETS: dict[DestinationKind, tuple[str, ...]] = {
    DestinationKind.WEBHOOK: ("url", "username", "password"),
    DestinationKind.SLACK: ("url",),
    DestinationKind.EMAIL: (),
}
"""The settings of each kind that are sealed and never shown again; `url` is needed."""


def _name(text: str) -> str:
    name = text.strip()
    if not name or len(name) > _MAX_NAME:
        raise InvalidParameter(
            f"'display_name' is required, with {_MAX_NAME} characters at most.", field="display_name"
        )
    return name


def _apply(destination: NotificationDestination, given: Mapping[str, Any]) -> None:
    """Take over the settings that are given; those of a webhook that are not stay as they were.

    Raises:
        InvalidParameter.
    """
    kind = DestinationKind(destination.kind)
    if kind == DestinationKind.EMAIL:
        destination.addresses = checked_addresses(given.get("addresses"))
        return
    unknown = sorted(name for name in given if name not in _SECRETS[kind] and given[name] not in (None, ""))
    if unknown:
        raise InvalidParameter(f"'{unknown[0]}' is not kept for {kind.label}: give only its url.", field=unknown[0])
    kept = _settings_of(destination)
    if given.get("url") not in (None, kept.get("url")):
        # A password goes to the address that it was given for, and to no other.
        kept = {}
    for name in _SECRETS[kind]:
        if given.get(name) is not None:
            kept[name] = _text(given[name], field=name)
    kept = {name: value for name, value in kept.items() if value}
    kept["url"] = check_receiver(kept.get("url", ""))
    destination.sealed_config = seal(json.dumps(kept), purpose=DESTINATION_SETTINGS)
    destination.settings_set = sorted(kept)


def _settings_of(destination: NotificationDestination) -> dict[str, str]:
    if not destination.sealed_config:
        return {}
    found: dict[str, str] = json.loads(unseal(destination.sealed_config, purpose=DESTINATION_SETTINGS))
    return found


def _text(value: object, *, field: str) -> str:
    if not isinstance(value, str) or len(value) > 2000:
        raise InvalidParameter(f"'{field}' must be text of 2000 characters at most.", field=field)
    return value


def checked_addresses(given: object) -> list[str]:
    """Addresses, each once.

    Raises:
        InvalidParameter.
    """
    if not isinstance(given, list) or not given or len(given) > MAX_ADDRESSES:
        raise InvalidParameter(f"'addresses' must be a list of 1 to {MAX_ADDRESSES} e-mails.", field="addresses")
    found = list(dict.fromkeys(str(address).strip() for address in given))
    for address in found:
        try:
            validate_email(address)
        except ValidationError as error:
            raise InvalidParameter(
                f"'addresses' holds '{address}', which is no e-mail.", field="addresses"
            ) from error
    return found


@audited_read
def require_manager(*, actor: Actor) -> None:
    """Let pass who manages destinations and may see where they lead. Everybody else knows their names alone.

    Raises:
        AccessDenied: not a metastore admin.
    """
    require_administrator(actor)


@audited
def create_destination(
    *, actor: Actor, display_name: str, kind: DestinationKind, config: Mapping[str, Any]
) -> NotificationDestination:
    """Make a destination. `config` is `{url, username, password}`, `{url}` or `{addresses}`, by its kind.

    Raises:
        AccessDenied: not a metastore admin.
        InvalidParameter, AlreadyExists.
    """
    require_administrator(actor)
    now = timezone.now()
    name = _name(display_name)
    destination = NotificationDestination(
        display_name=name,
        key=lookup_key(name),
        kind=kind,
        created_at=now,
        created_by=actor.principal,
        updated_at=now,
        updated_by=actor.principal,
    )
    _apply(destination, config)
    _save(destination, force_insert=True)
    _record(actor, "createNotificationDestination", destination, after=_facts(destination))
    return destination


def _save(destination: NotificationDestination, *, force_insert: bool = False) -> None:
    try:
        with transaction.atomic():
            destination.save(force_insert=force_insert)
    except IntegrityError as error:
        raise AlreadyExists(f"Notification destination '{destination.display_name}' already exists.") from error


def _facts(destination: NotificationDestination) -> dict[str, Any]:
    return {
        "display_name": destination.display_name,
        "kind": destination.kind,
        "addresses": destination.addresses,
        "settings_set": destination.settings_set,
    }


def _record(actor: Actor, action: str, destination: NotificationDestination, **more: Any) -> None:
    subject = ("NOTIFICATION_DESTINATION", str(destination.pk), destination.display_name)
    record(actor=actor, action=action, service_name=SERVICE, subject=subject, **more)


def find_destination(destination_id: object, *, lock: bool = False) -> NotificationDestination:
    """The destination of that id, whoever asks. One query.

    Raises:
        NotFound.
    """
    rows = NotificationDestination.objects.select_for_update(no_key=True) if lock else NotificationDestination.objects
    try:
        found = rows.filter(pk=uuid.UUID(str(destination_id))).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound(f"Notification destination '{destination_id}' does not exist.")
    return found


@audited_read
def get_destination(*, actor: Actor, destination_id: object) -> NotificationDestination:  # noqa: ARG001
    """One destination, for everybody. What is set on it is for metastore admins: dialects leave it out.

    Raises:
        NotFound.
    """
    return find_destination(destination_id)


@audited_read
def list_destinations(
    *,
    actor: Actor,  # noqa: ARG001  (everybody may choose among them)
    for_addresses: bool = False,
    max_results: int | None = None,
    page_token: str = "",
) -> Page[NotificationDestination]:
    """The destinations to choose from, by name. One query.

    Args:
        for_addresses: those that were made for an address instead.

    Raises:
        InvalidParameter: a token of another list.
    """
    return fetch_page(
        NotificationDestination.objects.filter(for_address=for_addresses),
        order=["key"],
        size=page_size(max_results),
        token=page_token,
        scope="destinations-for-addresses" if for_addresses else "destinations",
    )


@audited
def update_destination(
    *,
    actor: Actor,
    destination_id: object,
    display_name: str | None = None,
    kind: DestinationKind | None = None,
    config: Mapping[str, Any] | None = None,
) -> NotificationDestination:
    """Change what is given. Settings that are not given stay; an empty user name or password is taken away.

    A destination that was made for an address is one to choose from then on.

    Raises:
        AccessDenied: not a metastore admin.
        InvalidParameter: nothing to change, another kind, or a setting that cannot be used.
        NotFound, AlreadyExists.
    """
    require_administrator(actor)
    destination = find_destination(destination_id, lock=True)
    if display_name is None and config is None:
        raise InvalidParameter("There is nothing to change: give 'display_name' or 'config'.", field="config")
    if kind is not None and kind != destination.kind:
        raise InvalidParameter(
            f"'config' is of kind {kind}, but the destination is of kind {destination.kind}: the kind cannot change. "
            "Make another destination.",
            field="config",
        )
    before = _facts(destination)
    if display_name is not None:
        destination.display_name = _name(display_name)
    destination.key, destination.for_address = lookup_key(destination.display_name), False
    if config is not None:
        _apply(destination, config)
    destination.updated_at, destination.updated_by = timezone.now(), actor.principal
    _save(destination)
    after = {**_facts(destination), "settings_changed": config is not None}
    _record(actor, "updateNotificationDestination", destination, before=before, after=after)
    return destination


@audited
def delete_destination(*, actor: Actor, destination_id: object) -> None:
    """Delete a destination with its log.

    Raises:
        AccessDenied: not a metastore admin.
        NotFound.
    """
    require_administrator(actor)
    destination = find_destination(destination_id, lock=True)
    _record(actor, "deleteNotificationDestination", destination, before=_facts(destination))
    destination.delete()
