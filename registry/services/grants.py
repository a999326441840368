"""Grants: who holds what on a securable, given and taken, direct and inherited, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction

from registry.errors import InvalidParameter
from registry.events import grants_changed
from registry.models import Grant, Principal, Securable
from registry.names import lookup_key
from registry.privileges import ACTIONS_ON, GRANTABLE, RULES, Action, Privilege, SecurableType
from registry.services.access import Facts, chain_of, gather_facts, require, require_visible
from registry.services.actors import Actor, load_actor
from registry.services.audit import DeniedOnSecurable, audited, audited_read, record
from registry.services.grounds import Ground, grounds_of
from registry.services.securables import find_securable


@dataclass(frozen=True)
class Change:
    """Privileges to give to and to take from one principal."""

    principal: str
    add: tuple[Privilege, ...] = ()
    remove: tuple[Privilege, ...] = ()


ChangeAt = tuple[SecurableType, str, Change]
"""A change with the securable that it is about, by type and full name."""


@dataclass(frozen=True)
class Held:
    """One privilege of one principal; `inherited_from` is None where it is granted on the securable itself."""

    principal: str
    privilege: Privilege
    inherited_from: Securable | None = None


def parse_privilege(text: object, *, field: str = "privileges") -> Privilege:
    """A privilege as written by any client: `USE CATALOG`, `use_catalog` and `USE_CATALOG` are one.

    Raises:
        InvalidParameter: no such privilege.
    """
    try:
        return Privilege(str(text).strip().upper().replace(" ", "_"))
    except ValueError as error:
        raise InvalidParameter(
            f"'{text}' is no privilege here. Use one of: {', '.join(sorted(Privilege))}.", field=field
        ) from error


def find_principal(name: object) -> Principal:
    """The principal that a grant names: an e-mail, an application id or a group.

    Raises:
        InvalidParameter: nobody of that name.
    """
    found = Principal.objects.filter(key=lookup_key(str(name or ""))).first()
    if found is None:
        raise InvalidParameter(
            f"Principal '{name}' does not exist: name a user by e-mail, a service principal by application id, "
            "or a group.",
            field="principal",
        )
    return found


@audited_read
def list_grants(*, actor: Actor, type_: SecurableType, full_name: str, principal: str = "") -> list[Held]:
    """The privileges granted directly on a securable: all for who administers it, one's own for who may see it.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    securable = find_securable(type_, full_name)
    rows = _readable_grants(actor, [securable], securable, principal, named=full_name)
    return [Held(row.principal.name, Privilege(row.privilege)) for row in rows]


@audited_read
def list_effective_grants(*, actor: Actor, type_: SecurableType, full_name: str, principal: str = "") -> list[Held]:
    """The privileges that hold on a securable, with the container that each is inherited from.

    With a principal, what it holds through its groups counts as its own. ALL_PRIVILEGES stays one entry.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    securable = find_securable(type_, full_name)
    chain = chain_of(securable)
    rows = _readable_grants(actor, chain, securable, principal, named=full_name, through_groups=True)
    by_id = {level.pk: level for level in chain}
    applicable = GRANTABLE[SecurableType(securable.type)]
    held = [
        Held(
            principal or row.principal.name,
            Privilege(row.privilege),
            None if row.securable_id == securable.pk else by_id[row.securable_id],
        )
        for row in rows
        if row.securable_id == securable.pk or row.privilege in applicable
    ]
    return list(dict.fromkeys(held))


def _readable_grants(
    actor: Actor,
    chain: Sequence[Securable],
    securable: Securable,
    principal: str,
    *,
    named: str,
    through_groups: bool = False,
) -> Iterable[Grant]:
    facts = require_visible_or_held(actor=actor, securable=securable, named=named)
    rows = Grant.objects.filter(securable__in=[level.pk for level in chain]).select_related("principal")
    if facts.missing_for(RULES[Action.READ_GRANTS]) is not None:
        rows = rows.filter(principal__in=actor.principal_ids)
    if principal:
        found = find_principal(principal)
        ids = load_actor(found).principal_ids if through_groups else {found.pk}
        rows = rows.filter(principal__in=ids)
    return rows.order_by("principal__key", "privilege")


def require_visible_or_held(*, actor: Actor, securable: Securable, named: str) -> Facts:
    """Who sees a securable, or owns it, or holds a grant on exactly it, may ask about rights on it.

    Raises:
        NotFound.
    """
    facts = gather_facts(actor=actor, securable=securable)
    if facts.known_directly:
        return facts
    return require_visible(actor=actor, securable=securable, named=named)


@audited
def update_grants(*, actor: Actor, type_: SecurableType, full_name: str, changes: Sequence[Change]) -> list[Change]:
    """Give and take privileges, all or none. The actor must administer the securable.

    Giving what is held and taking what is not are no errors. Takes effect with the commit. Returns what became
    different, so that exactly this can be taken back.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: no such principal, or a privilege that cannot be granted on this kind of securable.
    """
    securable = find_securable(type_, full_name, lock=True)
    require(actor=actor, action=Action.GRANT, securable=securable, named=full_name)
    different = []
    for change in changes:
        principal = find_principal(change.principal)
        check_grantable(change.add, type_)
        before = _held_by(principal, securable)
        Grant.objects.bulk_create(
            (
                Grant(securable=securable, principal=principal, privilege=p, granted_by=actor.principal)
                for p in change.add
            ),
            ignore_conflicts=True,
        )
        Grant.objects.filter(securable=securable, principal=principal, privilege__in=change.remove).delete()
        after = _held_by(principal, securable)
        different.append(_difference(principal, before, after))
        record(
            actor=actor,
            action=Action.GRANT,
            securable=securable,
            params={"principal": principal.name, "add": list(change.add), "remove": list(change.remove)},
            before=before,
            after=after,
        )
    if not changes:
        record(actor=actor, action=Action.GRANT, securable=securable, params={"changes": 0})
    transaction.on_commit(lambda: grants_changed.send(Securable, securable_id=securable.pk))
    return different


@audited
def update_grants_at(*, actor: Actor, changes: Sequence[ChangeAt]) -> list[ChangeAt]:
    """Changes on several securables, all or none, in their order. Returns what became different.

    Raises:
        as `update_grants`.
        InvalidParameter: no change at all.
    """
    if not changes:
        raise InvalidParameter("'changes' is empty: name at least one.", field="changes")
    return [
        (type_, full_name, done)
        for type_, full_name, change in changes
        for done in update_grants(actor=actor, type_=type_, full_name=full_name, changes=[change])
        if done.add or done.remove
    ]


def _difference(principal: Principal, before: Sequence[str], after: Sequence[str]) -> Change:
    return Change(
        principal.name,
        add=tuple(Privilege(one) for one in after if one not in before),
        remove=tuple(Privilege(one) for one in before if one not in after),
    )


def check_grantable(privileges: Iterable[Privilege], type_: SecurableType) -> None:
    """Refuse privileges that mean nothing on this kind of securable.

    Raises:
        InvalidParameter.
    """
    for privilege in privileges:
        if privilege not in GRANTABLE[type_]:
            raise InvalidParameter(
                f"{privilege} cannot be granted on a {type_.replace('_', ' ').lower()}. "
                f"Grant one of: {', '.join(sorted(GRANTABLE[type_]))}.",
                field="privileges",
            )


def _held_by(principal: Principal, securable: Securable) -> list[str]:
    rows = Grant.objects.filter(securable=securable, principal=principal)
    return list(rows.order_by("privilege").values_list("privilege", flat=True))


@dataclass(frozen=True)
class Explanation:
    """Why a principal can or cannot do something."""

    principal: str
    action: Action
    allowed: bool
    grounds: tuple[Ground, ...]
    missing: str = ""
    missing_on: str = ""
    ask: str = ""
    missing_at: Securable | None = None


@audited_read
def explain(
    *, actor: Actor, type_: SecurableType, full_name: str, action: Action, principal: str = ""
) -> Explanation:
    """Why a principal (the actor itself, if none is named) can or cannot do `action` to a securable.

    Raises:
        NotFound.
        AccessDenied: asked about somebody else by one who does not administer the securable.
        InvalidParameter: no such principal, or an action that is not for this kind of securable.
    """
    if action not in ACTIONS_ON[type_]:
        raise InvalidParameter(f"'{action}' is no action on a {type_.replace('_', ' ').lower()}.", field="action")
    securable = find_securable(type_, full_name)
    own = require_visible_or_held(actor=actor, securable=securable, named=full_name)
    subject = actor
    if principal and lookup_key(principal) != lookup_key(actor.name):
        if own.missing_for(RULES[Action.READ_GRANTS]) is not None:
            raise DeniedOnSecurable(
                f"Only who administers '{full_name}' may ask about somebody else's rights on it. "
                f"Ask its owner, {securable.owner.name}.",
                action=Action.READ_GRANTS,
                on=securable,
                missing="ownership or MANAGE",
                securable=full_name,
                owner=securable.owner.name,
            )
        subject = load_actor(find_principal(principal))
    facts = gather_facts(actor=subject, securable=securable)
    missing = facts.missing_to(action)
    return Explanation(
        principal=subject.name,
        action=action,
        allowed=missing is None,
        grounds=tuple(grounds_of(facts, action)),
        missing=missing.what if missing else "",
        missing_on=missing.securable.full_name if missing else "",
        ask=missing.securable.owner.name if missing else "",
        missing_at=missing.securable if missing else None,
    )
