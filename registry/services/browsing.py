"""Which of many securables an actor sees by BROWSE alone."""

from collections.abc import Sequence
from uuid import UUID

from registry.models import Grant, Securable
from registry.services.access import Facts, chain_of, sees_everything
from registry.services.actors import Actor


def browse_only(*, actor: Actor, securables: Sequence[Securable]) -> set[UUID]:
    """The ids of those that the actor may look at and not use. One query; select `parent__parent` with the rows.

    Give it what the actor may see: it does not ask that again.
    """
    if sees_everything(actor) or not securables:
        return set()
    chains = [chain_of(securable) for securable in securables]
    levels = {level.pk for chain in chains for level in chain}
    grants = list(Grant.objects.filter(securable__in=levels, principal__in=actor.principal_ids))
    found = set()
    for chain in chains:
        held = [grant for grant in grants if any(grant.securable_id == level.pk for level in chain)]
        if Facts(actor=actor, chain=chain, grants=held).browse_only:
            found.add(chain[0].pk)
    return found
