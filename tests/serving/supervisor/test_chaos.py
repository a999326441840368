"""Constant load through updates, roll backs, moved aliases, neighbours that come and go, and kill -9 of everything.

Callers see predictions of a version that was asked for, or an error that is documented; every answer that was given
has its row in the inference table, once; and when the stack stops, nothing is left. More rounds than every day's:
MODELKEEP_TEST_CHAOS_ROUNDS=100.
"""

import json
import os
import shutil
import signal
import tempfile
import threading
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.stack import processes
from tests.serving.environments.wheels import make_wheel
from tests.serving.supervisor.conftest import eventually
from tests.serving.supervisor.environment import STAND_IN
from tests.stack.conftest import Launcher, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("survival")]

ROUNDS = int(os.environ.get("MODELKEEP_TEST_CHAOS_ROUNDS", "8"))
CLIENTS = 3
DOCUMENTED = {400, 404, 429}
MODEL, OTHERS = "workspace.default.chaos", "workspace.default.others"


@pytest.fixture
def product():
    launcher = Launcher(Path(tempfile.mkdtemp(prefix="mk-")))
    wheels = launcher.folder.parent / f"{launcher.folder.name}-wheels"
    make_wheel(wheels, "mlflow", "3.17.2", STAND_IN)
    launcher.environment = {
        "MODELKEEP_SERVING_WHEELS": str(wheels),
        "MODELKEEP_SERVING_NO_INDEX": "on",
        # What a killed worker had begun is taken up by the next after so long.
        "MODELKEEP_OPERATION_LEASE_SECONDS": "4",
        "MODELKEEP_OPERATION_HEARTBEAT_SECONDS": "1",
        "MODELKEEP_OPERATION_SWEEP_SECONDS": "1",
    }
    try:
        launcher.start()
        yield launcher
    finally:
        launcher.remove()
        shutil.rmtree(wheels, ignore_errors=True)


class Chaos:
    """A running product under load, and what can be done to it."""

    def __init__(self, product: Launcher, token: str) -> None:
        self.product = product
        self.url = product.state()["url"]
        self.headers = {"Authorization": f"Bearer {token}"}
        self.api = httpx.Client(base_url=self.url, headers=self.headers, timeout=30)
        self.stop = threading.Event()
        self.accepted: list[str] = []
        self.unexpected: list[str] = []
        self.versions: set[int] = set()
        self.moved = self.asked = 1

    # --- Load -------------------------------------------------------------------------------------------

    def load(self) -> None:
        with httpx.Client(base_url=self.url, headers=self.headers, timeout=130) as client:
            while not self.stop.is_set():
                identity = uuid.uuid4().hex
                body = {"inputs": [7], "client_request_id": identity}
                try:
                    answer = client.post("/serving-endpoints/chaos/invocations", json=body)
                except httpx.TransportError:
                    # No answer at all: the web server was killed. Nothing is said of such a request.
                    self.stop.wait(0.1)
                    continue
                if answer.status_code == 200:
                    ((version, row),) = answer.json()["predictions"]
                    assert row == 7
                    self.versions.add(version)
                    self.accepted.append(identity)
                elif answer.status_code not in DOCUMENTED:
                    self.unexpected.append(f"{answer.status_code} {answer.text[:300]}")
                self.stop.wait(0.01)

    # --- The control plane ------------------------------------------------------------------------------

    def call(self, method: str, path: str, **body: Any) -> httpx.Response:
        """Repeats what got no answer, as clients do."""
        while True:
            try:
                answer = self.api.request(method, path, json=body or None)
            except httpx.TransportError:
                continue
            if answer.status_code < 500:
                return answer

    def create(self, name: str, model: str, **more: Any) -> None:
        config = {"served_entities": [self.entity(model, "@Champion")]}
        answer = self.call("POST", "/api/2.0/serving-endpoints", name=name, config=config, **more)
        assert answer.status_code == 200, answer.text
        self.settled(name)

    def entity(self, model: str, version: str) -> dict[str, Any]:
        return {"entity_name": model, "entity_version": version, "workload_size": "Small", "name": "only"}

    def settled(self, name: str = "chaos") -> None:
        def is_settled() -> bool:
            state = self.call("GET", f"/api/2.0/serving-endpoints/{name}").json()["state"]
            assert state["config_update"] != "UPDATE_FAILED", self.events(name)
            return state == {"ready": "READY", "config_update": "NOT_UPDATING"}

        eventually(f"{name} to settle", is_settled, seconds=60)

    def events(self, name: str) -> str:
        return self.call("GET", f"/api/modelkeep/endpoints/{name}/events").text

    # --- What happens -----------------------------------------------------------------------------------

    def update(self) -> None:
        self.asked = self.asked % 3 + 1
        version = str(self.asked)
        config = {"served_entities": [self.entity(MODEL, version)]}
        assert self.call("PUT", "/api/2.0/serving-endpoints/chaos/config", **config).status_code == 200

    def follow(self) -> None:
        config = {"served_entities": [self.entity(MODEL, "@Champion")]}
        assert self.call("PUT", "/api/2.0/serving-endpoints/chaos/config", **config).status_code == 200
        self.settled()
        self.moved = self.moved % 3 + 1
        body = {"name": MODEL, "alias": "Champion", "version": str(self.moved)}
        assert self.call("POST", "/api/2.0/mlflow/unity-catalog/registered-models/alias", **body).status_code == 200

    def roll_back(self) -> None:
        self.call("POST", "/api/modelkeep/endpoints/chaos/roll-back")

    def stop_and_start_another(self) -> None:
        assert self.call("POST", "/api/modelkeep/endpoints/others/stop").status_code == 200
        answer = self.call("POST", "/api/modelkeep/endpoints/others/start")
        assert answer.status_code == 200, answer.text
        self.settled("others")

    def kill_replicas(self) -> None:
        for replica in self.models():
            os.kill(replica, signal.SIGKILL)

    def kill_supervisor(self) -> None:
        self.kill("serving")

    def kill_redis(self) -> None:
        self.kill("redis")

    def kill_web_worker(self) -> None:
        for worker in processes.children(self.product.child("web")["pid"]):
            os.kill(worker, signal.SIGKILL)

    def kill_deploying_worker(self) -> None:
        self.update()
        self.kill("worker-deploy")

    def kill(self, name: str) -> None:
        pid = self.product.child(name)["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for(f"{name} is back", lambda: self.product.child(name)["pid"] not in {pid, None})

    def models(self) -> list[int]:
        """The programs of all replicas."""
        tree = list(processes.tree(self.product.child("model-host")["pid"]))[1:]
        return [pid for pid in tree if not processes.children(pid)]


def said_by(product: Launcher, function: str) -> Any:
    """What a function of `chaos_setup` prints, run in a shell of the product."""
    script = f"from tests.serving.supervisor import chaos_setup; chaos_setup.{function}()"
    ran = product.manage("shell", "-c", script, "--data-dir", str(product.folder))
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_no_accident_costs_an_answer(product):
    chaos = Chaos(product, said_by(product, "prepare"))
    place = {"enabled": True, "catalog_name": "workspace", "schema_name": "default", "table_name_prefix": "chaos"}
    chaos.create("chaos", MODEL, ai_gateway={"inference_table_config": place})
    chaos.create("others", OTHERS)
    threads = [threading.Thread(target=chaos.load) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    happenings = [
        *(chaos.kill_replicas, chaos.update, chaos.kill_supervisor, chaos.follow, chaos.kill_redis),
        *(chaos.roll_back, chaos.kill_web_worker, chaos.stop_and_start_another, chaos.kill_deploying_worker),
    ]
    try:
        for number in range(ROUNDS):
            before = len(chaos.accepted)
            happenings[number % len(happenings)]()
            chaos.settled()
            eventually("answers to go on", lambda before=before: len(chaos.accepted) > before)
    finally:
        chaos.stop.set()
        for thread in threads:
            thread.join()
        chaos.api.close()
    assert chaos.unexpected == []
    assert chaos.versions <= {1, 2, 3}
    assert len(chaos.accepted) > 10 * ROUNDS
    seen = Counter(identity for identity, status in said_by(product, "captured") if status == 200)
    lost = [identity for identity in chaos.accepted if seen[identity] != 1]
    assert lost == [], [(identity, seen[identity]) for identity in lost][:5]
    models = chaos.models()
    assert models
    product.process.terminate()
    product.process.wait(60)
    assert [pid for pid in models if processes.is_alive(pid)] == []
