"""The unprivileged system user for PostgreSQL, which refuses to run as root."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from config.stack.errors import StackError

USER = "pgserver"
"""The name that the PostgreSQL wheel's own launcher uses too."""


@dataclass(frozen=True)
class Account:
    """A system user by its numbers."""

    uid: int
    gid: int


def database_account() -> Account | None:
    """Answer the user that PostgreSQL must run as; None: the present one. Creates it when root runs us."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        entry = _create_user()
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _create_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise StackError(f"{_why()} The command useradd was not found: {_remedy()}") from error
    except subprocess.CalledProcessError as error:
        raise StackError(f"{_why()} {error.stderr.strip()}: {_remedy()}") from error
    return pwd.getpwnam(USER)


def _why() -> str:
    return f"PostgreSQL does not run as root, so it needs the system user {USER!r}, which could not be created."


def _remedy() -> str:
    return "create it, run Modelkeep as an ordinary user, or set DATABASE_URL to a server of your own."


def open_way(path: Path) -> list[Path]:
    """Let every user pass through the folders above a path; answer those that had to be changed.

    Only the right to pass (x) is added, never the right to list or to read.
    """
    changed = []
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXGRP | stat.S_IXOTH)
            changed.append(folder)
    return changed
