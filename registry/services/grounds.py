"""Everything that speaks for an action being allowed: what is held, where, through whom, and whether it counts."""

from collections.abc import Iterator
from dataclasses import dataclass

from registry.models import Principal, Securable
from registry.privileges import COVERED_BY_ALL, RULES, Action, Privilege, Right, Rule
from registry.services.access import SHOWING, Facts
from registry.services.securables import metastore

OWNER = "OWNER"
METASTORE_ADMIN = "METASTORE ADMIN"
_OWNING = {Right.OWNER, Right.OWNS, Right.ADMINISTERS, Right.USER}


@dataclass(frozen=True)
class Ground:
    """Something held: which privilege or ownership, on which level, through which principal.

    `counts` where the action's rule asks for it, as the right itself or to get there.
    """

    right: str
    securable: Securable
    through: str
    counts: bool = False


def grounds_of(facts: Facts, action: Action) -> Iterator[Ground]:
    """What the principal holds on the securable and above, innermost level first. One query, two for an admin."""
    rule = RULES[action]
    names = dict(Principal.objects.filter(pk__in=facts.actor.principal_ids).values_list("pk", "name"))
    if facts.actor.is_metastore_admin:
        top = metastore()
        yield Ground(METASTORE_ADMIN, top, top.owner.name, _admin_counts(rule))
    for number, level in enumerate(facts.chain):
        if level.owner_id in names:
            yield Ground(OWNER, level, names[level.owner_id], _ownership_counts(rule, number))
        for grant in facts.grants:
            if grant.securable_id == level.pk:
                counts = _privilege_counts(action, Privilege(grant.privilege))
                yield Ground(grant.privilege, level, names[grant.principal_id], counts)


def _admin_counts(rule: Rule) -> bool:
    return rule.parents or rule.inside or not {Right.OWNS, Right.ADMINISTERS}.isdisjoint(rule.any_of)


def _ownership_counts(rule: Rule, level: int) -> bool:
    if level == 0:
        return rule.inside or not _OWNING.isdisjoint(rule.any_of)
    return rule.parents or rule.inside or Right.ADMINISTERS in rule.any_of


def _privilege_counts(action: Action, privilege: Privilege) -> bool:
    rule = RULES[action]
    asked: set[Right | Privilege] = {*rule.any_of}
    if rule.also_on_schema is not None:
        asked.add(rule.also_on_schema)
    if rule.parents or rule.inside or Right.USER in rule.any_of:
        # Given on the catalog, the right to use a schema holds for the schemas in it.
        asked |= {Privilege.USE_CATALOG, Privilege.USE_SCHEMA}
    if action in SHOWING:
        asked.add(Privilege.BROWSE)
    if privilege == Privilege.MANAGE:
        return not {Right.OWNS, Right.ADMINISTERS}.isdisjoint(rule.any_of)
    if privilege == Privilege.ALL_PRIVILEGES:
        return not asked.isdisjoint(COVERED_BY_ALL)
    return privilege in asked
