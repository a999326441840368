"""Catalogs: the environments (dev, staging, prod) that everything else lives in."""

from typing import Any

from registry.errors import Conflict
from registry.models import Securable
from registry.names import lookup_key
from registry.privileges import Action, SecurableType
from registry.services.access import require, require_visible, visible_to
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.model_deletion import delete_models_below
from registry.services.paging import Page, fetch_page, page_size
from registry.services.securables import (
    Changes,
    find_for,
    find_securable,
    list_order,
    make_securable,
    metastore,
    update_securable,
    with_containers,
)


@audited
def create_catalog(
    *, actor: Actor, name: str, comment: str = "", properties: dict[str, Any] | None = None
) -> Securable:
    """Make a catalog, owned by the actor, who needs CREATE_CATALOG on the metastore.

    Raises:
        AccessDenied, InvalidParameter, AlreadyExists.
    """
    parent = metastore()
    require(actor=actor, action=Action.CREATE_CATALOG, securable=parent)
    catalog = make_securable(
        actor=actor,
        type_=SecurableType.CATALOG,
        parent=parent,
        name=name,
        comment=comment,
        properties=properties,
    )
    record(actor=actor, action=Action.CREATE_CATALOG, securable=catalog, after={"comment": comment})
    return catalog


@audited_read
def get_catalog(*, actor: Actor, name: str) -> Securable:
    """The catalog, for who may use, administer or browse it. Two queries.

    Raises:
        NotFound.
    """
    catalog = find_securable(SecurableType.CATALOG, name)
    require_visible(actor=actor, securable=catalog, named=name)
    return catalog


def list_catalogs(
    *,
    actor: Actor,
    name_contains: str = "",
    order: str = "",
    max_results: int | None = None,
    page_token: str = "",
) -> Page[Securable]:
    """The catalogs that the actor may see, by name unless `order` says otherwise. One query.

    Raises:
        InvalidParameter: an order that is not known, or a token of another list.
    """
    rows = Securable.objects.filter(type=SecurableType.CATALOG, key__contains=lookup_key(name_contains))
    return fetch_page(
        with_containers(visible_to(actor, rows, SecurableType.CATALOG)),
        order=list_order(order),
        size=page_size(max_results),
        token=page_token,
        scope=f"catalogs:{name_contains}:{order}",
    )


@audited
def update_catalog(*, actor: Actor, name: str, changes: Changes) -> Securable:
    """Change what is given. Everything below keeps its files, versions and grants under a new name.

    Raises:
        NotFound, AccessDenied, InvalidParameter, AlreadyExists.
    """
    catalog = find_securable(SecurableType.CATALOG, name, lock=True)
    edit = Action.UPDATE_CATALOG
    update_securable(catalog, actor=actor, changes=changes, edit=edit, rename=edit, named=name)
    return catalog


@audited
def delete_catalog(*, actor: Actor, name: str, force: bool = False) -> None:
    """Delete a catalog; with `force`, also everything in it, for ever.

    Raises:
        NotFound, AccessDenied.
        Conflict: it holds more than an empty schema `default` and `force` is not set.
    """
    catalog = find_for(
        actor=actor, type_=SecurableType.CATALOG, full_name=name, action=Action.DELETE_CATALOG, lock=True
    )
    schemas = Securable.objects.filter(parent=catalog)
    inside = Securable.objects.filter(parent__in=schemas)
    if not force and schemas.exists():
        raise Conflict(f"Catalog '{catalog.name}' is not empty. Delete its schemas first, or set force=true.")
    record(
        actor=actor,
        action=Action.DELETE_CATALOG,
        securable=catalog,
        params={"force": force},
        before={"schemas": schemas.count(), "objects": inside.count()},
    )
    delete_models_below(inside)
    inside.delete()
    schemas.delete()
    catalog.delete()
