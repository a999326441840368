"""Schemas: where models and tables live inside a catalog."""

from typing import Any

from registry.errors import Conflict
from registry.models import Securable
from registry.names import lookup_key
from registry.privileges import Action, SecurableType
from registry.services.access import require_visible, visible_to
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
    update_securable,
    with_containers,
)


@audited
def create_schema(
    *, actor: Actor, catalog: str, name: str, comment: str = "", properties: dict[str, Any] | None = None
) -> Securable:
    """Make a schema, owned by the actor, who needs USE_CATALOG and CREATE_SCHEMA on the catalog (its owner has both).

    Raises:
        NotFound, AccessDenied, InvalidParameter, AlreadyExists.
    """
    parent = find_for(
        actor=actor, type_=SecurableType.CATALOG, full_name=catalog, action=Action.CREATE_SCHEMA, lock=True
    )
    schema = make_securable(
        actor=actor,
        type_=SecurableType.SCHEMA,
        parent=parent,
        name=name,
        comment=comment,
        properties=properties,
    )
    record(actor=actor, action=Action.CREATE_SCHEMA, securable=schema, after={"comment": comment})
    return schema


@audited_read
def get_schema(*, actor: Actor, full_name: str) -> Securable:
    """The schema, for who may use, administer or browse it. Two queries.

    Raises:
        NotFound, InvalidParameter.
    """
    schema = find_securable(SecurableType.SCHEMA, full_name)
    require_visible(actor=actor, securable=schema, named=full_name)
    return schema


@audited_read
def list_schemas(
    *,
    actor: Actor,
    catalog: str,
    name_contains: str = "",
    order: str = "",
    max_results: int | None = None,
    page_token: str = "",
) -> Page[Securable]:
    """The schemas of a catalog that the actor may see, by name unless `order` says otherwise. Three queries.

    Raises:
        NotFound: no such catalog, or a hidden one.
        InvalidParameter: an order that is not known, or a token of another list.
    """
    parent = find_securable(SecurableType.CATALOG, catalog)
    require_visible(actor=actor, securable=parent, named=catalog)
    rows = Securable.objects.filter(type=SecurableType.SCHEMA, parent=parent, key__contains=lookup_key(name_contains))
    return fetch_page(
        with_containers(visible_to(actor, rows, SecurableType.SCHEMA)),
        order=list_order(order),
        size=page_size(max_results),
        token=page_token,
        scope=f"schemas:{parent.pk}:{name_contains}:{order}",
    )


@audited
def update_schema(*, actor: Actor, full_name: str, changes: Changes) -> Securable:
    """Change what is given. Everything below keeps its files, versions and grants under a new name.

    Raises:
        NotFound, AccessDenied, InvalidParameter, AlreadyExists.
    """
    schema = find_securable(SecurableType.SCHEMA, full_name, lock=True)
    edit = Action.UPDATE_SCHEMA
    update_securable(schema, actor=actor, changes=changes, edit=edit, rename=edit, named=full_name)
    return schema


@audited
def delete_schema(*, actor: Actor, full_name: str, force: bool = False) -> None:
    """Delete a schema; with `force`, also everything in it, for ever.

    Raises:
        NotFound, AccessDenied.
        Conflict: it is not empty and `force` is not set.
    """
    schema = find_for(
        actor=actor, type_=SecurableType.SCHEMA, full_name=full_name, action=Action.DELETE_SCHEMA, lock=True
    )
    inside = Securable.objects.filter(parent=schema)
    count = inside.count()
    if count and not force:
        raise Conflict(f"Schema '{schema.full_name}' holds {count} objects. Delete them first, or set force=true.")
    record(
        actor=actor,
        action=Action.DELETE_SCHEMA,
        securable=schema,
        params={"force": force},
        before={"objects": count},
    )
    delete_models_below(inside)
    inside.delete()
    schema.delete()
