"""PostgreSQL and Redis for one test run: thrown away at its end, and gone even after kill -9 of pytest.

Loaded as a plugin (`-p tests.embedded`), because Django's settings read DATABASE_URL before any conftest is.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from config.stack import postgres, redis
from config.stack.accounts import Account, database_account
from config.stack.launch import shim_command

START_SECONDS = 60.0
PREFIX = "modelkeep-test-"


def start_postgres(session: Path) -> str:
    """Start a throw-away cluster below a folder; answer its DATABASE_URL. Stopped by `atexit`."""
    account = database_account()
    data, sockets = session / "postgres", session / "sockets"
    postgres.initialise(data, account=account, durable=False)
    postgres.prepare_sockets(sockets, account=account)
    command = postgres.server_command(data, sockets, settings=(*postgres.VOLATILE, "max_connections=200"))
    _start(
        "postgres",
        command,
        log=session / "postgres.log",
        account=account,
        ready=lambda: postgres.answers(sockets),
    )
    postgres.create_database(sockets, "modelkeep")
    return postgres.url(sockets, "modelkeep")


def start_redis(session: Path) -> str:
    """Start a throw-away Redis below a folder; answer its REDIS_URL. Stopped by `atexit`."""
    data, path = session / "redis", session / "redis.sock"
    data.mkdir()
    command = redis.server_command(data, path, durable=False)
    _start("redis", command, log=session / "redis.log", account=None, ready=lambda: redis.answers(path))
    return redis.url(path)


def ensure_services() -> None:
    """Set DATABASE_URL and REDIS_URL to servers of this run unless set already (as in xdist's workers)."""
    os.environ.setdefault("MODELKEEP_SECRET_KEY", "signs nothing outside of a test run")
    if "DATABASE_URL" in os.environ and "REDIS_URL" in os.environ:
        _take_own_redis_database()
        return
    _remove_abandoned()
    session = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    atexit.register(shutil.rmtree, session, ignore_errors=True)
    if "DATABASE_URL" not in os.environ:
        os.environ["DATABASE_URL"] = start_postgres(session)
    if "REDIS_URL" not in os.environ:
        os.environ["REDIS_URL"] = start_redis(session)


def _take_own_redis_database() -> None:
    """Keep the messages of xdist's workers apart; each has a database of its own for rows already."""
    worker, url = os.environ.get("PYTEST_XDIST_WORKER", ""), os.environ["REDIS_URL"]
    if worker and url.endswith("virtual_host=0"):
        os.environ["REDIS_URL"] = f"{url[:-1]}{int(worker.removeprefix('gw')) + 1}"


def _remove_abandoned() -> None:
    """Remove what runs that were killed left on the disk; a folder's name holds the pid of its run."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _start(name: str, command: list[str], *, log: Path, account: Account | None, ready: Callable[[], bool]) -> None:
    with log.open("wb") as output:
        # Nothing is lost by killing it at once: its data is thrown away.
        process = subprocess.Popen(
            shim_command(command, grace=0.2, account=account),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    atexit.register(_stop, process)
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"The {name} of this test run did not start:\n{log.read_text(errors='replace')}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(10)


ensure_services()
