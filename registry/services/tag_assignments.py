"""The tags of one object, read and changed one key at a time."""

from registry.errors import AlreadyExists, NotFound
from registry.models import Securable, SecurableTag
from registry.privileges import SecurableType
from registry.services.access import require_visible
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read
from registry.services.paging import Page, fetch_page, page_size
from registry.services.securables import find_for, find_securable
from registry.services.tags import Tags, tag_action, tag_securable


@audited_read
def list_tags(
    *, actor: Actor, type_: SecurableType, full_name: str, max_results: int | None = None, page_token: str = ""
) -> Page[SecurableTag]:
    """The tags of a securable that the actor may see, by key. Three queries.

    Raises:
        NotFound, InvalidParameter.
    """
    securable = find_securable(type_, full_name)
    require_visible(actor=actor, securable=securable, named=full_name)
    return fetch_page(
        SecurableTag.objects.filter(securable=securable).select_related("updated_by"),
        order=["key"],
        size=page_size(max_results),
        token=page_token,
        scope=f"tags:{securable.pk}",
    )


@audited_read
def get_tag(*, actor: Actor, type_: SecurableType, full_name: str, key: str) -> SecurableTag:
    """One tag of a securable that the actor may see. Three queries.

    Raises:
        NotFound: no such securable, or it has no such tag.
        InvalidParameter.
    """
    securable = find_securable(type_, full_name)
    require_visible(actor=actor, securable=securable, named=full_name)
    return _tag_of(securable, key)


def _tag_of(securable: Securable, key: str) -> SecurableTag:
    found = securable.tags.select_related("updated_by").filter(key=key).first()
    if found is None:
        raise NotFound(f"{securable.type.replace('_', ' ').capitalize()} '{securable.full_name}' has no tag '{key}'.")
    return found


@audited
def create_tag(*, actor: Actor, type_: SecurableType, full_name: str, key: str, value: str) -> SecurableTag:
    """Set a tag that the securable does not have yet.

    Raises:
        AlreadyExists: it has it; update it instead.
        NotFound, AccessDenied, InvalidParameter, LimitExceeded: as `tag_securable`.
    """
    securable = _locked(actor, type_, full_name)
    if securable.tags.filter(key=key).exists():
        raise AlreadyExists(f"'{securable.full_name}' has a tag '{key}' already: update it instead.")
    tag_securable(actor=actor, type_=type_, full_name=full_name, change=Tags(set={key: value}))
    return _tag_of(securable, key)


@audited
def update_tag(*, actor: Actor, type_: SecurableType, full_name: str, key: str, value: str) -> SecurableTag:
    """Give a tag that the securable has another value.

    Raises:
        NotFound: no such securable, or it has no such tag.
        AccessDenied, InvalidParameter: as `tag_securable`.
    """
    securable = _locked(actor, type_, full_name)
    _tag_of(securable, key)
    tag_securable(actor=actor, type_=type_, full_name=full_name, change=Tags(set={key: value}))
    return _tag_of(securable, key)


@audited
def delete_tag(*, actor: Actor, type_: SecurableType, full_name: str, key: str) -> None:
    """Take a tag off a securable that has it.

    Raises:
        as `update_tag`.
    """
    _tag_of(_locked(actor, type_, full_name), key)
    tag_securable(actor=actor, type_=type_, full_name=full_name, change=Tags(remove=(key,)))


def _locked(actor: Actor, type_: SecurableType, full_name: str) -> Securable:
    """The securable, if the actor may tag it; its tags stay as they are until commit."""
    return find_for(actor=actor, type_=type_, full_name=full_name, action=tag_action(type_), lock=True)
