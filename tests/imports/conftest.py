"""A real MLflow server with models in it, and the schema that they are imported into."""

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from config.stack.launch import shim_command
from registry.privileges import Privilege, SecurableType
from registry.services import catalogs, grants, schemas
from registry.services.grants import Change
from registry.services.imports import ImportRequest, submit_import
from registry.services.operation_runner import run_operation

START_SECONDS = 120.0
SIGNATURE = {"inputs": '[{"type": "double", "name": "x"}]', "outputs": '[{"type": "double"}]'}
MLMODEL = json.dumps({"flavors": {"python_function": {}}, "signature": SIGNATURE}).encode()
UNSIGNED = json.dumps({"flavors": {"python_function": {}}}).encode()
INTO = "prod.ml"


@dataclass
class MlflowServer:
    """An MLflow server in a process of its own."""

    folder: Path
    port: int
    client: httpx.Client = field(init=False)

    def __post_init__(self):
        self.client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def root(self) -> Path:
        return self.folder / "artifacts"

    def ask(self, method, path, **body):
        query = {"params": body} if method == "GET" else {"json": body}
        answer = self.client.request(method, f"/api/2.0/mlflow/{path}", **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def write(self, tree, **files):
        for name, content in files.items():
            path = self.root / tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return f"mlflow-artifacts:/{tree}"

    def run(self, *, files=None):
        """A run with a parameter, a metric, an input and a model; answers its id and the model's location."""
        run = self.ask("POST", "runs/create", experiment_id="0")["run"]["info"]["run_id"]
        self.ask("POST", "runs/log-parameter", run_id=run, key="depth", value="7")
        self.ask("POST", "runs/log-metric", run_id=run, key="auc", value=0.75, timestamp=12, step=3)
        source = json.dumps({"delta_table_name": "prod.ml.clicks", "delta_table_version": 4})
        dataset = {"name": "clicks", "digest": "d1", "source_type": "delta_table", "source": source}
        self.ask("POST", "runs/log-inputs", run_id=run, datasets=[{"dataset": dataset, "tags": []}])
        tree = f"0/{run}/artifacts/model"
        return run, self.write(tree, **(files or {"MLmodel": MLMODEL, "data/w.bin": os.urandom(2000)}))

    def version(self, name, source, **facts):
        found = self.ask("POST", "model-versions/create", name=name, source=source, **facts)
        return int(found["model_version"]["version"])

    def many_versions(self, name, count, location):
        """Rows as the server itself would write them, without a request for each."""
        self.ask("POST", "registered-models/create", name=name)
        rows = [
            (name, number, 1_700_000_000_000 + number, f"number {number}", "None", location, location)
            for number in range(1, count + 1)
        ]
        with contextlib.closing(sqlite3.connect(self.folder / "mlflow.db", timeout=30)) as database, database:
            database.executemany(
                "INSERT INTO model_versions (workspace, name, version, creation_time, last_updated_time, "
                "description, current_stage, source, storage_location, status) "
                "VALUES ('default', ?, ?, ?, 0, ?, ?, ?, ?, 'READY')",
                rows,
            )


def start_mlflow(folder: Path) -> tuple[MlflowServer, subprocess.Popen]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = MlflowServer(folder, port)
    command = [
        *(str(Path(sys.executable).with_name("mlflow")), "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--serve-artifacts", "--workers", "1"),
        *("--artifacts-destination", str(server.root)),
    ]
    server.root.mkdir()
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(
            shim_command(command, grace=0.5),
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
        )
    deadline = time.monotonic() + START_SECONDS
    while not _answers(server):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"MLflow did not start:\n{(folder / 'log').read_text(errors='replace')}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    return server, process


def _answers(server):
    try:
        return server.client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def mlflow_server():
    with tempfile.TemporaryDirectory(prefix="modelkeep-source-") as name:
        server, process = start_mlflow(Path(name))
        try:
            yield server
        finally:
            server.client.close()
            process.terminate()
            process.wait(20)


@pytest.fixture
def stores(settings, tmp_path):
    settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")
    settings.TRACKING_ROOT = str(tmp_path / "tracking")
    settings.STATIC_ROOT = str(tmp_path)
    settings.ROOT_URLCONF = "registry.api.modelkeep.urls"
    return tmp_path


def grant(people, type_, name, principal, *privileges):
    grants.update_grants(
        actor=people.metastore_admin, type_=type_, full_name=name, changes=[Change(principal, privileges)]
    )


@pytest.fixture
def schema(people, stores):
    """`prod.ml`, where owner may make models and reader may only look; nobody else sees it."""
    catalogs.create_catalog(actor=people.metastore_admin, name="prod")
    schemas.create_schema(actor=people.metastore_admin, catalog="prod", name="ml")
    for name in ("owner@example.com", "reader@example.com"):
        grant(people, SecurableType.CATALOG, "prod", name, Privilege.USE_CATALOG)
        grant(people, SecurableType.SCHEMA, INTO, name, Privilege.USE_SCHEMA)
    grant(people, SecurableType.SCHEMA, INTO, "owner@example.com", Privilege.CREATE_MODEL)


@pytest.fixture
def import_from(people, schema):
    """Import from a server and answer the operation as it ended."""

    def run(url, *, actor=None, **options):
        options = {"into": INTO, "allow_private": True, **options}
        wanted = ImportRequest(source_url=url, **options)
        operation = submit_import(actor=actor or people.owner, wanted=wanted)
        run_operation(operation_id=operation.pk)
        operation.refresh_from_db()
        return operation

    return run
