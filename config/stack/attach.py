"""Let another command work on the installation that `up` runs: its databases, its secret key, its sockets."""

from __future__ import annotations

import os

from config.stack import state
from config.stack.options import default_folder
from config.stack.paths import DataFolder


def attach(path: str | None) -> bool:
    """Fill the environment from the `up` that runs on a data folder; say whether there is one.

    What the environment already names wins, and with a DATABASE_URL nothing is filled in at all.
    """
    folder = DataFolder.at(path or default_folder())
    if path:
        os.environ["MODELKEEP_DATA_DIR"] = str(folder.root)
    if "DATABASE_URL" in os.environ:
        return False
    found = state.read(folder)
    if found is None:
        return False
    for name, value in found.environment.items():
        os.environ.setdefault(name, value)
    if folder.secret_key.exists():
        os.environ.setdefault("MODELKEEP_SECRET_KEY", folder.secret_key.read_text().strip())
    return True
