"""Stock mlflow goes through the whole lifecycle, each way it can be pointed at the product."""

import ast
import sys

import pytest

from tests.clients.conftest import HERE, Server

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]

MODES = {
    "databricks": {},
    "http": {"DATABRICKS_RUNTIME_VERSION": "", "MLFLOW_TRACKING_URI": "{url}", "MLFLOW_TRACKING_TOKEN": "{token}"},
    "native": {"MLFLOW_ENABLE_UC_NATIVE_MODEL_REGISTRY": "true"},
    "skinny": {},
}


def steps() -> list[str]:
    """The names of the script's steps, in order."""
    tree = ast.parse((HERE / "lifecycle.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [f.name for f in functions if any(isinstance(d, ast.Name) and d.id == "step" for d in f.decorator_list)]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple[set[str], str]]:
    return {}


def outcome_of(mode: str, server: Server, request, outcomes) -> tuple[set[str], str]:
    """The steps that passed in a mode, and what the client wrote; run once a mode."""
    if mode not in outcomes:
        schema = server.make_schema(f"life_{mode}")
        token = server.environment["DATABRICKS_TOKEN"]
        environment = {name: value.format(url=server.url, token=token) for name, value in MODES[mode].items()}
        python = request.getfixturevalue("skinny") if mode == "skinny" else sys.executable
        done = server.run(python, "lifecycle.py", schema, **environment)
        passed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("ok ")}
        outcomes[mode] = passed, done.stderr
    return outcomes[mode]


@pytest.mark.parametrize("name", steps())
@pytest.mark.parametrize("mode", MODES)
def test_step(mode, name, server, request, outcomes):
    passed, errors = outcome_of(mode, server, request, outcomes)
    assert name in passed, errors[-6000:]


@pytest.mark.parametrize("mode", MODES)
def test_the_run_inputs_are_lineage(mode, server, request, outcomes):
    outcome_of(mode, server, request, outcomes)
    answer = server.call("GET", f"/api/modelkeep/models/workspace.life_{mode}.lineage/versions/1/lineage")
    assert answer.status_code == 200, answer.text
    edges = answer.json()["edges"]
    assert [(edge["direction"], edge["kind"], edge["name"]) for edge in edges] == [
        ("UPSTREAM", "TABLE", f"workspace.life_{mode}.flowers")
    ]
    assert edges[0]["details"]["context"] == "training"
