"""A refresh: measure the windows whose rows changed, and write their rows in place of the old ones."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace as changed
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from uuid import uuid4

import numpy as np

from monitoring.engine import state as states
from monitoring.engine.columns import kind_of
from monitoring.engine.custom_metrics import Values, compute_aggregates, definitions_of, derive
from monitoring.engine.cutting import Cutter, slices_of
from monitoring.engine.grouping import WHOLE, Key
from monitoring.engine.insights import Changes, feature_columns, multivariate, quality_insights
from monitoring.engine.planning import Plan, plan_snapshot, plan_windows
from monitoring.engine.profiles import ColumnProfile
from monitoring.engine.quality import Qualities, fairness_columns, measure_quality, quality_columns
from monitoring.engine.rows import (
    Row,
    drift_schema,
    group_values,
    insights_schema,
    profile_row,
    profile_schema,
    window_value,
)
from monitoring.engine.segments import Samples, Segment
from monitoring.engine.series import Profiles, Series
from monitoring.engine.spec import TABLE_ROW, Cancelled, MonitorSpec, Progress, RefreshResult, TableRef
from monitoring.engine.tables import Source
from monitoring.engine.validation import validate_spec
from monitoring.engine.windows import Window
from monitoring.engine.writing import Spool, holds_for, replace
from monitoring.metrics.estimation import Calibration
from monitoring.metrics.multivariate import LEAST_ROWS, Components

WORKERS = 2
SAMPLED_ROWS = 200_000
SAMPLED_OF_WINDOW = 2_000
BASELINE = Window("baseline", 0, 0)
"""Stands for the baseline table; its rows have neither window nor granularity."""


def refresh(
    *,
    spec: MonitorSpec,
    table: TableRef,
    baseline: TableRef | None,
    state_folder: Path,
    profile_table_uri: str,
    drift_table_uri: str,
    monitor_version: int,
    now: datetime,
    progress: Progress,
    insights_table_uri: str | None = None,
    metrics_storage_options: Mapping[str, str] | None = None,
) -> RefreshResult:
    """Bring the metric tables up to date with the monitored table.

    It may be stopped anywhere, by an exception of `progress` or a kill, and run again: the same data gives the same
    rows. Metric tables are written one after the other, each in one transaction; they are made if there are none.

    Args:
        state_folder: what refreshes of this monitor keep between them; its loss costs time, not truth.
        insights_table_uri: the third table; left out, insights are not computed.
        metrics_storage_options: of the metric tables, where they lie in an object store.

    Raises:
        SpecError: the monitor does not fit the table.
        TableError: a table cannot be read.
    """
    state_folder.mkdir(parents=True, exist_ok=True)
    for left in state_folder.glob("work-*"):
        shutil.rmtree(left, ignore_errors=True)
    progress(0, "Opening the table")
    source = Source(table)
    validate_spec(spec, source.schema)
    with TemporaryDirectory(dir=state_folder, prefix="work-") as work:
        uris = [profile_table_uri, drift_table_uri, insights_table_uri]
        run = Run(spec, source, baseline, state_folder, Path(work), monitor_version, now, progress)
        return run.run(uris, metrics_storage_options)


class Run:
    """One refresh: what it was asked, what it measures, and where rows go."""

    def __init__(
        self,
        spec: MonitorSpec,
        source: Source,
        baseline: TableRef | None,
        folder: Path,
        work: Path,
        monitor_version: int,
        now: datetime,
        progress: Progress,
    ) -> None:
        self.spec, self.source, self.folder, self.work, self.progress = spec, source, folder, work, progress
        self.monitor_version, self.now = monitor_version, now
        self.base = Source(baseline) if baseline is not None else None
        self.state = states.load(folder)
        against = [self.base.ref.uri, str(self.base.version)] if self.base else []
        self.meaning = states.meaning_of(spec, source.ref.uri, str(monitor_version), *against)
        self.custom = definitions_of(spec, source.schema)
        self.new_cache = folder / f"cache-{uuid4().hex}"
        self.base_folder = folder / f"baseline-{self.meaning[:32]}"
        self.base_is_kept = (self.base_folder / "complete").exists()
        self.base_model = self._model_of(self.base) if self.base else None
        self.changes = Changes()
        self.stop = Event()
        self.non_null: dict[Key, list[str]] = {}
        self.columns = source.schema.names
        self.segments: list[Segment] = []
        self.base_segments: list[Segment] = []
        self.values: Values = {}
        self.base_values: Values = {}
        self.plan = Plan()

    # --- The course of a refresh ----------------------------------------------------------------------------------

    def run(self, uris: Sequence[str | None], options: Mapping[str, str] | None) -> RefreshResult:
        """Measure and write; `uris` are of the profile, drift and insights tables."""
        self.progress(2, "Looking for changed windows")
        if self.spec.kind == "SNAPSHOT":
            self.plan = plan_snapshot(self.source, self.state, self.now)
        else:
            self.plan = plan_windows(self.spec, self.source, self.state, self.now, meaning=self.meaning)
        exists = (self.folder / "written").exists()
        if not self.plan.refreshed and exists and self.state.meaning == self.meaning:
            self._save(self.state.folder, self.state.cached)
            return RefreshResult(0, self.plan.rows_scanned, 0, self.plan.warnings, self.source.version)
        self._cut()
        self._open_spools(with_insights=uris[2] is not None)
        self.new_cache.mkdir()
        self._measure_columns()
        self._whole_table()
        for spool in self.spools:
            spool.close()
        written = self._write(uris, options)
        (self.folder / "written").touch()
        cached = {window: states.digest_of(self.plan.files, window) for window in sorted(self.plan.latest, key=str)}
        self._save(self.new_cache.name, cached)
        self.progress(100, "Done")
        return RefreshResult(
            len(self.plan.refreshed), self._rows_read(), written, self.plan.warnings, self.source.version
        )

    def _save(self, folder: str, cached: dict[Window, str]) -> None:
        state = states.State(self.meaning, self.source.version, self.plan.files, cached, folder)
        states.save(self.folder, state)
        for left in [*self.folder.glob("cache-*"), *self.folder.glob("baseline-*")]:
            if left.name not in {folder, self.base_folder.name}:
                shutil.rmtree(left, ignore_errors=True)

    def _rows_read(self) -> int:
        segments = [*self.segments, *self.base_segments]
        return self.plan.rows_scanned + sum(piece.rows for segment in segments for piece in segment.pieces)

    def _cut(self) -> None:
        self.progress(5, "Grouping rows")
        spec = self.spec
        cutter = Cutter(
            spec,
            self.source,
            slices_of(spec, self.source),
            self._model_of(self.source),
            self.plan.calendars,
            self.work,
        )
        if spec.kind == "SNAPSHOT":
            self.segments = [segment for window in self.plan.measured for segment in cutter.whole(window)]
        else:
            self.segments = cutter.windows(self.plan)
        for segment in self.segments:
            self.values.update(compute_aggregates(segment, self.custom.aggregates, self.work))
        if self.base is None or self.base_is_kept:
            return
        slices = slices_of(spec, self.base, lenient=True)
        self.base_segments = Cutter(spec, self.base, slices, self._model_of(self.base), {}, self.work).whole(BASELINE)
        aggregates = definitions_of(spec, self.base.schema, lenient=True).aggregates if self.custom.aggregates else ()
        for segment in self.base_segments:
            self.base_values.update(compute_aggregates(segment, aggregates, self.work))
        shutil.rmtree(self.base_folder, ignore_errors=True)
        self.base_folder.mkdir()

    def _model_of(self, source: Source) -> str | None:
        column = self.spec.model_id_column if self.spec.kind == "INFERENCE_LOG" else None
        return column if column in source.schema.names else None

    def _open_spools(self, *, with_insights: bool) -> None:
        schema = self.source.schema
        self.profile_spool = Spool(self.work / "profile", profile_schema(self.spec, schema, self.custom))
        self.drift_spool = Spool(self.work / "drift", drift_schema(self.spec, schema, self.custom))
        self.insight_spool = Spool(self.work / "insights", insights_schema(self.spec, schema))
        self.spools = [self.profile_spool, self.drift_spool, self.insight_spool]
        windows = max(len(self.plan.measured), 1)
        rows = min(SAMPLED_OF_WINDOW, SAMPLED_ROWS // windows)
        self.samples = Samples(rows) if self.base and with_insights and rows >= LEAST_ROWS else None

    def _measure_columns(self) -> None:
        """All columns, some at a time; what a column found is taken up here in order, by one thread."""
        with ThreadPoolExecutor(WORKERS) as pool:
            waiting: list[tuple[str, Future[list[Key]]]] = []
            try:
                waiting.extend((column, pool.submit(self._column, column)) for column in self.columns)
                for position, (column, future) in enumerate(waiting):
                    percent = 10 + 75 * position // len(waiting)
                    self.progress(percent, f"Measuring {column}")
                    while wait([future], timeout=1).not_done:
                        self.progress(percent, f"Measuring {column}")  # May cancel.
                    for key in future.result():
                        self.non_null.setdefault(key, []).append(column)
            finally:
                self.stop.set()
                for _, future in waiting:
                    future.cancel()
        self.stop.clear()

    # --- One column -----------------------------------------------------------------------------------------------

    def _column(self, column: str) -> list[Key]:
        """Measure a column and write its rows; returns the groups in which it has values."""
        base = self._baseline(column)
        series = Series(self, column, base, states.read_profiles(self._kept_file(column)))
        for segment in self.segments:
            if self.stop.is_set():
                raise Cancelled
            series.take(segment.profiles(column, self.samples))
        series.finish()
        return series.present

    def _kept_file(self, column: str) -> Path:
        return states.column_file(self.folder / (self.state.folder or "none"), column)

    def _baseline(self, column: str) -> Profiles:
        if self.base is None or column not in self.base.schema.names:
            return {}
        path = states.column_file(self.base_folder, column)
        if self.base_is_kept:
            return {group: profile for (_, group), profile in states.read_profiles(path).items()}
        found: dict[Key, ColumnProfile] = {}
        for segment in self.base_segments:
            found.update(segment.profiles(column, self.samples))
        for key, profile in found.items():
            if profile.count:
                self.non_null.setdefault(key, []).append(column)
        return self._write_baseline(column, found, path, lambda _: {})

    def _write_baseline(
        self, column: str, found: Mapping[Key, ColumnProfile], path: Path, more: Callable[[Key], Row]
    ) -> Profiles:
        rows, held = self.profile_rows(column, found, self.base_values)
        self.profile_spool.add([row | more(key) for key, row in zip(held, rows, strict=True)])
        states.write_profiles(path, held)
        return {group: profile for (_, group), profile in held.items()}

    def profile_rows(
        self, column: str, profiles: Mapping[Key, ColumnProfile], values: Values
    ) -> tuple[list[Row], dict[Key, ColumnProfile]]:
        """Rows of groups, and their profiles with the metrics that users define."""
        type_ = None if column == TABLE_ROW else self.source.schema.field(column).type
        rows: list[Row] = []
        found: dict[Key, ColumnProfile] = {}
        for key, profile in profiles.items():
            custom = values.get(key, {}).get(column)
            found[key] = whole = profile if not custom else changed(profile, custom=custom)
            rows.append({**self._heading(key), **profile_row(column, type_, whole)})
        if self.custom.derived:
            derive(rows, self.custom)
            names = list(self.custom.profile_types)
            for key, row in zip(found, rows, strict=True):
                found[key] = changed(found[key], custom={name: row[name] for name in names if name in row})
        return rows, found

    def _heading(self, key: Key) -> Row:
        window, group = key
        is_base = window == BASELINE
        return {
            "window": None if is_base else window_value(window),
            "granularity": None if is_base else window.granularity,
            "log_type": "BASELINE" if is_base else "INPUT",
            "logging_table_commit_version": self.base.version if is_base and self.base else self.source.version,
            "monitor_version": self.monitor_version,
            **group_values(self.spec, self.source.schema, group),
        }

    # --- The whole table ------------------------------------------------------------------------------------------

    def _whole_table(self) -> None:
        self.progress(86, "Measuring the whole table")
        quality = base_quality = {}
        if self.spec.kind == "INFERENCE_LOG":
            quality = measure_quality(self.segments, self.spec, self.plan.warnings)
            base_quality = measure_quality(self.base_segments, self.spec, self.plan.warnings)

        def more(key: Key) -> Row:
            found: Qualities = base_quality if key[0] == BASELINE else quality
            return quality_columns(found[key], self.spec) | fairness_columns(found, key) if key in found else {}

        base = self._whole_baseline(more)
        series = Series(self, TABLE_ROW, base, states.read_profiles(self._kept_file(TABLE_ROW)), more)
        found: dict[Key, ColumnProfile] = {}
        for segment in self.segments:
            found.update(self._rows_of_table(segment))
        series.take(found)
        series.finish()
        refreshed = {key: each for key, each in quality.items() if key[0] in self.plan.refreshed}
        for row in self.changes.rows():
            self.insight(row)
        for row in quality_insights(refreshed, self.spec, self._calibration(base_quality)):
            self.insight(row)
        self._together()

    def _whole_baseline(self, more: Callable[[Key], Row]) -> Profiles:
        if self.base is None:
            return {}
        path = states.column_file(self.base_folder, TABLE_ROW)
        if self.base_is_kept:
            return {group: profile for (_, group), profile in states.read_profiles(path).items()}
        found: dict[Key, ColumnProfile] = {}
        for segment in self.base_segments:
            found.update(self._rows_of_table(segment))
        return self._write_baseline(TABLE_ROW, found, path, more)

    def _rows_of_table(self, segment: Segment) -> dict[Key, ColumnProfile]:
        order = {name: position for position, name in enumerate(segment.source.schema.names)}
        return {
            key: ColumnProfile(
                None, rows, columns=tuple(sorted(self.non_null.get(key, []), key=lambda name: order.get(name, 0)))
            )
            for key, rows in segment.sizes().items()
        }

    def _calibration(self, base_quality: Qualities) -> Calibration | None:
        path = self.base_folder / "calibration.json"
        if self.base is None or self.spec.prediction_proba_column is None:
            return None
        if self.base_is_kept:
            if not path.exists():
                return None
            sizes, gaps = json.loads(path.read_text())
            return Calibration(np.array(sizes), np.array(gaps))
        quality = base_quality.get((BASELINE, WHOLE))
        if quality is None:
            return None
        path.write_text(json.dumps([quality.calibration.sizes.tolist(), quality.calibration.gaps.tolist()]))
        return quality.calibration

    def _together(self) -> None:
        """Drift of columns together, where there is a baseline with the same columns."""
        if self.samples is None or self.base is None:
            return
        kinds = {field.name: kind_of(field.type) for field in self.source.schema}
        columns = feature_columns(self.spec, self.source.schema, kinds)
        columns = [name for name in columns if name in self.base.schema.names]
        path = self.base_folder / "sample.npy"
        if self.base_is_kept:
            rows = np.load(path) if path.exists() else np.empty((0, 0))
        else:
            rows = self.samples.matrix(BASELINE, columns)
            np.save(path, rows)
        if len(columns) < 2 or rows.shape[1] != len(columns):
            return
        windows = sorted(self.plan.refreshed & self.plan.measured, key=str)
        samples = ((window, self.samples.matrix(window, columns)) for window in windows)
        for row in multivariate(Components.fit(rows), columns, samples):
            self.insight(row)

    def insight(self, found: tuple[Key, Row]) -> None:
        """Add a row to the insights."""
        key, row = found
        self.insight_spool.add([self._heading(key) | row])

    # --- The metric tables ----------------------------------------------------------------------------------------

    def _write(self, uris: Sequence[str | None], options: Mapping[str, str] | None) -> int:
        plan = self.plan
        if self.spec.kind == "SNAPSHOT":
            (window,) = plan.measured
            states.save(self.folder, changed(self.state, unfinished=window.start))
        refreshed, compared = holds_for(plan.refreshed, plan.known), holds_for(plan.compared, plan.known)
        profiled = f"log_type = 'INPUT' AND {refreshed}"
        if not self.base_is_kept:
            profiled = f"({profiled}) OR log_type = 'BASELINE'"
        told = f"({compared} AND insight = 'MOST_CHANGED') OR ({refreshed} AND insight <> 'MOST_CHANGED')"
        notes = {
            "modelkeep.monitor_version": str(self.monitor_version),
            "modelkeep.table_version": str(self.source.version),
        }
        written = 0
        for percent, uri, spool, where in zip(
            (88, 92, 96), uris, self.spools, (profiled, compared, told), strict=True
        ):
            self.progress(percent, "Writing the metric tables")
            if uri is not None:
                replace(uri, spool, where, options, notes)
                written += spool.rows
        if self.base is not None and not self.base_is_kept:
            (self.base_folder / "complete").touch()
        return written
