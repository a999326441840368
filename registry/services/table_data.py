"""The rows of governed tables: where they lie, who may read or add to them, and how a new table gets its own.

A table's Delta files lie in a folder named by its id, whatever its row says of a location: a table that somebody
entered with another one's path, or with a path of this machine, reaches nothing.
"""

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from registry.errors import AlreadyExists, InvalidState, NotFound
from registry.models import AuditEvent, Securable, Table
from registry.privileges import Action, SecurableType
from registry.services.access import require
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.audit_trail import visible_events
from registry.services.securables import find_for, find_securable, with_containers
from registry.services.system_tables import SystemTable, add_system_table, system_table
from registry.services.tables import NewTable, create_table

AUDIT_TABLE = "system.access.audit"
STAGING = ".staging"
_ORPHAN_SECONDS = 24 * 3600
_DENIED = 403


@dataclass(frozen=True)
class TableData:
    """A table whose rows may be read or added to: its id, its name, and the folder of its Delta files."""

    id: UUID
    full_name: str
    folder: Path
    required_columns: tuple[str, ...] = ()


def folder_of(table_id: UUID) -> Path:
    """Where the Delta files of a managed table lie."""
    return Path(settings.TABLE_ROOT, str(table_id))


def staging_folder(key: UUID) -> Path:
    """Where the files of a table are written that does not exist yet; on the same file system as all tables."""
    return Path(settings.TABLE_ROOT, STAGING, str(key))


@audited
def open_tables(*, actor: Actor, reads: Sequence[str], writes: str = "", statement: str = "") -> dict[str, TableData]:
    """The tables by the names given, if the actor may SELECT from all of `reads` and MODIFY `writes`; else none.

    Each is put on the audit trail. Costs two queries a table.

    Raises:
        NotFound, AccessDenied.
        InvalidState: a view, or a table whose rows are kept elsewhere.
    """
    found = {}
    for name, action in [(name, Action.SELECT_TABLE) for name in reads] + [(writes, Action.MODIFY_TABLE)]:
        if system_table(name) is not None and action == Action.SELECT_TABLE:
            record(actor=actor, action=action, subject=("TABLE", name, name), params={"statement_id": statement})
        elif name:
            securable = find_for(actor=actor, type_=SecurableType.TABLE, full_name=name, action=action)
            found[name] = _data_of(securable)
            record(actor=actor, action=action, securable=securable, params={"statement_id": statement})
    return found


def _data_of(securable: Securable) -> TableData:
    table = Table.objects.get(pk=securable.pk)
    folder = folder_of(securable.pk)
    if not (folder / "_delta_log").is_dir():
        raise InvalidState(
            f"Table '{securable.full_name}' ({table.table_type}) keeps its rows elsewhere: only tables that were "
            "made here, with CREATE TABLE, can be queried."
        )
    required = tuple(str(column["name"]) for column in table.columns if column.get("nullable") is False)
    return TableData(securable.pk, securable.full_name, folder, required)


@audited_read
def recheck_reads(*, actor: Actor, table_ids: Iterable[str]) -> None:
    """Ask again for the right to SELECT from tables that were read before; those that are gone are passed over.

    Raises:
        NotFound, AccessDenied.
    """
    rows = Securable.objects.filter(pk__in=list(table_ids), type=SecurableType.TABLE)
    for securable in with_containers(rows):
        require(actor=actor, action=Action.SELECT_TABLE, securable=securable)


@audited_read
def check_new_table(*, actor: Actor, catalog: str, schema: str, name: str) -> None:
    """Whether the actor may make a table of that name, before its rows are computed.

    Raises:
        NotFound, AccessDenied.
        AlreadyExists: the name is taken.
    """
    full_name = f"{catalog}.{schema}"
    find_for(actor=actor, type_=SecurableType.SCHEMA, full_name=full_name, action=Action.CREATE_TABLE)
    try:
        find_securable(SecurableType.TABLE, f"{full_name}.{name}")
    except NotFound:
        return
    raise AlreadyExists(f"Table '{full_name}.{name}' already exists.")


@audited
def adopt_table(
    *,
    actor: Actor,
    catalog: str,
    schema: str,
    name: str,
    staging: Path,
    columns: Sequence[Mapping[str, Any]],
    comment: str = "",
    properties: dict[str, Any] | None = None,
) -> Table:
    """Enter a table whose files are written, and move them to its folder. The actor needs CREATE_TABLE still.

    Raises:
        NotFound, AccessDenied, InvalidParameter, AlreadyExists.
    """
    new = NewTable(table_type="MANAGED", columns=columns, comment=comment, properties=properties or {})
    table = create_table(actor=actor, catalog=catalog, schema=schema, name=name, new=new)
    table.storage_location = f"dbfs:/Tables/{table.pk}"
    table.save(update_fields=["storage_location"])
    # Last of all: should the commit still fail, the folder belongs to no table and the sweep takes it.
    staging.rename(folder_of(table.pk))
    return table


def sweep_table_data(*, now: float | None = None) -> int:
    """Remove the files of tables that are gone, a day after the last change; returns how many folders.

    Unfinished ones of statements that were lost go as well.
    """
    root, limit = Path(settings.TABLE_ROOT), (now or time.time()) - _ORPHAN_SECONDS
    folders = [path for path in root.glob("*-*") if path.is_dir()]
    known = {str(pk) for pk in Table.objects.filter(pk__in=_ids(folders)).values_list("pk", flat=True)}
    removed = 0
    for folder in [*(path for path in folders if path.name not in known), *(root / STAGING).glob("*")]:
        if max(path.stat().st_mtime for path in (folder, *folder.glob("_delta_log"))) < limit:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _ids(folders: Iterable[Path]) -> list[UUID]:
    found = []
    for folder in folders:
        try:
            found.append(UUID(folder.name))
        except ValueError:
            continue
    return found


# --- system.access.audit ------------------------------------------------------------------------------------------


def _audit_rows(actor: Actor, since: datetime | None, until: datetime | None) -> Iterator[dict[str, Any]]:
    """The audit rows that the actor may see, newest first, by the rule of the audit page."""
    return (_audit_row(event) for event in visible_events(actor=actor, since=since, until=until))


def _audit_row(event: AuditEvent) -> dict[str, Any]:
    denied = event.decision == "DENY"
    identity = {"email": event.actor, "subject_name": event.actor}
    params = {
        **{key: value if isinstance(value, str) else json.dumps(value) for key, value in event.params.items()},
        "securable_type": event.securable_type,
        "securable_full_name": event.securable_name,
    }
    return {
        "workspace_id": settings.WORKSPACE_ID,
        "version": "2.0",
        "event_time": event.at.isoformat(),
        "source_ip_address": event.source_ip,
        "user_agent": event.user_agent,
        "user_identity": identity,
        "service_name": event.service_name,
        "action_name": event.action,
        "request_id": event.request_id,
        "request_params": params,
        "response": {"status_code": _DENIED if denied else 200, "error_message": event.message or None},
        "audit_level": "WORKSPACE_LEVEL",
        "event_id": str(event.event_id),
        "identity_metadata": {"run_by": event.actor, "run_as": event.actor},
    }


_AUDIT_NAMES = (
    "account_id workspace_id version event_time event_date source_ip_address user_agent session_id user_identity "
    "service_name action_name request_id request_params response audit_level event_id identity_metadata"
)
add_system_table(SystemTable(AUDIT_TABLE, _audit_rows, names=tuple(_AUDIT_NAMES.split())))
