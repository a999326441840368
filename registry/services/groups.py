"""Groups as whole things: made with their members, and edited in several steps at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.models import Principal, PrincipalKind
from registry.services.actors import Actor
from registry.services.audit import audited
from registry.services.directory import find_by_id
from registry.services.memberships import change_members, replace_members
from registry.services.principals import ProfileChanges, create_group, update_principal


@dataclass(frozen=True)
class GroupEdit:
    """One step: another name, members to add or to remove, or the only members from now on. Members are ids."""

    name: str | None = None
    external_id: str | None = None
    add: Sequence[object] = ()
    remove: Sequence[object] = ()
    members: Sequence[object] | None = None


@audited
def create_group_with_members(
    *, actor: Actor, display_name: str, external_id: str = "", members: Sequence[object] = ()
) -> Principal:
    """Make a group and put these into it: all of it or nothing.

    Raises:
        as `create_group` and `change_members`.
    """
    group = create_group(actor=actor, display_name=display_name, external_id=external_id)
    return change_members(actor=actor, group_id=group.pk, add=members) if members else group


@audited
def edit_group(*, actor: Actor, group_id: object, edits: Sequence[GroupEdit]) -> Principal:
    """Apply the steps in their order: all of them or none.

    Raises:
        as `update_principal` and `change_members`.
    """
    for edit in edits:
        if edit.members is not None:
            replace_members(actor=actor, group_id=group_id, members=edit.members)
        if edit.add or edit.remove:
            change_members(actor=actor, group_id=group_id, add=edit.add, remove=edit.remove)
        if edit.name is not None or edit.external_id is not None:
            _describe(actor, group_id, ProfileChanges(name=edit.name, external_id=edit.external_id))
    if all(edit == GroupEdit() for edit in edits):
        _describe(actor, group_id, ProfileChanges())
    return find_by_id(group_id, kind=PrincipalKind.GROUP)


def _describe(actor: Actor, group_id: object, changes: ProfileChanges) -> None:
    update_principal(actor=actor, principal_id=group_id, changes=changes, kind=PrincipalKind.GROUP)
