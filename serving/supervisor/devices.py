"""The GPUs of this machine, and how many of them a replica of each workload type gets."""

import re
from collections.abc import Iterable
from pathlib import Path

from registry.errors import InvalidState

NEEDED = {
    "GPU_SMALL": 1,
    "GPU_MEDIUM": 1,
    "GPU_LARGE": 1,
    "GPU_XLARGE": 1,
    "GPU_XLARGE_8": 8,
    "MULTIGPU_MEDIUM": 4,
}
_SHARED = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")


def present(folder: Path = Path("/dev")) -> list[int]:
    """The numbers of the GPUs whose device files are here."""
    found = (re.fullmatch(r"nvidia(\d+)", path.name) for path in folder.glob("nvidia*"))
    return sorted(int(match[1]) for match in found if match)


def choose(workload_type: str, *, taken: Iterable[int], here: list[int] | None = None) -> list[int]:
    """Free GPUs for one replica; none for a CPU type.

    Raises:
        InvalidState: this machine has not enough, or they are all taken.
    """
    count = NEEDED.get(workload_type, 0)
    if not count:
        return []
    here = present() if here is None else here
    if len(here) < count:
        raise InvalidState(
            f"Workload type {workload_type} needs {count} GPU{'s' if count > 1 else ''}, and this machine has "
            f"{len(here) or 'none'}. Choose CPU, or run the model host on a machine that has them."
        )
    busy = set(taken)
    free = [number for number in here if number not in busy]
    if len(free) < count:
        raise InvalidState(
            f"Workload type {workload_type} needs {count} GPU{'s' if count > 1 else ''}: {len(free)} of the "
            f"{len(here)} of this machine are free. Stop an endpoint, or wait until a replica has ended."
        )
    return free[:count]


def device_files(numbers: Iterable[int], folder: Path = Path("/dev")) -> tuple[Path, ...]:
    """The device files that a process needs for these GPUs."""
    names = [*(f"nvidia{number}" for number in numbers)]
    return tuple(path for path in (folder / name for name in (*names, *_SHARED)) if path.exists()) if names else ()
