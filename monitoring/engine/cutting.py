"""From a plan to segments: windows that fit into memory together are measured exactly, larger ones in sketches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from monitoring.engine.columns import times_of
from monitoring.engine.evaluation import evaluate
from monitoring.engine.expressions import Expression, of_column, parse
from monitoring.engine.grouping import Codes, Group, Key, Labels, Ordering, orderings
from monitoring.engine.planning import Plan, is_local
from monitoring.engine.segments import Piece, Segment
from monitoring.engine.spec import MonitorSpec, SpecError
from monitoring.engine.tables import Source, Unit
from monitoring.engine.windows import Calendar, Window
from monitoring.metrics.sketches import CategorySketch

LEAST_BUDGET = 1_000_000
"""Rows that are held at once even where windows are measured exactly only up to fewer."""


@dataclass(frozen=True)
class Cutter:
    """Cuts one table.

    Args:
        slices: checked expressions by slicing expression, those that the table's columns allow.
        model_column: None where the table has none.
        spill: a folder for codes that do not stay in memory.
    """

    spec: MonitorSpec
    source: Source
    slices: Mapping[str, Expression]
    model_column: str | None
    calendars: Mapping[str, Calendar]
    spill: Path

    def whole(self, window: Window) -> list[Segment]:
        """One segment of all rows of the table."""
        units = [unit for unit in self.source.units(self.source.files) if unit.rows]
        rows = sum(unit.rows for unit in units)
        if not rows:
            return []
        if rows <= self.spec.exact_rows:
            return [Segment(self.source, [Piece(units, self._orderings(units, {None: [window]}))], exact=True)]
        return [self._sketched(units, window)]

    def of_units(self, units: Sequence[Unit], window: Window) -> Segment | None:
        """The rows of a window in some row groups, all held at once."""
        if not units:
            return None
        return Segment(
            self.source, [Piece(units, self._orderings(units, {window.granularity: [window]}))], exact=True
        )

    def windows(self, plan: Plan) -> list[Segment]:
        """Segments for the windows that a plan measures, in order of time within each granularity."""
        wanted = sorted(plan.measured, key=lambda window: (str(window.granularity), window.start))
        large = [window for window in wanted if plan.counts[window] > self.spec.exact_rows]
        small = [window for window in wanted if plan.counts[window] <= self.spec.exact_rows]
        batches = list(self._batches(small, plan))
        spill = self.spill if len(batches) > 1 else None  # What is not measured yet does not stay in memory.
        found = [segment for batch in batches if (segment := self._exact(batch, plan, spill)) is not None]
        found += [self._sketched(self._units([window], plan), window) for window in large]
        return sorted(found, key=_first_window)

    def _batches(self, windows: Sequence[Window], plan: Plan) -> Iterable[list[Window]]:
        budget = max(self.spec.exact_rows, LEAST_BUDGET)
        by_granularity: dict[str | None, int] = {}
        for window in windows:
            by_granularity[window.granularity] = by_granularity.get(window.granularity, 0) + plan.counts[window]
        if windows and max(by_granularity.values()) <= budget:
            yield list(windows)
            return
        batch: list[Window] = []
        rows = 0
        for window in windows:
            if batch and (rows + plan.counts[window] > budget or batch[0].granularity != window.granularity):
                yield batch
                batch, rows = [], 0
            batch.append(window)
            rows += plan.counts[window]
        if batch:
            yield batch

    def _units(self, windows: Sequence[Window], plan: Plan) -> list[Unit]:
        """Row groups that may hold rows of the windows."""
        paths = sorted({path for window in windows for path in plan.paths[window]})
        column = str(self.spec.timestamp_column)
        local = is_local(self.source, column)
        return [unit for unit in self.source.units(paths) if self._overlaps(unit, windows, column, local=local)]

    def _overlaps(self, unit: Unit, windows: Sequence[Window], column: str, *, local: bool) -> bool:
        bounds = unit.bounds(column)
        if bounds is None:
            return True
        low, high = (
            int(value) for value in times_of(pa.array(bounds, self.source.schema.field(column).type)).tolist()
        )
        for window in windows:
            start, end = window.start, window.end
            if local:
                calendar = self.calendars[str(window.granularity)]
                at = int(np.searchsorted(calendar.edges, start))
                start, end = int(calendar.local_edges[at]), int(calendar.local_edges[at + 1])
            if low < end and high >= start:
                return True
        return False

    def _exact(self, windows: Sequence[Window], plan: Plan, spill: Path | None) -> Segment | None:
        units = self._units(windows, plan)
        by_granularity: dict[str | None, list[Window]] = {}
        for window in windows:
            by_granularity.setdefault(window.granularity, []).append(window)
        budget = 2 * max(self.spec.exact_rows, LEAST_BUDGET)
        if sum(unit.rows for unit in units) <= budget:
            return Segment(self.source, [Piece(units, self._orderings(units, by_granularity), spill)], exact=True)
        # Rows of other windows lie between: only those that are wanted are held.
        chosen: list[Unit] = []
        for unit in units:
            keep = np.zeros(unit.rows, np.bool_)
            for codes, _ in self._codes(self._keys([unit]), by_granularity).values():
                keep |= codes >= 0 if codes is not None else True
            if keep.any():
                chosen.append(unit.narrowed(np.flatnonzero(keep).astype(np.int32)))
        return Segment(self.source, [Piece(chosen, self._orderings(chosen, by_granularity), spill)], exact=True)

    def _sketched(self, units: Sequence[Unit], window: Window) -> Segment:
        within = {window.granularity: [window]}
        chosen = self._frequent(units, window) if self.slices or self.model_column else None
        pieces = [Piece([unit], self._orderings([unit], within, chosen), self.spill) for unit in units]
        return Segment(self.source, pieces, exact=False)

    def _keys(self, units: Sequence[Unit]) -> Any:
        columns = {name for expression in self.slices.values() for name in expression.columns}
        columns.update(name for name in (self.spec.timestamp_column, self.model_column) if name)
        wanted = [name for name in self.source.schema.names if name in columns]
        return self.source.read(units, wanted)

    def _codes(
        self, table: Any, within: Mapping[str | None, Sequence[Window]]
    ) -> dict[str | None, tuple[Codes | None, Sequence[Window]]]:
        found: dict[str | None, tuple[Codes | None, Sequence[Window]]] = {}
        for name, windows in within.items():
            if name is None or self.spec.timestamp_column not in table.column_names:
                found[name] = (None, windows)
                continue
            column = str(self.spec.timestamp_column)
            times = times_of(table.column(column).combine_chunks())
            calendar = self.calendars[name]
            places = np.full(len(calendar) + 1, -1, np.int32)
            at = np.searchsorted(calendar.edges, [window.start for window in windows])
            places[at] = np.arange(len(windows), dtype=np.int32)
            moments = times.fill_null(np.iinfo(np.int64).min).to_numpy()
            found[name] = (places[calendar.positions(moments, local=is_local(self.source, column))], windows)
        return found

    def _orderings(
        self,
        units: Sequence[Unit],
        within: Mapping[str | None, Sequence[Window]],
        chosen: frozenset[Key] | None = None,
    ) -> list[Ordering]:
        table = self._keys(units)
        rows = sum(unit.rows for unit in units)
        return orderings(
            self._codes(table, within),
            self._slices(table),
            Labels.of(table.column(self.model_column).combine_chunks()) if self.model_column else None,
            rows,
            limit=self.spec.max_slice_values,
            chosen=chosen,
        )

    def _slices(self, table: Any) -> dict[str, Labels]:
        plain = {text: e.plain_column for text, e in self.slices.items() if e.plain_column}
        found = {text: Labels.of(table.column(name).combine_chunks()) for text, name in plain.items()}
        computed = {text: e for text, e in self.slices.items() if text not in plain}
        if computed:
            answers = evaluate(table, computed)
            found |= {text: Labels.of(answers.column(text).combine_chunks()) for text in computed}
        return {text: found[text] for text in self.slices}

    def _frequent(self, units: Sequence[Unit], window: Window) -> frozenset[Key]:
        """The groups of a window that is too large to be held, most frequent first, counted in bounded memory."""
        sketches: dict[str | None, CategorySketch] = {}
        for unit in units:
            table = self._keys([unit])
            ((codes, _),) = self._codes(table, {window.granularity: [window]}).values()
            labels: dict[str | None, Labels] = {}
            labels.update(self._slices(table).items())
            if self.model_column:
                labels[None] = Labels.of(table.column(self.model_column).combine_chunks())
            for name, each in labels.items():
                inside = each.codes if codes is None else each.codes[codes >= 0]
                counts = np.bincount(inside[inside >= 0], minlength=len(each.texts))
                present = np.flatnonzero(counts)
                texts = [each.texts[position] for position in present.tolist()]
                sketches.setdefault(name, CategorySketch()).update(texts, counts[present])
        limit = self.spec.max_slice_values
        frequent = {
            name: [text for text, _ in sketch.distribution().frequent(limit)] for name, sketch in sketches.items()
        }
        models: list[str | None] = [None, *frequent.pop(None, [])]
        groups = {Group(model=model) for model in models}
        groups |= {Group(name, text, m) for m in models for name, texts in frequent.items() for text in texts}
        return frozenset((window, group) for group in groups)


def _first_window(segment: Segment) -> tuple[str, int]:
    return min(
        (str(window.granularity), window.start)
        for piece in segment.pieces
        for ordering in piece.orderings
        for window, _ in ordering.keys
    )


def slices_of(spec: MonitorSpec, source: Source, *, lenient: bool = False) -> dict[str, Expression]:
    """The checked slicing expressions.

    Args:
        lenient: leave out those that read columns which the table lacks, as a baseline may.

    Raises:
        SpecError: one is refused.
    """
    found: dict[str, Expression] = {}
    names = source.schema.names
    for text in spec.slicing_expressions:
        try:
            if text in names:  # A column whose name is no SQL is still a column.
                found[text] = of_column(text)
            else:
                found[text] = parse(text, columns=names, field="slicing_expressions")
        except SpecError:
            if not lenient:
                raise
    return found
