"""A column through time: its windows come in order, and each is held against the one before and the baseline."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace as changed
from typing import TYPE_CHECKING

from monitoring.engine import state as states
from monitoring.engine.custom_metrics import compare
from monitoring.engine.grouping import WHOLE, Group, Key
from monitoring.engine.insights import approximations
from monitoring.engine.profiles import ColumnProfile
from monitoring.engine.rows import Row, drift_row, group_values, window_value
from monitoring.engine.spec import TABLE_ROW
from monitoring.engine.windows import Window

if TYPE_CHECKING:
    from monitoring.engine.refreshing import Run

Profiles = dict[Group, ColumnProfile]
Pair = tuple[Row, Mapping[str, object], Mapping[str, object]]
"""A drift row with the values of its custom metrics on both sides."""


class Series:
    """A column through time: rows are written as its windows come, and only what later ones need is held."""

    def __init__(
        self,
        run: "Run",
        column: str,
        base: Profiles,
        kept: Mapping[Key, ColumnProfile],
        more: Callable[[Key], Row] = lambda _: {},
    ) -> None:
        self.run, self.column, self.base, self.more = run, column, base, more
        self.type = None if column == TABLE_ROW else run.source.schema.field(column).type
        self.held: dict[Window, Profiles] = {}
        self.present: list[Key] = []
        self.latest: dict[Key, ColumnProfile] = {}
        self.compared: set[Window] = set()
        for (window, group), profile in kept.items():
            if window in run.plan.kept:
                self.held.setdefault(window, {})[group] = profile
        self._keep_latest(self.held)

    def _keep_latest(self, windows: Mapping[Window, Profiles]) -> None:
        for window, profiles in windows.items():
            if window in self.run.plan.latest:
                self.latest.update({(window, group): profile for group, profile in profiles.items()})

    def take(self, profiles: Mapping[Key, ColumnProfile]) -> None:
        """Windows that were measured, in order of time."""
        run, plan = self.run, self.run.plan
        found: dict[Window, Profiles] = {}
        for (window, group), profile in profiles.items():
            found.setdefault(window, {})[group] = profile
            if profile.count:
                self.present.append((window, group))
        order = sorted(found, key=lambda each: (str(each.granularity), each.start))
        keys = [(window, group) for window in order for group in found[window]]
        rows, whole = run.profile_rows(self.column, {key: profiles[key] for key in keys}, run.values)
        for key, profile in whole.items():
            found[key[0]][key[1]] = profile
        self.held.update(found)
        for key, row in zip(keys, rows, strict=True):
            if key[0] in plan.refreshed:
                run.profile_spool.add([row | self.more(key)])
                for each in approximations(key, self.column, whole[key]):
                    run.insight(each)
        self._keep_latest(found)
        self._compare(order)
        self._forget(found)

    def _forget(self, found: Mapping[Window, Profiles]) -> None:
        plan = self.run.plan
        last = {window.granularity: window for window in sorted(found, key=lambda each: each.start)}
        for window in found:
            after = plan.following.get(window)
            if window is not last[window.granularity] and after not in plan.kept:
                del self.held[window]

    def finish(self) -> None:
        """Compare windows that were kept with those that changed before them, and keep the latest."""
        self._compare(sorted(self.run.plan.compared & self.run.plan.kept, key=str))
        states.write_profiles(states.column_file(self.run.new_cache, self.column), self.latest)

    def _compare(self, windows: Sequence[Window]) -> None:
        chosen = [
            window
            for window in windows
            if window in self.run.plan.compared and window in self.held and window not in self.compared
        ]
        self.compared.update(chosen)
        pairs = [pair for window in chosen for pair in self._pairs(window)]
        compare(pairs, self.run.custom)
        self.run.drift_spool.add([row for row, _, _ in pairs])

    def _pairs(self, window: Window) -> Iterable[Pair]:
        current = self.held[window]
        before = self.run.plan.previous.get(window)
        if before is not None and before in self.held:
            earlier = self.held[before]
            for group, profile in current.items():
                if (reference := earlier.get(group)) is not None:
                    yield self._pair(window, group, profile, reference, before)
        for group, profile in current.items():
            reference = self.base.get(group)
            if reference is None and group.model is not None and self.run.base_model is None:
                reference = self.base.get(changed(group, model=None))
            if reference is not None:
                yield self._pair(window, group, profile, reference, None)

    def _pair(
        self, window: Window, group: Group, profile: ColumnProfile, reference: ColumnProfile, before: Window | None
    ) -> Pair:
        run = self.run
        drift_type = "BASELINE" if before is None else "CONSECUTIVE"
        row = {
            "window": window_value(window),
            "granularity": window.granularity,
            "monitor_version": run.monitor_version,
            "window_cmp": window_value(before),
            "drift_type": drift_type,
            **group_values(run.spec, run.source.schema, group),
            **drift_row(self.column, self.type, profile, reference),
        }
        if group == WHOLE:
            run.changes.add(window, drift_type, row)
        return row, profile.custom, reference.custom
