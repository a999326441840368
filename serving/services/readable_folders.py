"""Folders that replicas read: theirs is another user, and the umask of our own processes lets nobody else in."""

from pathlib import Path

_MODE = 0o755


def make_readable(folder: Path, *, below: Path) -> None:
    """Make a folder and those missing above it, down from `below`, which exists; everybody may read all of them."""
    missing = []
    while folder != below and not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        # The mode that mkdir is given goes through the umask.
        path.chmod(_MODE)
