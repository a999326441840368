"""One query from its plan to its result: rights, process, what is written, and what is told of errors."""

import shutil
import time
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.conf import settings

from registry.errors import AlreadyExists, ErrorCode, ModelkeepError, Unavailable
from registry.models import SqlStatement, StatementState
from registry.services import table_data
from registry.services.actors import Actor, renewed
from registry.services.sql_governance import Defaults, Rows
from registry.services.sql_jobs import Outcome, RunningJob, free_slot, result_folder, take_slot
from registry.services.sql_results import make_folder
from registry.services.system_tables import system_table, write_system_table
from registry.sql.statements import CreateTable, Data, Insert, Reference

_LOOK_SECONDS = 0.5
_COUNTED = ("num_affected_rows", "num_inserted_rows")


class QueryFailed(ModelkeepError):
    """The engine refused or gave up; `statement_code` is its reason in the words of this API."""

    code = ErrorCode.INVALID_PARAMETER_VALUE

    def __init__(self, message: str, statement_code: str) -> None:
        super().__init__(message)
        self.statement_code = statement_code


class Run:
    """A query on its way. Rights are checked when its turn has come, and not before.

    When it has ended, either `manifest` or `rows` is set, or neither: then it was canceled.
    """

    def __init__(
        self,
        actor: Actor,
        statement_id: UUID,
        plan: Data,
        defaults: Defaults,
        *,
        format_: str,
        limits: dict[str, Any],
    ) -> None:
        self._actor, self._id, self._plan, self._defaults = actor, statement_id, plan, defaults
        self._format, self._limits = format_, limits
        self._query = plan.query if isinstance(plan, CreateTable | Insert) else plan
        self._queued_until = time.monotonic() + settings.SQL_QUEUE_SECONDS
        self._has_slot = self._waited = False
        self._job: RunningJob | None = None
        self.manifest: dict[str, Any] | None = None
        self.rows: Rows | None = None
        self.reads: list[str] = []

    def advance(self, seconds: float | None) -> bool:
        """Go on for some seconds (None: to the end); answers whether it has ended.

        Raises:
            ModelkeepError: a right is missing, or the query failed. Nothing of it runs any more then.
        """
        until = float("inf") if seconds is None else time.monotonic() + seconds
        try:
            if self._job is None and not self._begin(until):
                return False
            return self._job is None or self._follow(self._job, until)
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Stop what runs and give the slot back. May be called again."""
        if self._job is not None:
            self._job.stop()
        if self._has_slot:
            self._has_slot = False
            free_slot()
        shutil.rmtree(table_data.staging_folder(self._id), ignore_errors=True)

    # --- the beginning

    def _begin(self, until: float) -> bool:
        """Wait for a turn and start; answers False when the turn has not come by then."""
        while not self._has_slot:
            if self._canceled():
                return True
            patience = min(until, self._queued_until) - time.monotonic()
            self._has_slot = take_slot(seconds=min(patience, _LOOK_SECONDS))
            self._waited = self._waited or not self._has_slot
            if not self._has_slot and time.monotonic() >= self._queued_until:
                raise Unavailable("Too many queries are running: send the statement again later.")
            if not self._has_slot and time.monotonic() >= until:
                return False
        if self._waited:
            self._actor = renewed(self._actor)
        if self._left_as_it_is():
            self.close()
            return True
        job = self._prepare()
        SqlStatement.objects.filter(pk=self._id, state=StatementState.PENDING).update(state=StatementState.RUNNING)
        self._job = RunningJob(job)
        return True

    def _left_as_it_is(self) -> bool:
        """Whether a table that is to be made is there already, and that is fine."""
        if not isinstance(self._plan, CreateTable):
            return False
        catalog, schema, name = self._defaults.complete(self._plan.target, levels=3)
        try:
            table_data.check_new_table(actor=self._actor, catalog=catalog, schema=schema, name=name)
        except AlreadyExists:
            if not self._plan.if_not_exists:
                raise
            self.rows = Rows()
            return True
        return False

    def _prepare(self) -> dict[str, Any]:
        """The job, with the folders of exactly the tables that the actor may read or add to."""
        folder = make_folder(self._id)
        job: dict[str, Any] = {
            "kind": "SELECT",
            "folder": str(folder),
            "sql": self._query.sql,
            "format": self._format,
            "limits": self._limits,
        }
        target = ""
        if isinstance(self._plan, CreateTable):
            staging = table_data.staging_folder(self._id)
            staging.mkdir(mode=0o700, parents=True, exist_ok=True)
            job |= {"kind": "CREATE", "target": str(staging)}
        elif isinstance(self._plan, Insert):
            target = self._full_name(self._plan.target)
            job |= {"kind": "INSERT", "insert_columns": list(self._plan.columns)}
        names = {reference: self._full_name(reference.name) for reference in self._query.reads}
        opened: dict[str, table_data.TableData] = {}
        if names or target:
            opened = table_data.open_tables(
                actor=self._actor, reads=list(dict.fromkeys(names.values())), writes=target, statement=str(self._id)
            )
        if target:
            job |= {"target": str(opened[target].folder), "required_columns": opened[target].required_columns}
        self.reads = [str(opened[name].id) for name in dict.fromkeys(names.values()) if name in opened]
        return job | {"tables": [self._source(reference, name, opened) for reference, name in names.items()]}

    def _full_name(self, name: tuple[str, ...]) -> str:
        full_name = ".".join(self._defaults.complete(name, levels=3))
        known = system_table(full_name)
        return known.name if known is not None else full_name

    def _source(self, reference: Reference, name: str, opened: dict[str, table_data.TableData]) -> dict[str, Any]:
        known = system_table(name)
        if known is None:
            folder = str(opened[name].folder)
            return {"name": reference.placeholder, "path": folder, "version": reference.version}
        folder_of_rows = result_folder(self._id) / reference.placeholder
        folder_of_rows.mkdir(exist_ok=True)
        path = folder_of_rows / "rows.jsonl"
        write_system_table(known, actor=self._actor, path=path, since=reference.since, until=reference.until)
        return {
            "name": reference.placeholder,
            "path": str(folder_of_rows),
            "kind": "SYSTEM",
            "columns": known.columns,
        }

    # --- the end

    def _follow(self, job: RunningJob, until: float) -> bool:
        while not job.wait(min(_LOOK_SECONDS, until - time.monotonic())):
            if self._canceled():
                self.close()
                return True
            if time.monotonic() >= until:
                return False
        outcome = job.outcome()
        if not self._canceled():
            self._finish(outcome)
        self.close()
        return True

    def _canceled(self) -> bool:
        return SqlStatement.objects.filter(pk=self._id, state=StatementState.CANCELED).exists()

    def _finish(self, outcome: Outcome) -> None:
        if outcome.error_code:
            raise QueryFailed(self._in_names(outcome.error_message), outcome.error_code)
        if outcome.written is None:
            self.manifest = outcome.manifest
            return
        if isinstance(self._plan, CreateTable):
            self._adopt(self._plan, outcome.written["columns"])
        written = str(outcome.written["rows"])
        self.rows = Rows(_COUNTED, [(written, written)])

    def _adopt(self, plan: CreateTable, written: list[dict[str, Any]]) -> None:
        catalog, schema, name = self._defaults.complete(plan.target, levels=3)
        said = {column.name.lower(): asdict(column) for column in plan.columns}
        columns = [column | said.get(str(column["name"]).lower(), {}) for column in written]
        table_data.adopt_table(
            # As the actor stands now: the query may have taken minutes.
            actor=renewed(self._actor),
            catalog=catalog,
            schema=schema,
            name=name,
            staging=table_data.staging_folder(self._id),
            columns=columns,
            comment=plan.comment,
            properties=dict(plan.properties),
        )

    def _in_names(self, message: str) -> str:
        """The engine's words with the tables' own names."""
        for reference in self._query.reads:
            message = message.replace(reference.placeholder, ".".join(reference.name))
        return message
