"""Tags on securables and on versions: keys and values under one set of rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from registry.errors import InvalidParameter, LimitExceeded
from registry.events import model_changed
from registry.models import ModelVersion, Securable
from registry.names import check_tag_key, check_tag_value
from registry.privileges import Action, SecurableType
from registry.services.actors import Actor
from registry.services.audit import audited, record
from registry.services.model_lookup import find_version_for
from registry.services.securables import find_for, touch
from registry.services.tag_policies import check_governed

_TAG_ACTION = {
    SecurableType.CATALOG: Action.TAG_CATALOG,
    SecurableType.SCHEMA: Action.TAG_SCHEMA,
    SecurableType.REGISTERED_MODEL: Action.TAG_MODEL,
    SecurableType.TABLE: Action.TAG_TABLE,
}


def tag_action(type_: SecurableType) -> Action:
    """What is asked for when the tags of that kind of securable change.

    Raises:
        InvalidParameter: a kind that has no tags.
    """
    action = _TAG_ACTION.get(type_)
    if action is None:
        raise InvalidParameter(f"A {type_.lower()} cannot be tagged.", field="securable_type")
    return action


@dataclass(frozen=True)
class Tags:
    """A change of tags: keys with their new values, and keys to remove."""

    set: Mapping[str, Any] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


def set_tags(manager: Any, change: Tags, *, actor: Actor) -> dict[str, Any]:
    """Apply a change to the tags of one object, whose row the caller has locked. Returns {"before", "after"}.

    `manager` is the object's related manager of tags. Removing a key that is not set is no error.

    Raises:
        InvalidParameter: a key or a value that is not allowed.
        AccessDenied: a governed tag that the actor may not assign.
        LimitExceeded: more tags than an object may have.
    """
    wanted = {check_tag_key(key): check_tag_value(value) for key, value in change.set.items()}
    check_governed(actor, wanted=wanted, removed=change.remove)
    before = {tag.key: tag.value for tag in manager.all()}
    after = {key: value for key, value in {**before, **wanted}.items() if key not in change.remove}
    if len(after) > settings.MAX_TAGS_PER_OBJECT and len(after) > len(before):
        raise LimitExceeded(
            f"An object has at most {settings.MAX_TAGS_PER_OBJECT} tags: remove one before you set another."
        )
    manager.filter(key__in=change.remove).delete()
    for key, value in wanted.items():
        manager.update_or_create(key=key, defaults={"value": value, "updated_by": actor.principal})
    return {"before": before, "after": after}


@audited
def tag_securable(*, actor: Actor, type_: SecurableType, full_name: str, change: Tags) -> Securable:
    """Change the tags of a catalog, schema, model or table.

    Raises:
        NotFound, AccessDenied, InvalidParameter, LimitExceeded.
    """
    securable = find_for(actor=actor, type_=type_, full_name=full_name, action=tag_action(type_), lock=True)
    return _tag(securable, change, actor=actor)


def _tag(securable: Securable, change: Tags, *, actor: Actor) -> Securable:
    done = set_tags(securable.tags, change, actor=actor)
    touch(securable, actor=actor, fields=[])
    record(actor=actor, action=_TAG_ACTION[SecurableType(securable.type)], securable=securable, **done)
    return securable


@audited
def tag_version(*, actor: Actor, name: object, version: object, change: Tags) -> None:
    """Change the tags of a version.

    Raises:
        NotFound, AccessDenied, InvalidParameter, LimitExceeded.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.TAG_VERSION, lock=True)
    done = set_tags(found.tags, change, actor=actor)
    record(
        actor=actor,
        action=Action.TAG_VERSION,
        securable=found.model.securable,
        params={"version": found.version},
        **done,
    )
    which = {"version": str(found.version)}
    changes: list[tuple[str, dict[str, str]]] = [
        ("model_version_tag.set", {**which, "key": key, "value": done["after"][key]})
        for key in change.set
        if key in done["after"]
    ]
    changes += [
        ("model_version_tag.deleted", {**which, "key": key}) for key in change.remove if key in done["before"]
    ]
    model_changed.send(ModelVersion, securable=found.model.securable, changes=changes)
