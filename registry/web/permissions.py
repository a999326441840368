"""Who holds what on an object, as the permissions tab shows it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from registry.models import Securable
from registry.privileges import SecurableType
from registry.services.actors import Actor
from registry.services.grants import Held, list_effective_grants


@dataclass
class Holder:
    """One principal with what it holds, directly and from above."""

    principal: str
    held: list[Held] = field(default_factory=list)


def holders_of(*, actor: Actor, securable: Securable) -> list[Holder]:
    """Everybody's privileges for who administers the object, else one's own. Three queries.

    Raises:
        NotFound, AccessDenied.
    """
    type_ = SecurableType(securable.type)
    return _by_principal(list_effective_grants(actor=actor, type_=type_, full_name=securable.full_name))


def _by_principal(held: Iterable[Held]) -> list[Holder]:
    holders: dict[str, Holder] = {}
    for entry in held:
        holders.setdefault(entry.principal, Holder(entry.principal)).held.append(entry)
    return list(holders.values())
