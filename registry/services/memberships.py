"""Who belongs to which group. Groups may hold groups, and never themselves."""

from collections.abc import Iterable, Sequence

from django.db import connection
from django.db.models import Count, Q

from registry.errors import InvalidParameter
from registry.models import ACCOUNT_USERS, Membership, Principal, PrincipalKind
from registry.names import lookup_key
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read
from registry.services.directory import (
    check_administrator_left,
    check_not_housekeeping,
    find_by_id,
    lock_directory,
    record_change,
    require_administrator,
)
from registry.services.paging import Page, fetch_page, page_size

_ABOVE = """
WITH RECURSIVE above(id) AS (
    SELECT %s::bigint
  UNION
    SELECT link.group_id FROM registry_membership link JOIN above ON link.member_id = above.id
)
SELECT id FROM above
"""


@audited_read
def list_members(*, actor: Actor, groups: Sequence[Principal]) -> dict[int, list[Principal]]:
    """The direct members of some groups, by the group's id. Three queries however many groups.

    Raises:
        AccessDenied: not a metastore admin.
    """
    require_administrator(actor)
    members: dict[int, list[Principal]] = {group.pk: [] for group in groups}
    links = Membership.objects.filter(group__in=members).select_related("member").order_by("member__key")
    for link in links:
        members[link.group_id].append(link.member)
    return members


@audited_read
def list_groups(*, actor: Actor, members: Sequence[Principal]) -> dict[int, list[Principal]]:
    """The groups that some principals belong to directly, by the member's id. One query for oneself, else three.

    Raises:
        AccessDenied: somebody else is among them, and the actor is no metastore admin.
    """
    if any(member.pk != actor.principal.pk for member in members):
        require_administrator(actor)
    groups: dict[int, list[Principal]] = {member.pk: [] for member in members}
    links = Membership.objects.filter(member__in=groups).select_related("group").order_by("group__key")
    for link in links:
        groups[link.member_id].append(link.group)
    return groups


@audited_read
def count_members(*, actor: Actor, groups: Sequence[Principal]) -> dict[int, int]:
    """How many direct members some groups have, by the group's id. Three queries.

    Raises:
        AccessDenied: not a metastore admin.
    """
    require_administrator(actor)
    links = Membership.objects.filter(group__in=groups).values("group_id")
    return {row["group_id"]: row["members"] for row in links.annotate(members=Count("pk"))}


@audited_read
def page_members(
    *, actor: Actor, group: Principal, text: str = "", max_results: int | None = None, page_token: str = ""
) -> Page[Membership]:
    """The direct members of a group by name, `text` in their name or display name. Three queries.

    Raises:
        AccessDenied: not a metastore admin.
        InvalidParameter: a token of another list.
    """
    require_administrator(actor)
    links = Membership.objects.filter(group=group).select_related("member")
    if text:
        links = links.filter(Q(member__key__contains=lookup_key(text)) | Q(member__display_name__icontains=text))
    return fetch_page(
        links,
        order=["member__key"],
        size=page_size(max_results),
        token=page_token,
        scope=f"members:{group.pk}:{text}",
    )


def list_own_groups(*, actor: Actor) -> list[Principal]:
    """Every group that the actor belongs to, through other groups too, by name. One query."""
    rows = Principal.objects.filter(pk__in=actor.principal_ids, kind=PrincipalKind.GROUP)
    return list(rows.order_by("key"))


@audited
def change_members(
    *, actor: Actor, group_id: object, add: Iterable[object] = (), remove: Iterable[object] = ()
) -> Principal:
    """Put principals into a group and take others out, all or none. Takes effect with the commit.

    Adding a member and removing a stranger are no errors.

    Raises:
        AccessDenied: not a metastore admin.
        NotFound: no such group or principal.
        InvalidParameter: a circle of groups, or the group of all users, whose members cannot be chosen.
        Conflict: no administrator would be left.
    """
    require_administrator(actor)
    lock_directory()
    group = find_by_id(group_id, kind=PrincipalKind.GROUP)
    if group.key == ACCOUNT_USERS:
        raise InvalidParameter(
            f"Everybody belongs to '{ACCOUNT_USERS}': its members cannot be changed.", field="members"
        )
    added = [_add(group, find_by_id(member_id)) for member_id in add]
    removed = [find_by_id(member_id) for member_id in remove]
    Membership.objects.filter(group=group, member__in=removed).delete()
    check_administrator_left()
    record_change(
        actor=actor,
        action="updateGroupMembers",
        principal=group,
        params={"add": [member.name for member in added], "remove": [member.name for member in removed]},
    )
    return group


def _add(group: Principal, member: Principal) -> Principal:
    check_not_housekeeping(member)
    if member.kind == PrincipalKind.GROUP and member.pk in _above(group):
        raise InvalidParameter(
            f"'{member.name}' cannot belong to '{group.name}', because '{group.name}' is it or belongs to it.",
            field="members",
        )
    Membership.objects.get_or_create(group=group, member=member)
    return member


def _above(group: Principal) -> set[int]:
    """The group itself and every group that it belongs to, directly or not."""
    with connection.cursor() as cursor:
        cursor.execute(_ABOVE, [group.pk])
        return {row[0] for row in cursor.fetchall()}


@audited
def replace_members(*, actor: Actor, group_id: object, members: Iterable[object]) -> Principal:
    """Make these, and only these, the direct members of a group.

    Raises:
        as `change_members`.
    """
    require_administrator(actor)
    lock_directory()
    wanted = {find_by_id(member_id).pk for member_id in members}
    group = find_by_id(group_id, kind=PrincipalKind.GROUP)
    present = set(Membership.objects.filter(group=group).values_list("member_id", flat=True))
    return change_members(actor=actor, group_id=group.pk, add=wanted - present, remove=present - wanted)
