"""Tables and refreshes in a folder."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from monitoring.engine.refreshing import refresh
from monitoring.engine.spec import MonitorSpec, RefreshResult, TableRef

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
DAILY = MonitorSpec("TIME_SERIES", "ts", ("1 day",))


def at(day: int, hour: float = 12, month: int = 3) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC) + timedelta(hours=hour)


def times(moments: list[datetime | None]) -> pa.Array:
    return pa.array(moments, pa.timestamp("us", tz="UTC"))


def rows(day: int, count: int = 50, *, seed: int | None = None, shift: float = 0.0) -> pa.Table:
    """Rows of a day: two numbers, a text and a boolean."""
    rng = np.random.default_rng(day if seed is None else seed)
    moments = [at(day, hour) for hour in np.sort(rng.uniform(0, 24, count))]
    return pa.table(
        {
            "ts": times(moments),
            "x": rng.normal(shift, 1, count),
            "n": rng.integers(0, 6, count),
            "s": rng.choice(["a", "b", "c"], count),
            "b": rng.random(count) < 0.5,
        }
    )


@dataclass
class Lake:
    """A monitored table, its baseline, its metric tables, and the state of its monitor."""

    root: Path
    spec: MonitorSpec = DAILY
    now: datetime = NOW
    baseline: bool = False
    version: int = 0
    steps: list[str] = field(default_factory=list)

    def write(self, *tables: pa.Table, name: str = "table", **options: Any) -> None:
        for table in tables:
            write_deltalake(str(self.root / name), table, **{"mode": "append", **options})

    def write_baseline(self, *tables: pa.Table) -> None:
        self.baseline = True
        self.write(*tables, name="baseline")

    def table(self) -> DeltaTable:
        return DeltaTable(str(self.root / "table"))

    def refresh(self, **changes: Any) -> RefreshResult:
        def progress(percent: int, step: str) -> None:
            self.steps.append(f"{percent} {step}")

        folder = self.root / "state"
        arguments: dict[str, Any] = {
            "spec": self.spec,
            "table": TableRef(str(self.root / "table")),
            "baseline": TableRef(str(self.root / "baseline")) if self.baseline else None,
            "state_folder": folder,
            "profile_table_uri": str(self.root / "profile"),
            "drift_table_uri": str(self.root / "drift"),
            "insights_table_uri": str(self.root / "insights"),
            "monitor_version": self.version,
            "now": self.now,
            "progress": progress,
        }
        return refresh(**{**arguments, **changes})

    def read(self, name: str, **wanted: Any) -> list[dict[str, Any]]:
        """Rows of a metric table with these values, in order."""
        found = DeltaTable(str(self.root / name)).to_pyarrow_table().to_pylist()
        kept = [row for row in found if all(row[key] == value for key, value in wanted.items())]
        return sorted(kept, key=lambda row: (str(row["window"]), str(row)))

    def profile(self, column: str, **wanted: Any) -> list[dict[str, Any]]:
        """Rows of a column of the whole table."""
        whole = {"slice_key": None, "log_type": "INPUT", "column_name": column}
        return self.read("profile", **{**whole, **wanted})

    def drift(self, column: str, **wanted: Any) -> list[dict[str, Any]]:
        return self.read("drift", **{"slice_key": None, "column_name": column, **wanted})

    def everything(self) -> dict[str, list[str]]:
        """All metric rows, but for the version of the table that each was made of."""
        found = {}
        for name in ("profile", "drift", "insights"):
            lines = self.read(name)
            for line in lines:
                line.pop("logging_table_commit_version", None)
            found[name] = sorted(str(line) for line in lines)
        return found

    def beside(self, name: str) -> "Lake":
        """Another monitor with the same table and baseline, that starts from nothing."""
        other = replace(self, root=self.root / name, steps=[])
        other.root.mkdir()
        for each in ("table", "baseline"):
            if (self.root / each).exists():
                (other.root / each).symlink_to(self.root / each)
        return other
