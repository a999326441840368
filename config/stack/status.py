"""The table that `status` prints."""

from __future__ import annotations

from config.stack import processes, storage
from config.stack.child import State
from config.stack.paths import DataFolder
from config.stack.state import ChildState, StackState, read


def report(folder: DataFolder) -> tuple[str, bool]:
    """Answer what runs on a data folder, for people, and whether all of it is ready."""
    found = read(folder)
    if found is None:
        return f"Modelkeep does not run on {folder.root}. Start it with `python3 manage.py up`.", False
    rows = [("NAME", "STATE", "PID", "UPTIME", "RESTARTS", "MEMORY"), *map(_row, found.children)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    fault = storage.find_fault(found.environment)
    ready = found.ready and not fault and all(_is_ready(child) for child in found.children)
    lines = [_head(found, ready=ready), f"data folder {folder.root}", *_files(found, fault), *_sandbox(folder)]
    lines += ["", *table]
    return "\n".join(lines), ready


def _files(found: StackState, fault: str) -> list[str]:
    """Where versions keep their files, when that is not the data folder."""
    root = found.environment.get("ARTIFACT_ROOT")
    return [f"artifacts {root}{f': {fault}' if fault else ''}"] if root else []


def _sandbox(folder: DataFolder) -> list[str]:
    """How models are confined, as their host found when it started."""
    try:
        return [f"sandbox of models: {(folder.serving / 'sandbox').read_text().strip()}"]
    except OSError:
        return []


def _head(found: StackState, *, ready: bool) -> str:
    word = "ready" if ready else "not ready"
    return f"Modelkeep {found.version} at {found.url}: {word} (process {found.pid}, {_duration(found.pid)})"


def _is_ready(child: ChildState) -> bool:
    return child.state == State.READY and child.pid is not None and processes.is_alive(child.pid)


def _row(child: ChildState) -> tuple[str, str, str, str, str, str]:
    if child.pid is None or not processes.is_alive(child.pid):
        return child.name, child.state, "-", "-", str(child.restarts), "-"
    memory = f"{processes.memory(child.pid) / 1024**2:.0f} MB"
    return child.name, child.state, str(child.pid), _duration(child.pid), str(child.restarts), memory


def _duration(pid: int) -> str:
    seconds = int(processes.uptime(pid) or 0)
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    shown = [f"{amount}{unit}" for amount, unit in parts if amount]
    return " ".join(shown[:2]) or "0s"
