"""Real workers on the test's own database, and the means to stop them at a step."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from celery import current_app
from django.db import connection, connections

from config.stack.launch import shim_command
from registry.models import Operation
from registry.services.operations import submit_operation
from tests.operations import kinds

ROOT = Path(__file__).resolve().parent.parent.parent
LEASE_SECONDS = 8
CONCURRENCY = 2
PATIENCE = 40.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Look again and again; a condition in another process gives no signal to wait for."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE:.0f} s in vain for {what}")
        pause.wait(0.02)


@dataclass
class Worker:
    """One Celery worker: a parent and its pool of processes."""

    process: subprocess.Popen
    log: Path

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGCONT)
        self.process.terminate()
        self.process.wait(20)


def _test_database_url() -> str:
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


def start_worker(folder: Path, name: str, *, queues: str = "default,monitoring") -> Worker:
    log = folder / f"{name}.log"
    command = [
        *(sys.executable, "-m", "celery", "--app", "config.celery:app", "worker"),
        *("--queues", queues, "--concurrency", str(CONCURRENCY)),
        *("--hostname", f"{name}-{os.getpid()}@test", "--include", "tests.operations.kinds"),
        *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
    ]
    environment = {
        **os.environ,
        "DATABASE_URL": _test_database_url(),
        "MODELKEEP_OPERATION_LEASE_SECONDS": str(LEASE_SECONDS),
        "MODELKEEP_OPERATION_HEARTBEAT_SECONDS": "1",
        "MODELKEEP_DATA_DIR": str(folder),
        "ARTIFACT_ROOT": str(folder / "artifacts"),
        "MODELKEEP_TRACKING_ROOT": str(folder / "tracking"),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            shim_command(command, grace=2.0),
            env=environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    worker = Worker(process, log)
    wait_until(lambda: " ready." in worker.text or process.poll() is not None, "the worker to be ready")
    assert process.poll() is None, worker.text
    return worker


@pytest.fixture(autouse=True)
def only_our_paths(settings, tmp_path):
    """This dialect alone; nothing collected to serve."""
    settings.ROOT_URLCONF = "registry.api.modelkeep.urls"
    settings.STATIC_ROOT = str(tmp_path)


@pytest.fixture(scope="module")
def worker_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("worker")


@pytest.fixture(scope="module")
def shared_worker(worker_folder, django_db_setup, django_db_blocker):
    """One worker for a module: only its pool processes are killed. It would take up what other modules submit."""
    with django_db_blocker.unblock():
        worker = start_worker(worker_folder, "shared")
    yield worker
    worker.stop()


@pytest.fixture
def worker(shared_worker, transactional_db, empty_broker):
    """A worker at rest before and after."""
    yield shared_worker
    wait_until(_no_running_sessions, "the worker to let go of its transactions")


def _no_running_sessions() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND state <> 'idle' AND backend_type = 'client backend'"
        )
        return cursor.fetchone()[0] == 0


@pytest.fixture
def empty_broker():
    """No messages of an earlier test."""
    flush_broker()


def flush_broker() -> None:
    """Lose every message."""
    with current_app.connection_for_write() as broker:
        broker.default_channel.client.flushdb()


@dataclass
class Puppet:
    """An operation that stops at steps, and the process that runs it."""

    operation_id: object
    client: object = field(repr=False)

    def reached(self, step: str) -> int:
        """Wait until a worker is at the step; answers the worker's pid."""
        found = self.client.blpop([f"reached:{self.operation_id}"], timeout=PATIENCE)
        assert found is not None, f"nobody came to '{step}'"
        name, _, pid = found[1].decode().partition("|")
        assert name == step
        return int(pid)

    def go(self) -> None:
        self.client.rpush(f"go:{self.operation_id}", "go")

    @property
    def row(self) -> Operation:
        return Operation.objects.get(pk=self.operation_id)

    def ended(self) -> Operation:
        wait_until(lambda: self.row.finished_at, f"operation to end, is {self.row.state}")
        return self.row

    @property
    def log(self) -> list[str]:
        return list(self.row.log.values_list("text", flat=True))


@pytest.fixture
def submit(people):
    """Submit an operation of a test kind, to be stopped at `stops`."""
    with kinds.control() as client:

        def make(kind: str = "test_steps", *stops: str, attempts_stopped: int = 1, **params) -> Puppet:
            operation = submit_operation(
                actor=people.owner,
                kind=kind,
                params={"stops": list(stops), "attempts_stopped": attempts_stopped, **params},
                subject="a test",
            )
            return Puppet(operation.pk, client)

        yield make


@pytest.fixture
def other_connection(transactional_db):
    """Runs a function on another database connection, in a thread of its own."""

    def run(function: Callable[[], object]) -> object:
        result: list[object] = []

        def body() -> None:
            try:
                result.append(function())
            except Exception as error:  # noqa: BLE001  (handed to the test)
                result.append(error)
            finally:
                connections.close_all()

        thread = threading.Thread(target=body)
        thread.start()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        return result[0]

    return run
