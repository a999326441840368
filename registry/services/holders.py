"""Who holds what on a securable, principal by principal: what the permissions tab shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Exists, OuterRef, Q, QuerySet

from registry.models import Grant, Principal, Securable
from registry.names import lookup_key
from registry.privileges import GRANTABLE, RULES, Action, Privilege, SecurableType
from registry.services.access import chain_of
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.grants import require_visible_or_held
from registry.services.paging import Page, fetch_page, page_size
from registry.services.securables import find_securable


@dataclass
class Holder:
    """One principal: what is granted to it on the securable itself, and what on each container above."""

    principal: Principal
    direct: set[Privilege] = field(default_factory=set)
    inherited: dict[Privilege, Securable] = field(default_factory=dict)


@dataclass(frozen=True)
class Holders:
    """A page of holders. Without `everybody`, only those that are the actor itself or one of its groups.

    `above` are the containers with other owners, who administer the securable too.
    """

    securable: Securable
    above: list[Securable]
    everybody: bool
    page: Page[Principal]
    rows: list[Holder]


@audited_read
def list_holders(
    *,
    actor: Actor,
    type_: SecurableType,
    full_name: str,
    text: str = "",
    max_results: int | None = None,
    page_token: str = "",
) -> Holders:
    """Principals with a grant on the securable or above, by name, `text` in their name or display name.

    Everybody for who administers it; the actor and its groups for who only sees it. Four queries at most.

    Raises:
        NotFound, InvalidParameter.
    """
    securable = find_securable(type_, full_name)
    facts = require_visible_or_held(actor=actor, securable=securable, named=full_name)
    everybody = facts.missing_for(RULES[Action.READ_GRANTS]) is None
    chain = chain_of(securable)
    granted = _granted_on(chain)
    principals = Principal.objects.filter(Exists(granted.filter(principal=OuterRef("pk"))))
    if not everybody:
        principals = principals.filter(pk__in=actor.principal_ids)
    if text:
        principals = principals.filter(Q(key__contains=lookup_key(text)) | Q(display_name__icontains=text))
    page = fetch_page(
        principals,
        order=["key"],
        size=page_size(max_results),
        token=page_token,
        scope=f"holders:{securable.pk}:{text}",
    )
    above = [level for level in chain[1:] if level.owner_id != securable.owner_id]
    return Holders(securable, above, everybody, page, _with_grants(page.items, chain))


def _granted_on(chain: Sequence[Securable]) -> "QuerySet[Grant]":
    securable = chain[0]
    applicable = GRANTABLE[SecurableType(securable.type)]
    return Grant.objects.filter(
        Q(securable=securable) | Q(securable__in=[level.pk for level in chain[1:]], privilege__in=applicable)
    )


def _with_grants(principals: Sequence[Principal], chain: Sequence[Securable]) -> list[Holder]:
    holders = {principal.pk: Holder(principal) for principal in principals}
    levels = {level.pk: level for level in chain}
    depth = {level.pk: number for number, level in enumerate(chain)}
    grants = _granted_on(chain).filter(principal__in=holders)
    for grant in sorted(grants, key=lambda grant: depth[grant.securable_id]):
        holder, privilege = holders[grant.principal_id], Privilege(grant.privilege)
        if grant.securable_id == chain[0].pk:
            holder.direct.add(privilege)
        elif privilege not in holder.inherited:
            holder.inherited[privilege] = levels[grant.securable_id]
    return list(holders.values())
