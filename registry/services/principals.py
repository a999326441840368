"""Users, service principals and groups: made, found, listed, changed, disabled, deleted. Metastore admins do this."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, Q, QuerySet

from registry.errors import AlreadyExists, Conflict, InvalidParameter
from registry.models import Experiment, Operation, Principal, PrincipalKind, Securable, Webhook
from registry.names import lookup_key
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read
from registry.services.directory import (
    check_administrator_left,
    check_not_builtin,
    find_by_id,
    lock_directory,
    record_change,
    require_administrator,
)
from registry.services.paging import Page, fetch_page, page_size

_MAX_TEXT = 255
_NAMED_AT_MOST = 5


@dataclass(frozen=True)
class ProfileChanges:
    """What an update asks for; None leaves a field as it is."""

    name: str | None = None
    display_name: str | None = None
    external_id: str | None = None
    is_active: bool | None = None


def _text(value: str, *, field: str) -> str:
    if len(value) > _MAX_TEXT:
        raise InvalidParameter(f"'{field}' is longer than {_MAX_TEXT} characters.", field=field)
    if any(ord(character) < ord(" ") for character in value):
        raise InvalidParameter(f"'{field}' must not contain control characters.", field=field)
    return value.strip()


def normal_email(email: str) -> str:
    """An e-mail address in the one form in which users are named: trimmed and in lower case.

    Raises:
        InvalidParameter: not an e-mail address.
    """
    normal = _text(email, field="email").lower()
    try:
        validate_email(normal)
    except ValidationError as error:
        raise InvalidParameter(
            f"'{email}' is not an e-mail address: users are named by one.", field="email"
        ) from error
    return normal


def _group_name(name: str) -> str:
    normal = _text(name, field="display_name")
    if not normal:
        raise InvalidParameter("'display_name' is required: give the group a name.", field="display_name")
    return normal


def _application_id(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError as error:
        raise InvalidParameter(
            f"'{value}' is not an application id: it is a UUID. Leave it away to get a new one.",
            field="application_id",
        ) from error


@audited
def create_user(*, actor: Actor, email: str, display_name: str = "", external_id: str = "") -> Principal:
    """Make a user without a password: `passwords.reset_password` gives a first one.

    Raises:
        AccessDenied: not a metastore admin.
        InvalidParameter, AlreadyExists.
    """
    return _create(actor, PrincipalKind.USER, lambda: normal_email(email), display_name, external_id)


@audited
def create_service_principal(
    *, actor: Actor, display_name: str, application_id: str = "", external_id: str = ""
) -> Principal:
    """Make a service principal, named by its application id: a new one, unless one is given.

    Raises:
        AccessDenied: not a metastore admin.
        InvalidParameter, AlreadyExists.
    """
    wanted = application_id or str(uuid.uuid4())
    return _create(actor, PrincipalKind.SERVICE_PRINCIPAL, lambda: _application_id(wanted), display_name, external_id)


@audited
def create_group(*, actor: Actor, display_name: str, external_id: str = "") -> Principal:
    """Make an empty group.

    Raises:
        AccessDenied: not a metastore admin.
        InvalidParameter, AlreadyExists.
    """
    return _create(actor, PrincipalKind.GROUP, lambda: _group_name(display_name), "", external_id)


def _create(
    actor: Actor, kind: PrincipalKind, name_of: Callable[[], str], display_name: str, external_id: str
) -> Principal:
    require_administrator(actor)
    name = name_of()
    principal = Principal(
        kind=kind,
        name=name,
        key=lookup_key(name),
        display_name=_text(display_name, field="display_name"),
        external_id=_text(external_id, field="external_id"),
    )
    principal.set_unusable_password()
    _save(principal)
    record_change(
        actor=actor,
        action=f"create{_WORD[kind]}",
        principal=principal,
        after={"name": principal.name, "display_name": principal.display_name},
    )
    return principal


_WORD = {
    PrincipalKind.USER: "User",
    PrincipalKind.SERVICE_PRINCIPAL: "ServicePrincipal",
    PrincipalKind.GROUP: "Group",
}


def _save(principal: Principal) -> None:
    try:
        with transaction.atomic():
            principal.save()
    except IntegrityError as error:
        raise AlreadyExists(f"A user, service principal or group named '{principal.name}' already exists.") from error


@audited_read
def get_principal(*, actor: Actor, principal_id: object, kind: PrincipalKind | None = None) -> Principal:
    """A principal by id: oneself, or anyone for a metastore admin. Up to three queries.

    Raises:
        AccessDenied: somebody else, without being a metastore admin.
        NotFound.
    """
    if str(principal_id) != str(actor.principal.pk):
        require_administrator(actor)
    return find_by_id(principal_id, kind=kind)


_ORDERS = {
    "name": ("key",),
    "-name": ("-key",),
    "created": ("created_at", "pk"),
    "-created": ("-created_at", "-pk"),
}


@dataclass(frozen=True)
class Filter:
    """Which principals a list shows. `text` is looked for in names and in display names."""

    kind: PrincipalKind | None = None
    name: str = ""
    display_name: str = ""
    display_name_contains: str = ""
    name_contains: str = ""
    text: str = ""
    is_active: bool | None = None


def _filtered(wanted: Filter) -> "QuerySet[Principal]":
    rows = Principal.objects.all()
    if wanted.kind is not None:
        rows = rows.filter(kind=wanted.kind)
    if wanted.name:
        rows = rows.filter(key=lookup_key(wanted.name))
    if wanted.display_name:
        rows = rows.filter(display_name__iexact=wanted.display_name)
    if wanted.display_name_contains:
        rows = rows.filter(display_name__icontains=wanted.display_name_contains)
    if wanted.name_contains:
        rows = rows.filter(key__contains=lookup_key(wanted.name_contains))
    if wanted.text:
        rows = rows.filter(Q(key__contains=lookup_key(wanted.text)) | Q(display_name__icontains=wanted.text))
    if wanted.is_active is not None:
        rows = rows.filter(is_active=wanted.is_active)
    return rows


@audited_read
def list_principals(
    *, actor: Actor, wanted: Filter, order: str = "", max_results: int | None = None, page_token: str = ""
) -> Page[Principal]:
    """Principals by name unless `order` says otherwise (name or created, `-` for descending), in keyset pages. Three
    queries.

    Raises:
        AccessDenied: not a metastore admin.
        InvalidParameter: an order that is not known, or a token of another list.
    """
    require_administrator(actor)
    columns = _ORDERS.get(order or "name")
    if columns is None:
        raise InvalidParameter(f"'order' is '{order}': use one of {', '.join(_ORDERS)}.", field="order")
    size, scope = page_size(max_results), f"principals:{wanted}:{order}"
    return fetch_page(_filtered(wanted), order=columns, size=size, token=page_token, scope=scope)


@audited
def update_principal(
    *, actor: Actor, principal_id: object, changes: ProfileChanges, kind: PrincipalKind | None = None
) -> Principal:
    """Change what is given. A display name may be changed by its owner, everything else by a metastore admin.

    A disabled principal can do nothing from the commit on; its tokens and memberships stay for when it is enabled.

    Raises:
        NotFound, AccessDenied, InvalidParameter, AlreadyExists.
        Conflict: the last administrator would be disabled.
    """
    own_profile = changes == ProfileChanges(display_name=changes.display_name)
    if not (own_profile and str(principal_id) == str(actor.principal.pk)):
        require_administrator(actor)
    lock_directory()
    principal = find_by_id(principal_id, kind=kind, lock=True)
    before = _facts(principal)
    _apply(principal, changes)
    _save(principal)
    if changes.is_active is False:
        check_administrator_left()
    record_change(
        actor=actor,
        action=f"update{_WORD[PrincipalKind(principal.kind)]}",
        principal=principal,
        before=before,
        after=_facts(principal),
    )
    return principal


def _apply(principal: Principal, changes: ProfileChanges) -> None:
    if changes.name is not None:
        name = _new_name(principal, changes.name)
        if name != principal.name:
            check_not_builtin(principal, verb="renamed")
            principal.name, principal.key = name, lookup_key(name)
    if changes.display_name is not None:
        principal.display_name = _text(changes.display_name, field="display_name")
    if changes.external_id is not None:
        principal.external_id = _text(changes.external_id, field="external_id")
    if changes.is_active is not None and changes.is_active != principal.is_active:
        check_not_builtin(principal, verb="disabled" if principal.is_active else "enabled")
        principal.is_active = changes.is_active


def _new_name(principal: Principal, name: str) -> str:
    match principal.kind:
        case PrincipalKind.USER:
            return normal_email(name)
        case PrincipalKind.GROUP:
            return _group_name(name)
    if lookup_key(name) != principal.key:
        raise InvalidParameter("A service principal's application id cannot change.", field="application_id")
    return principal.name


def _facts(principal: Principal) -> dict[str, object]:
    return {
        "name": principal.name,
        "display_name": principal.display_name,
        "external_id": principal.external_id,
        "active": principal.is_active,
    }


@audited
def delete_principal(*, actor: Actor, principal_id: object, kind: PrincipalKind | None = None) -> None:
    """Delete a principal for ever, with its tokens, memberships and grants. The audit trail keeps its name.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: it is built in.
        Conflict: it owns something (the message names what), has asked for operations, or is the last administrator.
    """
    require_administrator(actor)
    lock_directory()
    principal = find_by_id(principal_id, kind=kind, lock=True)
    check_not_builtin(principal, verb="deleted")
    _check_owns_nothing(principal)
    record_change(
        actor=actor,
        action=f"delete{_WORD[PrincipalKind(principal.kind)]}",
        principal=principal,
        before=_facts(principal),
    )
    try:
        principal.delete()
    except ProtectedError as error:
        # Nouns of the apps above, which act as whoever made them.
        names = sorted(f"{one._meta.verbose_name} {one}" for one in error.protected_objects)  # noqa: SLF001
        raise Conflict(
            f"'{principal.name}' stands behind {', '.join(names[:_NAMED_AT_MOST])}. Delete these first, or "
            "disable it instead."
        ) from error
    check_administrator_left()


def _check_owns_nothing(principal: Principal) -> None:
    owned = Securable.objects.filter(owner=principal).select_related("parent__parent")
    names = [securable.full_name for securable in owned.order_by("type", "key")[: _NAMED_AT_MOST + 1]]
    names += [f"experiment {row.name}" for row in Experiment.objects.filter(owner=principal)[: _NAMED_AT_MOST + 1]]
    names += [f"webhook {row.name}" for row in Webhook.objects.filter(owner=principal)[: _NAMED_AT_MOST + 1]]
    if names:
        more = " and more" if len(names) > _NAMED_AT_MOST else ""
        raise Conflict(
            f"'{principal.name}' owns {', '.join(names[:_NAMED_AT_MOST])}{more}. "
            "Transfer these to another owner first, or disable it instead."
        )
    if Operation.objects.filter(actor=principal).exists():
        raise Conflict(f"'{principal.name}' has asked for operations, which keep its name. Disable it instead.")
