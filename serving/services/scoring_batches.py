"""Rows out of a pinned table in batches, and scored ones into a table in one commit.

Imports the engine of tables, so whoever runs in a web process imports this when it is needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from registry.errors import InvalidState, Unavailable
from serving.services.scoring_values import MOMENT, Misfit, castable, first_line

PREDICTION = "prediction"
FACTS = ((PREDICTION, None), ("model_name", pa.string()), ("model_version", pa.string()), ("scored_at", MOMENT))
"""What every scored row has besides the columns of its source; the prediction's type is the model's."""
MOST_ROWS, MOST_BYTES = 10_000, 32 * 1024**2
"""Of a batch. Its bytes are guessed from the files, which hold about so many times less:"""
_PACKED = 4
_APPLICATION = "modelkeep.scoring."


class PinnedTable:
    """A Delta table at one version, by default its newest.

    Raises:
        InvalidState: its files cannot be read.
    """

    def __init__(self, folder: Path, *, version: int | None = None) -> None:
        try:
            self._table = DeltaTable(folder, version=version)
            self._dataset = self._table.to_pyarrow_dataset()
        except (DeltaError, OSError) as error:
            raise InvalidState(f"The source table cannot be read: {str(error)[:300]}") from error
        self.version: int = self._table.version()
        self.schema = pa.schema(self._table.schema().to_arrow())
        added = pa.table(self._table.get_add_actions(flatten=True))
        counts: list[Any] = added["num_records"].to_pylist() if "num_records" in added.column_names else [None]
        known = added.num_rows == 0 or None not in counts
        self.rows: int = (sum(counts) if added.num_rows else 0) if known else self._dataset.count_rows()
        self._bytes = sum(added["size_bytes"].to_pylist())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, in the same batches each time: files by name, none of them larger than a batch may be.

        Raises:
            InvalidState: files of this version are gone, or damaged.
        """
        size = min(MOST_ROWS, max(1, MOST_BYTES * self.rows // max(1, self._bytes * _PACKED)))
        waiting, held = list[pa.RecordBatch](), 0
        try:
            for batch in self._scanned(size):
                rest = batch
                while held + rest.num_rows >= size:
                    room = size - held
                    yield _joined([*waiting, rest.slice(0, room)])
                    waiting, held, rest = [], 0, rest.slice(room)
                waiting.append(rest)
                held += rest.num_rows
        except (OSError, pa.ArrowException) as error:
            raise InvalidState(f"Version {self.version} of the source table cannot be read any more.") from error
        if held:
            yield _joined(waiting)

    def _scanned(self, size: int) -> Iterator[pa.RecordBatch]:
        fragments = sorted(self._dataset.get_fragments(), key=lambda fragment: str(fragment.path))
        if not fragments:
            return iter(())
        dataset = self._dataset
        ordered = ds.FileSystemDataset(fragments, dataset.schema, dataset.format, filesystem=dataset.filesystem)
        found: Iterator[pa.RecordBatch] = ordered.to_batches(
            columns=self.schema.names, batch_size=size, use_threads=False, batch_readahead=1, fragment_readahead=1
        )
        return found


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    (batch,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return batch


# --- What is written ----------------------------------------------------------------------------------------------


def scored_schema(source: pa.Schema, columns: Sequence[str], prediction: pa.DataType) -> pa.Schema:
    """The columns of scored rows: those of the source that are kept, and the facts of the prediction."""
    kept = [pa.field(name, source.field(name).type) for name in columns]
    return pa.schema([*kept, *(pa.field(name, type_ or prediction) for name, type_ in FACTS)])


def scored_batch(
    batch: pa.RecordBatch, predictions: pa.Array, schema: pa.Schema, facts: Mapping[str, Any]
) -> pa.RecordBatch:
    """Rows of the source with their predictions. `facts` are the values of the other columns, by name."""
    arrays = []
    for field in schema:
        if field.name == PREDICTION:
            arrays.append(predictions)
        elif field.name in facts:
            arrays.append(pa.array([facts[field.name]] * batch.num_rows, field.type))
        else:
            # The engine may read a column in another type of the same meaning, such as text in views.
            arrays.append(pc.cast(batch.column(batch.schema.get_field_index(field.name)), field.type))
    return pa.record_batch(arrays, schema=schema)


def misfits(schema: pa.Schema, target: pa.Schema, required: Sequence[str]) -> list[str]:
    """Why rows of one schema cannot go into a table of the other."""
    known = {name.lower(): target.field(name) for name in target.names}
    given = {name.lower() for name in schema.names}
    found = []
    for field in schema:
        place = known.get(field.name.lower())
        if place is None:
            found.append(f"The target has no column '{field.name}': leave it out, or write to another table.")
        elif not castable(field.type, place.type):
            found.append(f"Column '{place.name}' of the target is {place.type}: {field.type} does not fit.")
    found += [f"Column '{name}' of the target is NOT NULL." for name in required if name.lower() not in given]
    return found


def keep_batch(batch: pa.RecordBatch, path: Path) -> None:
    """Leave a batch as a file, whole or not at all."""
    draft = path.with_suffix(".new")
    pq.write_table(pa.Table.from_batches([batch]), draft)
    draft.replace(path)


def schema_of(folder: Path) -> pa.Schema:
    """The columns of a Delta table."""
    return pa.schema(DeltaTable(folder).schema().to_arrow())


def write_new(folder: Path, files: Sequence[Path], schema: pa.Schema) -> None:
    """A new Delta table of what was kept."""
    write_deltalake(folder, pa.RecordBatchReader.from_batches(schema, _kept(files, schema)), mode="error")


def write_into(folder: Path, files: Sequence[Path], *, mode: Any, key: str, required: Sequence[str] = ()) -> None:
    """Append what was kept to a Delta table, or put it in place of all rows: in one commit, once for each `key`.

    Raises:
        InvalidState: a value that does not fit. Unavailable: the table was changed meanwhile.
    """
    table = DeltaTable(folder)
    if is_written(folder, key):
        return
    schema = pa.schema(table.schema().to_arrow())
    batches = _Checked(_kept(files, schema), required)
    mark = CommitProperties(app_transactions=[Transaction(_APPLICATION + key, 1)])
    try:
        write_deltalake(
            table, pa.RecordBatchReader.from_batches(schema, iter(batches)), mode=mode, commit_properties=mark
        )
    except CommitFailedError as error:
        if not is_written(folder, key):
            raise Unavailable("The target table was changed at the same time.") from error
    except Exception as error:
        # What the batches raised comes back wrapped beyond recognition.
        raise batches.failure or error from error


def is_written(folder: Path, key: str) -> bool:
    """Whether the table has had the commit of that key."""
    return DeltaTable(folder).transaction_version(_APPLICATION + key) is not None


class _Checked:
    """Batches on their way into a table, without NULL where none may be."""

    def __init__(self, batches: Iterator[pa.RecordBatch], required: Sequence[str]) -> None:
        self._batches, self._required = batches, required
        self.failure: InvalidState | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                self._check(batch)
                yield batch
        except (Misfit, pa.ArrowException) as error:
            self.failure = InvalidState(f"The scored rows do not fit the target: {first_line(error)}")
            raise

    def _check(self, batch: pa.RecordBatch) -> None:
        for name in self._required:
            if batch.column(batch.schema.get_field_index(name)).null_count:
                raise Misfit(f"Column '{name}' is NOT NULL, and a scored row has none.")


def _kept(files: Sequence[Path], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of files in the columns of a table; those that it alone has are NULL."""
    for path in files:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=MOST_ROWS):
            given = {name.lower(): place for place, name in enumerate(batch.schema.names)}
            arrays = [
                pc.cast(batch.column(given[field.name.lower()]), field.type)
                if field.name.lower() in given
                else pa.nulls(batch.num_rows, field.type)
                for field in schema
            ]
            yield pa.record_batch(arrays, schema=schema)
