"""Drift of Delta tables: ours beside Evidently's drift preset, and ours against itself where that is the promise.

    .venv/bin/python -m benchmarks.monitoring [--rows 100000 1000000] [--rounds 3] [--folder DIR]
                                              [--evidently PYTHON] [--huge] [--skip drift windows incremental]

Each table has 15 numbers and 5 texts; a baseline and a current table of so many rows each. Every sample is a fresh
process. `compute` begins after the imports of either product. Ours is the whole refresh: it reads both Delta tables,
profiles every column with 1,000 quantiles, counts drift in seven measures, and writes three metric tables and the
state for the next refresh; `warm` is the second one of a process, as in a worker. Evidently's preset computes one
measure a column, and its report. `scan` decodes all columns of both tables once and does nothing with them.

--evidently: a Python with evidently and pandas below 3; without it only ours is measured.
--huge: memory at 100 million rows beside 10 million: the same files ten times, under other names.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

NUMBERS, TEXTS = 15, 5
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
CHUNK = 1_000_000
EVIDENTLY = """
import json, sys, time
import pandas as pd
from evidently import Dataset, DataDefinition, Report
from evidently.presets import DataDriftPreset
import pyarrow.parquet as pq
folder, numbers, texts = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
start, spent = time.perf_counter(), time.process_time()
def read(name):
    return pq.read_table(f"{folder}/{name}").to_pandas()
columns = DataDefinition(
    numerical_columns=[f"n{i}" for i in range(numbers)], categorical_columns=[f"s{i}" for i in range(texts)]
)
kept = columns.numerical_columns + columns.categorical_columns
reference = Dataset.from_pandas(read("baseline")[kept], data_definition=columns)
current = Dataset.from_pandas(read("table")[kept], data_definition=columns)
report = Report([DataDriftPreset()]).run(current, reference)
report.dict()
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
print(json.dumps([time.perf_counter() - start, peak, time.process_time() - spent]))
"""


class Sample(NamedTuple):
    """One process: seconds on the clock, peak memory in MiB, seconds of processor."""

    seconds: float
    memory: float
    cpu: float


def make(folder: Path, name: str, rows: int, *, days: int = 1, first_day: int = 0, seed: int = 0) -> None:
    """Write a table in files of at most CHUNK rows, its rows spread evenly over days."""
    import numpy as np
    import pyarrow as pa
    from deltalake import write_deltalake

    rng = np.random.default_rng(seed)
    words = [pa.array([f"value {position}" for position in range(size)]) for size in (3, 8, 30, 120, 1000)]
    start = np.datetime64("2026-03-01", "us") + np.timedelta64(first_day, "D")
    per_day = rows // days
    for day in range(days):
        for begin in range(0, per_day, CHUNK):
            size = min(CHUNK, per_day - begin)
            moments = (
                start + np.timedelta64(day, "D") + np.sort(rng.integers(0, 86_400_000_000, size)).astype("m8[us]")
            )
            columns: dict[str, Any] = {"ts": pa.array(moments).cast(pa.timestamp("us", tz="UTC"))}
            for position in range(NUMBERS):
                values = rng.normal(position + 0.02 * seed, 1 + position / 10, size)
                columns[f"n{position}"] = values if position % 3 else np.round(values * 20)
            for position in range(TEXTS):
                codes = rng.zipf(1.5, size).clip(max=len(words[position])) - 1
                columns[f"s{position}"] = words[position].take(pa.array(codes))
            write_deltalake(str(folder / name), pa.table(columns), mode="append")


def measure(folder: Path, kind: str, days: int) -> None:
    """In a process of its own: one refresh, or one scan. Prints seconds, peak MiB, and seconds of processor."""
    from monitoring.engine.refreshing import refresh
    from monitoring.engine.spec import MonitorSpec, TableRef
    from monitoring.engine.tables import Source

    def once() -> None:
        baseline = TableRef(str(folder / "baseline"))
        if kind == "scan":
            for name in ("table", "baseline"):
                source = Source(TableRef(str(folder / name)))
                for column in source.schema.names:
                    source.read(source.units(source.files), [column])
            return
        spec = MonitorSpec("TIME_SERIES", "ts", ("1 day",), lookback_days=200)
        refresh(
            spec=spec if days > 1 else MonitorSpec("SNAPSHOT"),
            table=TableRef(str(folder / "table")),
            baseline=baseline if (folder / "baseline").exists() else None,
            state_folder=folder / "state",
            profile_table_uri=str(folder / "profile"),
            drift_table_uri=str(folder / "drift"),
            insights_table_uri=str(folder / "insights"),
            monitor_version=0,
            now=NOW + timedelta(days=150 if days > 20 else 0),
            progress=lambda *_: None,
        )

    if kind == "warm":
        once()
        forget(folder)
    start, spent = time.perf_counter(), time.process_time()
    once()
    took = time.perf_counter() - start
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    print(json.dumps([took, peak, time.process_time() - spent]))


def sample(command: list[str]) -> Sample:
    """What a process prints last."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return Sample(*json.loads(done.stdout.strip().splitlines()[-1]))


def ours(folder: Path, kind: str = "refresh", days: int = 1, *, fresh: bool = True) -> Sample:
    """One sample of ours; `fresh` forgets what earlier refreshes left."""
    if fresh:
        forget(folder)
    return sample([sys.executable, "-m", "benchmarks.monitoring", "--measure", kind, str(folder), str(days)])


def forget(folder: Path) -> None:
    """As if there had been no refresh."""
    for left in ("state", "profile", "drift", "insights"):
        shutil.rmtree(folder / left, ignore_errors=True)


def told(name: str, samples: list[Sample]) -> Sample:
    """Print medians and ranges; returns the medians."""
    seconds = [each.seconds for each in samples]
    middle = Sample(*(statistics.median(values) for values in zip(*samples, strict=True)))
    spread = f"[{min(seconds):.2f}..{max(seconds):.2f}]"
    print(
        f"  {name:12} {middle.seconds:8.2f} s {spread} {middle.cpu:8.2f} s cpu {middle.memory:6.0f} MiB", flush=True
    )
    return middle


def compared(name: str, one: Sample, other: Sample) -> None:
    """Print a ratio, of time and of the processor's time, which other work on the machine disturbs less."""
    print(f"  {name}: {one.seconds / other.seconds:.3g}, of processor time {one.cpu / other.cpu:.3g}", flush=True)


def drift(folder: Path, rows: int, rounds: int, evidently: str | None) -> None:
    """A baseline and a current table of so many rows: scan, ours, Evidently, in turns."""
    print(f"{rows} rows x {NUMBERS + TEXTS} columns, against a baseline of as many:")
    make(folder, "table", rows, seed=1)
    make(folder, "baseline", rows)
    contenders: dict[str, Callable[[], Sample]] = {
        "scan": lambda: ours(folder, "scan"),
        "ours": lambda: ours(folder),
        "ours, warm": lambda: ours(folder, "warm"),
    }
    if evidently:
        arguments = [str(folder), str(NUMBERS), str(TEXTS)]
        contenders["evidently"] = lambda: sample([evidently, "-W", "ignore", "-c", EVIDENTLY, *arguments])
    found: dict[str, list[Sample]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            found[name].append(contender())
    middles = {name: told(name, samples) for name, samples in found.items()}
    for name in ("ours", "ours, warm") if evidently else ():
        compared(f"evidently / {name}", middles["evidently"], middles[name])
    compared("ours / scan", middles["ours"], middles["scan"])


def windows(folder: Path, rounds: int) -> None:
    """Ten windows of one million rows in all, each against the baseline and the window before."""
    print("10 windows of 100,000 rows against a baseline of 1,000,000 and each other:")
    make(folder, "table", 1_000_000, days=10, seed=1)
    make(folder, "baseline", 1_000_000)
    scans = [ours(folder, "scan") for _ in range(rounds)]
    refreshes = [ours(folder, "refresh", 10) for _ in range(rounds)]
    compared("ours / scan", told("ours", refreshes), told("scan", scans))


def incremental(folder: Path, rounds: int) -> None:
    """One more window on a table of 100."""
    print("One new window of 20,000 rows on a table of 100 windows:")
    make(folder, "table", 2_000_000, days=100, seed=1)
    make(folder, "baseline", 100_000)
    whole, more = [], []
    for round_ in range(rounds):
        whole.append(ours(folder, "refresh", 100))
        make(folder, "table", 20_000, first_day=100 + round_, seed=2)
        more.append(ours(folder, "refresh", 100, fresh=False))
    compared("new / full", told("new window", more), told("full", whole))


def huge(folder: Path) -> None:
    """Peak memory as the table grows tenfold, in one window (sketched) and in many (exact)."""
    for days in (1, 100):
        place = folder / f"huge-{days}"
        make(place, "table", 10_000_000, days=days, seed=1)
        peaks = []
        for times in (1, 10):
            multiply(place / "table", times)
            found = ours(place, "refresh", days)
            told_ = f"{found.seconds:.0f} s, {found.cpu:.0f} s cpu, {found.memory:.0f} MiB"
            print(f"  {times * 10} million rows in {days} windows: {told_}", flush=True)
            peaks.append(found.memory)
        print(f"  memory, 100 to 10 million rows: {peaks[1] / peaks[0]:.2f}", flush=True)
        shutil.rmtree(place)


def multiply(table: Path, times: int) -> None:
    """Give every file of a table further names, each counted as a file of its own."""
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction, RemoveAction

    known = DeltaTable(str(table))
    actions: list[AddAction | RemoveAction] = []
    for file in known.get_add_actions().to_struct_array().to_pylist():
        stats = json.dumps({"numRecords": file["num_records"]})
        for time_ in range(1, times):
            name = f"{time_}-{file['path']}"
            (table / name).hardlink_to(table / file["path"])
            size = file["size_bytes"]
            actions.append(
                AddAction(
                    path=name, size=size, partition_values={}, modification_time=0, data_change=True, stats=stats
                )
            )
    if actions:
        known.create_write_transaction(actions, mode="append", schema=known.schema(), partition_by=[])


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--evidently")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--huge", action="store_true")
    parser.add_argument("--skip", nargs="*", default=[], choices=["drift", "windows", "incremental"])
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        kind, folder, days = arguments.measure
        measure(Path(folder), kind, int(days))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as work:
        root = Path(work)
        if "drift" not in arguments.skip:
            for rows in arguments.rows:
                drift(root / f"drift-{rows}", rows, arguments.rounds, arguments.evidently)
        if "windows" not in arguments.skip:
            windows(root / "windows", arguments.rounds)
        if "incremental" not in arguments.skip:
            incremental(root / "incremental", arguments.rounds)
        if arguments.huge:
            huge(root)


if __name__ == "__main__":
    main()
