"""The one gate: `require` decides, `visible_to` scopes lists, `explain` tells why. All read the same table."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from registry.models import Grant, Securable
from registry.privileges import ACTIONS_ON, COVERED_BY_ALL, RULES, Action, Privilege, Right, Rule, SecurableType
from registry.services.actors import Actor
from registry.services.audit import DeniedOnSecurable, HiddenFromActor
from registry.services.statements import fetch, instance

_USE = {SecurableType.CATALOG: Privilege.USE_CATALOG, SecurableType.SCHEMA: Privilege.USE_SCHEMA}
_READ = {
    SecurableType.CATALOG: Action.READ_CATALOG,
    SecurableType.SCHEMA: Action.READ_SCHEMA,
    SecurableType.REGISTERED_MODEL: Action.READ_MODEL,
    SecurableType.TABLE: Action.READ_TABLE,
}
SHOWING = {*_READ.values(), Action.READ_VERSION}
"""Actions for which BROWSE is enough: they show what there is."""
_NOUN = {
    SecurableType.METASTORE: "Metastore",
    SecurableType.CATALOG: "Catalog",
    SecurableType.SCHEMA: "Schema",
    SecurableType.REGISTERED_MODEL: "Registered model",
    SecurableType.TABLE: "Table",
}


def not_found_message(type_: str, full_name: str) -> str:
    """What a caller reads of a thing that is missing, or that it may not know of."""
    return f"{_NOUN[SecurableType(type_)]} '{full_name}' does not exist."


@dataclass(frozen=True)
class Missing:
    """The first right that is lacking: what, and on which securable."""

    what: str
    securable: Securable


@dataclass
class Facts:
    """What an actor holds on a securable and on everything above it. Costs one query."""

    actor: Actor
    chain: list[Securable]
    grants: list[Grant] = field(default_factory=list)

    @cached_property
    def _held(self) -> dict[object, set[str]]:
        held: dict[object, set[str]] = {}
        for grant in self.grants:
            held.setdefault(grant.securable_id, set()).add(grant.privilege)
        return held

    def owner_of(self, securable: Securable) -> bool:
        """Owner of exactly this securable, directly or through a group."""
        return securable.owner_id in self.actor.principal_ids

    def holds(self, privilege: Privilege, level: int = 0) -> bool:
        """Whether the privilege is granted on `chain[level]` or above it."""
        for securable in self.chain[level:]:
            granted = self._held.get(securable.pk, set())
            if privilege in granted:
                return True
            if Privilege.ALL_PRIVILEGES in granted and privilege in COVERED_BY_ALL:
                return True
        return False

    def has(self, right: Right | Privilege, level: int = 0) -> bool:
        """Whether one ground of the decision table is met on `chain[level]`."""
        securable = self.chain[level]
        match right:
            case Right.OWNER:
                return self.owner_of(securable)
            case Right.OWNS:
                return (
                    self.actor.is_metastore_admin or self.owner_of(securable) or self.holds(Privilege.MANAGE, level)
                )
            case Right.ADMINISTERS:
                above = self.chain[level + 1 :]
                return self.has(Right.OWNS, level) or any(self.owner_of(container) for container in above)
            case Right.BROWSER:
                return self.holds(Privilege.BROWSE, level)
            case Right.USER:
                return self.owner_of(securable) or self.holds(_USE[SecurableType(securable.type)], level)
            case Privilege():
                return self.holds(right, level)

    def missing_parent(self, first: int) -> Missing | None:
        """The outermost container from `chain[first]` up that the actor may not use."""
        if self.actor.is_metastore_admin:
            return None
        for level in range(len(self.chain) - 1, first - 1, -1):
            securable = self.chain[level]
            privilege = _USE.get(SecurableType(securable.type))
            if privilege is not None and not self.has(Right.USER, level):
                return Missing(privilege, securable)
        return None

    def missing_for(self, rule: Rule) -> Missing | None:
        """The first thing that the rule needs and the actor lacks; None when the action is allowed."""
        if rule.parents or rule.inside:
            parent = self.missing_parent(0 if rule.inside else 1)
            if parent is not None:
                return parent
        if not any(self.has(right) for right in rule.any_of):
            return Missing(_in_words(rule, self.chain[0]), self.chain[0])
        if rule.also_on_schema is not None and not (self.has(rule.also_on_schema, 1) or self.has(Right.OWNER, 1)):
            return Missing(rule.also_on_schema, self.chain[1])
        return None

    def missing_to(self, action: Action) -> Missing | None:
        """As `missing_for` for an action; to be shown what there is, BROWSE is enough."""
        if action in SHOWING and self.has(Right.BROWSER):
            return None
        return self.missing_for(RULES[action])

    @property
    def visible(self) -> bool:
        """Whether the actor may know that the securable exists."""
        type_ = SecurableType(self.chain[0].type)
        return type_ == SecurableType.METASTORE or self.missing_to(_READ[type_]) is None

    @property
    def browse_only(self) -> bool:
        """Whether BROWSE is the only ground on which the actor sees the securable."""
        return self.missing_for(RULES[_READ[SecurableType(self.chain[0].type)]]) is not None

    @property
    def known_directly(self) -> bool:
        """Whether the actor owns the securable or holds a grant on exactly it."""
        return self.owner_of(self.chain[0]) or self.chain[0].pk in self._held


def _in_words(rule: Rule, securable: Securable) -> str:
    words: dict[Right | Privilege, str] = {
        Right.OWNER: "ownership",
        Right.OWNS: "ownership or MANAGE",
        Right.ADMINISTERS: "ownership or MANAGE",
        Right.USER: str(_USE.get(SecurableType(securable.type), "")),
    }
    return " or ".join(words.get(right, str(right)) for right in rule.any_of)


def chain_of(securable: Securable) -> list[Securable]:
    """The securable and all above it up to its catalog, innermost first. Select `parent__parent` with the row.

    The metastore is left out: its grants do not flow down, and the actor knows whether it administers it.
    """
    chain = [securable]
    while chain[-1].type not in {SecurableType.CATALOG, SecurableType.METASTORE} and chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    return chain


_GRANT = "id securable_id principal_id privilege".split()
_GRANTS = f"""
SELECT {", ".join(_GRANT)} FROM registry_grant
WHERE securable_id = ANY(%s::uuid[]) AND principal_id = ANY(%s::bigint[])
"""  # noqa: S608  (all parts are above)


def gather_facts(*, actor: Actor, securable: Securable) -> Facts:
    """What the actor holds on the securable and above. One query."""
    chain = chain_of(securable)
    rows = fetch(_GRANTS, [[level.pk for level in chain], list(actor.principal_ids)])
    return Facts(
        actor=actor, chain=chain, grants=[instance(Grant, dict(zip(_GRANT, row, strict=True))) for row in rows]
    )


def require(*, actor: Actor, action: Action, securable: Securable, named: str = "") -> Facts:
    """Let the action pass, or raise.

    `named` is how the caller spelled the securable, for a NotFound that tells nothing. One query.

    Raises:
        NotFound: the actor may not know that the securable exists; reads exactly as a missing one.
        AccessDenied: the actor may see it and lacks a right; names the right, where it is missing, and whom to ask.
    """
    facts = gather_facts(actor=actor, securable=securable)
    missing = facts.missing_for(RULES[action])
    if missing is None:
        return facts
    raise denial_of(facts, action=action, missing=missing, named=named)


def allowed_actions(*, actor: Actor, securable: Securable) -> frozenset[Action]:
    """Everything that the actor may do to the securable, for screens that offer only what will not be refused.

    It is no permission: the service that acts asks the gate again. One query.
    """
    facts = gather_facts(actor=actor, securable=securable)
    return frozenset(
        action for action in ACTIONS_ON[SecurableType(securable.type)] if facts.missing_to(action) is None
    )


def require_visible(*, actor: Actor, securable: Securable, named: str = "") -> Facts:
    """Let the actor know of the securable (BROWSE is enough), or raise as `require` does."""
    facts = gather_facts(actor=actor, securable=securable)
    if facts.visible:
        return facts
    action = _READ[SecurableType(securable.type)]
    missing = facts.missing_for(RULES[action]) or Missing(Privilege.BROWSE, securable)
    raise denial_of(facts, action=action, missing=missing, named=named)


def denial_of(
    facts: Facts, *, action: Action, missing: Missing, named: str = ""
) -> HiddenFromActor | DeniedOnSecurable:
    """The error for a missing right: hidden, or named, by what the actor may know."""
    securable = facts.chain[0]
    if not (facts.visible or facts.known_directly):
        message = not_found_message(securable.type, named or securable.full_name)
        return HiddenFromActor(message, action=action, securable=securable)
    lacking = missing.securable
    noun = _NOUN[SecurableType(lacking.type)].lower()
    message = (
        f"{facts.actor.name} lacks {missing.what} on {noun} '{lacking.full_name}'. "
        f"Ask its owner, {lacking.owner.name}."
    )
    return DeniedOnSecurable(
        message,
        action=action,
        on=securable,
        missing=missing.what,
        securable=lacking.full_name,
        owner=lacking.owner.name,
    )


def sees_everything(actor: Actor) -> bool:
    """Whether `visible_to` leaves nothing out for this actor, so that a join only to ask it can be spared."""
    return actor.is_metastore_admin


def visible_to(
    actor: Actor,
    queryset: "QuerySet[Securable]",
    type_: SecurableType,
    *,
    within: Collection[UUID] | None = None,
) -> "QuerySet[Securable]":
    """Only the securables of that type that the actor may see, decided in SQL.

    For models and tables it asks three small questions first, none of which grows with their number. `within` names
    the schemas that the queryset is about, where they are known: the database then sees more of its way.
    """
    if within is not None:
        queryset = queryset.filter(parent__in=within)
    if actor.is_metastore_admin:
        return queryset
    if type_ not in _USE:
        return queryset.filter(_visible_leaves(actor, type_, within))
    levels = _LEVELS[type_]
    readable = _granted(actor, Privilege.MANAGE, levels, covered=False) | _owned(actor, levels)
    readable |= _granted(actor, _USE[type_], levels)
    if type_ == SecurableType.SCHEMA:
        readable &= _granted(actor, Privilege.USE_CATALOG, ["parent"]) | _owned(actor, ["parent"])
    return queryset.filter(readable | _granted(actor, Privilege.BROWSE, levels))


def _visible_leaves(actor: Actor, type_: SecurableType, within: Collection[UUID] | None) -> Q:
    """Models or tables: all of some schemas, the actor's own and those granted one by one in some others.

    Every arm is about a column of the row itself, so that the database can find few rows by an index, or walk many in
    order, without a join.
    """
    data = Privilege.EXECUTE if type_ == SecurableType.REGISTERED_MODEL else Privilege.SELECT
    whole, usable = _schemas_seen(actor, data)
    if within is not None:
        whole, usable = ([id_ for id_ in ids if id_ in within] for ids in (whole, usable))
    own = Q(owner__in=list(actor.principal_ids))
    readable = _held_one_by_one(actor, data, Privilege.MANAGE, Privilege.ALL_PRIVILEGES)
    return (
        Q(parent__in=whole)
        | Q(parent__in=usable) & (own | readable)
        | _held_one_by_one(actor, Privilege.BROWSE, Privilege.ALL_PRIVILEGES)
    )


_SCHEMAS = """
WITH actor AS (SELECT %s::bigint[] AS ids), held AS MATERIALIZED (
    SELECT g.securable_id, array_agg(g.privilege) AS privileges
    FROM registry_grant g JOIN registry_securable container ON container.id = g.securable_id
    WHERE g.principal_id = ANY((SELECT ids FROM actor)::bigint[]) AND container.type IN ('SCHEMA', 'CATALOG')
    GROUP BY g.securable_id
)
SELECT h.id, h.owner_id = ANY(actor.ids), c.owner_id = ANY(actor.ids),
       coalesce(on_schema.privileges, '{}'), coalesce(on_catalog.privileges, '{}')
FROM actor, registry_securable h JOIN registry_securable c ON c.id = h.parent_id
LEFT JOIN held on_schema ON on_schema.securable_id = h.id
LEFT JOIN held on_catalog ON on_catalog.securable_id = c.id
WHERE h.type = 'SCHEMA' AND (
    h.owner_id = ANY(actor.ids) OR c.owner_id = ANY(actor.ids)
    OR on_schema.securable_id IS NOT NULL OR on_catalog.securable_id IS NOT NULL
)
"""


def _schemas_seen(actor: Actor, data: Privilege) -> tuple[list[UUID], list[UUID]]:
    """The schemas of which the actor sees every model (or table), and the further ones that it may use. One query."""
    whole: list[UUID] = []
    usable: list[UUID] = []
    for id_, owns_schema, owns_catalog, on_schema, on_catalog in fetch(_SCHEMAS, [list(actor.principal_ids)]):
        here = {*on_schema, *on_catalog}
        uses = (owns_schema or _covers(here, Privilege.USE_SCHEMA)) and (
            owns_catalog or _covers(on_catalog, Privilege.USE_CATALOG)
        )
        reads = owns_schema or owns_catalog or Privilege.MANAGE in here or _covers(here, data)
        if (uses and reads) or _covers(here, Privilege.BROWSE):
            whole.append(id_)
        elif uses:
            usable.append(id_)
    return whole, usable


def _covers(granted: Collection[str], privilege: Privilege) -> bool:
    return privilege in granted or Privilege.ALL_PRIVILEGES in granted


def _held_one_by_one(actor: Actor, *privileges: Privilege) -> Q:
    """Securables that carry such a grant themselves: by their ids, or as a subquery when they are many. One query."""
    held = Grant.objects.filter(principal__in=actor.principal_ids, privilege__in=privileges)
    ids = held.values_list("securable_id", flat=True)
    found = list(ids[: _MOST_IDS + 1])
    return Q(pk__in=found if len(found) <= _MOST_IDS else ids)


_MOST_IDS = 1000
_LEVELS = {
    SecurableType.CATALOG: [""],
    SecurableType.SCHEMA: ["", "parent"],
    SecurableType.REGISTERED_MODEL: ["", "parent", "parent__parent"],
    SecurableType.TABLE: ["", "parent", "parent__parent"],
}
"""How a queryset of securables reaches the row itself and each container above it."""


def actionable_by(actor: Actor, action: Action, type_: SecurableType) -> "QuerySet[Securable]":
    """The securables of a type to which the actor may do `action`, decided in SQL by the same table as `require`."""
    rule, levels = RULES[action], _LEVELS[type_]
    condition = Q()
    for right in rule.any_of:
        condition |= _having(actor, right, type_, levels)
    if rule.also_on_schema is not None:
        condition &= _granted(actor, rule.also_on_schema, levels[1:]) | _owned(actor, ["parent"])
    if not actor.is_metastore_admin and (rule.parents or rule.inside):
        # Containers from the inside out are the last of the levels: a catalog's own level, a schema's, a model's.
        containers = list(zip((SecurableType.CATALOG, SecurableType.SCHEMA), reversed(levels), strict=False))
        for container, level in containers:
            if level or rule.inside:
                above = levels[levels.index(level) :]
                condition &= _granted(actor, _USE[container], above) | _owned(actor, [level])
    return Securable.objects.filter(condition, type=type_)


def _having(actor: Actor, right: Right | Privilege, type_: SecurableType, levels: list[str]) -> Q:
    owns = _granted(actor, Privilege.MANAGE, levels, covered=False) | _owned(actor, [""])
    match right:
        case Right.OWNER:
            return _owned(actor, [""])
        case Right.OWNS | Right.ADMINISTERS if actor.is_metastore_admin:
            return Q(pk__isnull=False)
        case Right.OWNS:
            return owns
        case Right.ADMINISTERS:
            return owns | _owned(actor, levels[1:])
        case Right.BROWSER:
            return _granted(actor, Privilege.BROWSE, levels)
        case Right.USER:
            return _owned(actor, [""]) | _granted(actor, _USE[type_], levels)
        case Privilege():
            return _granted(actor, right, levels)


def administered_by(actor: Actor, path: str) -> Q:
    """Rows whose foreign key `path` leads to a securable below the metastore that the actor administers, in SQL.

    Parents are not asked for: this is for records about a securable, not for acting on it. A metastore admin
    administers all: ask that first.
    """
    return _at_or_below([path, f"{path}__parent", f"{path}__parent__parent"], _administering(actor))


def administered_securables(actor: Actor) -> "QuerySet[Securable]":
    """The securables below the metastore that the actor administers, by the rule of `administered_by`."""
    return Securable.objects.filter(_at_or_below(["pk", "parent", "parent__parent"], _administering(actor)))


def _administering(actor: Actor) -> "QuerySet[Securable, Any]":
    holding = Securable.objects.filter(
        Q(owner__in=list(actor.principal_ids))
        | Q(grants__principal__in=list(actor.principal_ids), grants__privilege=Privilege.MANAGE)
    )
    return holding.exclude(type=SecurableType.METASTORE).values("pk")


def _at_or_below(levels: Iterable[str], holding: "QuerySet[Securable, Any]") -> Q:
    condition = Q()
    for prefix in levels:
        condition |= Q(**{f"{prefix}__in": holding})
    return condition


def _granted(actor: Actor, privilege: Privilege, levels: Iterable[str], *, covered: bool = True) -> Q:
    names = [privilege, Privilege.ALL_PRIVILEGES] if covered else [privilege]
    # Uncorrelated on purpose: PostgreSQL hashes it once a query instead of asking once a row.
    holding = Grant.objects.filter(principal__in=actor.principal_ids, privilege__in=names).values("securable_id")
    condition = Q()
    for prefix in levels:
        condition |= Q(**{f"{prefix}__in" if prefix else "pk__in": holding})
    return condition


def _owned(actor: Actor, levels: Iterable[str]) -> Q:
    condition = Q()
    for prefix in levels:
        condition |= Q(**{f"{prefix}__owner__in" if prefix else "owner__in": list(actor.principal_ids)})
    return condition
