"""What a new installation holds before anybody made anything, and its first administrator."""

import secrets
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from registry.models import ACCOUNT_USERS, ADMINS, Grant, Membership, Principal, PrincipalKind, Securable
from registry.privileges import Privilege, SecurableType
from registry.services.actors import SYSTEM

FIRST_ADMIN = "admin@localhost"
WORKSPACE_CATALOG = "workspace"
DEFAULT_SCHEMA = "default"
_OPEN_TO_ALL = [
    (WORKSPACE_CATALOG, [Privilege.USE_CATALOG]),
    (DEFAULT_SCHEMA, [Privilege.USE_SCHEMA, Privilege.CREATE_MODEL, Privilege.CREATE_TABLE]),
]


@dataclass(frozen=True)
class FirstRun:
    """The first administrator. `secret` is the password, given only by the call that made it."""

    admin_name: str
    secret: str | None


@transaction.atomic
def ensure_builtins() -> None:
    """Make the built-in groups, the metastore, and the catalog `workspace` with its open schema, where missing."""
    admins = _principal(ADMINS, PrincipalKind.GROUP, "Administrators")
    everyone = _principal(ACCOUNT_USERS, PrincipalKind.GROUP, "All users")
    _principal(SYSTEM, PrincipalKind.SERVICE_PRINCIPAL, "Housekeeping")
    metastore, _ = Securable.objects.get_or_create(
        type=SecurableType.METASTORE, defaults=_fields("metastore", None, admins)
    )
    if Securable.objects.filter(type=SecurableType.CATALOG).exists():
        return
    catalog = Securable.objects.create(type=SecurableType.CATALOG, **_fields(WORKSPACE_CATALOG, metastore, admins))
    schema = Securable.objects.create(type=SecurableType.SCHEMA, **_fields(DEFAULT_SCHEMA, catalog, admins))
    for securable, (_, privileges) in zip((catalog, schema), _OPEN_TO_ALL, strict=True):
        Grant.objects.bulk_create(
            Grant(securable=securable, principal=everyone, privilege=privilege) for privilege in privileges
        )


def _fields(name: str, parent: Securable | None, owner: Principal) -> dict[str, object]:
    now = timezone.now()
    return {
        "name": name,
        "key": name,
        "parent": parent,
        "owner": owner,
        "created_at": now,
        "updated_at": now,
        "created_by": owner,
        "updated_by": owner,
    }


def _principal(name: str, kind: PrincipalKind, display_name: str) -> Principal:
    principal, _ = Principal.objects.get_or_create(
        key=name, defaults={"name": name, "kind": kind, "display_name": display_name, "is_builtin": True}
    )
    return principal


@transaction.atomic
def ensure_first_run() -> FirstRun:
    """Make the first administrator with a random password, unless one is there. The password must be changed.

    Safe to call at every start, and from several processes at once.
    """
    admins = Principal.objects.select_for_update().get(key=ADMINS)
    first = first_administrator()
    if first is not None:
        return FirstRun(first.name, None)
    secret = secrets.token_urlsafe(12)
    admin = Principal(
        name=FIRST_ADMIN,
        key=FIRST_ADMIN,
        kind=PrincipalKind.USER,
        display_name="Administrator",
        password_change_required=True,
    )
    admin.set_password(secret)
    admin.save()
    Membership.objects.create(group=admins, member=admin)
    return FirstRun(admin.name, secret)


def first_administrator() -> Principal | None:
    """The oldest active user of the group `admins`."""
    return (
        Principal.objects.filter(group_links__group__key=ADMINS, kind=PrincipalKind.USER, is_active=True)
        .order_by("pk")
        .first()
    )
