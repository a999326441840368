"""An accepted write survives kill -9 of any process, the loss of Redis and a restart of the database."""

import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path

import httpx
import pytest

from tests.stack.conftest import Launcher, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("survival")]

VICTIMS = ("web", "postgres", "redis", "worker-default")


@pytest.fixture
def product():
    launcher = Launcher(Path(tempfile.mkdtemp(prefix="mk-")))
    launcher.start()
    yield launcher
    launcher.remove()


def test_every_accepted_write_is_there_after_each_kill(product):
    printed = product.manage("client-env", "--data-dir", str(product.folder)).stdout
    environment = dict(line.split("=", 1) for line in printed.splitlines())
    url, token = environment["DATABRICKS_HOST"], environment["DATABRICKS_TOKEN"]
    headers = {"Authorization": f"Bearer {token}"}
    accepted: set[str] = set()
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            body = {"name": f"workspace.default.kept{number}"}
            try:
                answer = httpx.post(
                    f"{url}/api/2.0/mlflow/unity-catalog/registered-models/create",
                    json=body,
                    headers=headers,
                    timeout=10,
                )
            except httpx.HTTPError:
                continue
            if answer.status_code == 200:
                accepted.add(body["name"])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for victim in VICTIMS:
            before = len(accepted)
            wait_for("some writes are accepted", lambda before=before: len(accepted) > before + 3)
            child = product.child(victim)
            os.kill(child["pid"], signal.SIGKILL)
            if victim == "redis":
                for kept in (product.folder / "redis").iterdir():
                    shutil.rmtree(kept) if kept.is_dir() else kept.unlink(missing_ok=True)
            wait_for(
                f"{victim} is back",
                lambda victim=victim, pid=child["pid"]: product.child(victim)["pid"] != pid and product.all_ready(),
            )
    finally:
        stop.set()
        writer.join()
    listed, token = set(), ""
    while True:
        page = httpx.get(
            f"{url}/api/2.0/mlflow/unity-catalog/registered-models/search",
            params={"max_results": 500, "page_token": token},
            headers=headers,
            timeout=30,
        ).json()
        listed |= {model["name"] for model in page["registered_models"]}
        token = page["next_page_token"]
        if not token:
            break
    assert len(accepted) > 12
    assert accepted - listed == set()
    checked = product.manage("verify_audit", "--data-dir", str(product.folder))
    assert checked.returncode == 0, checked.stdout + checked.stderr
