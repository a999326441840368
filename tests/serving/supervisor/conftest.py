"""A model host and a supervisor in processes of their own, and served entities for them to run."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from config.stack import processes
from config.stack.launch import shim_command
from serving.gateway.connection import ReplicaConnection
from serving.models import (
    ConfigState,
    Deployment,
    EndpointConfig,
    EnvironmentState,
    Replica,
    ServedEntity,
    ServingEndpoint,
    ServingEnvironment,
)
from serving.routing.routes import EndpointRoute, EntityRoute, RoutesFile
from serving.runtime import frames
from tests.operations.conftest import ROOT, _test_database_url
from tests.serving.factories import make_files_version
from tests.serving.supervisor.environment import DIGEST, make_environment

PATIENCE = 40.0
GOOD = "def predict(rows):\n    return [row * 2 for row in rows]\n"
EXAMPLE = b'{"inputs": [1, 2]}'


def eventually(what: str, question: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first answer that is true; other processes give no signal to wait for."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.02)
    return answer


@dataclass
class Stage:
    """A folder of serving with its two processes."""

    root: Path
    settings: dict[str, str] = field(default_factory=dict)
    host: subprocess.Popen[bytes] | None = None
    supervisor: subprocess.Popen[bytes] | None = None

    @property
    def sockets(self) -> Path:
        return self.root / "so"

    def start_host(self) -> None:
        command = [sys.executable, "-m", "serving.host", "--sockets", str(self.sockets), "--root", str(self.root)]
        self.host = self._start(command, "host.log")
        eventually("the model host", lambda: "ready" in self.said("host.log"))

    def start_supervisor(self) -> None:
        self.supervisor = self._start([sys.executable, "manage.py", "run_supervisor"], "supervisor.log")

    def _start(self, command: list[str], log: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "DATABASE_URL": _test_database_url(),
            "MODELKEEP_BOOTSTRAP": "off",
            "MODELKEEP_DATA_DIR": str(self.root),
            "MODELKEEP_SERVING_ROOT": str(self.root),
            "MODELKEEP_SERVING_SOCKETS": str(self.sockets),
            "ARTIFACT_ROOT": str(self.root / "artifacts"),
            "MODELKEEP_SERVING_SPARES": "0",
            **self.settings,
        }
        with (self.root / log).open("ab") as output:
            return subprocess.Popen(
                shim_command(command, grace=5.0),
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def said(self, log: str) -> str:
        return (self.root / log).read_text(errors="replace") if (self.root / log).exists() else ""

    def kill(self, process: subprocess.Popen[bytes] | None) -> None:
        """kill -9 of the program itself; its shim then ends too."""
        assert process is not None
        for pid in processes.children(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait(20)

    def stop(self) -> None:
        for process in (self.supervisor, self.host):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(20)

    def models(self) -> list[int]:
        """The processes below the host, confined and confining."""
        assert self.host is not None
        host = processes.children(self.host.pid)
        return [pid for parent in host for pid in processes.tree(parent)][1:]

    # --- What is served -----------------------------------------------------------------------------------

    def serve(
        self,
        actor: Any,
        name: str,
        code: str = GOOD,
        *,
        example: bytes | None = EXAMPLE,
        endpoint: ServingEndpoint | None = None,
        active: bool = False,
        files: Mapping[str, bytes] | None = None,
        digest: str = DIGEST,
        **entity: Any,
    ) -> ServedEntity:
        """A wanted entity of a new version with this code, in a new configuration, pending unless `active`."""
        every = {"model.py": code.encode(), **(files or {})}
        if example is not None:
            every["serving_input_example.json"] = example
        version = make_files_version(actor, f"workspace.default.{name.replace('-', '_')}", every)
        now = timezone.now()
        environment, _ = ServingEnvironment.objects.get_or_create(
            digest=digest,
            defaults={"state": EnvironmentState.READY, "python": "3.11", "platform": "linux", "created_at": now},
        )
        if endpoint is None:
            endpoint = ServingEndpoint.objects.create(
                name=name, creator=actor.principal, created_at=now, updated_at=now
            )
        endpoint.refresh_from_db()
        endpoint.last_config_version += 1
        config = EndpointConfig.objects.create(
            endpoint=endpoint, version=endpoint.last_config_version, created_at=now
        )
        endpoint.pending_config = config
        endpoint.save()
        made = ServedEntity.objects.create(
            config=config,
            name=f"{name}-{version.version}",
            entity_name=version.model.securable.full_name,
            entity_version=str(version.version),
            version=version,
            environment=environment,
            traffic_percentage=100,
            is_wanted=True,
            created_at=now,
            **entity,
        )
        if active:
            self.await_ready(made)
            self.activate(made)
        return made

    def activate(self, entity: ServedEntity) -> None:
        """What a deployment does last: this configuration answers, the one before ends."""
        config = entity.config
        earlier = ServedEntity.objects.filter(config__endpoint=config.endpoint).exclude(config=config)
        with transaction.atomic():
            earlier.update(is_wanted=False)
            EndpointConfig.objects.filter(pk=config.pk).update(state=ConfigState.ACTIVE)
            ServingEndpoint.objects.filter(pk=config.endpoint_id).update(active_config=config, pending_config=None)

    def await_ready(self, entity: ServedEntity) -> None:
        def is_ready() -> bool:
            entity.refresh_from_db()
            assert entity.deployment != Deployment.FAILED, entity.deployment_message
            return entity.deployment == Deployment.READY

        eventually(f"{entity.name} to be ready", is_ready)

    def await_failed(self, entity: ServedEntity) -> str:
        def message() -> str:
            entity.refresh_from_db()
            return entity.deployment_message if entity.deployment == Deployment.FAILED else ""

        return eventually(f"{entity.name} to fail", message)

    def replicas(self, entity: ServedEntity, *states: str) -> list[Replica]:
        rows = Replica.objects.filter(entity=entity)
        return list(rows.filter(state__in=states) if states else rows)

    def route(self, endpoint: str) -> EndpointRoute | None:
        return RoutesFile(self.root / "routes.json").current().endpoints.get(endpoint)

    def entity_route(self, endpoint: str) -> EntityRoute | None:
        route = self.route(endpoint)
        return route.entities[0] if route is not None and route.entities else None

    def addresses(self, endpoint: str) -> list[str]:
        route = self.entity_route(endpoint)
        return [replica.address for replica in route.replicas] if route is not None else []

    def ask(self, endpoint: str, rows: list[Any]) -> Any:
        """What the first replica in the published routes answers."""
        address = eventually(f"a route to {endpoint}", lambda: self.addresses(endpoint))[0]

        async def asked() -> Any:
            caller = ReplicaConnection()
            await caller.connect(address)
            try:
                answer = await caller.request({}, json.dumps({"inputs": rows}).encode())
            finally:
                caller.close()
            return json.loads(answer.body)

        return asyncio.run(asked())

    def ask_and_leave(self, endpoint: str, rows: list[Any]) -> None:
        """Ask, and be gone before there is an answer."""
        address = eventually(f"a route to {endpoint}", lambda: self.addresses(endpoint))[0]

        async def asked() -> None:
            caller = ReplicaConnection()
            await caller.connect(address)
            caller.start(frames.PREDICT, b"", json.dumps({"inputs": rows}).encode())
            await caller.health()
            caller.close()

        asyncio.run(asked())


@pytest.fixture(scope="module")
def stage_settings() -> dict[str, str]:
    """Settings of the supervisor; a module may have its own."""
    return {
        "MODELKEEP_SERVING_START_ATTEMPTS": "2",
        "MODELKEEP_SERVING_LOAD_SECONDS": "20",
        "MODELKEEP_SERVING_SCALE_TO_ZERO_SECONDS": "2",
    }


@pytest.fixture(scope="module")
def shared_stage(stage_settings, django_db_setup, django_db_blocker) -> Iterator[Stage]:
    root = Path(tempfile.mkdtemp(prefix="mks-"))
    make_environment(root)
    stage = Stage(root, stage_settings)
    with django_db_blocker.unblock():
        stage.start_host()
        stage.start_supervisor()
    yield stage
    stage.stop()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def stage(shared_stage, transactional_db, settings) -> Iterator[Stage]:
    """Both processes, with nothing to run before and nothing left after."""
    settings.ARTIFACT_ROOT = str(shared_stage.root / "artifacts")
    settings.SERVING_ROOT = str(shared_stage.root)
    settings.SERVING_SOCKETS = str(shared_stage.sockets)
    yield shared_stage
    ServedEntity.objects.update(is_wanted=False)
    with contextlib.suppress(ProcessLookupError):
        eventually("every model to end", lambda: not shared_stage.models(), seconds=20)
    eventually("the supervisor to rest", _no_running_sessions)


def _no_running_sessions() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND state NOT IN ('idle') AND backend_type = 'client backend'"
        )
        return bool(cursor.fetchone()[0] == 0)
