"""SQL statements: taken in, run with the caller's rights, watched, canceled, and their results handed out.

A statement that is wrong or not allowed is a statement that FAILED, not an error of the call that sent it.
"""

import json
import logging
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from registry.errors import (
    AccessDenied,
    ErrorCode,
    InvalidParameter,
    InvalidState,
    ModelkeepError,
    NotFound,
    Unavailable,
)
from registry.models import SqlStatement, StatementState
from registry.services.actors import Actor
from registry.services.audit import audited, record
from registry.services.paging import Page, fetch_page, page_size
from registry.services.sql_governance import Defaults, Rows, run_governance
from registry.services.sql_jobs import lost_after_seconds, result_folder
from registry.services.sql_queries import Run
from registry.services.sql_results import keep_rows
from registry.services.table_data import recheck_reads, sweep_table_data
from registry.sql.parser import is_data, parse_governance
from registry.sql.planner import Parameter, plan

logger = logging.getLogger(__name__)

_callers = threading.BoundedSemaphore(settings.SQL_CALLERS)
"""Calls that wait for a statement hold a thread of the web server each: some are kept for everything else."""

OPEN = (StatementState.PENDING, StatementState.RUNNING)
INLINE, EXTERNAL_LINKS = "INLINE", "EXTERNAL_LINKS"
_AUDITED_TEXT = 4000
_SERVICE = "databrickssql"
_ERROR_CODE = {
    ErrorCode.RESOURCE_DOES_NOT_EXIST: "NOT_FOUND",
    ErrorCode.RESOURCE_ALREADY_EXISTS: "ALREADY_EXISTS",
    ErrorCode.TEMPORARILY_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
    ErrorCode.RESOURCE_EXHAUSTED: "RESOURCE_EXHAUSTED",
}
"""The codes that clients of this API know; everything else is BAD_REQUEST."""


@dataclass(frozen=True)
class NewStatement:
    """What a client sends. `wait_seconds`: how long the call may take; `cancel_on_timeout`: what happens then."""

    text: str
    defaults: Defaults = field(default_factory=Defaults)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    wait_seconds: float = 10
    cancel_on_timeout: bool = False
    disposition: str = INLINE
    format: str = "JSON_ARRAY"
    row_limit: int | None = None
    byte_limit: int | None = None


def submit_statement(*, actor: Actor, new: NewStatement) -> SqlStatement:
    """Take a statement in and run it. Answers when it has ended, or after `wait_seconds` with it still running.

    Statements of governance always have ended. Each part commits by itself; there is no transaction around.

    Raises:
        InvalidParameter: no text, or too much of it.
        Unavailable: the caller has too many statements running, or too many calls wait for one.
    """
    if not new.text.strip():
        raise InvalidParameter("'statement' is required.", field="statement")
    if len(new.text.encode()) > settings.SQL_MAX_TEXT_BYTES:
        most = settings.SQL_MAX_TEXT_BYTES
        raise InvalidParameter(f"'statement' is longer than {most} bytes.", field="statement")
    _check_own_load(actor)
    if not _callers.acquire(blocking=False):
        raise Unavailable("Too many calls wait for their statements: send it again later.")
    try:
        return _submit(actor, new)
    finally:
        _callers.release()


def _submit(actor: Actor, new: NewStatement) -> SqlStatement:
    statement = _enter(actor, new)
    try:
        _perform(actor, statement, new)
    except ModelkeepError as error:
        fail(statement, error, actor=actor)
    except Exception:
        logger.exception("a statement failed unexpectedly")
        fail(
            statement,
            _Broken("Something failed on the server. Give your administrator the statement's id."),
            actor=actor,
        )
    statement.refresh_from_db()
    return statement


class _Broken(ModelkeepError):
    """What nobody expected; the log knows more."""


def _check_own_load(actor: Actor) -> None:
    running = SqlStatement.objects.filter(actor=actor.principal, state__in=OPEN, deadline__gt=timezone.now()).count()
    if running >= settings.SQL_STATEMENTS_PER_USER:
        raise Unavailable(f"{running} of your statements are running: wait for one to end, or cancel it.")


def _enter(actor: Actor, new: NewStatement) -> SqlStatement:
    now = timezone.now()
    return SqlStatement.objects.create(
        actor=actor.principal,
        text=new.text,
        catalog=new.defaults.catalog[:255],
        schema=new.defaults.schema[:255],
        disposition=new.disposition,
        format=new.format,
        submitted_at=now,
        deadline=now + timedelta(seconds=lost_after_seconds()),
    )


def _perform(actor: Actor, statement: SqlStatement, new: NewStatement) -> None:
    if not is_data(new.text):
        values = {name: parameter.value for name, parameter in new.parameters.items()}
        asked = parse_governance(new.text, values)
        rows = run_governance(actor=actor, statement=asked, defaults=new.defaults)
        succeed(statement, rows, actor=actor)
        return
    asked_data = plan(new.text, user=actor.name, parameters=new.parameters)
    run = Run(actor, statement.pk, asked_data, new.defaults, format_=new.format, limits=_limits(new))
    watch = _Watch(run, statement, actor)
    if watch.advance(new.wait_seconds):
        return
    if new.cancel_on_timeout:
        _cancel(actor=actor, statement=statement)
        watch.advance(None)
    else:
        threading.Thread(target=watch.to_the_end, name=f"sql-{statement.pk}", daemon=True).start()


def _limits(new: NewStatement) -> dict[str, Any]:
    limits: dict[str, Any] = {
        "rows": min(new.row_limit or settings.SQL_MAX_RESULT_ROWS, settings.SQL_MAX_RESULT_ROWS),
        "bytes": min(new.byte_limit or settings.SQL_MAX_RESULT_BYTES, settings.SQL_MAX_RESULT_BYTES),
    }
    if new.disposition == INLINE:
        limits["bytes"] = min(limits["bytes"], settings.SQL_MAX_INLINE_BYTES)
        if new.byte_limit is None:
            limits["fail_bytes"] = settings.SQL_MAX_INLINE_BYTES
    return limits


class _Watch:
    """Follows one run until it ends, in one thread after another, and writes down how."""

    def __init__(self, run: Run, statement: SqlStatement, actor: Actor) -> None:
        self._run, self._statement, self._actor = run, statement, actor

    def advance(self, seconds: float | None) -> bool:
        """Go on for some seconds (None: to the end); answers whether the statement has ended."""
        try:
            ended = self._run.advance(seconds)
        except ModelkeepError as error:
            fail(self._statement, error, actor=self._actor)
            return True
        except Exception:
            self._run.close()
            raise
        if ended and self._run.rows is not None:
            succeed(self._statement, self._run.rows, actor=self._actor, reads=self._run.reads)
        elif ended and self._run.manifest is not None:
            _close_as_succeeded(self._statement, self._run.manifest, actor=self._actor, reads=self._run.reads)
        return ended

    def to_the_end(self) -> None:
        """What a thread of its own does."""
        try:
            self.advance(None)
        except Exception:
            logger.exception("a statement failed unexpectedly")
            fail(self._statement, _Broken("Something failed on the server."), actor=self._actor)
        finally:
            connection.close()


# --- How statements end ------------------------------------------------------------------------------------------


def succeed(statement: SqlStatement, rows: Rows, *, actor: Actor, reads: list[str] | None = None) -> None:
    """Keep rows that were not computed by the engine as the result."""
    manifest = keep_rows(statement.pk, rows, format_=statement.format)
    _close_as_succeeded(statement, manifest, actor=actor, reads=reads or [])


def _close_as_succeeded(statement: SqlStatement, manifest: dict[str, Any], *, actor: Actor, reads: list[str]) -> None:
    expires = timezone.now() + timedelta(seconds=settings.SQL_RESULT_SECONDS)
    _end(statement, actor, state=StatementState.SUCCEEDED, manifest=manifest, reads=reads, expires_at=expires)


def fail(statement: SqlStatement, error: ModelkeepError, *, actor: Actor) -> None:
    """Write down why a statement failed. A refusal is a DENY on the audit trail."""
    shutil.rmtree(result_folder(statement.pk), ignore_errors=True)
    code = getattr(error, "statement_code", "") or _ERROR_CODE.get(error.code, "BAD_REQUEST")
    message = error.message
    if isinstance(error, AccessDenied):
        message = f"[INSUFFICIENT_PERMISSIONS] {message}"
    if isinstance(error, _Broken):
        code = "INTERNAL_ERROR"
    refused = isinstance(error, AccessDenied | NotFound | InvalidParameter)
    _end(statement, actor, refused=refused, state=StatementState.FAILED, error_code=code, error_message=message)


@audited
def _end_audited(*, actor: Actor, statement: SqlStatement, refused: bool, changes: dict[str, Any]) -> None:
    changed = SqlStatement.objects.filter(pk=statement.pk, state__in=OPEN).update(
        finished_at=timezone.now(), **changes
    )
    state = changes["state"] if changed else StatementState.CANCELED
    record(
        actor=actor,
        action="executeStatement",
        service_name=_SERVICE,
        subject=("STATEMENT", str(statement.pk), ""),
        params={
            "statement_id": str(statement.pk),
            "statement": statement.text[:_AUDITED_TEXT],
            "state": state,
            "error": str(changes.get("error_message", ""))[:_AUDITED_TEXT],
        },
        decision="DENY" if refused else "ALLOW",
    )


def _end(statement: SqlStatement, actor: Actor, *, refused: bool = False, **changes: Any) -> None:
    _end_audited(actor=actor, statement=statement, refused=refused, changes=changes)


@audited
def _cancel(*, actor: Actor, statement: SqlStatement) -> None:
    rows = SqlStatement.objects.filter(pk=statement.pk, state__in=OPEN)
    rows.update(state=StatementState.CANCELED, finished_at=timezone.now())
    record(
        actor=actor,
        action="cancelStatement",
        service_name=_SERVICE,
        subject=("STATEMENT", str(statement.pk), ""),
        params={"statement_id": str(statement.pk)},
    )


# --- What a creator may ask for ----------------------------------------------------------------------------------


def _own(actor: Actor, statement_id: object) -> SqlStatement:
    try:
        found = SqlStatement.objects.filter(pk=UUID(str(statement_id)), actor=actor.principal).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound(f"Statement '{statement_id}' does not exist.")
    now = timezone.now()
    if found.state in OPEN and found.deadline < now:
        SqlStatement.objects.filter(pk=found.pk, state__in=OPEN).update(
            state=StatementState.FAILED,
            finished_at=now,
            error_code="ABORTED",
            error_message="The statement was lost when the server stopped: send it again.",
        )
        found.refresh_from_db()
    if found.state == StatementState.SUCCEEDED and found.expires_at and found.expires_at < now:
        found.state = StatementState.CLOSED
    return found


def get_statement(*, actor: Actor, statement_id: object) -> SqlStatement:
    """One of the actor's own statements.

    Raises:
        NotFound: there is none of that id, or it is somebody else's.
    """
    return _own(actor, statement_id)


def list_statements(*, actor: Actor, max_results: int | None = None, page_token: str = "") -> Page[SqlStatement]:
    """The actor's own statements, newest first. One query.

    Raises:
        InvalidParameter: a token of another list.
    """
    return fetch_page(
        SqlStatement.objects.filter(actor=actor.principal),
        order=["-submitted_at", "-pk"],
        size=page_size(max_results),
        token=page_token,
        scope="sql-statements",
    )


def cancel_statement(*, actor: Actor, statement_id: object) -> None:
    """Stop one of the actor's statements; one that has ended stays as it is. Its process ends within a second.

    Raises:
        NotFound.
    """
    _cancel(actor=actor, statement=_own(actor, statement_id))


def read_chunk(*, actor: Actor, statement_id: object, index: int) -> bytes:
    """One chunk of a result, in the statement's format. The right to read the tables is asked for again.

    Raises:
        NotFound: no such statement or chunk.
        AccessDenied, NotFound: the right has gone since.
        InvalidState: it has not succeeded, or its result has expired.
    """
    statement = _own(actor, statement_id)
    if statement.state != StatementState.SUCCEEDED:
        raise InvalidState(f"Statement '{statement_id}' is {statement.state}: it has no result to read.")
    if not 0 <= index < len(statement.manifest["chunks"]):
        raise NotFound(f"Statement '{statement_id}' has no chunk {index}.")
    recheck_reads(actor=actor, table_ids=statement.reads)
    try:
        return (result_folder(statement.pk) / str(index)).read_bytes()
    except OSError as error:
        raise InvalidState(f"The result of statement '{statement_id}' has expired: send it again.") from error


def read_rows(*, actor: Actor, statement_id: object, index: int) -> list[list[str | None]]:
    """One chunk of a result in JSON_ARRAY format, as rows. Raises as `read_chunk`."""
    rows: list[list[str | None]] = json.loads(read_chunk(actor=actor, statement_id=statement_id, index=index))
    return rows


def read_window(*, actor: Actor, statement_id: object, first: int, most: int) -> list[list[str | None]]:
    """Some rows of a result in JSON_ARRAY format, from the row `first` on. Raises as `read_chunk`."""
    chunks = _own(actor, statement_id).manifest.get("chunks", [])
    rows: list[list[str | None]] = []
    for index, chunk in enumerate(chunks):
        begin, end = chunk["row_offset"], chunk["row_offset"] + chunk["row_count"]
        if end > first and begin < first + most:
            found = read_rows(actor=actor, statement_id=statement_id, index=index)
            rows += found[max(first - begin, 0) : first + most - begin]
    return rows


def walk_rows(*, actor: Actor, statement_id: object) -> Iterator[list[str | None]]:
    """Every row of a result in JSON_ARRAY format; one chunk is in memory at a time.

    What `read_chunk` refuses is raised here, before the first row.
    """
    statement = _own(actor, statement_id)
    count = len(statement.manifest.get("chunks", []))
    if not count and statement.state != StatementState.SUCCEEDED:
        raise InvalidState(f"Statement '{statement_id}' is {statement.state}: it has no result to read.")
    first = read_rows(actor=actor, statement_id=statement_id, index=0) if count else []
    return _walk_rows(actor, statement_id, first, count)


def _walk_rows(
    actor: Actor, statement_id: object, first: list[list[str | None]], count: int
) -> Iterator[list[str | None]]:
    yield from first
    for index in range(1, count):
        yield from read_rows(actor=actor, statement_id=statement_id, index=index)


def sweep_statements(*, now: datetime | None = None) -> int:
    """Take away results that have expired, old statements, and files of tables that are gone.

    Returns how many results.
    """
    now = now or timezone.now()
    expired = SqlStatement.objects.filter(state=StatementState.SUCCEEDED, expires_at__lt=now)
    ids = list(expired.values_list("pk", flat=True)[:10_000])
    for statement_id in ids:
        shutil.rmtree(result_folder(statement_id), ignore_errors=True)
    SqlStatement.objects.filter(pk__in=ids).update(state=StatementState.CLOSED)
    _forget_old_statements(now)
    sweep_table_data()
    return len(ids)


def _forget_old_statements(now: datetime) -> None:
    """Delete what was sent more than SQL_STATEMENT_DAYS ago and is over, some thousands at a time.

    A result that has not expired keeps its statement; one whose process was lost is over at its deadline.
    """
    if not settings.SQL_STATEMENT_DAYS:
        return
    before = now - timedelta(days=settings.SQL_STATEMENT_DAYS)
    goes_on = Q(state__in=OPEN, deadline__gte=before) | Q(state=StatementState.SUCCEEDED, expires_at__gte=now)
    old = SqlStatement.objects.exclude(goes_on).filter(submitted_at__lt=before)
    ids = list(old.order_by("submitted_at").values_list("pk", flat=True)[:10_000])
    for statement_id in ids:
        shutil.rmtree(result_folder(statement_id), ignore_errors=True)
    SqlStatement.objects.filter(pk__in=ids).delete()
