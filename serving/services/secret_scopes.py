"""Scopes of secrets: folders with levels of their own, READ < WRITE < MANAGE, held directly or through a group.

A metastore admin sees every scope and may manage it, which gives no value away: to use one it must be granted READ
like everybody else, and the trail shows who granted it.
"""

import re
from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from registry.errors import AccessDenied, AlreadyExists, InvalidParameter, LimitExceeded, NotFound
from registry.models import ACCOUNT_USERS, Principal
from registry.services.actors import Actor
from registry.services.audit import HiddenFromActor, audited, audited_read, record
from registry.services.grants import find_principal
from serving.models import SecretGrant, SecretLevel, SecretScope

SERVICE = "secrets"
MAX_SCOPES = 1000
LEVELS = (SecretLevel.READ, SecretLevel.WRITE, SecretLevel.MANAGE)
_NAME = re.compile(r"[\w.@-]{1,128}", re.ASCII)
_EVERYBODY = "users"
"""What stock clients call the group of all users."""


class HiddenScope(HiddenFromActor):
    """A scope the actor may not know of; it reads like one that does not exist."""

    service_name = SERVICE

    def __init__(self, scope: SecretScope, *, action: str) -> None:
        super(HiddenFromActor, self).__init__(missing_scope(scope.name))
        self.action = action
        self.subject = subject_of(scope)


class DeniedOnScope(AccessDenied):
    """The scope may be seen, and the actor's level on it is too low."""

    service_name = SERVICE

    def __init__(self, scope: SecretScope, *, action: str, held: str, needed: str) -> None:
        owner = scope.created_by.name if scope.created_by else ""
        super().__init__(
            f"You have {held} on secret scope '{scope.name}' and this needs {needed}. "
            f"Ask somebody with MANAGE{f', as its creator, {owner}' if owner else ''}.",
            missing=needed,
            securable=scope.name,
            owner=owner,
        )
        self.action = action
        self.subject = subject_of(scope)


def missing_scope(name: str) -> str:
    """What a caller reads of a scope that is missing, or that it may not know of."""
    return f"Secret scope '{name}' does not exist."


def subject_of(scope: SecretScope) -> tuple[str, str, str]:
    """What audit rows call a scope."""
    return "SECRET_SCOPE", str(scope.pk), scope.name


def held_level(levels: Iterable[str]) -> SecretLevel | None:
    """The highest of some levels."""
    held = set(levels)
    return next((level for level in reversed(LEVELS) if level in held), None)


def covers(held: str | None, needed: str) -> bool:
    """Whether a level holds another one."""
    return held is not None and LEVELS.index(SecretLevel(held)) >= LEVELS.index(SecretLevel(needed))


def require_scope(*, actor: Actor, name: str, level: SecretLevel, action: str, lock: bool = False) -> SecretScope:
    """The scope of that name, if the actor has this level on it, or is a metastore admin. Two queries.

    Raises:
        NotFound: there is none, or the actor has no level on it: no difference shows.
        AccessDenied: the actor's level is too low.
    """
    rows = SecretScope.objects.select_related("created_by")
    scope = (rows.select_for_update(of=("self",)) if lock else rows).filter(name=name).first()
    if scope is None:
        raise NotFound(missing_scope(name))
    if actor.is_metastore_admin:
        return scope
    grants = SecretGrant.objects.filter(scope=scope, principal__in=list(actor.principal_ids))
    held = held_level(grants.values_list("level", flat=True))
    if held is None:
        raise HiddenScope(scope, action=action)
    if not covers(held, level):
        raise DeniedOnScope(scope, action=action, held=held, needed=level)
    return scope


def visible_scopes(actor: Actor) -> "QuerySet[SecretScope]":
    """The scopes on which the actor has a level, decided in SQL; all for a metastore admin."""
    if actor.is_metastore_admin:
        return SecretScope.objects.all()
    held = SecretGrant.objects.filter(principal__in=list(actor.principal_ids))
    return SecretScope.objects.filter(pk__in=held.values("scope"))


@audited_read
def list_scopes(*, actor: Actor) -> list[SecretScope]:
    """The scopes that the actor may see, by name; at most MAX_SCOPES. One query."""
    return list(visible_scopes(actor).select_related("created_by").order_by("name")[:MAX_SCOPES])


@audited_read
def get_scope(*, actor: Actor, name: str) -> tuple[SecretScope, SecretLevel]:
    """A scope, and the level that the actor has on it (MANAGE for a metastore admin). Three queries.

    Raises:
        NotFound: there is none, or the actor has no level on it.
    """
    scope = require_scope(actor=actor, name=name, level=SecretLevel.READ, action="getScope")
    if actor.is_metastore_admin:
        return scope, SecretLevel.MANAGE
    grants = SecretGrant.objects.filter(scope=scope, principal__in=list(actor.principal_ids))
    return scope, held_level(grants.values_list("level", flat=True)) or SecretLevel.READ


def check_scope_name(name: str, *, field: str = "scope") -> str:
    """A name of a scope.

    Raises:
        InvalidParameter.
    """
    if not _NAME.fullmatch(name):
        raise InvalidParameter(
            f"'{field}' is '{name[:140]}': use 1 to 128 letters, digits, '-', '_', '@' and '.'.", field=field
        )
    return name


@audited
def create_scope(*, actor: Actor, name: str, initial_manage_principal: str = "") -> SecretScope:
    """Make a scope. Its creator gets MANAGE, or everybody with `initial_manage_principal` users.

    Raises:
        InvalidParameter, AlreadyExists, LimitExceeded.
    """
    check_scope_name(name)
    manager = actor.principal
    if initial_manage_principal:
        if initial_manage_principal.lower() not in {_EVERYBODY, ACCOUNT_USERS}:
            raise InvalidParameter(
                f"'initial_manage_principal' is '{initial_manage_principal}': leave it out, or use '{_EVERYBODY}'.",
                field="initial_manage_principal",
            )
        manager = find_principal(ACCOUNT_USERS)
    if SecretScope.objects.count() >= MAX_SCOPES:
        raise LimitExceeded(f"There are {MAX_SCOPES} secret scopes already: delete one first.")
    try:
        with transaction.atomic():
            scope = SecretScope.objects.create(name=name, created_at=timezone.now(), created_by=actor.principal)
    except IntegrityError as error:
        raise AlreadyExists(f"Secret scope '{name}' already exists.") from error
    SecretGrant.objects.create(scope=scope, principal=manager, level=SecretLevel.MANAGE)
    record(
        actor=actor,
        action="createScope",
        service_name=SERVICE,
        subject=subject_of(scope),
        after={"manager": manager.name},
    )
    return scope


@audited
def delete_scope(*, actor: Actor, name: str) -> None:
    """Delete a scope with its secrets. Endpoints that refer to them fail to start anew. Needs MANAGE.

    Raises:
        NotFound, AccessDenied.
    """
    scope = require_scope(actor=actor, name=name, level=SecretLevel.MANAGE, action="deleteScope", lock=True)
    record(
        actor=actor,
        action="deleteScope",
        service_name=SERVICE,
        subject=subject_of(scope),
        before={"keys": list(scope.secrets.values_list("key", flat=True))},
    )
    scope.delete()


# --- Who has which level ------------------------------------------------------------------------------------------


def _principal(name: str) -> Principal:
    if name.lower() == _EVERYBODY and not Principal.objects.filter(key=_EVERYBODY).exists():
        return find_principal(ACCOUNT_USERS)
    return find_principal(name)


def check_level(level: str) -> SecretLevel:
    """A level from the wire.

    Raises:
        InvalidParameter: not one of the three.
    """
    if level not in SecretLevel.values:
        raise InvalidParameter(f"'permission' is '{level}': use {', '.join(LEVELS)}.", field="permission")
    return SecretLevel(level)


@audited
def put_grant(*, actor: Actor, scope: str, principal: str, level: str) -> SecretGrant:
    """Give somebody a level on a scope, instead of the one that they hold there. Needs MANAGE.

    Raises:
        NotFound: of the scope. AccessDenied. InvalidParameter: no such principal, or level.
    """
    found = require_scope(actor=actor, name=scope, level=SecretLevel.MANAGE, action="putAcl", lock=True)
    given, who = check_level(level), _principal(principal)
    before = SecretGrant.objects.filter(scope=found, principal=who).first()
    grant, _ = SecretGrant.objects.update_or_create(scope=found, principal=who, defaults={"level": given})
    record(
        actor=actor,
        action="putAcl",
        service_name=SERVICE,
        subject=subject_of(found),
        params={"principal": who.name},
        before={"permission": before.level} if before else None,
        after={"permission": given},
    )
    return grant


@audited
def delete_grant(*, actor: Actor, scope: str, principal: str) -> None:
    """Take somebody's own level on a scope away; what they hold through a group stays. Needs MANAGE.

    Raises:
        NotFound: of the scope, or somebody without a level of their own. AccessDenied, InvalidParameter.
    """
    found = require_scope(actor=actor, name=scope, level=SecretLevel.MANAGE, action="deleteAcl", lock=True)
    grant = _grant(found, principal)
    record(
        actor=actor,
        action="deleteAcl",
        service_name=SERVICE,
        subject=subject_of(found),
        params={"principal": grant.principal.name},
        before={"permission": grant.level},
    )
    grant.delete()


def _grant(scope: SecretScope, principal: str) -> SecretGrant:
    who = _principal(principal)
    found = SecretGrant.objects.select_related("principal").filter(scope=scope, principal=who).first()
    if found is None:
        raise NotFound(f"'{who.name}' holds no level of its own on secret scope '{scope.name}'.")
    return found


@audited_read
def get_grant(*, actor: Actor, scope: str, principal: str) -> SecretGrant:
    """The level that somebody holds directly on a scope. Needs MANAGE.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    return _grant(require_scope(actor=actor, name=scope, level=SecretLevel.MANAGE, action="getAcl"), principal)


@audited_read
def list_grants(*, actor: Actor, scope: str) -> list[SecretGrant]:
    """Who holds which level on a scope, by name. Needs MANAGE. Three queries.

    Raises:
        NotFound, AccessDenied.
    """
    found = require_scope(actor=actor, name=scope, level=SecretLevel.MANAGE, action="listAcls")
    return list(SecretGrant.objects.filter(scope=found).select_related("principal").order_by("principal__key"))
