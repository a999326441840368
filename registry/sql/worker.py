"""The process that runs one query: started for it, confined to its tables, gone after it.

It gets a job as one line of JSON on standard input and leaves `outcome.json` and the chunks of the result in the
job's folder. It ends at once when the other end of standard input goes away. It imports nothing of Django, knows no
secret, and sees no user's right: whoever starts it has checked them.
"""

import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from registry.sql.confinement import confine, limit_resources
from registry.sql.rendering import Limits, ResultTooLarge, columns_of, write_chunks
from registry.sql.system_tables import AUDIT_SCHEMA, batches_of, plain_schema
from registry.sql.uploads import BadFile, open_upload

_TARGET = "mk_target"
_BATCH_ROWS = 10_000
_SHOWN = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.NotImplementedException,
    duckdb.OutOfRangeException,
    duckdb.ParserException,
    duckdb.TypeMismatchException,
)
"""Errors of the engine that speak of the query and of nothing else."""


class Refused(Exception):
    """The query cannot be run; the text is for the person who sent it."""

    def __init__(self, message: str, code: str = "BAD_REQUEST") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Job:
    """What is to be done. `kind` is SELECT, CREATE, INSERT, or UPLOAD: a file in a `form` goes into `target`."""

    kind: str
    folder: str
    sql: str = ""
    tables: tuple[dict[str, Any], ...] = ()
    format: str = "JSON_ARRAY"
    limits: dict[str, Any] | None = None
    memory: int = 1024**3
    seconds: int = 60
    threads: int = 2
    file_bytes: int = 1024**3
    target: str = ""
    insert_columns: tuple[str, ...] = ()
    required_columns: tuple[str, ...] = ()
    upload: str = ""
    form: str = ""
    mode: str = ""


def main() -> None:
    """Do the job on standard input; the exit status is 0 whenever `outcome.json` was written."""
    job = Job(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threading.Timer(job.seconds, _time_out, [job]).start()
    limit_resources(memory=job.memory, seconds=job.seconds, file_bytes=job.file_bytes, threads=job.threads)
    confine(
        readable=[*(Path(table["path"]) for table in job.tables), *([Path(job.upload)] if job.upload else [])],
        writable=[Path(path) for path in (job.folder, job.target) if path],
    )
    try:
        outcome = _run(job)
    except Exception as error:  # noqa: BLE001  Every failure is an outcome.
        outcome = _failure(error)
    write_outcome(job, outcome)
    sys.stdout.flush()
    os._exit(0)


def write_outcome(job: Job, outcome: dict[str, Any]) -> None:
    """Leave the outcome, whole or not at all."""
    draft = Path(job.folder, "outcome.new")
    draft.write_text(json.dumps(outcome))
    draft.replace(Path(job.folder, "outcome.json"))


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(3)


def _time_out(job: Job) -> None:
    message = f"The statement ran longer than {job.seconds} seconds and was stopped."
    write_outcome(job, {"error": {"code": "DEADLINE_EXCEEDED", "message": message}})
    os._exit(0)


def _failure(error: Exception) -> dict[str, Any]:
    sys.stderr.write(f"{type(error).__name__}: {error}\n")
    match error:
        case Refused():
            code, message = error.code, str(error)
        case BadFile():
            code, message = "BAD_REQUEST", str(error)
        case ResultTooLarge():
            code = "BAD_REQUEST"
            message = "The result is too large to be sent inline: ask for disposition EXTERNAL_LINKS, or select less."
        case duckdb.OutOfMemoryException() | MemoryError() | pa.ArrowMemoryError():
            code, message = "RESOURCE_EXHAUSTED", "The statement needs more memory than a statement may use."
        case duckdb.Error() if isinstance(error, _SHOWN):
            code, message = "BAD_REQUEST", str(error).partition("\n\nLINE")[0].strip()
        case pa.ArrowInvalid():
            code, message = "BAD_REQUEST", "A value does not fit into its column."
        case DeltaError() | OSError():
            code, message = "IO_ERROR", "The data of a table could not be read or written."
        case _:
            code, message = "INTERNAL_ERROR", "The statement failed inside the engine."
    return {"error": {"code": code, "message": message}}


def _run(job: Job) -> dict[str, Any]:
    if job.kind == "UPLOAD":
        return _upload(job)
    connection = connect(memory=job.memory, threads=job.threads)
    for table in job.tables:
        connection.register(table["name"], _source(table))
    if job.kind == "INSERT":
        return _insert(job, connection)
    schema, batches = run_query(connection, job.sql)
    return _create(job, schema, batches) if job.kind == "CREATE" else _keep(job, schema, batches)


def connect(*, memory: int, threads: int) -> duckdb.DuckDBPyConnection:
    """An engine without files, network, extensions to load, and settings to change."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",
            "memory_limit": f"{memory // 1024**2}MiB",
            "threads": str(threads),
            "temp_directory": "",
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
    return connection


def _source(table: dict[str, Any]) -> Any:
    if table.get("kind") == "SYSTEM":
        schema = plain_schema(table["columns"]) if table["columns"] else AUDIT_SCHEMA
        return pa.Table.from_batches(batches_of(Path(table["path"], "rows.jsonl"), schema))
    dataset = deltalake.DeltaTable(table["path"], version=table.get("version")).to_pyarrow_dataset()
    return _Stream(dataset) if _holds_views(dataset) else dataset


def _holds_views(dataset: Any) -> bool:
    """Whether a file holds texts as views, as MERGE writes them: Arrow knows no comparison of those."""
    return any(
        pa.types.is_string_view(field.type) or pa.types.is_binary_view(field.type)
        for fragment in dataset.get_fragments()
        for field in fragment.physical_schema
    )


class _Stream:
    """A dataset whose conditions are not handed down to its files: its rows come in the table's own types."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __arrow_c_schema__(self) -> Any:
        return self._dataset.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._dataset.scanner().to_reader().__arrow_c_stream__(requested_schema)


def run_query(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The columns of a query, and its rows as they come.

    Raises:
        Refused: it is not exactly one SELECT.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise Refused("Only a query can be run here.")
    relation = connection.sql(sql)
    reader = relation.to_arrow_reader(_BATCH_ROWS)
    schema = pa.schema(
        pa.field(column.name, _kept_type(column.type, str(known)))
        for column, known in zip(reader.schema, relation.types, strict=True)
    )
    return schema, (_cast(batch, schema) for batch in reader)


def _kept_type(arrow: pa.DataType, engine: str) -> pa.DataType:
    """The type that a table and a client can hold, for those that only the engine has."""
    if engine in {"HUGEINT", "UHUGEINT"}:
        return pa.int64()  # A sum of whole numbers is one again; beyond 64 bits is an error.
    if pa.types.is_unsigned_integer(arrow):
        return {8: pa.int16(), 16: pa.int32()}.get(arrow.bit_width, pa.int64())
    if pa.types.is_timestamp(arrow):
        return pa.timestamp("us", tz="UTC" if arrow.tz else None)
    if pa.types.is_null(arrow) or pa.types.is_time(arrow) or pa.types.is_interval(arrow):
        return pa.string()
    return arrow


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for column, field in zip(batch.columns, schema, strict=True):
        if column.type == field.type:
            arrays.append(column)
        elif pa.types.is_time(column.type) or pa.types.is_interval(column.type):
            values = [None if value is None else str(value) for value in column.to_pylist()]
            arrays.append(pa.array(values, pa.string()))
        else:
            arrays.append(pc.cast(column, field.type))
    return pa.record_batch(arrays, schema=schema)


def _keep(job: Job, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> dict[str, Any]:
    limits = Limits(**(job.limits or {}))
    manifest = write_chunks(batches, schema, Path(job.folder), format_=job.format, limits=limits)
    return {"manifest": asdict(manifest)}


def _create(job: Job, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> dict[str, Any]:
    names = [name.lower() for name in schema.names]
    if len(set(names)) < len(names):
        raise Refused("Two columns of the table would have the same name: give one of them another with AS.")
    rows = _write(job.target, schema, _Counted(batches, ()), mode="error")
    return {"written": {"rows": rows, "columns": columns_of(schema)}}


def _insert(job: Job, connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    target = deltalake.DeltaTable(job.target)
    schema = pa.schema(target.schema().to_arrow())
    connection.register(_TARGET, schema.empty_table())
    known = connection.sql(f'SELECT * FROM "{_TARGET}"')  # noqa: S608  A constant.
    sql = _fitted(job, known.columns, [str(type_) for type_ in known.types], connection)
    _, batches = run_query(connection, sql)
    counted = _Counted((_cast(batch, schema) for batch in batches), job.required_columns)
    return {"written": {"rows": _write(target, schema, counted, mode="append")}}


def _upload(job: Job) -> dict[str, Any]:
    if job.mode == "create":
        upload = open_upload(job.upload, form=job.form)
        rows = _write(job.target, upload.schema, _Counted(upload.batches, ()), mode="error")
    else:
        target = deltalake.DeltaTable(job.target)
        upload = open_upload(job.upload, form=job.form, target=pa.schema(target.schema().to_arrow()))
        rows = _write(target, upload.schema, _Counted(upload.batches, job.required_columns), mode=job.mode)
    return {"written": {"rows": rows, "columns": columns_of(upload.schema)}}


def _write(target: Any, schema: pa.Schema, batches: "_Counted", *, mode: Any) -> int:
    """Write the batches in one commit, or none of them; answers how many rows."""
    try:
        deltalake.write_deltalake(target, pa.RecordBatchReader.from_batches(schema, batches), mode=mode)
    except Exception as error:
        # What the batches raised comes back wrapped beyond recognition.
        raise batches.failure or error from error
    return batches.rows


def _fitted(job: Job, names: list[str], types: list[str], connection: duckdb.DuckDBPyConnection) -> str:
    """The query with every column cast to the target's type and in the target's order."""
    given = list(job.insert_columns) or names
    unknown = {name.lower() for name in given} - {name.lower() for name in names}
    if unknown or len({name.lower() for name in given}) < len(given):
        raise Refused(f"The table's columns are {', '.join(names)}: name each at most once, and no other.")
    width = len(connection.sql(job.sql).columns)
    if width != len(given):
        raise Refused(f"{len(given)} columns are to be filled, but {width} are given.")
    place = {name.lower(): f'"c{position}"' for position, name in enumerate(given)}
    selected = ", ".join(
        f"CAST({place.get(name.lower(), 'NULL')} AS {type_}) AS {_quoted(name)}"
        for name, type_ in zip(names, types, strict=True)
    )
    aliases = ", ".join(f'"c{position}"' for position in range(width))
    return f'SELECT {selected} FROM ({job.sql}) AS "q"({aliases})'  # noqa: S608  Built from checked parts only.


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class _Counted:
    """Batches on their way into a table: counted, and without NULL where none may be."""

    def __init__(self, batches: Iterator[pa.RecordBatch], required: tuple[str, ...]) -> None:
        self._batches, self._required = batches, required
        self.rows = 0
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                self._check(batch)
                self.rows += batch.num_rows
                yield batch
        except Exception as error:
            self.failure = error
            raise

    def _check(self, batch: pa.RecordBatch) -> None:
        for name in self._required:
            if batch.column(name).null_count:
                raise Refused(f"Column '{name}' is NOT NULL: give it a value in every row.")


if __name__ == "__main__":
    main()
