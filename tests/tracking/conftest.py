"""A real tracking server for the session, and people who share it."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from config.stack.launch import shim_command
from registry.models import ADMINS, ExperimentGrant, Membership, Principal, PrincipalKind
from registry.services import tracking as services
from registry.services.actors import load_actor
from registry.services.tokens import create_token

START_SECONDS = 120.0
URL = "http://mlflow"


@dataclass(frozen=True)
class TrackingServer:
    socket: Path
    root: Path


@pytest.fixture(scope="session")
def tracking_server():
    """One MLflow server a test process, on a Unix socket; gone with the process."""
    with tempfile.TemporaryDirectory(prefix="modelkeep-mlflow-") as name:
        folder = Path(name)
        server = TrackingServer(folder / "mlflow.sock", folder / "tracking")
        server.root.mkdir()
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                shim_command(_command(folder, server), grace=0.5),
                env={
                    **os.environ,
                    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true",
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=folder,
            )
        try:
            _await(process, server, log)
            yield server
        finally:
            services._client(str(server.socket), URL, os.getpid()).close()
            process.terminate()
            process.wait(20)


def _command(folder: Path, server: TrackingServer) -> list[str]:
    # The interpreter is named by its link in the virtual environment: its real path would miss the packages.
    mlflow = Path(sys.executable).with_name("mlflow")
    return [
        str(mlflow),
        "server",
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(server.root),
        "--serve-artifacts",
        "--workers",
        "1",
        "--uvicorn-opts",
        f"--uds {server.socket}",
    ]


def _await(process, server, log):
    deadline = time.monotonic() + START_SECONDS
    while not _answers(server.socket):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"The tracking server did not start:\n{log.read_text(errors='replace')}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)


def _answers(path):
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


@pytest.fixture
def tracking(tracking_server, settings, db, tmp_path):
    settings.STATIC_ROOT = str(tmp_path)
    settings.MLFLOW_SOCKET = str(tracking_server.socket)
    settings.MLFLOW_URL = URL
    settings.TRACKING_ROOT = str(tracking_server.root)
    settings.ROOT_URLCONF = "tests.tracking.urls"
    return tracking_server


@pytest.fixture
def web(tracking, transactional_db):
    """The address of our own server in threads: a test's client leaves nothing to stream."""
    server = LiveServer("localhost")
    yield server.url
    server.stop()


class Caller:
    """A person with a token, speaking plain HTTP like a stock client."""

    def __init__(self, name, *, groups=(), kind=PrincipalKind.USER):
        self.name = name
        self.principal = Principal.objects.create(name=name, key=name.lower(), kind=kind)
        for group in groups:
            Membership.objects.create(group=group, member=self.principal)
        self.token = create_token(actor=load_actor(self.principal)).value
        self.headers = {"Authorization": f"Bearer {self.token}"}

    @property
    def actor(self):
        return load_actor(self.principal)

    def call(self, method, path, /, body=None, *, agent="mlflow-python-client/3.17.2", headers=None, **query):
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        address = path + ("?" + str(httpx.QueryParams(query)) if query else "")
        return Client().generic(
            method,
            address,
            content,
            content_type="application/json",
            headers={**self.headers, "User-Agent": agent, **(headers or {})},
        )

    def get(self, path, /, **query):
        return self.call("GET", path, **query)

    def post(self, path, body):
        return self.call("POST", path, body)


def unique(prefix="x"):
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def alice(db):
    return Caller("alice@example.com")


@pytest.fixture
def bob(db):
    return Caller("bob@example.com")


@pytest.fixture
def reader(db):
    return Caller("reader@example.com")


@pytest.fixture
def admin(db):
    return Caller("root@example.com", groups=[Principal.objects.get(key=ADMINS)])


API = "/api/2.0/mlflow"


@dataclass
class Things:
    """What stands in one experiment of Alice's."""

    name: str
    experiment: str
    run: str
    model: str
    trace: str
    v2_trace: str


@pytest.fixture
def things(tracking, alice):
    name = unique("private")
    experiment = alice.post(f"{API}/experiments/create", {"name": name}).json()["experiment_id"]
    run = alice.post(f"{API}/runs/create", {"experiment_id": experiment}).json()["run"]["info"]["run_id"]
    alice.post(f"{API}/runs/log-metric", {"run_id": run, "key": "acc", "value": 0.9, "timestamp": 1, "step": 0})
    model = alice.post(
        f"{API}/logged-models", {"experiment_id": experiment, "name": "model", "source_run_id": run}
    ).json()["model"]["info"]["model_id"]
    trace = f"tr-{uuid.uuid4().hex}"
    started = alice.post("/api/3.0/mlflow/traces", trace_body(experiment, trace))
    assert started.status_code == 200, started.content
    v2 = alice.post(f"{API}/traces", {"experiment_id": experiment, "timestamp_ms": 1}).json()
    return Things(name, experiment, run, model, trace, v2["trace_info"]["request_id"])


def trace_body(experiment, trace_id, **info):
    return {
        "trace": {
            "trace_info": {
                "trace_id": trace_id,
                "trace_location": {
                    "type": "MLFLOW_EXPERIMENT",
                    "mlflow_experiment": {"experiment_id": experiment},
                },
                "request_time": "2026-01-01T00:00:00Z",
                "state": "OK",
                **info,
            }
        }
    }


def grant(things, caller, level):
    ExperimentGrant.objects.create(experiment_id=things.experiment, principal=caller.principal, level=level)
