"""What a refresh has to measure: windows whose rows changed since the last, and what their drift is held against."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np

from monitoring.engine.columns import times_of
from monitoring.engine.spec import MonitorSpec
from monitoring.engine.state import FileRecord, State, digest_of
from monitoring.engine.tables import Source
from monitoring.engine.windows import Calendar, Window, microseconds

AHEAD = timedelta(days=1)
"""How far clocks may be ahead; rows with later times wait until their time has come."""


@dataclass
class Plan:
    """What to do, by window.

    Args:
        refreshed: their profile is written anew; without rows it is deleted.
        compared: their drift is written anew.
        measured: their rows are read.
        kept: their profiles are taken from the last refresh.
        latest: their profiles are kept for the next.
        counts: rows of each window that has any.
        paths: the files that hold them.
        rows_scanned: rows whose time was looked at.
    """

    refreshed: set[Window] = field(default_factory=set)
    compared: set[Window] = field(default_factory=set)
    measured: set[Window] = field(default_factory=set)
    kept: set[Window] = field(default_factory=set)
    latest: set[Window] = field(default_factory=set)
    counts: dict[Window, int] = field(default_factory=dict)
    paths: dict[Window, set[str]] = field(default_factory=dict)
    known: list[Window] = field(default_factory=list)
    previous: dict[Window, Window] = field(default_factory=dict)
    files: dict[str, FileRecord] = field(default_factory=dict)
    calendars: dict[str, Calendar] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    rows_scanned: int = 0

    @cached_property
    def following(self) -> dict[Window, Window]:
        """The window after, where both exist."""
        return {before: after for after, before in self.previous.items()}


def calendars_of(spec: MonitorSpec, now: datetime) -> dict[str, Calendar]:
    """The windows that a refresh may measure, by granularity: those that end within the lookback or later."""
    low = now - timedelta(days=spec.lookback_days)
    return {each: Calendar(each, low, now + AHEAD, spec.time_zone) for each in spec.granularities}


def plan_snapshot(source: Source, state: State, now: datetime) -> Plan:
    """A snapshot measures the whole table at its instant and compares it with the snapshot before."""
    instant = microseconds(now)
    window = Window(None, instant, instant)
    earlier = [kept for kept in state.cached if kept.start < instant and kept.start != state.unfinished]
    plan = Plan(refreshed={window}, compared={window}, measured={window}, latest={window}, known=[window])
    plan.counts[window] = sum(unit.rows for unit in source.units(source.files))
    plan.paths[window] = set(source.files)
    if earlier:
        before = max(earlier, key=lambda kept: kept.start)
        plan.previous[window] = before
        plan.kept = {before}
        plan.latest.add(before)
    if state.unfinished is not None:  # A snapshot that was killed is taken back.
        torn = Window(None, state.unfinished, state.unfinished)
        plan.refreshed.add(torn)
        plan.compared.add(torn)
    return plan


def plan_windows(spec: MonitorSpec, source: Source, state: State, now: datetime, *, meaning: str) -> Plan:
    """Which windows of time changed: those with rows in files that came or went."""
    plan = Plan(calendars=calendars_of(spec, now))
    stale = state.meaning != meaning
    before = {} if stale else state.files
    live = set(source.files)
    new = [path for path in source.files if path not in before or before[path].ahead]
    plan.files = {path: before[path] for path in live if path in before and not before[path].ahead}
    for path in new:
        plan.files[path] = FileRecord()
    _scan(spec, source, new, plan)
    ranges = {name: (calendar.edges[0], calendar.edges[-1]) for name, calendar in plan.calendars.items()}
    for path, record in plan.files.items():
        for window, rows in _windows(record, plan.calendars, ranges):
            plan.counts[window] = plan.counts.get(window, 0) + rows
            plan.paths.setdefault(window, set()).add(path)
    changed = [plan.files[path] for path in new] + [record for path, record in before.items() if path not in live]
    changed += [before[path] for path in new if path in before]
    touched = {window for record in changed for window, _ in _windows(record, plan.calendars, ranges)}
    if stale:
        held = {w for record in state.files.values() for w, _ in _windows(record, plan.calendars, ranges)}
        touched = set(plan.counts) | held
    _decide(plan, state, touched, stale=stale)
    return plan


def _scan(spec: MonitorSpec, source: Source, paths: Sequence[str], plan: Plan) -> None:
    """Count the rows of files by window; files whose rows are all too old are not read."""
    column = str(spec.timestamp_column)
    local = is_local(source, column)
    latest = source.latest(column) if paths else {}
    first = min(int((c.local_edges if local else c.edges)[0]) for c in plan.calendars.values())
    missing = 0
    for path in paths:
        bound = latest.get(path)
        if isinstance(bound, datetime) and microseconds(bound if bound.tzinfo else bound.replace(tzinfo=UTC)) < first:
            continue
        record = plan.files[path]
        for unit in source.units([path]):
            times = times_of(source.read([unit], [column]).column(0).combine_chunks())
            plan.rows_scanned += len(times)
            missing += times.null_count
            moments = times.drop_null().to_numpy()
            for name, calendar in plan.calendars.items():
                counts = np.bincount(calendar.positions(moments, local=local) + 1, minlength=len(calendar) + 1)[1:]
                rows = record.windows.setdefault(name, {})
                for position in np.flatnonzero(counts).tolist():
                    start = int(calendar.edges[position])
                    rows[start] = rows.get(start, 0) + int(counts[position])
                record.ahead |= calendar.ahead(moments, local=local)
    if missing:
        plan.warnings.append(f"{missing} rows have no '{column}' and belong to no window.")
    if any(plan.files[path].ahead for path in paths):
        plan.warnings.append(f"Some rows have a '{column}' in the future: they wait until their time has come.")


def is_local(source: Source, column: str) -> bool:
    """Whether a column's times are of a wall clock: dates, and timestamps without zone."""
    return getattr(source.schema.field(column).type, "tz", None) is None


def _windows(
    record: FileRecord, calendars: Mapping[str, Calendar], ranges: Mapping[str, tuple[int, int]]
) -> Iterable[tuple[Window, int]]:
    for name, rows in record.windows.items():
        if name not in calendars:
            continue
        edges, (low, high) = calendars[name].edges, ranges[name]
        for start, count in rows.items():
            if low <= start < high:
                yield Window(name, start, int(edges[np.searchsorted(edges, start, "right")])), count


def _decide(plan: Plan, state: State, touched: set[Window], *, stale: bool) -> None:
    plan.refreshed = touched
    plan.known = sorted(set(plan.counts) | touched, key=lambda window: (str(window.granularity), window.start))
    by_end = {(window.granularity, window.end): window for window in plan.counts}
    for window in plan.counts:
        before = by_end.get((window.granularity, window.start))
        if before is not None:
            plan.previous[window] = before
    after_gone = {(window.granularity, window.end) for window in touched}
    plan.compared = touched | {w for w in plan.counts if (w.granularity, w.start) in after_gone}
    needed = (plan.compared & set(plan.counts)) | {
        plan.previous[window] for window in plan.compared if window in plan.previous
    }
    for name in {window.granularity for window in plan.counts}:
        of_name = sorted(window for window in plan.counts if window.granularity == name)
        plan.latest.update(of_name[-2:])
    reusable = set() if stale else {w for w, d in state.cached.items() if digest_of(plan.files, w) == d}
    plan.kept = (reusable - touched) & (needed | plan.latest)
    plan.measured = needed - plan.kept
    plan.latest &= plan.measured | plan.kept
