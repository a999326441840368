"""Tables as securables: their columns and where their data lies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from registry.errors import InvalidParameter, NotFound
from registry.models import Securable, Table
from registry.names import lookup_key
from registry.privileges import Action, SecurableType
from registry.services.access import require_visible, visible_to
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.paging import Page, fetch_page, page_size
from registry.services.securables import (
    Changes,
    find_for,
    find_securable,
    list_order,
    make_securable,
    update_securable,
)

TABLE_TYPES = frozenset({"MANAGED", "EXTERNAL", "VIEW"})
FORMATS = frozenset({"DELTA", "PARQUET", "CSV", "JSON"})
COLUMN_TYPES = frozenset(
    "BOOLEAN BYTE SHORT INT LONG FLOAT DOUBLE DATE TIMESTAMP TIMESTAMP_NTZ STRING BINARY DECIMAL ARRAY STRUCT MAP "
    "CHAR NULL VARIANT INTERVAL USER_DEFINED_TYPE".split()
)
_COLUMN_FIELDS: dict[str, type] = {
    "type_text": str,
    "type_json": str,
    "comment": str,
    "nullable": bool,
    "partition_index": int,
}
_KINDS = {str: "text", bool: "true or false", int: "a whole number"}


@dataclass(frozen=True)
class NewTable:
    """What a client says of a table."""

    table_type: str = "EXTERNAL"
    data_source_format: str = "DELTA"
    storage_location: str = ""
    columns: Sequence[Mapping[str, Any]] = ()
    comment: str = ""
    properties: dict[str, Any] = field(default_factory=dict)


def _rows(queryset: "QuerySet[Table]") -> "QuerySet[Table]":
    return queryset.select_related(
        "securable__owner", "securable__parent__parent", "securable__created_by", "securable__updated_by"
    ).prefetch_related("securable__tags")


@audited
def create_table(*, actor: Actor, catalog: str, schema: str, name: str, new: NewTable) -> Table:
    """Enter a table into the catalog, owned by the actor, who needs CREATE_TABLE on the schema.

    Raises:
        NotFound, AccessDenied, InvalidParameter, AlreadyExists.
    """
    parent = find_for(
        actor=actor,
        type_=SecurableType.SCHEMA,
        full_name=f"{catalog}.{schema}",
        action=Action.CREATE_TABLE,
    )
    _one_of(new.table_type, TABLE_TYPES, "table_type")
    _one_of(new.data_source_format, FORMATS, "data_source_format")
    columns = [_column(column, position) for position, column in enumerate(new.columns)]
    securable = make_securable(
        actor=actor,
        type_=SecurableType.TABLE,
        parent=parent,
        name=name,
        comment=new.comment,
        properties=new.properties,
    )
    table = Table.objects.create(
        securable=securable,
        table_type=new.table_type,
        data_source_format=new.data_source_format,
        storage_location=new.storage_location,
        columns=columns,
    )
    record(
        actor=actor,
        action=Action.CREATE_TABLE,
        securable=securable,
        after={"storage_location": new.storage_location, "columns": len(columns)},
    )
    return table


def _one_of(value: str, allowed: frozenset[str], field_name: str) -> None:
    if value not in allowed:
        raise InvalidParameter(
            f"'{field_name}' is '{value}': use one of {', '.join(sorted(allowed))}.", field=field_name
        )


def _column(column: Mapping[str, Any], position: int) -> dict[str, Any]:
    name, type_name = column.get("name"), str(column.get("type_name", "STRING")).upper()
    if not isinstance(name, str) or not name:
        raise InvalidParameter(f"Column {position} has no 'name'.", field="columns")
    _one_of(type_name, COLUMN_TYPES, "type_name")
    kept = {key: column[key] for key in _COLUMN_FIELDS if column.get(key) is not None}
    for key, value in kept.items():
        if type(value) is not _COLUMN_FIELDS[key]:
            raise InvalidParameter(
                f"'{key}' of column {position} must be {_KINDS[_COLUMN_FIELDS[key]]}.", field="columns"
            )
    return {"name": name, "type_name": type_name, "position": position, "nullable": True, **kept}


@audited_read
def get_table(*, actor: Actor, full_name: str) -> Table:
    """The table, for who may select from, administer or browse it. Four queries.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    securable = find_securable(SecurableType.TABLE, full_name)
    require_visible(actor=actor, securable=securable, named=full_name)
    return _rows(Table.objects.filter(pk=securable.pk)).get()


def table_exists(*, actor: Actor, full_name: str) -> bool:
    """Whether the actor may see a table of that name."""
    try:
        get_table(actor=actor, full_name=full_name)
    except NotFound:
        return False
    return True


@audited_read
def list_tables(
    *,
    actor: Actor,
    catalog: str,
    schema: str,
    name_contains: str = "",
    order: str = "",
    max_results: int | None = None,
    page_token: str = "",
) -> Page[Table]:
    """The tables of a schema that the actor may see, by name unless `order` says otherwise.

    Raises:
        NotFound: no such schema, or a hidden one.
        InvalidParameter: an order that is not known, or a token of another list.
    """
    name = f"{catalog}.{schema}"
    parent = find_securable(SecurableType.SCHEMA, name)
    require_visible(actor=actor, securable=parent, named=name)
    rows = Securable.objects.filter(type=SecurableType.TABLE, parent=parent, key__contains=lookup_key(name_contains))
    page = fetch_page(
        visible_to(actor, rows, SecurableType.TABLE).only("pk", "key", "updated_at"),
        order=list_order(order),
        size=page_size(max_results),
        token=page_token,
        scope=f"tables:{parent.pk}:{name_contains}:{order}",
    )
    ids = [row.pk for row in page.items]
    tables = {table.pk: table for table in _rows(Table.objects.filter(pk__in=ids))}
    return Page([tables[pk] for pk in ids if pk in tables], page.next_page_token)


@audited
def update_table(*, actor: Actor, full_name: str, changes: Changes) -> Table:
    """Change comment, properties, name or owner.

    Raises:
        NotFound, AccessDenied, InvalidParameter, AlreadyExists.
    """
    securable = find_securable(SecurableType.TABLE, full_name, lock=True)
    edit = Action.UPDATE_TABLE
    update_securable(securable, actor=actor, changes=changes, edit=edit, rename=edit, named=full_name)
    return _rows(Table.objects.filter(pk=securable.pk)).get()


@audited
def delete_table(*, actor: Actor, full_name: str) -> None:
    """Take a table out of the catalog. Its files at the storage location stay.

    Raises:
        NotFound, AccessDenied.
    """
    securable = find_for(
        actor=actor, type_=SecurableType.TABLE, full_name=full_name, action=Action.DELETE_TABLE, lock=True
    )
    record(actor=actor, action=Action.DELETE_TABLE, securable=securable, before={"owner": securable.owner.name})
    securable.delete()
