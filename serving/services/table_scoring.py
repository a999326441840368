"""Scoring a table: a governed table at one version, a version of a model, and its predictions as rows of a table.

The model runs in the sandbox, in its own environment, batch by batch. Scored batches are kept beside all tables until
the last one is there; then one commit makes them rows. A worker that is killed on the way leaves what it has kept to
the next one, and the commit carries the operation's id, so that it is made once.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from registry.errors import InvalidParameter, InvalidState
from registry.models import LineageEdge, ModelVersion, Operation, Securable
from registry.privileges import Action, SecurableType
from registry.services import table_data
from registry.services.actors import Actor
from registry.services.audit import audited, record
from registry.services.lineage import DOWNSTREAM
from registry.services.model_lookup import find_version_for
from registry.services.operation_context import OperationContext
from registry.services.operation_kinds import operation_kind
from registry.services.operations import OPEN, submit_operation
from registry.services.securables import find_securable
from registry.services.table_data import TableData
from registry.services.table_uploads import CREATE
from serving.services.confined_scoring import ConfinedScorer, ScoringFailed
from serving.services.environment_operations import SERVICE, version_of, watch_of
from serving.services.environments import ensure_environment, environment_path
from serving.services.model_files import materialise_version
from serving.services.scoring_plans import ScoringRequest, plan_scoring, table_names, version_asked

SCORE = "score_table"
_ACTION = "scoreTable"
_WRITTEN = "written"
_PLANNED, _SCORED = 15, 90
"""Percent that are done when the model begins to score, and when it has."""


@audited
def score_table(*, actor: Actor, asked: ScoringRequest, retry_of: Operation | None = None) -> Operation:
    """Have a version score all rows that a table has now, into another table. Returns at once.

    Raises:
        NotFound, AccessDenied: the version may not be loaded, the source not be read, the target not be written.
        AlreadyExists: a table that is to be made is there.
        InvalidState, InvalidParameter: what else stands in the way, as `plan_scoring` tells it.
    """
    number = version_asked(actor, asked).version
    version = find_version_for(actor=actor, name=asked.name, version=number, action=Action.LOAD_VERSION)
    _open(actor, asked.source, asked.target, asked.mode)
    plan = plan_scoring(actor=actor, asked=asked)
    if plan.blockers:
        raise InvalidParameter(plan.blockers[0])
    model = version.model.securable
    params = {
        "name": model.full_name,
        "version": version.version,
        "alias": asked.alias,
        "source": asked.source,
        "source_version": plan.source_version,
        "rows": plan.rows,
        "target": asked.target,
        "mode": asked.mode,
        "columns": plan.columns if asked.columns else [],
        "input_columns": list(asked.input_columns),
    }
    record(actor=actor, action=_ACTION, service_name=SERVICE, securable=model, params=params)
    return submit_operation(
        actor=actor,
        kind=SCORE,
        params=params,
        securable=model,
        subject=f"{asked.source} by {model.full_name} version {version.version}",
        retry_of=retry_of,
    )


def _open(actor: Actor, source: str, target: str, mode: str) -> tuple[TableData, TableData | None]:
    """The rows that are read, and those that are added to; None for a table that may be made.

    Raises:
        NotFound, AccessDenied, InvalidState, AlreadyExists.
    """
    if mode == CREATE:
        catalog, schema, name = table_names(target, "target")
        table_data.check_new_table(actor=actor, catalog=catalog, schema=schema, name=name)
    writes = "" if mode == CREATE else target
    opened = table_data.open_tables(actor=actor, reads=[source], writes=writes, statement=SCORE)
    if source not in opened:
        raise InvalidParameter(f"'{source}' is made anew with every query: it cannot be scored.", field="source")
    return opened[source], opened.get(target)


def _again(*, actor: Actor, operation: Operation) -> Operation:
    """The same request anew: an alias and the source's rows are those of now."""
    params = operation.params
    asked = ScoringRequest(
        name=params["name"],
        version=None if params["alias"] else params["version"],
        **{key: params[key] for key in ("alias", "source", "target", "mode", "columns", "input_columns")},
    )
    return score_table(actor=actor, asked=asked, retry_of=operation)


def _root() -> Path:
    return Path(settings.SERVING_ROOT, "scoring")


def _forget(operation: Operation) -> None:
    """Remove what an operation has kept: it has ended."""
    shutil.rmtree(_root() / str(operation.pk), ignore_errors=True)
    shutil.rmtree(table_data.staging_folder(operation.pk), ignore_errors=True)


def sweep_scoring() -> int:
    """Remove what operations have kept that are over, as after the loss of a machine; returns how many folders."""
    folders = [path for path in _root().glob("*-*") if path.is_dir()]
    open_ids = set(Operation.objects.filter(kind=SCORE, state__in=OPEN).values_list("pk", flat=True))
    doomed = [path for path in folders if path.name not in {str(pk) for pk in open_ids}]
    for path in doomed:
        shutil.rmtree(path, ignore_errors=True)
    return len(doomed)


@operation_kind(SCORE, title="Score a table", queue="build", on_failure=_forget, resubmit=_again)
def run_score_table(context: OperationContext) -> dict[str, Any]:
    """Score what is not scored yet, write it in one commit, and say so where people look."""
    operation = Operation.objects.get(pk=context.operation_id)
    if _WRITTEN not in operation.effects:
        _Scoring(context, operation).run()
    _forget(operation)
    params = context.params
    return {
        "table": params["target"],
        "rows": params["rows"],
        "source": params["source"],
        "source_version": params["source_version"],
        "model_version": params["version"],
    }


class _Scoring:
    """One attempt, with the rights of now."""

    def __init__(self, context: OperationContext, operation: Operation) -> None:
        from serving.services.scoring_batches import PinnedTable
        from serving.services.scoring_values import match_inputs, prediction_type

        self._context, self._operation, self._params = context, operation, context.params
        self._version: ModelVersion = version_of(context)
        params = self._params
        source, self._target = _open(context.actor, params["source"], params["target"], params["mode"])
        self._source_id = source.id
        self._source = PinnedTable(source.folder, version=params["source_version"])
        self._columns: list[str] = params["columns"] or self._source.schema.names
        self._matches = match_inputs(self._version.signature, self._source.schema, params["input_columns"])
        self._prediction = prediction_type(self._version.signature)
        self._folder = _root() / str(operation.pk)
        self._kept = self._folder / "kept"

    def run(self) -> None:
        """To the end. What an earlier attempt has kept is not scored again."""
        from serving.services.scoring_batches import is_written, scored_schema

        key = str(self._operation.pk)
        if self._target is None or not is_written(self._target.folder, key):
            schema = scored_schema(self._source.schema, self._columns, self._prediction)
            files = self._score(schema)
            self._context.progress(_SCORED, f"Writing {self._source.rows:,} rows")
            self._write(files, schema, key)
        with self._context.effect(_WRITTEN) as first:
            if first:
                _publish(
                    actor=self._context.actor,
                    operation=self._operation,
                    version=self._version,
                    source_id=self._source_id,
                    columns=self._catalog_columns() if self._target is None else [],
                )

    def _score(self, schema: Any) -> list[Path]:
        """The files of all batches, scored and kept."""
        environment, model = self._prepare()
        self._kept.mkdir(parents=True, exist_ok=True)
        for folder in (_root(), self._folder):
            folder.chmod(0o755)
        files: list[Path] = []
        scorer: ConfinedScorer | None = None
        done = 0
        with ExitStack() as stack:
            for number, batch in enumerate(self._source.batches()):
                path = self._kept / f"{number:08d}.parquet"
                if not path.exists():
                    if scorer is None:
                        self._context.progress(_PLANNED, "Loading the model")
                        scorer = stack.enter_context(self._scorer(environment, model))
                    self._keep_scored(scorer, batch, done, path, schema)
                files.append(path)
                done += batch.num_rows
                percent = _PLANNED + (_SCORED - _PLANNED) * done / max(1, self._source.rows)
                self._context.progress(percent, f"Scored {done:,} of {self._source.rows:,} rows")
        return files

    def _prepare(self) -> tuple[Path, Path]:
        self._context.progress(0, "Making the environment")
        watch = watch_of(self._context)
        environment = ensure_environment(
            version=self._version, log=watch.log, canceled=watch.canceled, operation_id=watch.operation_id
        )
        return environment_path(environment), materialise_version(self._version)

    @contextmanager
    def _scorer(self, environment: Path, model: Path) -> Iterator[ConfinedScorer]:
        try:
            scorer = ConfinedScorer(environment, model, self._folder / "passing", check=self._context.check)
        except ScoringFailed as failure:
            self._tell(failure)
            raise InvalidState(f"The model could not be loaded: {failure.message}") from failure
        try:
            yield scorer
        finally:
            scorer.close()

    def _keep_scored(self, scorer: ConfinedScorer, batch: Any, before: int, path: Path, schema: Any) -> None:
        from serving.services.scoring_batches import keep_batch, scored_batch
        from serving.services.scoring_values import Misfit, prediction_array, taken_batch

        rows = f"Rows {before + 1:,} to {before + batch.num_rows:,} of {self._params['source']} were not scored"
        try:
            raw = scorer.score(path.stem, taken_batch(batch, self._matches))
            predictions = prediction_array(raw, batch.num_rows, self._prediction)
        except ScoringFailed as failure:
            self._tell(failure)
            raise InvalidState(f"{rows}, and nothing was written. The model says: {failure.message}") from failure
        except Misfit as misfit:
            raise InvalidState(f"{rows}, and nothing was written. {misfit}") from misfit
        facts = {
            "model_name": self._params["name"],
            "model_version": str(self._version.version),
            "scored_at": self._operation.started_at,
        }
        keep_batch(scored_batch(batch, predictions, schema, facts), path)

    def _tell(self, failure: ScoringFailed) -> None:
        for line in failure.trace.splitlines():
            self._context.log(line, level="ERROR")

    def _write(self, files: Sequence[Path], schema: Any, key: str) -> None:
        from serving.services.scoring_batches import write_into, write_new

        if self._target is not None:
            required = self._target.required_columns
            write_into(self._target.folder, files, mode=self._params["mode"], key=key, required=required)
            return
        # Perhaps an earlier attempt was killed while it wrote.
        staging = table_data.staging_folder(self._operation.pk)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700, parents=True)
        write_new(staging, files, schema)

    def _catalog_columns(self) -> list[dict[str, Any]]:
        from registry.sql.rendering import columns_of
        from serving.services.scoring_batches import scored_schema

        return list(columns_of(scored_schema(self._source.schema, self._columns, self._prediction)))


@audited
def _publish(
    *, actor: Actor, operation: Operation, version: ModelVersion, source_id: UUID, columns: list[dict[str, Any]]
) -> None:
    """Enter a table that was made into the catalog, and keep what it was made of."""
    params = operation.params
    if params["mode"] == CREATE:
        catalog, schema, name = table_names(params["target"], "target")
        staging = table_data.staging_folder(operation.pk)
        table_data.adopt_table(
            actor=actor,
            catalog=catalog,
            schema=schema,
            name=name,
            staging=staging,
            columns=columns,
            comment=f"Scored by {params['name']} version {version.version}.",
        )
    target: Securable = find_securable(SecurableType.TABLE, params["target"])
    LineageEdge.objects.update_or_create(
        version=version,
        direction=DOWNSTREAM,
        kind="TABLE",
        name=target.full_name,
        defaults={
            # By id: who sees the target need not know of the source.
            "details": {
                "context": "predictions",
                "source_table_id": str(source_id),
                "source_version": params["source_version"],
                "operation_id": str(operation.pk),
            },
            "table": target,
            "recorded_by": actor.principal,
        },
    )
    facts = {key: params[key] for key in ("name", "version", "source", "source_version", "rows", "mode")}
    record(actor=actor, action="writeScoredRows", service_name=SERVICE, securable=target, params=facts)
