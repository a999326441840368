"""Reading Delta tables by row group and column: only what is asked for is decoded, and never more at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import deltalake
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pa_fs
from deltalake.exceptions import DeltaError, TableNotFoundError

from monitoring.engine.columns import is_text
from monitoring.engine.spec import TableError, TableRef

BATCH_ROWS = 65_536
HELD_ROWS, HELD_BYTES = 1_000_000, 32 * 2**20
"""Of a column that is read in pieces, at most about so much is held at once."""


@dataclass(frozen=True)
class Unit:
    """A row group of a file, or some of its rows: the least that is read at once."""

    path: str
    rows: int
    fragment: Any
    chosen: npt.NDArray[np.int32] | None = None

    def bounds(self, column: str) -> tuple[Any, Any] | None:
        """The least and greatest value of a column, where the file says."""
        (group,) = self.fragment.row_groups
        held = (group.statistics or {}).get(column)
        return (held["min"], held["max"]) if held else None

    def narrowed(self, chosen: npt.NDArray[np.int32]) -> "Unit":
        """Only some of its rows, by their positions."""
        return Unit(self.path, len(chosen), self.fragment, chosen)


class Source:
    """A Delta table at one version.

    Raises:
        TableError: there is no table, or it uses a feature that cannot be read (deletion vectors, column mapping).
    """

    def __init__(self, ref: TableRef) -> None:
        try:
            options = dict(ref.storage_options) if ref.storage_options else None
            table = deltalake.DeltaTable(ref.uri, version=ref.version, storage_options=options)
            self.schema = pa.schema(table.schema().to_arrow())
            dictionaries = {field.name for field in self.schema if is_text(field.type)}
            self._dataset = table.to_pyarrow_dataset(
                parquet_read_options=ds.ParquetReadOptions(dictionary_columns=dictionaries),
                filesystem=_local_files(ref.uri),
            )
        except TableNotFoundError as error:
            raise TableError("The table has no Delta log: write rows to it first.") from error
        except (DeltaError, OSError) as error:
            raise TableError(f"The table cannot be read: {error}") from error
        self.ref = ref
        self.version: int = table.version()
        self._table = table
        self._fragments = {fragment.path: fragment for fragment in self._dataset.get_fragments()}
        self._units: dict[str, list[Unit]] = {}

    @property
    def files(self) -> list[str]:
        """Paths of the live files; a path never changes its content."""
        return sorted(self._fragments)

    def latest(self, column: str) -> dict[str, Any]:
        """The greatest value of a timestamp column by path, where the log holds it."""
        actions = pa.table(self._table.get_add_actions(flatten=True))
        if f"max.{column}" not in actions.column_names:
            return {}
        pairs = zip(actions["path"].to_pylist(), actions[f"max.{column}"].to_pylist(), strict=True)
        return {path: value for path, value in pairs if value is not None and path in self._fragments}

    def units(self, paths: Sequence[str]) -> list[Unit]:
        """The row groups of files, in order."""
        found: list[Unit] = []
        for path in paths:
            if path not in self._units:
                groups = self._fragments[path].split_by_row_group()
                self._units[path] = [Unit(path, sum(group.num_rows for group in g.row_groups), g) for g in groups]
            found.extend(self._units[path])
        return found

    def read(self, units: Sequence[Unit], columns: Sequence[str]) -> Any:
        """Columns of row groups as a table, rows in the order of the units."""
        if any(unit.chosen is not None for unit in units):
            return pa.concat_tables(self._narrow(unit, columns) for unit in units)
        return self._over(units).to_table(columns=list(dict.fromkeys(columns)), use_threads=False)

    def _narrow(self, unit: Unit, columns: Sequence[str]) -> Any:
        table = self._over([unit]).to_table(columns=list(dict.fromkeys(columns)), use_threads=False)
        return table if unit.chosen is None else table.take(unit.chosen)

    def arrays(self, units: Sequence[Unit], column: str) -> Iterator[Any]:
        """A column in pieces of about HELD_ROWS, less where values are large. A piece has one dictionary of texts."""
        held: list[Any] = []
        rows = size = 0
        for batch in self._batches(units, column):
            held.append(batch.column(0))
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows >= HELD_ROWS or size >= HELD_BYTES:
                yield pa.chunked_array(held).unify_dictionaries().combine_chunks()
                held, rows, size = [], 0, 0
        if rows:
            yield pa.chunked_array(held).unify_dictionaries().combine_chunks()

    def _batches(self, units: Sequence[Unit], column: str) -> Iterator[Any]:
        if any(unit.chosen is not None for unit in units):
            return (batch for unit in units for batch in self._narrow(unit, [column]).to_batches(BATCH_ROWS))
        return iter(self._over(units).to_batches(columns=[column], batch_size=BATCH_ROWS, use_threads=False))

    def _over(self, units: Sequence[Unit]) -> Any:
        fragments = [unit.fragment for unit in units]
        return ds.FileSystemDataset(fragments, self._dataset.schema, self._dataset.format, self._dataset.filesystem)


def _local_files(uri: str) -> Any:
    """A file system of Arrow's own for a local folder, faster than the table's; None for anything else."""
    if "://" in uri and not uri.startswith("file://"):
        return None
    return pa_fs.SubTreeFileSystem(uri.removeprefix("file://"), pa_fs.LocalFileSystem())
