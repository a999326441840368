"""A quick look before a monitor is made: the latest window of the table, or its first rows, profiled by column."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from monitoring.engine.cutting import Cutter
from monitoring.engine.grouping import WHOLE
from monitoring.engine.planning import Plan, calendars_of, plan_windows
from monitoring.engine.rows import profile_row
from monitoring.engine.segments import Segment
from monitoring.engine.spec import MonitorSpec, Preview, TableRef
from monitoring.engine.state import State
from monitoring.engine.tables import Source, Unit
from monitoring.engine.validation import validate_spec
from monitoring.engine.windows import Window, moment

MOST_ROWS = 200_000


def preview(spec: MonitorSpec, table: TableRef, now: datetime) -> Preview:
    """Profile at most about MOST_ROWS rows, of the whole table without slices; nothing is written.

    Raises:
        SpecError: the spec does not fit the table.
        TableError: the table cannot be read.
    """
    source = Source(table)
    validate_spec(spec, source.schema)
    if spec.kind == "SNAPSHOT":
        return _of_first_rows(spec, source)
    return _of_latest_window(spec, source, now)


def _of_first_rows(spec: MonitorSpec, source: Source) -> Preview:
    units = _first(source.units(source.files))
    with TemporaryDirectory() as work:
        cutter = Cutter(spec, source, {}, None, {}, Path(work))
        segment = cutter.of_units(units, Window(None, 0, 0))
    return _answer(source, segment, None, [])


def _of_latest_window(spec: MonitorSpec, source: Source, now: datetime) -> Preview:
    plan: Plan = plan_windows(spec, source, State(), now, meaning="preview")
    if not plan.counts:
        plan.warnings.append(f"No rows of the last {spec.lookback_days} days.")
        return Preview([], None, None, plan.rows_scanned, plan.warnings)
    window = max(plan.counts, key=lambda each: (each.start, -each.end))
    with TemporaryDirectory() as work:
        cutter = Cutter(spec, source, {}, None, calendars_of(spec, now), Path(work))
        units = _first(source.units(sorted(plan.paths[window])))
        segment = cutter.of_units(units, window)
    return _answer(source, segment, window, plan.warnings)


def _first(units: Iterable[Unit]) -> list[Unit]:
    """Whole row groups until there are rows enough; the last is cut."""
    found: list[Unit] = []
    rows = 0
    for unit in units:
        if rows >= MOST_ROWS:
            break
        left = MOST_ROWS - rows
        found.append(unit if unit.rows <= left else unit.narrowed(np.arange(left, dtype=np.int32)))
        rows += found[-1].rows
    return found


def _answer(source: Source, segment: Segment | None, window: Window | None, warnings: list[str]) -> Preview:
    rows = []
    count = 0
    if segment is not None:
        for field in source.schema:
            for (_, group), profile in segment.profiles(field.name).items():
                if group == WHOLE:
                    rows.append(profile_row(field.name, field.type, profile))
        count = sum(piece.rows for piece in segment.pieces)
    start, end = (moment(window.start), moment(window.end)) if window else (None, None)
    for row in rows:
        if row.get("quantiles") is not None:
            row["quantiles"] = row["quantiles"].tolist()
    return Preview(rows, start, end, count, warnings)
