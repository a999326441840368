"""What a gateway process tells about its traffic: a file each, replaced once a second, which the supervisor sums up.

All figures count up from the start of the process (`started`), but for `outstanding` and `queued`, which are of now.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

LATENCY_BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000, 120000)
"""Upper bounds of the latency buckets; one more bucket holds what was slower."""


@dataclass
class EntityStats:
    """Traffic of one served entity through one gateway process. Times are sums in milliseconds."""

    requests: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    latency_ms: float = 0.0
    queue_ms: float = 0.0
    model_ms: float = 0.0
    latency_counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_MS) + 1))
    outstanding: int = 0
    queued: int = 0
    last_request: float = 0.0


@dataclass
class GatewayStats:
    """Of one gateway process. `entities` by the id of the served entity; times in seconds since 1970."""

    pid: int
    started: float
    written: float
    entities: dict[str, EntityStats]
    dropped_rows: dict[str, int]


def write_stats(folder: Path, stats: GatewayStats) -> None:
    """Replace the file of this process. The folder must exist."""
    path = folder / f"{stats.pid}.json"
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(stats)), encoding="utf-8")
    temporary.replace(path)


def read_stats(folder: Path) -> list[GatewayStats]:
    """What all gateway processes tell, those that are gone included. Files that cannot be read are left out."""
    found = []
    for path in folder.glob("*.json"):
        try:
            wire = json.loads(path.read_bytes())
            wire["entities"] = {key: EntityStats(**value) for key, value in wire["entities"].items()}
            found.append(GatewayStats(**wire))
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return found


def is_alive(stats: GatewayStats) -> bool:
    """Whether the process that wrote them still runs on this machine."""
    try:
        os.kill(stats.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
