"""What all changes of users, service principals and groups have in common: who may make them, and what must stay."""

from django.db import connection

from registry.errors import Conflict, InvalidParameter, NotFound
from registry.models import Principal, PrincipalKind, Securable
from registry.models.principals import ACCOUNT_USERS
from registry.privileges import Action, SecurableType
from registry.services.access import require
from registry.services.actors import SYSTEM, Actor
from registry.services.audit import record
from registry.services.securables import metastore

_NOUN = {
    PrincipalKind.USER: "User",
    PrincipalKind.SERVICE_PRINCIPAL: "Service principal",
    PrincipalKind.GROUP: "Group",
}

_ADMINISTRATORS = """
WITH RECURSIVE admins(id) AS (
    SELECT owner_id FROM registry_securable WHERE type = 'METASTORE'
  UNION
    SELECT link.member_id FROM registry_membership link JOIN admins ON link.group_id = admins.id
)
SELECT EXISTS (
    SELECT 1 FROM registry_principal p
    WHERE p.kind = 'USER' AND p.is_active AND (
        p.id IN (SELECT id FROM admins)
        OR EXISTS (SELECT 1 FROM registry_principal e WHERE e.key = %s AND e.id IN (SELECT id FROM admins))
    )
)
"""


def require_administrator(actor: Actor) -> None:
    """Let pass who administers the metastore. Two queries.

    Raises:
        AccessDenied.
    """
    require(actor=actor, action=Action.ADMINISTER_METASTORE, securable=metastore())


def lock_directory() -> None:
    """Make changes that could leave no administrator, or a circle of groups, wait for each other until commit."""
    Securable.objects.select_for_update(no_key=True).get(type=SecurableType.METASTORE)


def check_administrator_left() -> None:
    """Refuse what has just been changed if no active user administers the metastore any more. One query.

    Raises:
        Conflict.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ADMINISTRATORS, [ACCOUNT_USERS])
        (left,) = cursor.fetchone()
    if not left:
        raise Conflict("This would leave no active administrator. Make another user an administrator first.")


def find_by_id(principal_id: object, *, kind: PrincipalKind | None = None, lock: bool = False) -> Principal:
    """The principal of that id, and of that kind if one is given. One query.

    Raises:
        NotFound.
    """
    rows = Principal.objects.select_for_update(no_key=True) if lock else Principal.objects.all()
    if kind is not None:
        rows = rows.filter(kind=kind)
    number = int(text) if (text := str(principal_id)).isascii() and text.isdigit() and len(text) < 19 else -1
    found = rows.filter(pk=number).first()
    if found is None:
        noun = _NOUN[kind] if kind else "Principal"
        raise NotFound(f"{noun} with id '{principal_id}' does not exist.")
    return found


def check_not_builtin(principal: Principal, *, verb: str) -> None:
    """Leave built-in groups and the housekeeping account as they are.

    Raises:
        InvalidParameter.
    """
    if principal.is_builtin:
        raise InvalidParameter(f"'{principal.name}' is built in and cannot be {verb}.")


def check_not_housekeeping(principal: Principal) -> None:
    """The housekeeping account holds no rights, so it is put into no group and signs in nowhere.

    Raises:
        InvalidParameter.
    """
    if principal.key == SYSTEM:
        raise InvalidParameter(f"'{principal.name}' does housekeeping only and cannot be given rights.")


def record_change(
    *,
    actor: Actor,
    action: str,
    principal: Principal,
    params: dict[str, object] | None = None,
    before: object = None,
    after: object = None,
) -> None:
    """Add an audit row about a principal. Never pass a password."""
    record(
        actor=actor,
        action=action,
        service_name="accounts",
        subject=(principal.kind, str(principal.pk), principal.name),
        params=params,
        before=before,
        after=after,
    )
