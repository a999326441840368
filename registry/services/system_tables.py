"""Tables that the product keeps by itself: written out anew for each statement, with what its sender may see."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_datetime
from django.utils.timezone import make_aware

from registry.errors import LimitExceeded
from registry.services.actors import Actor

Rows = Callable[[Actor, datetime | None, datetime | None], Iterable[Mapping[str, Any]]]
"""The rows that the actor may see, as JSON holds them, from the one moment up to the other; None: unbounded."""


@dataclass(frozen=True)
class SystemTable:
    """A table by its full name. `columns` are names and types: STRING, BIGINT, DOUBLE, DATE or TIMESTAMP; none for
    the audit trail, of whose columns these are the `names`: the query process knows their nested types. Conditions on
    `event_time` and `event_date` bound what is written.
    """

    name: str
    rows: Rows
    columns: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()


_tables: dict[str, SystemTable] = {}


def add_system_table(table: SystemTable) -> None:
    """Let statements read a table, whose `rows` leave out what their sender may not see. Call when an app loads."""
    _tables[table.name] = table


def system_tables() -> list[SystemTable]:
    """All of them, by name."""
    return sorted(_tables.values(), key=lambda table: table.name)


def system_table(full_name: str) -> SystemTable | None:
    """The system table of that name, however it is spelled; None for any other table."""
    return _tables.get(full_name.lower())


def write_system_table(table: SystemTable, *, actor: Actor, path: Path, since: str = "", until: str = "") -> None:
    """Write the rows that the actor may see as lines of JSON. Streams; memory does not grow with their number.

    `since` and `until` bound the time of the event (ISO, UTC).

    Raises:
        LimitExceeded: more rows than a statement may look at.
    """
    first, last = (make_aware(moment) if (moment := parse_datetime(text)) else None for text in (since, until))
    with path.open("w") as file:
        for count, row in enumerate(table.rows(actor, first, last), start=1):
            if count > settings.SQL_MAX_AUDIT_ROWS:
                raise LimitExceeded(
                    f"{table.name} holds more than the {settings.SQL_MAX_AUDIT_ROWS} rows that one statement may "
                    "look at: add a condition such as event_date >= '2030-01-31'."
                )
            file.write(json.dumps(row) + "\n")
