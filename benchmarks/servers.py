"""The servers of the registry benchmark: one PostgreSQL, our web server and stock `mlflow server` on it."""

from __future__ import annotations

import atexit
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.stack import postgres, processes
from config.stack.accounts import database_account
from config.stack.launch import shim_command
from config.stack.options import ROOT, UpOptions
from config.stack.paths import DataFolder
from config.stack.services import front

START_SECONDS = 180.0
MLFLOW_WORKERS = 4


@dataclass(frozen=True)
class Server:
    """A running server and its processes."""

    port: int
    process: subprocess.Popen[bytes]

    def memory(self) -> int:
        """Bytes held by all its processes; a page that n share counts as 1/n."""
        return processes.memory(self.process.pid)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _start(
    name: str,
    command: list[str],
    folder: Path,
    *,
    ready: Callable[[], bool],
    env: Mapping[str, str],
    **account: object,
) -> subprocess.Popen[bytes]:
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            shim_command(command, grace=10, **account),  # type: ignore[arg-type]
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=ROOT if not account else "/",
            env={**os.environ, **env},
        )
    atexit.register(_stop, process)
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{name} did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(30)


def start_postgres(folder: Path) -> tuple[Path, int]:
    """The embedded PostgreSQL with the product's own settings: the folder of its socket, and its process."""
    account = database_account()
    data, sockets = folder / "postgres", folder / "sockets"
    postgres.initialise(data, account=account)
    postgres.prepare_sockets(sockets, account=account)
    command = postgres.server_command(data, sockets, settings=("max_connections=300", "jit=off"))
    process = _start(
        "postgres", command, folder, ready=lambda: postgres.answers(sockets), env={}, account=account, stop_signal=2
    )
    return sockets, process.pid


def product_environment(folder: Path, database: str) -> dict[str, str]:
    """What a process of the product is told to find that folder and that database."""
    return {
        "DATABASE_URL": database,
        "REDIS_URL": "unix:///nowhere",
        "MODELKEEP_SECRET_KEY": "signs nothing outside of a benchmark",
        "MODELKEEP_DATA_DIR": str(folder),
        "MODELKEEP_MLFLOW_SOCKET": str(folder / "mlflow.sock"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }


def migrate(folder: Path, database: str) -> None:
    """Bring a database of ours up to this release."""
    command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **product_environment(folder, database)}, check=True)


def start_ours(name: str, folder: Path, database: str, *, workers: int) -> Server:
    """The web server as `manage.py up` starts it."""
    port = free_port()
    options = UpOptions(DataFolder.at(folder), "127.0.0.1", port, workers)
    web = front(options, product_environment(folder, database))[0]
    process = _start(
        name, list(web.command), folder, ready=_answers(port, "/.well-known/databricks-config"), env=web.env
    )
    return Server(port, process)


def start_mlflow(name: str, folder: Path, database: str) -> Server:
    """A stock `mlflow server` with its default number of workers, its job runner off; makes its tables first."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", database),
        *("--artifacts-destination", str(folder / "artifacts")),
        *("--workers", str(MLFLOW_WORKERS)),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    env = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    process = _start(name, command, folder, ready=_answers(port, "/health"), env=env)
    return Server(port, process)


def _answers(port: int, path: str) -> Callable[[], bool]:
    def ask() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    return ask
