"""One running product for all client tests, and a small environment that holds stock mlflow-skinny alone."""

import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.stack.conftest import ROOT, Launcher, clean_environment, wait_for

HERE = Path(__file__).parent
STEP_SECONDS = 600


def steps_of(script: str) -> list[str]:
    """The names of a script's steps, in order."""
    functions = [
        node
        for node in ast.parse((HERE / script).read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return [f.name for f in functions if any(isinstance(d, ast.Name) and d.id == "step" for d in f.decorator_list)]


@dataclass
class Server:
    """The running product, and the environment that `client-env` gives its first administrator."""

    launcher: Launcher
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return self.environment["DATABRICKS_HOST"]

    def call(self, method: str, path: str, **options) -> httpx.Response:
        token = options.pop("token", self.environment["DATABRICKS_TOKEN"])
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **options)

    def make_schema(self, name: str) -> str:
        answer = self.call("POST", "/api/2.1/unity-catalog/schemas", json={"catalog_name": "workspace", "name": name})
        assert answer.status_code == 200, answer.text
        return f"workspace.{name}"

    def run(self, python: str, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script of this folder in a client's process, with nothing of this test run in its environment."""
        env = clean_environment() | self.environment | environment
        env = {name: value for name, value in env.items() if value}
        command = [python, str(HERE / script), *arguments]
        return subprocess.run(command, cwd="/", env=env, capture_output=True, text=True, timeout=STEP_SECONDS)

    def walk(self, python: str, script: str, *arguments: str, **environment: str) -> tuple[set[str], str]:
        """The steps of a script that passed in one client's process, and what the client wrote."""
        done = self.run(python, script, *arguments, **environment)
        return {line.split()[1] for line in done.stdout.splitlines() if line.startswith("ok ")}, done.stderr


@contextmanager
def open_server(folder: Path, **environment: str) -> Iterator[Server]:
    """A running product on a data folder, started with some variables."""
    launcher = Launcher(folder)
    launcher.environment = environment
    launcher.start()
    wait_for("every child is ready, the tracking server too", launcher.all_ready)
    printed = launcher.manage("client-env", "--data-dir", str(launcher.folder))
    assert printed.returncode == 0, printed.stderr
    lines = [line.partition("=") for line in printed.stdout.splitlines()]
    yield Server(launcher, {name: value for name, _, value in lines})
    launcher.remove()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The product, whose operator lets it tell receivers on this machine and asks it to try again soon."""
    settings = {"MODELKEEP_WEBHOOK_NETWORKS": "127.0.0.0/8", "MODELKEEP_WEBHOOK_RETRY_SECONDS": "1"}
    with open_server(Path(tempfile.mkdtemp(prefix="mk-")), **settings) as opened:
        yield opened


@pytest.fixture(scope="session")
def skinny(tmp_path_factory) -> str:
    """The python of an environment with mlflow-skinny[databricks], scikit-learn, pandas and pip: a user's laptop."""
    folder = tmp_path_factory.mktemp("skinny") / "env"
    uv = Path(sys.executable).parent / "uv"
    packages = ["mlflow-skinny[databricks]==3.17.2", "scikit-learn", "pandas", "pip"]
    constraints = folder.parent / "constraints.txt"
    locked = (ROOT / "requirements-dev.lock").read_text().splitlines()
    pins = [line.split(" ")[0] for line in locked if "==" in line and not line.startswith((" ", "#"))]
    wanted = ("scikit-learn", "pandas", "numpy", "scipy", "databricks-sdk", "mlflow-skinny", "cloudpickle")
    constraints.write_text("\n".join(_newest(pins, wanted)))
    env = {**os.environ, "VIRTUAL_ENV": str(folder)}
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, str(folder)], check=True, env=env)
    subprocess.run(
        [uv, "pip", "install", "-q", "-p", str(folder), "-c", str(constraints), *packages], check=True, env=env
    )
    return str(folder / "bin" / "python")


def _newest(pins: list[str], wanted: tuple[str, ...]) -> list[str]:
    """One pin a package: the first of those that the lock gives for different Pythons is this Python's."""
    found: dict[str, str] = {}
    for pin in pins:
        name = pin.partition("==")[0]
        if name in wanted:
            found.setdefault(name, pin)
    return list(found.values())
