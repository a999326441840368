"""What an identity provider asks for in one step: somebody made as given, or taken away as far as that goes."""

from dataclasses import dataclass

from django.db import transaction

from registry.errors import Conflict
from registry.models import Principal, PrincipalKind
from registry.services.actors import Actor
from registry.services.audit import audited
from registry.services.passwords import reset_password
from registry.services.principals import (
    ProfileChanges,
    create_service_principal,
    create_user,
    delete_principal,
    update_principal,
)


@dataclass(frozen=True)
class NewAccount:
    """A user (named by e-mail) or a service principal (by application id; a new one where it is empty)."""

    kind: PrincipalKind
    name: str
    display_name: str = ""
    external_id: str = ""
    active: bool = True


@audited
def provision(*, actor: Actor, new: NewAccount) -> Principal:
    """Make a user or a service principal, disabled where it is not to be active.

    Raises:
        as `create_user` and `create_service_principal`.
    """
    if new.kind == PrincipalKind.USER:
        made = create_user(actor=actor, email=new.name, display_name=new.display_name, external_id=new.external_id)
    else:
        made = create_service_principal(
            actor=actor,
            display_name=new.display_name,
            application_id=new.name,
            external_id=new.external_id,
        )
    if new.active:
        return made
    return update_principal(actor=actor, principal_id=made.pk, changes=ProfileChanges(is_active=False), kind=new.kind)


@dataclass(frozen=True)
class Enrolled:
    """A user just made, with a first password that cannot be had again."""

    user: Principal
    password: str


@audited
def enroll_user(*, actor: Actor, email: str, display_name: str = "") -> Enrolled:
    """Make a user who can sign in with a first password, which must be replaced at the first sign-in.

    Raises:
        as `create_user`.
    """
    user = create_user(actor=actor, email=email, display_name=display_name)
    return Enrolled(user, reset_password(actor=actor, principal_id=user.pk))


@audited
def offboard(*, actor: Actor, principal_id: object, kind: PrincipalKind) -> None:
    """Delete a user or a service principal; disable one that owns something or has asked for operations.

    Either way it can do nothing from the commit on.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: it is built in.
        Conflict: it is the last administrator.
    """
    try:
        with transaction.atomic():
            delete_principal(actor=actor, principal_id=principal_id, kind=kind)
    except Conflict:
        changes = ProfileChanges(is_active=False)
        update_principal(actor=actor, principal_id=principal_id, changes=changes, kind=kind)
