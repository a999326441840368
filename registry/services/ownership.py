"""Handing over whatever can be owned, and what the one before it was called."""

from registry.privileges import SecurableType
from registry.services.actors import Actor
from registry.services.audit import audited
from registry.services.securables import find_securable, transfer_securable


@audited
def transfer_ownership(*, actor: Actor, type_: SecurableType, full_name: str, owner: str) -> str:
    """Make a principal the owner of a catalog, schema, model or table. Returns who owned it before.

    The new owner is named as in grants. Who gives it away keeps only what was granted besides.

    Raises:
        NotFound, AccessDenied: the actor does not administer it, or may not use its parents.
        InvalidParameter: no such principal, or a disabled one.
    """
    securable = find_securable(type_, full_name, lock=True)
    before = securable.owner.name
    transfer_securable(securable, actor=actor, owner=owner, named=full_name)
    return before
