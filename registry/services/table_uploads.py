"""Files that become rows of governed tables: CSV and Parquet, streamed in, read by a confined process.

The file is written beside all tables, never held in memory, and looked at only by a process that sees nothing else.
"""

import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from registry.errors import AlreadyExists, InvalidParameter, InvalidState, LimitExceeded, TooLarge, Unavailable
from registry.services import table_data
from registry.services.actors import Actor, renewed
from registry.services.sql_jobs import Outcome, RunningJob, free_slot, take_slot
from registry.services.sql_results import make_folder
from registry.storage.incoming import ByteSource

CREATE, APPEND, OVERWRITE = "create", "append", "overwrite"
MODES = (CREATE, APPEND, OVERWRITE)
FORMS = ("CSV", "PARQUET")
_PIECE = 1024**2


@dataclass(frozen=True)
class Uploaded:
    """What came of a file: the table, how many rows, and its columns as REST clients know them."""

    full_name: str
    mode: str
    rows: int
    columns: Sequence[dict[str, Any]]


def form_of(text: str, *, field: str = "format") -> str:
    """CSV or PARQUET, from a word, a media type, or the end of a file's name.

    Raises:
        InvalidParameter: none of them.
    """
    word = text.strip().lower().partition(";")[0]
    if word in {"csv", "text/csv", "application/csv"} or word.endswith(".csv"):
        return "CSV"
    if word in {"parquet", "application/vnd.apache.parquet", "application/x-parquet"} or word.endswith(".parquet"):
        return "PARQUET"
    raise InvalidParameter(f"'{field}' is '{text[:100]}': use csv or parquet.", field=field)


def upload_rows(
    *, actor: Actor, full_name: str, source: ByteSource, form: str, mode: str = APPEND, comment: str = ""
) -> Uploaded:
    """Make a table of a file (`create`), add its rows to one (`append`), or put them in place of all (`overwrite`).

    Columns go by name. Either all rows come in, in one commit, or none. Rights are asked before the file is taken in,
    and again when it is there. Takes as long as it takes to read the file twice.

    Raises:
        NotFound, AccessDenied: CREATE_TABLE on the schema, or MODIFY on the table.
        AlreadyExists: `create`, and the name is taken.
        InvalidParameter: a file that cannot be read, or that does not fit the table.
        TooLarge: more than MAX_UPLOAD_BYTES. LimitExceeded: it takes more time or memory than a query may.
        Unavailable: too many queries are running.
    """
    if mode not in MODES:
        raise InvalidParameter(f"'mode' is '{mode[:50]}': use {', '.join(MODES)}.", field="mode")
    if form not in FORMS:
        raise InvalidParameter(f"'format' is '{form[:50]}': use csv or parquet.", field="format")
    names = full_name.split(".")
    if len(names) != 3:
        raise InvalidParameter(f"'{full_name[:200]}' is no catalog.schema.table.", field="full_name")
    _permit(actor, full_name, mode)
    key = uuid.uuid4()
    folder, staging = make_folder(key), table_data.staging_folder(key)
    try:
        file = folder / f"upload.{form.lower()}"
        _take_in(source, file)
        job = {"kind": "UPLOAD", "folder": str(folder), "upload": str(file), "form": form, "mode": mode}
        if mode == CREATE:
            staging.mkdir(mode=0o700, parents=True, exist_ok=True)
            outcome = _run(job | {"target": str(staging)})
            table_data.adopt_table(
                actor=renewed(actor),
                catalog=names[0],
                schema=names[1],
                name=names[2],
                staging=staging,
                columns=outcome["columns"],
                comment=comment,
            )
        else:
            data = _permit(renewed(actor), full_name, mode)
            required = list(data.required_columns)
            outcome = _run(job | {"target": str(data.folder), "required_columns": required})
        return Uploaded(full_name, mode, outcome["rows"], outcome["columns"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(staging, ignore_errors=True)


def _permit(actor: Actor, full_name: str, mode: str) -> Any:
    """The table's data, if the actor may change it; None for one that may be made."""
    if mode == CREATE:
        catalog, schema, name = full_name.split(".")
        table_data.check_new_table(actor=actor, catalog=catalog, schema=schema, name=name)
        return None
    opened = table_data.open_tables(actor=actor, reads=[], writes=full_name, statement=f"upload:{mode}")
    return opened[full_name]


def _take_in(source: ByteSource, file: Path) -> None:
    size = 0
    with file.open("wb") as out:
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > settings.MAX_UPLOAD_BYTES:
                raise TooLarge(f"The file is larger than {settings.MAX_UPLOAD_BYTES} bytes: send it in parts.")
            out.write(piece)
    if not size:
        raise InvalidParameter("The request has no body: send the file itself as the body.", field="body")


def _run(job: dict[str, Any]) -> dict[str, Any]:
    """Have the confined process do it, and answer what was written."""
    if not take_slot(seconds=settings.SQL_QUEUE_SECONDS):
        raise Unavailable("Too many queries are running: send the file again later.")
    running = None
    try:
        running = RunningJob(job)
        until = time.monotonic() + settings.SQL_STATEMENT_SECONDS + 30
        while not running.wait(min(1.0, max(0.0, until - time.monotonic()))):
            if time.monotonic() >= until:
                break
        outcome = running.outcome()
    finally:
        if running is not None:
            running.stop()
        free_slot()
    return _written(outcome)


def _written(outcome: Outcome) -> dict[str, Any]:
    if outcome.written is not None:
        return outcome.written
    message = outcome.error_message
    match outcome.error_code:
        case "BAD_REQUEST":
            raise InvalidParameter(message, field="body")
        case "RESOURCE_EXHAUSTED" | "DEADLINE_EXCEEDED":
            raise LimitExceeded("The file takes more memory or time than one upload may: send it in parts.")
        case "ALREADY_EXISTS":
            raise AlreadyExists(message)
        case _:
            raise InvalidState(message)
