"""What a refresh leaves for the next: which rows of which files are measured, and the profiles of the latest windows.

Everything here can be deleted at any time: the next refresh then measures the whole lookback again. The state file is
replaced at once, after the metric tables are written, so a refresh that is killed is simply made again.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from monitoring.engine.columns import ColumnKind
from monitoring.engine.grouping import Group, Key
from monitoring.engine.profiles import ColumnProfile
from monitoring.engine.spec import MonitorSpec
from monitoring.engine.windows import Window
from monitoring.metrics.categorical import Categorical
from monitoring.metrics.numeric import Numeric

_FORMAT = 1
_FILE = "state.json"


@dataclass
class FileRecord:
    """Rows of a file by granularity and start of window; `ahead`: some lie in windows that were still to come."""

    windows: dict[str, dict[int, int]] = field(default_factory=dict)
    ahead: bool = False


@dataclass
class State:
    """See the module.

    Args:
        meaning: a digest of the spec and the baseline: another one makes all that was measured stale.
        cached: for each window whose profiles are kept, the digest of the rows that they were made of.
        unfinished: the instant of a snapshot that may be half written.
    """

    meaning: str = ""
    version: int = -1
    files: dict[str, FileRecord] = field(default_factory=dict)
    cached: dict[Window, str] = field(default_factory=dict)
    folder: str = ""
    unfinished: int | None = None


def load(folder: Path) -> State:
    """The state of a monitor; a fresh one where there is none that can be read."""
    try:
        held = json.loads((folder / _FILE).read_text())
        if held["format"] != _FORMAT:
            return State()
        return State(
            meaning=held["meaning"],
            version=held["version"],
            files={
                path: FileRecord(
                    {
                        granularity: {int(start): rows for start, rows in windows.items()}
                        for granularity, windows in record["windows"].items()
                    },
                    record["ahead"],
                )
                for path, record in held["files"].items()
            },
            cached={Window(granularity, start, end): digest for granularity, start, end, digest in held["cached"]},
            folder=held["folder"],
            unfinished=held["unfinished"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return State()


def save(folder: Path, state: State) -> None:
    """Replace the state at once."""
    text = json.dumps(
        {
            "format": _FORMAT,
            "meaning": state.meaning,
            "version": state.version,
            "files": {path: asdict(record) for path, record in state.files.items()},
            "cached": [[w.granularity, w.start, w.end, digest] for w, digest in state.cached.items()],
            "folder": state.folder,
            "unfinished": state.unfinished,
        }
    )
    new = folder / f"{_FILE}.new"
    with new.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / _FILE)


def meaning_of(spec: MonitorSpec, *others: str) -> str:
    """A digest of all that decides what is measured."""
    return sha256(json.dumps([_FORMAT, asdict(spec), *others], sort_keys=True).encode()).hexdigest()


def digest_of(files: Mapping[str, FileRecord], window: Window) -> str:
    """A digest of the rows of a window, by the files that they lie in."""
    rows = sorted(
        (path, count)
        for path, record in files.items()
        if (count := record.windows.get(str(window.granularity), {}).get(window.start))
    )
    return sha256(json.dumps(rows).encode()).hexdigest()


def column_file(folder: Path, column: str) -> Path:
    """Where the profiles of a column are kept, whatever its name."""
    return folder / f"{sha256(column.encode()).hexdigest()[:32]}.arrow"


_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("facts", pa.string()),
        ("values", pa.large_list(pa.float64())),
        ("categories", pa.large_list(pa.string())),
        ("counts", pa.large_list(pa.int64())),
    ]
)


def write_profiles(path: Path, profiles: Mapping[Key, ColumnProfile]) -> None:
    """Keep profiles, with their distributions."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
        for key, profile in profiles.items():
            writer.write_batch(_batch(key, profile))


def _batch(key: Key, profile: ColumnProfile) -> Any:
    window, group = key
    numeric, categories = profile.numeric, profile.categories
    facts = {
        "kind": profile.kind,
        "rows": profile.rows,
        "num_nulls": profile.num_nulls,
        "num_nan": profile.num_nan,
        "distinct": profile.distinct,
        "num_zeros": profile.num_zeros,
        "avg": profile.avg,
        "custom": dict(profile.custom),
        "columns": list(profile.columns),
        "numeric": None if numeric is None else [numeric.total, numeric.rank_error],
        "categorical": None if categories is None else [categories.other, categories.count_error],
    }
    values = np.empty(0) if numeric is None else numeric.values
    counts = np.empty(0, np.int64) if categories is None else categories.counts
    names = [] if categories is None else list(categories.categories)
    return pa.record_batch(
        [
            pa.array([json.dumps([window.granularity, window.start, window.end, *asdict(group).values()])]),
            pa.array([json.dumps(facts, default=str)]),
            pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), pa.array(values)),
            pa.LargeListArray.from_arrays(pa.array([0, len(names)], pa.int64()), pa.array(names, pa.string())),
            pa.LargeListArray.from_arrays(pa.array([0, len(counts)], pa.int64()), pa.array(counts)),
        ],
        schema=_SCHEMA,
    )


def read_profiles(path: Path) -> dict[Key, ColumnProfile]:
    """Profiles that were kept; numbers are mapped from the file, not read. Empty where there is no file."""
    if not path.exists():
        return {}
    found: dict[Key, ColumnProfile] = {}
    with pa.memory_map(str(path)) as source:
        reader = pa.ipc.open_file(source)
        for position in range(reader.num_record_batches):
            key, profile = _profile(reader.get_batch(position))
            found[key] = profile
    return found


def _profile(batch: Any) -> tuple[Key, ColumnProfile]:
    granularity, start, end, slice_key, slice_value, model = json.loads(batch.column("key")[0].as_py())
    facts = json.loads(batch.column("facts")[0].as_py())
    numeric = categories = None
    if facts["numeric"] is not None:
        total, error = facts["numeric"]
        numeric = Numeric(batch.column("values").flatten().to_numpy(zero_copy_only=False), total, error)
    if facts["categorical"] is not None:
        other, short = facts["categorical"]
        counts = batch.column("counts").flatten().to_numpy(zero_copy_only=False)
        categories = Categorical(batch.column("categories").flatten().to_pylist(), counts, other, short)
    profile = ColumnProfile(
        ColumnKind(facts["kind"]) if facts["kind"] else None,
        facts["rows"],
        facts["num_nulls"],
        facts["num_nan"],
        facts["distinct"],
        facts["num_zeros"],
        facts["avg"],
        numeric,
        categories=categories,
        custom=facts["custom"],
        columns=tuple(facts["columns"]),
    )
    return (Window(granularity, start, end), Group(slice_key, slice_value, model)), profile
