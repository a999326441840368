"""Who ran `mlflow server` changes a URL and nothing else: stock mlflow over plain http, whole."""

import ast
import sys

import pytest

from tests.clients.conftest import HERE, Server

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]

NOT_SET = ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_RUNTIME_VERSION", "MLFLOW_REGISTRY_URI")


def steps() -> list[str]:
    """The names of the script's steps, in order."""
    tree = ast.parse((HERE / "plain.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [f.name for f in functions if any(isinstance(d, ast.Name) and d.id == "step" for d in f.decorator_list)]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple[set[str], str]]:
    return {}


@pytest.fixture(params=["mlflow", "skinny"])
def outcome(request, server: Server, outcomes):
    """The steps that passed with a client, and what it wrote; run once a client."""
    if request.param not in outcomes:
        schema = server.make_schema(f"plain_{request.param}")
        python = request.getfixturevalue("skinny") if request.param == "skinny" else sys.executable
        environment = dict.fromkeys(NOT_SET, "")
        environment |= {
            "MLFLOW_TRACKING_URI": server.url,
            "MLFLOW_TRACKING_TOKEN": server.environment["DATABRICKS_TOKEN"],
        }
        done = server.run(python, "plain.py", schema, f"flat_{request.param}", **environment)
        passed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("ok ")}
        outcomes[request.param] = passed, done.stderr
    return outcomes[request.param]


@pytest.mark.parametrize("name", steps())
def test_step(name, outcome):
    passed, errors = outcome
    assert name in passed, errors[-6000:]
