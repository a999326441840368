"""Statements of governance, each by the service function that the other dialects call: same rights, same trail."""

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

from registry.errors import AlreadyExists, InvalidParameter, NotFound
from registry.models import Securable
from registry.names import lookup_key
from registry.privileges import SecurableType
from registry.services import catalogs, registered_models, schemas, tables
from registry.services.actors import Actor
from registry.services.grants import Change, list_effective_grants, parse_privilege, update_grants
from registry.services.paging import Page
from registry.services.securables import Changes
from registry.services.tags import Tags, tag_securable
from registry.sql.statements import (
    ChangeGrants,
    ChangeTags,
    CreateContainer,
    Describe,
    Drop,
    Governance,
    Name,
    Rename,
    SetComment,
    SetOwner,
    Show,
    ShowGrants,
    Target,
    Use,
)

_LEVELS = {
    SecurableType.METASTORE: 0,
    SecurableType.CATALOG: 1,
    SecurableType.SCHEMA: 2,
    SecurableType.TABLE: 3,
    SecurableType.REGISTERED_MODEL: 3,
}
_SHOWN_TYPE = {SecurableType.REGISTERED_MODEL: "FUNCTION"}


@dataclass(frozen=True)
class Rows:
    """What a statement answers: names of columns, and rows of text."""

    columns: tuple[str, ...] = ()
    rows: list[tuple[str | None, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Defaults:
    """The catalog and schema that complete a short name."""

    catalog: str = ""
    schema: str = ""

    def complete(self, name: Name, *, levels: int) -> list[str]:
        """All parts of a name.

        Raises:
            InvalidParameter: a part is missing and the request gave no default for it.
        """
        before = [self.catalog, self.schema, ""][: levels - len(name)]
        if not all(before):
            shape = ".".join(["catalog", "schema", "name"][:levels])
            raise InvalidParameter(
                f"'{'.'.join(name)}' is short: write it as {shape}, or send 'catalog' and 'schema' along.",
                field="statement",
            )
        return [*before, *name]


def run_governance(*, actor: Actor, statement: Governance, defaults: Defaults) -> Rows:
    """Do what the statement asks for.

    Raises:
        What the service functions raise: NotFound, AccessDenied, InvalidParameter, AlreadyExists, Conflict.
    """
    return _run(statement, actor, defaults)


def _full_name(target: Target, defaults: Defaults) -> str:
    if target.kind == SecurableType.METASTORE:
        return "metastore"
    return ".".join(defaults.complete(target.name, levels=_LEVELS[target.kind]))


@singledispatch
def _run(statement: Any, actor: Actor, defaults: Defaults) -> Rows:
    raise NotImplementedError(type(statement).__name__)


@_run.register
def _(statement: ChangeGrants, actor: Actor, defaults: Defaults) -> Rows:
    privileges = tuple(parse_privilege(text) for text in statement.privileges)
    principal = statement.principal
    change = Change(principal, remove=privileges) if statement.revoke else Change(principal, add=privileges)
    full_name = _full_name(statement.target, defaults)
    update_grants(actor=actor, type_=statement.target.kind, full_name=full_name, changes=[change])
    return Rows()


@_run.register
def _(statement: ShowGrants, actor: Actor, defaults: Defaults) -> Rows:
    kind, full_name = statement.target.kind, _full_name(statement.target, defaults)
    held = list_effective_grants(actor=actor, type_=kind, full_name=full_name, principal=statement.principal)
    rows: list[tuple[str | None, ...]] = []
    for one in held:
        source = one.inherited_from
        on = SecurableType(source.type) if source else kind
        key = source.full_name if source else full_name
        rows.append((one.principal, one.privilege.replace("_", " "), _SHOWN_TYPE.get(on, str(on)), key))
    return Rows(("Principal", "ActionType", "ObjectType", "ObjectKey"), rows)


def _update(target: Target, defaults: Defaults, changes: Changes, actor: Actor) -> Rows:
    full_name = _full_name(target, defaults)
    match target.kind:
        case SecurableType.CATALOG:
            catalogs.update_catalog(actor=actor, name=full_name, changes=changes)
        case SecurableType.SCHEMA:
            schemas.update_schema(actor=actor, full_name=full_name, changes=changes)
        case SecurableType.TABLE:
            tables.update_table(actor=actor, full_name=full_name, changes=changes)
        case _:
            registered_models.update_model(actor=actor, name=full_name, changes=changes)
    return Rows()


@_run.register
def _(statement: SetOwner, actor: Actor, defaults: Defaults) -> Rows:
    return _update(statement.target, defaults, Changes(owner=statement.owner), actor)


@_run.register
def _(statement: SetComment, actor: Actor, defaults: Defaults) -> Rows:
    return _update(statement.target, defaults, Changes(comment=statement.comment), actor)


@_run.register
def _(statement: Rename, actor: Actor, defaults: Defaults) -> Rows:
    *container, short = statement.new_name
    inside = defaults.complete(statement.target.name, levels=_LEVELS[statement.target.kind])[:-1]
    if container and [lookup_key(part) for part in container] != [lookup_key(part) for part in inside]:
        raise InvalidParameter(
            f"'{'.'.join(statement.new_name)}' lies elsewhere: a rename stays in its container.", field="statement"
        )
    return _update(statement.target, defaults, Changes(new_name=short), actor)


@_run.register
def _(statement: ChangeTags, actor: Actor, defaults: Defaults) -> Rows:
    change = Tags(set=statement.tags, remove=statement.remove)
    full_name = _full_name(statement.target, defaults)
    tag_securable(actor=actor, type_=statement.target.kind, full_name=full_name, change=change)
    return Rows()


@_run.register
def _(statement: CreateContainer, actor: Actor, defaults: Defaults) -> Rows:
    *above, name = defaults.complete(statement.target.name, levels=_LEVELS[statement.target.kind])
    try:
        if above:
            schemas.create_schema(actor=actor, catalog=above[0], name=name, comment=statement.comment)
        else:
            catalogs.create_catalog(actor=actor, name=name, comment=statement.comment)
    except AlreadyExists:
        if not statement.if_not_exists:
            raise
    return Rows()


@_run.register
def _(statement: Drop, actor: Actor, defaults: Defaults) -> Rows:
    full_name = _full_name(statement.target, defaults)
    try:
        match statement.target.kind:
            case SecurableType.CATALOG:
                catalogs.delete_catalog(actor=actor, name=full_name, force=statement.cascade)
            case SecurableType.SCHEMA:
                schemas.delete_schema(actor=actor, full_name=full_name, force=statement.cascade)
            case SecurableType.TABLE:
                tables.delete_table(actor=actor, full_name=full_name)
            case _:
                registered_models.delete_model(actor=actor, name=full_name)
    except NotFound:
        if not statement.if_exists:
            raise
    return Rows()


# --- SHOW, DESCRIBE, USE -------------------------------------------------------------------------------------------


def _every(fetch: Callable[..., Page[Any]], **inside: Any) -> Iterator[Any]:
    """The rows of all pages."""
    token = ""
    while True:
        page = fetch(**inside, max_results=1000, page_token=token)
        yield from page.items
        token = page.next_page_token
        if not token:
            return


@_run.register
def _(statement: Show, actor: Actor, defaults: Defaults) -> Rows:
    levels = _LEVELS[statement.kind] - 1
    inside = defaults.complete(statement.inside, levels=levels) if levels else []
    if statement.kind == SecurableType.CATALOG:
        names = [row.name for row in _every(catalogs.list_catalogs, actor=actor)]
        return _listed(("catalog",), names, statement.pattern)
    if statement.kind == SecurableType.SCHEMA:
        names = [row.name for row in _every(schemas.list_schemas, actor=actor, catalog=inside[0])]
        return _listed(("databaseName",), names, statement.pattern)
    place = {"actor": actor, "catalog": inside[0], "schema": inside[1]}
    if statement.kind == SecurableType.TABLE:
        names = [row.securable.name for row in _every(tables.list_tables, **place)]
        found = _listed(("tableName",), names, statement.pattern)
        return Rows(("database", "tableName", "isTemporary"), [(inside[1], name, "false") for (name,) in found.rows])
    names = [row.securable.name for row in _every(registered_models.list_models, **place)]
    found = _listed(("modelName",), names, statement.pattern)
    return Rows(("database", "modelName"), [(inside[1], name) for (name,) in found.rows])


def _listed(columns: tuple[str, ...], names: list[str], pattern: str) -> Rows:
    """The names that the pattern takes: `*` (or `%`) is anything, `|` separates alternatives, case does not count."""
    wanted = [one.strip().replace("%", "*").lower() for one in pattern.split("|")] if pattern else ["*"]
    kept = [name for name in names if any(fnmatch.fnmatchcase(name.lower(), one) for one in wanted)]
    return Rows(columns, [(name,) for name in kept])


@_run.register
def _(statement: Describe, actor: Actor, defaults: Defaults) -> Rows:
    full_name = _full_name(statement.target, defaults)
    match statement.target.kind:
        case SecurableType.TABLE:
            table = tables.get_table(actor=actor, full_name=full_name)
            columns: list[tuple[str | None, ...]] = [
                (column["name"], str(column.get("type_text") or column["type_name"]).lower(), column.get("comment"))
                for column in table.columns
            ]
            return Rows(("col_name", "data_type", "comment"), columns)
        case SecurableType.CATALOG:
            return _described("Catalog Name", catalogs.get_catalog(actor=actor, name=full_name))
        case SecurableType.SCHEMA:
            return _described("Namespace Name", schemas.get_schema(actor=actor, full_name=full_name))
    view = registered_models.browse_model(actor=actor, name=full_name)
    rows = _described("Model Name", view.model.securable)
    if not view.browse_only:
        aliases = ", ".join(f"{alias.name} = {alias.version.version}" for alias in view.model.aliases.all())
        rows.rows.extend([("Last Version", str(view.model.last_version)), ("Aliases", aliases)])
    return rows


def _described(noun: str, securable: Securable) -> Rows:
    return Rows(
        ("info_name", "info_value"),
        [
            (noun, securable.name),
            ("Full Name", securable.full_name),
            ("Comment", securable.comment),
            ("Owner", securable.owner.name),
            ("Created At", securable.created_at.isoformat()),
        ],
    )


@_run.register
def _(statement: Use, actor: Actor, defaults: Defaults) -> Rows:
    """Statements share no session: this only says whether the container is there."""
    full_name = _full_name(statement.target, defaults)
    if statement.target.kind == SecurableType.CATALOG:
        catalogs.get_catalog(actor=actor, name=full_name)
    else:
        schemas.get_schema(actor=actor, full_name=full_name)
    return Rows()
