"""What catalogs, schemas, models and tables have in common: being found, made, renamed, handed over, deleted."""

from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from registry.errors import AlreadyExists, InvalidParameter, NotFound
from registry.events import grants_changed
from registry.models import Principal, Securable
from registry.names import check_name, lookup_key, split_full_name
from registry.privileges import Action, SecurableType
from registry.services.access import gather_facts, not_found_message, require
from registry.services.actors import Actor
from registry.services.audit import record

_LEVELS = {
    SecurableType.CATALOG: 1,
    SecurableType.SCHEMA: 2,
    SecurableType.REGISTERED_MODEL: 3,
    SecurableType.TABLE: 3,
}
_KEY_PATHS = ("key", "parent__key", "parent__parent__key")
_ORDERS = {
    "name": ("key", "pk"),
    "-name": ("-key", "-pk"),
    "updated": ("updated_at", "pk"),
    "-updated": ("-updated_at", "-pk"),
}


def metastore() -> Securable:
    """The one metastore. One query."""
    return Securable.objects.select_related("owner").get(type=SecurableType.METASTORE)


def with_containers(queryset: "QuerySet[Securable]") -> "QuerySet[Securable]":
    """Rows together with owner and containers, so that names and rights cost no query a row."""
    return queryset.select_related("owner", "parent__parent", "created_by", "updated_by")


def list_order(order: str) -> tuple[str, ...]:
    """The columns that a list of securables goes by: name or updated, `-` for descending.

    Raises:
        InvalidParameter: another order.
    """
    columns = _ORDERS.get(order or "name")
    if columns is None:
        raise InvalidParameter(f"'order' is '{order}': use one of {', '.join(_ORDERS)}.", field="order")
    return columns


def find_securable(type_: SecurableType, full_name: str, *, lock: bool = False) -> Securable:
    """The securable of that name, whoever asks: callers `require` afterwards. One query.

    Raises:
        NotFound: there is none.
        InvalidParameter: the name has another number of parts.
    """
    if type_ == SecurableType.METASTORE:
        return metastore()
    parts = split_full_name(full_name, levels=_LEVELS[type_])
    keys = dict(zip(_KEY_PATHS, (lookup_key(part) for part in reversed(parts)), strict=False))
    rows = with_containers(Securable.objects.filter(type=type_, **keys))
    found = (rows.select_for_update(of=("self",)) if lock else rows).first()
    if found is None:
        raise NotFound(not_found_message(type_, full_name))
    return found


def find_for(*, actor: Actor, type_: SecurableType, full_name: str, action: Action, lock: bool = False) -> Securable:
    """The securable of that name, if the actor may do `action` to it. Two queries.

    Raises:
        NotFound: there is none, or the actor may not know of it.
        AccessDenied: the actor may not do this to it.
    """
    securable = find_securable(type_, full_name, lock=lock)
    require(actor=actor, action=action, securable=securable, named=full_name)
    return securable


def find_known(*, actor: Actor, type_: SecurableType, full_name: str) -> Securable | None:
    """The securable of that name; None where there is none, or none of which the actor may know. Two queries.

    Raises:
        InvalidParameter: the name has another number of parts.
    """
    try:
        securable = find_securable(type_, full_name)
    except NotFound:
        return None
    facts = gather_facts(actor=actor, securable=securable)
    return securable if facts.visible or facts.known_directly else None


def make_securable(
    *,
    actor: Actor,
    type_: SecurableType,
    parent: Securable,
    name: str,
    field: str = "name",
    comment: str = "",
    properties: dict[str, Any] | None = None,
) -> Securable:
    """A new row, owned by the actor.

    Raises:
        InvalidParameter: a name that cannot be stored.
        AlreadyExists: the name is taken in this container.
    """
    now = timezone.now()
    securable = Securable(
        type=type_,
        parent=parent,
        name=check_name(name, field=field),
        key=lookup_key(name),
        owner=actor.principal,
        comment=comment,
        properties=properties or {},
        created_at=now,
        created_by=actor.principal,
        updated_at=now,
        updated_by=actor.principal,
    )
    _save_name(securable, force_insert=True)
    return securable


def _save_name(securable: Securable, *, force_insert: bool = False, fields: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            securable.save(force_insert=force_insert, update_fields=fields)
    except IntegrityError as error:
        if "securable_name_once" not in str(error):
            raise
        noun = securable.type.replace("_", " ").lower()
        raise AlreadyExists(f"{noun.capitalize()} '{securable.full_name}' already exists.") from error


def touch(securable: Securable, *, actor: Actor, fields: list[str]) -> None:
    """Save some fields and note who changed them, and when."""
    securable.updated_at, securable.updated_by = timezone.now(), actor.principal
    securable.save(update_fields=[*fields, "updated_at", "updated_by"])


def rename_securable(securable: Securable, *, actor: Actor, new_name: str) -> None:
    """Give another name inside the same container; nothing below it moves.

    Raises:
        InvalidParameter: a name that cannot be stored.
        AlreadyExists: the name is taken.
    """
    securable.name = check_name(new_name, field="new_name")
    securable.key = lookup_key(new_name)
    securable.updated_at, securable.updated_by = timezone.now(), actor.principal
    _save_name(securable, fields=["name", "key", "updated_at", "updated_by"])


@dataclass(frozen=True)
class Changes:
    """What an update asks for; None leaves a field as it is."""

    new_name: str | None = None
    owner: str | None = None
    comment: str | None = None
    properties: dict[str, Any] | None = None

    @property
    def describes(self) -> bool:
        """Whether comment or properties change. An update that asks for nothing counts as a description too."""
        return self.comment is not None or self.properties is not None or self == Changes()


def update_securable(
    securable: Securable, *, actor: Actor, changes: Changes, edit: Action, rename: Action, named: str
) -> None:
    """Apply what is asked for, each part under its own right and with its own audit row.

    Raises:
        NotFound, AccessDenied, InvalidParameter, AlreadyExists.
    """
    if changes.describes:
        require(actor=actor, action=edit, securable=securable, named=named)
        before = {"comment": securable.comment, "properties": securable.properties}
        securable.comment = securable.comment if changes.comment is None else changes.comment
        securable.properties = securable.properties if changes.properties is None else changes.properties
        touch(securable, actor=actor, fields=["comment", "properties"])
        after = {"comment": securable.comment, "properties": securable.properties}
        record(actor=actor, action=edit, securable=securable, before=before, after=after)
    if changes.new_name is not None:
        require(actor=actor, action=rename, securable=securable, named=named)
        before = {"name": securable.full_name}
        rename_securable(securable, actor=actor, new_name=changes.new_name)
        record(
            actor=actor,
            action=rename,
            securable=securable,
            before=before,
            after={"name": securable.full_name},
        )
    if changes.owner is not None:
        transfer_securable(securable, actor=actor, owner=changes.owner, named=named)


def transfer_securable(securable: Securable, *, actor: Actor, owner: str, named: str) -> None:
    """Hand over ownership. The actor must administer the securable and may use its parents.

    Raises:
        InvalidParameter: no such principal, or a disabled one.
        NotFound, AccessDenied: as `require`.
    """
    require(actor=actor, action=Action.TRANSFER, securable=securable, named=named)
    principal = Principal.objects.filter(key=lookup_key(owner), is_active=True).first()
    if principal is None:
        raise InvalidParameter(
            f"'owner' is '{owner}': there is no active user, service principal or group of that name.",
            field="owner",
        )
    before = {"owner": securable.owner.name}
    securable.owner = principal
    touch(securable, actor=actor, fields=["owner"])
    record(
        actor=actor,
        action=Action.TRANSFER,
        securable=securable,
        before=before,
        after={"owner": principal.name},
    )
    transaction.on_commit(lambda: grants_changed.send(Securable, securable_id=securable.pk))
