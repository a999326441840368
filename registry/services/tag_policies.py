"""Governed tags: which values a key may have, who may assign it, and the check that every change goes through."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from registry.errors import AccessDenied, AlreadyExists, Conflict, InvalidParameter, NotFound
from registry.models import Principal, TagPolicy, TagPolicyRole, TagRole
from registry.names import check_tag_key, check_tag_value
from registry.services.actors import Actor
from registry.services.audit import audited, record
from registry.services.directory import require_administrator
from registry.services.grants import find_principal
from registry.services.paging import Page, fetch_page, page_size

MAX_VALUES = 500


@dataclass(frozen=True)
class PolicyChanges:
    """What an update asks for; None leaves a field as it is."""

    description: str | None = None
    values: Sequence[object] | None = None


def check_governed(actor: Actor, *, wanted: Mapping[str, str], removed: Iterable[str] = ()) -> None:
    """Refuse a change of tags that a policy forbids. None for keys without a policy. One query, two where one has.

    Raises:
        InvalidParameter: a value that the policy does not allow.
        AccessDenied: the actor may not assign the tag.
    """
    keys = {*wanted, *removed}
    policies = list(TagPolicy.objects.filter(key__in=keys)) if keys else []
    if not policies:
        return
    _check_may_assign(actor, policies)
    for policy in policies:
        value = wanted.get(policy.key)
        if value is not None and policy.values and value not in policy.values:
            raise InvalidParameter(
                f"The tag '{policy.key}' is governed and cannot be '{value}': use {_listed(policy.values)}.",
                field="value",
            )


def _listed(values: Sequence[str]) -> str:
    shown = ", ".join(f"'{value}'" for value in values[:10])
    return f"one of {shown}" + (" …" if len(values) > 10 else "")


def _check_may_assign(actor: Actor, policies: Sequence[TagPolicy]) -> None:
    if actor.is_metastore_admin:
        return
    roles = TagPolicyRole.objects.filter(policy__in=policies, principal__in=actor.principal_ids)
    assignable = set(roles.values_list("policy_id", flat=True))
    for policy in policies:
        if policy.pk not in assignable:
            raise AccessDenied(
                f"{actor.name} may not assign the governed tag '{policy.key}'. Ask a metastore admin for the role "
                "tagPolicy.assigner.",
                missing="tagPolicy.assigner",
                securable=policy.key,
            )


def _require_manager(actor: Actor, policy: TagPolicy) -> None:
    if actor.is_metastore_admin:
        return
    if not policy.roles.filter(principal__in=actor.principal_ids, role=TagRole.MANAGER).exists():
        raise AccessDenied(
            f"{actor.name} may not manage the governed tag '{policy.key}'. Ask a metastore admin for the role "
            "tagPolicy.manager.",
            missing="tagPolicy.manager",
            securable=policy.key,
        )


def _values(given: Sequence[object]) -> list[str]:
    values = [check_tag_value(value) for value in given]
    if len(values) > MAX_VALUES:
        raise InvalidParameter(f"'values' holds more than {MAX_VALUES} values.", field="values")
    if any(not value or value != value.strip() for value in values) or len(set(values)) != len(values):
        raise InvalidParameter(
            "'values' must be different names, each not empty and without spaces around it.", field="values"
        )
    return values


def _description(text: str) -> str:
    if len(text) > settings.MAX_TAG_VALUE_LENGTH:
        raise InvalidParameter(
            f"'description' is longer than {settings.MAX_TAG_VALUE_LENGTH} characters.", field="description"
        )
    return text


@audited
def create_policy(*, actor: Actor, key: str, description: str = "", values: Sequence[object] = ()) -> TagPolicy:
    """Govern a tag key. What objects are tagged with stays as it is. The actor becomes manager of the policy.

    Raises:
        AccessDenied: not a metastore admin.
        InvalidParameter, AlreadyExists.
    """
    require_administrator(actor)
    policy = TagPolicy(
        key=check_tag_key(key),
        description=_description(description),
        values=_values(values),
        created_by=actor.principal,
    )
    try:
        with transaction.atomic():
            policy.save(force_insert=True)
    except IntegrityError as error:
        raise AlreadyExists(f"The tag '{key}' has a policy already.") from error
    TagPolicyRole.objects.create(policy=policy, principal=actor.principal, role=TagRole.MANAGER)
    _record(actor, "createTagPolicy", policy, after=_facts(policy))
    return policy


def _facts(policy: TagPolicy) -> dict[str, Any]:
    return {"description": policy.description, "values": policy.values}


def _record(actor: Actor, action: str, policy: TagPolicy, **more: Any) -> None:
    record(actor=actor, action=action, subject=("TAG_POLICY", str(policy.pk), policy.key), **more)


def get_policy(*, actor: Actor, key: str) -> TagPolicy:  # noqa: ARG001  (everybody may know the rules)
    """The policy of a tag key. One query.

    Raises:
        NotFound.
    """
    return _find(key)


def _find(key: str, *, lock: bool = False) -> TagPolicy:
    rows = TagPolicy.objects.select_for_update() if lock else TagPolicy.objects.all()
    policy = rows.filter(key=key).first()
    if policy is None:
        raise NotFound(f"Tag policy '{key}' does not exist.")
    return policy


def list_policies(*, actor: Actor, max_results: int | None = None, page_token: str = "") -> Page[TagPolicy]:  # noqa: ARG001
    """All policies, by key. Everybody may know the rules. One query.

    Raises:
        InvalidParameter: a token of another list.
    """
    size = page_size(max_results, default=1000, maximum=1000)
    return fetch_page(TagPolicy.objects.all(), order=["key"], size=size, token=page_token, scope="tag_policies")


@audited
def update_policy(*, actor: Actor, key: str, changes: PolicyChanges) -> TagPolicy:
    """Change what is given. A value that is taken away stays on the objects that have it, and can be set no more.

    Raises:
        NotFound, InvalidParameter.
        AccessDenied: not a manager of the policy.
    """
    policy = _find(key, lock=True)
    _require_manager(actor, policy)
    before = _facts(policy)
    if changes.description is not None:
        policy.description = _description(changes.description)
    if changes.values is not None:
        policy.values = _values(changes.values)
    policy.save()
    _record(actor, "updateTagPolicy", policy, before=before, after=_facts(policy))
    return policy


@audited
def delete_policy(*, actor: Actor, key: str) -> None:
    """Govern a tag key no longer. What objects are tagged with stays.

    Raises:
        NotFound.
        AccessDenied: not a manager of the policy.
    """
    policy = _find(key, lock=True)
    _require_manager(actor, policy)
    _record(actor, "deleteTagPolicy", policy, before=_facts(policy))
    policy.delete()


@dataclass(frozen=True)
class RoleSet:
    """Who has which role on a policy, as of a revision that an update must name."""

    policy: TagPolicy
    principals: Mapping[TagRole, Sequence[Principal]]


def get_roles(*, actor: Actor, policy_id: str) -> RoleSet:
    """Who manages and who assigns a governed tag. Three queries.

    Raises:
        NotFound.
        AccessDenied: not a manager of the policy.
    """
    policy = _find_by_id(policy_id)
    _require_manager(actor, policy)
    return _role_set(policy)


def _find_by_id(policy_id: str, *, lock: bool = False) -> TagPolicy:
    rows = TagPolicy.objects.select_for_update() if lock else TagPolicy.objects.all()
    try:
        return rows.get(pk=policy_id)
    except (TagPolicy.DoesNotExist, ValidationError) as error:
        raise NotFound(f"Tag policy with id '{policy_id}' does not exist.") from error


def _role_set(policy: TagPolicy) -> RoleSet:
    principals: dict[TagRole, list[Principal]] = {}
    for row in policy.roles.select_related("principal").order_by("role", "principal__key"):
        principals.setdefault(TagRole(row.role), []).append(row.principal)
    return RoleSet(policy, principals)


@audited
def replace_roles(*, actor: Actor, policy_id: str, revision: str, names: Mapping[TagRole, Sequence[str]]) -> RoleSet:
    """Make these, and only these, the principals with a role on a governed tag.

    Raises:
        NotFound.
        AccessDenied: not a manager of the policy.
        InvalidParameter: no such principal.
        Conflict: somebody has changed the roles since that revision was read.
    """
    policy = _find_by_id(policy_id, lock=True)
    _require_manager(actor, policy)
    if revision != str(policy.revision):
        raise Conflict("The rules have changed since they were read: read them again and repeat the change.")
    before = _named(_role_set(policy))
    policy.roles.all().delete()
    wanted = {(find_principal(name), role) for role, some in names.items() for name in some}
    TagPolicyRole.objects.bulk_create(
        TagPolicyRole(policy=policy, principal=principal, role=role) for principal, role in wanted
    )
    policy.revision += 1
    policy.save(update_fields=["revision"])
    after = _role_set(policy)
    _record(actor, "updateTagPolicyRoles", policy, before=before, after=_named(after))
    return after


def _named(roles: RoleSet) -> dict[str, list[str]]:
    return {str(role): [principal.name for principal in some] for role, some in roles.principals.items()}
