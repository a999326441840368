"""Names that complete what is typed in a statement: objects and columns that the actor may see, and nothing else."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from registry.models import Securable, Table
from registry.names import lookup_key
from registry.privileges import SecurableType
from registry.services.access import visible_to
from registry.services.actors import Actor
from registry.services.sql_governance import Defaults
from registry.services.system_tables import system_table, system_tables

COLUMN = "COLUMN"
MOST = 24
_EACH = 8
_MOST_TABLES = 5
_PLAIN = re.compile(r"[A-Za-z_]\w*")
_OF_LEVEL = (
    (SecurableType.CATALOG,),
    (SecurableType.SCHEMA,),
    (SecurableType.TABLE, SecurableType.REGISTERED_MODEL),
)
_PARENTS = ("parent__key", "parent__parent__key")


@dataclass(frozen=True)
class Completion:
    """What may stand in the place of the word: as it is written in a statement, and what it names.

    `kind` is a type of securable, or COLUMN; `note` is the type of a column.
    """

    text: str
    kind: str
    note: str = ""


@dataclass(frozen=True)
class ReadTable:
    """A table that the statement names, and what it is called in it."""

    name: str
    alias: str = ""


def complete_name(
    *, actor: Actor, word: str, defaults: Defaults, tables: Sequence[ReadTable] = ()
) -> list[Completion]:
    """What the word may become: columns of the statement's tables, then objects, those of the default schema first.

    The last dotted part of `word` begins a name, the parts before it are whole. At most 35 queries, however many
    objects there are; most words cost a few.
    """
    *above, begin = _parts(word)
    if not all(above):
        return []
    found = list(_columns(actor, above, begin, defaults, tables))
    for containers in _places(above, defaults):
        prefix = len(containers) - len(above)
        for type_ in _OF_LEVEL[len(containers)]:
            rows = _visible(actor, type_, containers).filter(key__startswith=lookup_key(begin))
            rows = rows.select_related("parent__parent").order_by("key", "pk")[:_EACH]
            found += [Completion(_written(row.full_name.split(".")[prefix:]), type_) for row in rows]
    found += _system_names(above, begin)
    return list(dict.fromkeys(found))[:MOST]


def _parts(word: str) -> list[str]:
    return [part.strip("`") for part in word.strip().split(".")]


def _written(parts: Sequence[str]) -> str:
    return ".".join(part if _PLAIN.fullmatch(part) else f"`{part}`" for part in parts)


def _places(above: Sequence[str], defaults: Defaults) -> Iterator[list[str]]:
    """The containers that the parts before the last may mean, innermost default first."""
    if defaults.catalog and defaults.schema and not above:
        yield [defaults.catalog, defaults.schema]
    if defaults.catalog and len(above) < len(_OF_LEVEL) - 1:
        yield [defaults.catalog, *above]
    if len(above) < len(_OF_LEVEL):
        yield list(above)


def _visible(actor: Actor, type_: SecurableType, containers: Sequence[str]) -> "QuerySet[Securable]":
    keys = {path: lookup_key(name) for path, name in zip(_PARENTS, reversed(containers), strict=False)}
    return visible_to(actor, Securable.objects.filter(type=type_, **keys), type_)


def _columns(
    actor: Actor, above: Sequence[str], begin: str, defaults: Defaults, tables: Sequence[ReadTable]
) -> Iterator[Completion]:
    for table in tables[:_MOST_TABLES]:
        parts = _parts(table.name)
        if above and _key(above) not in (_key(parts), _key(parts[-1:]), (table.alias.lower(),)):
            continue
        for name, type_ in _columns_of(actor, parts, defaults):
            if name.lower().startswith(begin.lower()):
                yield Completion(_written([*above, name]), COLUMN, type_)


def _key(parts: Collection[str]) -> tuple[str, ...]:
    return tuple(part.lower() for part in parts)


def _columns_of(actor: Actor, parts: Sequence[str], defaults: Defaults) -> list[tuple[str, str]]:
    system = system_table(".".join(parts))
    if system is not None:
        return [*system.columns, *((name, "") for name in system.names)]
    *containers, name = [*[defaults.catalog, defaults.schema][: max(3 - len(parts), 0)], *parts]
    if len(containers) != len(_PARENTS):
        return []
    rows = _visible(actor, SecurableType.TABLE, containers).filter(key=lookup_key(name))
    table = Table.objects.filter(securable__in=rows).first()
    return [(column["name"], column["type_name"]) for column in table.columns] if table else []


def _system_names(above: Sequence[str], begin: str) -> Iterator[Completion]:
    before = _key(above)
    for table in system_tables():
        parts = tuple(table.name.split("."))
        level = len(before)
        if level < len(parts) and parts[:level] == before and parts[level].startswith(begin.lower()):
            yield Completion(".".join([*above, parts[level]]), _OF_LEVEL[level][0])
