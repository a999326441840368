"""Metric tables are rewritten by window, each in one transaction: the rows of a window are all old or all new."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import deltalake
import pyarrow as pa

from monitoring.engine.rows import Row, batch_of
from monitoring.engine.windows import Window, moment

_BATCH = 512
MOST_FILES = 60
"""From so many on the files of a metric table are put together."""


class Spool:
    """Rows on their way to a metric table, kept on disk so that memory does not grow with their number."""

    def __init__(self, path: Path, schema: Any) -> None:
        self.schema = schema
        self.rows = 0
        self._path = path
        self._lock = Lock()
        self._waiting: list[Row] = []
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_stream(self._sink, schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))

    def add(self, rows: list[Row]) -> None:
        """From any thread."""
        with self._lock:
            self._waiting.extend(rows)
            self.rows += len(rows)
            while len(self._waiting) >= _BATCH:
                self._flush()

    def _flush(self) -> None:
        rows, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
        self._writer.write_batch(batch_of(rows, self.schema))

    def close(self) -> None:
        """No more rows."""
        if self._waiting:
            self._flush()
        self._writer.close()
        self._sink.close()

    def reader(self) -> Any:
        """All rows, streamed; after `close`."""
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def _batches(self) -> Iterator[Any]:
        with pa.OSFile(str(self._path), "rb") as source:
            yield from pa.ipc.open_stream(source)


def replace(uri: str, spool: Spool, where: str, options: Mapping[str, str] | None, notes: Mapping[str, str]) -> None:
    """Put the spooled rows in place of those that `where` holds for, in one transaction; columns may be new."""
    storage = dict(options) if options else None
    properties = deltalake.CommitProperties(custom_metadata=dict(notes))
    if not deltalake.DeltaTable.is_deltatable(uri, storage):
        deltalake.write_deltalake(
            uri, spool.reader(), mode="overwrite", storage_options=storage, commit_properties=properties
        )
        return
    deltalake.write_deltalake(
        uri,
        spool.reader(),
        mode="overwrite",
        predicate=where,
        schema_mode="merge",
        storage_options=storage,
        commit_properties=properties,
    )
    _tidy(uri, storage)


def _tidy(uri: str, storage: dict[str, str] | None) -> None:
    """Every refresh leaves small files: many become one, and what has been replaced for a week is deleted."""
    table = deltalake.DeltaTable(uri, storage_options=storage)
    if len(table.file_uris()) > MOST_FILES:
        table.optimize.compact()
        table.vacuum(dry_run=False)


def holds_for(windows: Collection[Window], known: Sequence[Window]) -> str:
    """A predicate on the rows of windows; stretches of windows without a gap among the known are one condition.

    Args:
        known: all windows that rows may be of, by granularity in order of time.
    """
    conditions: list[str] = []
    run: list[Window] = []
    for window in sorted({*known, *windows}, key=lambda each: (str(each.granularity), each.start)):
        if run and (window not in windows or window.granularity != run[0].granularity):
            conditions.append(_stretch(run))
            run = []
        if window in windows:
            run.append(window)
    if run:
        conditions.append(_stretch(run))
    return "(" + " OR ".join(conditions) + ")" if conditions else "false"


def _stretch(run: Sequence[Window]) -> str:
    name = run[0].granularity
    granularity = "granularity IS NULL" if name is None else f"granularity = '{name}'"
    first, last = (moment(window.start).isoformat() for window in (run[0], run[-1]))
    return f"({granularity} AND window['start'] >= '{first}' AND window['start'] <= '{last}')"
