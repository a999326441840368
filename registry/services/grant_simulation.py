"""What grants would change, before they are made: the same gate, asked with grants that are not there (yet)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from registry.models import Grant, Principal, Securable
from registry.privileges import ACTIONS_ON, RULES, Action, Privilege, Right, SecurableType
from registry.services.access import Facts, gather_facts, require
from registry.services.actors import Actor, load_actor
from registry.services.audit import audited, audited_read
from registry.services.grants import Change, ChangeAt, check_grantable, find_principal, update_grants_at
from registry.services.securables import find_securable

_INSIDE = {
    SecurableType.CATALOG: (SecurableType.SCHEMA, SecurableType.REGISTERED_MODEL, SecurableType.TABLE),
    SecurableType.SCHEMA: (SecurableType.REGISTERED_MODEL, SecurableType.TABLE),
}
_USE = {SecurableType.CATALOG: Privilege.USE_CATALOG, SecurableType.SCHEMA: Privilege.USE_SCHEMA}
_NEEDS_NO_WAY = {Privilege.BROWSE, Privilege.USE_CATALOG, Privilege.USE_SCHEMA}


@dataclass(frozen=True)
class Effect:
    """Actions that become possible and impossible on the securable, or on `every` object of a kind in it."""

    every: SecurableType | None
    gained: tuple[Action, ...]
    lost: tuple[Action, ...]


@dataclass(frozen=True)
class MissingWay:
    """The right to use a container, without which what is granted inside it cannot be used."""

    privilege: Privilege
    securable: Securable
    may_grant: bool
    """Whether the actor could grant it as well."""


@dataclass(frozen=True)
class Simulation:
    """What a change would do for one principal (for a group: for its members)."""

    principal: Principal
    effects: tuple[Effect, ...]
    missing_ways: tuple[MissingWay, ...]


@audited_read
def simulate_grants(
    *, actor: Actor, type_: SecurableType, full_name: str, change: Change, with_way: bool = False
) -> Simulation:
    """What the change would let its principal do, or no longer do. Nothing is written.

    `with_way` asks what it would be together with the missing rights to use containers, as `grant_with_way` grants.
    The actor must administer the securable, as for making the change. Effects inside a container are those on an
    object that somebody else owns and on which nothing is granted.

    Raises:
        NotFound, AccessDenied, InvalidParameter: as `update_grants`.
    """
    securable = find_securable(type_, full_name)
    require(actor=actor, action=Action.GRANT, securable=securable, named=full_name)
    check_grantable(change.add, type_)
    principal = find_principal(change.principal)
    before = gather_facts(actor=load_actor(principal), securable=securable)
    after = Facts(before.actor, before.chain, _changed(before, principal, securable, change))
    ways = tuple(_missing_ways(actor, after, change.add))
    if with_way:
        opened = [_grant(way.securable, principal, way.privilege) for way in ways if way.may_grant]
        after = Facts(after.actor, after.chain, [*after.grants, *opened])
    inside = [_effect(_inside(before, kind), _inside(after, kind), kind) for kind in _INSIDE.get(type_, ())]
    effects = [_effect(before, after, None), *inside]
    return Simulation(
        principal=principal,
        effects=tuple(effect for effect in effects if effect.gained or effect.lost),
        missing_ways=ways,
    )


def _changed(facts: Facts, principal: Principal, securable: Securable, change: Change) -> list[Grant]:
    kept = [
        grant
        for grant in facts.grants
        if not (
            grant.securable_id == securable.pk
            and grant.principal_id == principal.pk
            and grant.privilege in change.remove
        )
    ]
    return [*kept, *(_grant(securable, principal, privilege) for privilege in change.add)]


def _grant(securable: Securable, principal: Principal, privilege: Privilege) -> Grant:
    return Grant(securable=securable, principal=principal, privilege=privilege)


def _inside(facts: Facts, kind: SecurableType) -> Facts:
    """The same principal before an object of that kind at the deepest place below the securable."""
    chain = list(facts.chain)
    if chain[0].type == SecurableType.CATALOG and kind != SecurableType.SCHEMA:
        chain.insert(0, Securable(type=SecurableType.SCHEMA, parent=chain[0], name="*"))
    return Facts(facts.actor, [Securable(type=kind, parent=chain[0], name="*"), *chain], facts.grants)


def _effect(before: Facts, after: Facts, every: SecurableType | None) -> Effect:
    actions = ACTIONS_ON[SecurableType(after.chain[0].type)]
    could = {action for action in actions if before.missing_to(action) is None}
    can = {action for action in actions if after.missing_to(action) is None}
    gained = tuple(action for action in actions if action in can - could)
    return Effect(every, gained, tuple(action for action in actions if action in could - can))


def _missing_ways(actor: Actor, after: Facts, added: Sequence[Privilege]) -> Iterable[MissingWay]:
    """Rights to use the containers above (and the container itself), outermost first."""
    if after.actor.is_metastore_admin or not set(added) - _NEEDS_NO_WAY:
        return
    for level in reversed(range(len(after.chain))):
        securable = after.chain[level]
        privilege = _USE.get(SecurableType(securable.type))
        if privilege is None or after.has(Right.USER, level):
            continue
        own = gather_facts(actor=actor, securable=securable)
        yield MissingWay(privilege, securable, own.missing_for(RULES[Action.GRANT]) is None)
    catalog = after.chain[0]
    reaches_in = set(added) - _NEEDS_NO_WAY - {Privilege.CREATE_SCHEMA}
    if catalog.type == SecurableType.CATALOG and reaches_in and not after.holds(Privilege.USE_SCHEMA):
        yield MissingWay(Privilege.USE_SCHEMA, catalog, may_grant=True)


@audited
def grant_with_way(*, actor: Actor, type_: SecurableType, full_name: str, change: Change) -> list[ChangeAt]:
    """Grant, and with it the missing rights to use the containers above that the actor may grant. All or none.

    Returns what became different.

    Raises:
        NotFound, AccessDenied, InvalidParameter: as `update_grants`.
    """
    found = simulate_grants(actor=actor, type_=type_, full_name=full_name, change=change)
    ways = [
        (SecurableType(way.securable.type), way.securable.full_name, Change(change.principal, add=(way.privilege,)))
        for way in found.missing_ways
        if way.may_grant
    ]
    return update_grants_at(actor=actor, changes=[*ways, (type_, full_name, change)])
