"""Webhooks: made, shown, changed, deleted. One rule says where: who owns the place that a webhook is told of."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Length
from django.utils import timezone

from registry.errors import AccessDenied, InvalidParameter, LimitExceeded
from registry.models import Principal, Securable, Webhook, WebhookStatus
from registry.names import lookup_key
from registry.privileges import Action, SecurableType
from registry.services.access import actionable_by, administered_by, require
from registry.services.actors import Actor
from registry.services.audit import HiddenFromActor, audited, audited_read, record
from registry.services.delivery_http import check_receiver
from registry.services.delivery_senders import WEBHOOK_SECRET
from registry.services.paging import Page, fetch_page, page_size
from registry.services.sealing import seal
from registry.services.securables import find_for, metastore
from registry.services.webhook_events import check_events

SERVICE = "webhooks"
SCOPES = (SecurableType.CATALOG, SecurableType.SCHEMA, SecurableType.REGISTERED_MODEL)
_ORDERS = {
    "name": ("name", "pk"),
    "-name": ("-name", "-pk"),
    "created": ("created_at", "pk"),
    "-created": ("-created_at", "-pk"),
}
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?", re.IGNORECASE)
_MAX_DESCRIPTION = 1000
_MAX_SECRET = 1000


class HiddenWebhook(HiddenFromActor):
    """A missing webhook, or one the actor may not know of: both read the same."""

    def __init__(self, webhook_id: object, *, action: str) -> None:
        super(HiddenFromActor, self).__init__(f"Webhook '{webhook_id}' does not exist.")
        self.action = action


@dataclass(frozen=True)
class NewWebhook:
    """What a webhook is made of. Without `scope_type` it is told of the whole metastore."""

    name: str
    url: str
    events: Sequence[object]
    description: str = ""
    secret: str = ""
    status: str = WebhookStatus.ACTIVE
    scope_type: SecurableType | None = None
    scope_name: str = ""


@dataclass(frozen=True)
class WebhookChanges:
    """What an update asks for; None leaves a field as it is. An empty secret ends the signing of deliveries."""

    name: str | None = None
    url: str | None = None
    events: Sequence[object] | None = None
    description: str | None = None
    secret: str | None = None
    status: str | None = None
    owner: str | None = None


def parse_scope(text: str) -> SecurableType | None:
    """The kind of place a webhook is told of, as a client writes it; None for the whole metastore.

    Raises:
        InvalidParameter: a kind that webhooks are not made on.
    """
    word = text.strip().upper()
    if word in {"", SecurableType.METASTORE}:
        return None
    if word in {"MODEL", "FUNCTION"}:
        return SecurableType.REGISTERED_MODEL
    if word not in SCOPES:
        raise InvalidParameter(f"'scope_type' is '{text}': use METASTORE, {', '.join(SCOPES)}.", field="scope_type")
    return SecurableType(word)


def check_webhook_name(name: str) -> str:
    """The name of a webhook, as MLflow takes them; several may have the same.

    Raises:
        InvalidParameter.
    """
    if not _NAME.fullmatch(name):
        raise InvalidParameter(
            f"'name' is '{name[:100]}': use 1 to 63 letters, digits, dots, underscores and hyphens, with a letter or "
            "digit at both ends.",
            field="name",
        )
    return name


def _bounded(text: str, *, field: str, most: int) -> str:
    if len(text) > most:
        raise InvalidParameter(f"'{field}' is longer than {most} characters.", field=field)
    return text


def _status(text: str) -> WebhookStatus:
    try:
        return WebhookStatus(text.strip().upper())
    except ValueError as error:
        raise InvalidParameter(f"'status' is '{text}': use ACTIVE or DISABLED.", field="status") from error


def _sealed(secret: str) -> str:
    return seal(_bounded(secret, field="secret", most=_MAX_SECRET), purpose=WEBHOOK_SECRET) if secret else ""


@audited
def create_webhook(*, actor: Actor, new: NewWebhook) -> Webhook:
    """Make a webhook, owned by the actor, who needs to own the place that it is told of, or MANAGE on it.

    Raises:
        NotFound: no such place, or a hidden one.
        AccessDenied: of the whole metastore, without being a metastore admin; of a place that the actor does not own.
        InvalidParameter, LimitExceeded.
    """
    scope = _scope_for(actor, new)
    now = timezone.now()
    webhook = Webhook(
        name=check_webhook_name(new.name),
        url=check_receiver(new.url),
        events=check_events(new.events),
        description=_bounded(new.description, field="description", most=_MAX_DESCRIPTION),
        status=_status(new.status),
        sealed_secret=_sealed(new.secret),
        owner=actor.principal,
        scope=scope,
        created_at=now,
        created_by=actor.principal,
        updated_at=now,
        updated_by=actor.principal,
    )
    if Webhook.objects.filter(scope=scope).count() >= settings.MAX_WEBHOOKS_PER_SCOPE:
        raise LimitExceeded(f"There are {settings.MAX_WEBHOOKS_PER_SCOPE} webhooks here already: delete one first.")
    webhook.save(force_insert=True)
    _record(actor, "createWebhook", webhook, after=_facts(webhook))
    return webhook


def _scope_for(actor: Actor, new: NewWebhook) -> Securable | None:
    if new.scope_type is not None:
        return find_for(
            actor=actor, type_=new.scope_type, full_name=new.scope_name, action=Action.MANAGE_WEBHOOKS, lock=True
        )
    _require_metastore(actor)
    return None


def _require_metastore(actor: Actor) -> None:
    try:
        require(actor=actor, action=Action.MANAGE_WEBHOOKS, securable=metastore())
    except AccessDenied as denial:
        denial.message += (
            " Or make a webhook on a catalog, schema or model that you own, with 'scope_type' and 'scope_name' at "
            "POST /api/modelkeep/webhooks: only metastore admins may be told of every model."
        )
        raise


def visible_webhooks(actor: Actor) -> "QuerySet[Webhook]":
    """The webhooks that the actor may see, decided in SQL: its own, and those on what it administers."""
    rows = Webhook.objects.select_related("owner", "scope__parent__parent", "scope__owner")
    if actor.is_metastore_admin:
        return rows
    return rows.filter(Q(owner__in=list(actor.principal_ids)) | administered_by(actor, "scope"))


def find_webhook(*, actor: Actor, webhook_id: object, action: str, lock: bool = False) -> Webhook:
    """The webhook, if the actor may see it. One query.

    Raises:
        NotFound.
    """
    try:
        key = uuid.UUID(str(webhook_id))
    except ValueError as error:
        raise HiddenWebhook(webhook_id, action=action) from error
    rows = visible_webhooks(actor)
    rows = rows.select_for_update(no_key=True, of=("self",)) if lock else rows
    found = rows.filter(pk=key).first()
    if found is None:
        raise HiddenWebhook(webhook_id, action=action)
    return found


def find_managed_webhook(*, actor: Actor, webhook_id: object, action: str, lock: bool = False) -> Webhook:
    """The webhook, if the actor may change it: who could make it where it is. Two or three queries.

    Raises:
        NotFound.
        AccessDenied: the actor may see it, and does not own what it is told of.
    """
    webhook = find_webhook(actor=actor, webhook_id=webhook_id, action=action, lock=lock)
    if webhook.scope is None:
        _require_metastore(actor)
    else:
        require(actor=actor, action=Action.MANAGE_WEBHOOKS, securable=webhook.scope)
    return webhook


@audited_read
def get_webhook(*, actor: Actor, webhook_id: object) -> Webhook:
    """One webhook. One query.

    Raises:
        NotFound: there is none, or the actor may not see it.
    """
    return find_webhook(actor=actor, webhook_id=webhook_id, action="getWebhook")


@audited_read
def list_webhooks(
    *,
    actor: Actor,
    name_contains: str = "",
    order: str = "",
    max_results: int | None = None,
    page_token: str = "",
) -> Page[Webhook]:
    """The webhooks that the actor may see, newest first unless `order` says otherwise (name or created, `-` for
    descending); with `name_contains`, some of them. One query.

    Raises:
        InvalidParameter: an order that is not known, or a token of another list.
    """
    columns = _ORDERS.get(order or "-created")
    if columns is None:
        raise InvalidParameter(f"'order' is '{order}': use one of {', '.join(_ORDERS)}.", field="order")
    rows = visible_webhooks(actor)
    return fetch_page(
        rows.filter(name__icontains=name_contains) if name_contains else rows,
        order=columns,
        size=page_size(max_results),
        token=page_token,
        scope=f"webhooks:{name_contains}:{order}",
    )


def webhook_places(*, actor: Actor, text: str = "", limit: int = 12) -> list[Securable]:
    """Catalogs, schemas and models on which the actor may make webhooks, shortest names first. Three queries.

    The last dotted part of `text` is part of the name, what stands before it begins the name of what is above.
    """
    *above, own = [lookup_key(part.strip()) for part in text.split(".")]
    found: list[Securable] = []
    for type_, parents in zip(SCOPES, ((), ("parent",), ("parent", "parent__parent")), strict=True):
        if len(above) > len(parents):
            continue
        rows = actionable_by(actor, Action.MANAGE_WEBHOOKS, type_).filter(key__contains=own)
        for path, part in zip(parents, reversed(above), strict=False):
            rows = rows.filter(**{f"{path}__key__startswith": part})
        found += rows.select_related("parent__parent").order_by(Length("key"), "key", "pk")[: limit - len(found)]
    return found


@audited
def update_webhook(*, actor: Actor, webhook_id: object, changes: WebhookChanges) -> Webhook:
    """Change what is given. What waits to be sent goes to the new address; disabled, it is skipped.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    webhook = find_managed_webhook(actor=actor, webhook_id=webhook_id, action="updateWebhook", lock=True)
    before = _facts(webhook)
    if changes.name is not None:
        webhook.name = check_webhook_name(changes.name)
    if changes.url is not None:
        webhook.url = check_receiver(changes.url)
    if changes.events is not None:
        webhook.events = check_events(changes.events)
    if changes.description is not None:
        webhook.description = _bounded(changes.description, field="description", most=_MAX_DESCRIPTION)
    if changes.secret is not None:
        webhook.sealed_secret = _sealed(changes.secret)
    if changes.status is not None:
        webhook.status = _status(changes.status)
    if changes.owner is not None:
        webhook.owner = _new_owner(actor, changes.owner)
    webhook.updated_at, webhook.updated_by = timezone.now(), actor.principal
    webhook.save()
    after = {**_facts(webhook), "secret_changed": changes.secret is not None}
    _record(actor, "updateWebhook", webhook, before=before, after=after)
    return webhook


def _new_owner(actor: Actor, name: str) -> Principal:
    """Whose eyes the webhook sees with from now on: a metastore admin may name anybody, others themselves."""
    found = Principal.objects.filter(key=lookup_key(name), is_active=True).first()
    if found is None:
        raise InvalidParameter(
            f"'owner' is '{name}': there is no active user, service principal or group of that name.", field="owner"
        )
    if not actor.is_metastore_admin and found.pk not in actor.principal_ids:
        raise InvalidParameter(
            "'owner' must be yourself or a group that you are in: a webhook is told of what its owner may see.",
            field="owner",
        )
    return found


@audited
def delete_webhook(*, actor: Actor, webhook_id: object) -> None:
    """Delete a webhook with its log. Its owner may do that also without any right on the place left.

    Raises:
        NotFound, AccessDenied.
    """
    webhook = find_webhook(actor=actor, webhook_id=webhook_id, action="deleteWebhook", lock=True)
    if webhook.owner_id not in actor.principal_ids:
        find_managed_webhook(actor=actor, webhook_id=webhook_id, action="deleteWebhook")
    _record(actor, "deleteWebhook", webhook, before=_facts(webhook))
    webhook.delete()


def _facts(webhook: Webhook) -> dict[str, Any]:
    """What the trail keeps. Paths and queries of addresses are secrets with some receivers."""
    parts = urlsplit(webhook.url)
    return {
        "name": webhook.name,
        "receiver": f"{parts.scheme}://{parts.hostname}",
        "events": list(webhook.events),
        "status": webhook.status,
        "owner": webhook.owner.name,
        "signed": webhook.has_secret,
    }


def _record(actor: Actor, action: str, webhook: Webhook, **more: Any) -> None:
    record_on_webhook(actor, action, webhook, params={}, **more)


def record_on_webhook(actor: Actor, action: str, webhook: Webhook, *, params: dict[str, Any], **more: Any) -> None:
    """Add an audit row about a webhook."""
    scope = webhook.scope
    place = {"scope": f"{scope.type} {scope.full_name}" if scope else SecurableType.METASTORE}
    record(
        actor=actor,
        action=action,
        service_name=SERVICE,
        subject=("WEBHOOK", str(webhook.pk), webhook.name),
        params={**place, **params},
        **more,
    )
