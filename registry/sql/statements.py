"""What a statement asks for, once it is parsed: one small class a kind. Names are not yet completed or looked up."""

from dataclasses import dataclass, field

from registry.privileges import SecurableType

Name = tuple[str, ...]
"""A dotted name as it was written: one to three parts."""


@dataclass(frozen=True)
class Target:
    """A securable that a statement names. The metastore has no name."""

    kind: SecurableType
    name: Name = ()


@dataclass(frozen=True)
class ChangeGrants:
    """GRANT or REVOKE: privileges as they were written."""

    privileges: tuple[str, ...]
    target: Target
    principal: str
    revoke: bool = False


@dataclass(frozen=True)
class ShowGrants:
    """SHOW GRANTS [principal] ON ..."""

    target: Target
    principal: str = ""


@dataclass(frozen=True)
class SetOwner:
    """ALTER ... [SET] OWNER TO."""

    target: Target
    owner: str


@dataclass(frozen=True)
class SetComment:
    """COMMENT ON ... IS; empty for NULL."""

    target: Target
    comment: str


@dataclass(frozen=True)
class ChangeTags:
    """ALTER ... SET TAGS, UNSET TAGS."""

    target: Target
    tags: dict[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rename:
    """ALTER ... RENAME TO."""

    target: Target
    new_name: Name


@dataclass(frozen=True)
class CreateContainer:
    """CREATE CATALOG, CREATE SCHEMA."""

    target: Target
    if_not_exists: bool = False
    comment: str = ""


@dataclass(frozen=True)
class Drop:
    """DROP CATALOG, SCHEMA, TABLE, MODEL."""

    target: Target
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True)
class Show:
    """SHOW CATALOGS, SCHEMAS, TABLES, MODELS. `pattern` is a LIKE pattern in which `*` stands for anything."""

    kind: SecurableType
    inside: Name = ()
    pattern: str = ""


@dataclass(frozen=True)
class Describe:
    """DESCRIBE CATALOG, SCHEMA, TABLE, MODEL."""

    target: Target


@dataclass(frozen=True)
class Use:
    """USE CATALOG, USE SCHEMA."""

    target: Target


Governance = (
    ChangeGrants
    | ShowGrants
    | SetOwner
    | SetComment
    | ChangeTags
    | Rename
    | CreateContainer
    | Drop
    | Show
    | Describe
    | Use
)


@dataclass(frozen=True)
class Reference:
    """A table that a query reads: its name as written, the name the query knows it by, and the version asked for.

    `since` and `until` bound `event_time` where the query says so itself; they only ever narrow what is read.
    """

    name: Name
    placeholder: str
    version: int | None = None
    since: str = ""
    until: str = ""


@dataclass(frozen=True)
class Query:
    """A checked query in the engine's own dialect, over placeholders."""

    sql: str
    reads: tuple[Reference, ...] = ()


@dataclass(frozen=True)
class ColumnSpec:
    """What a CREATE TABLE says of a column besides its type."""

    name: str
    nullable: bool = True
    comment: str = ""


@dataclass(frozen=True)
class CreateTable:
    """CREATE TABLE. The query gives columns and rows; with a column list it gives no row."""

    target: Name
    query: Query
    columns: tuple[ColumnSpec, ...] = ()
    if_not_exists: bool = False
    comment: str = ""
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Insert:
    """INSERT INTO; without `columns` by position."""

    target: Name
    query: Query
    columns: tuple[str, ...] = ()


Data = Query | CreateTable | Insert
