"""Stock databricks-sdk and mlflow.deployments make, query, change and delete endpoints of the running product."""

import ast
import sys

import pytest

from tests.clients.conftest import HERE, Server

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]
SCRIPT = "serving.py"


def steps() -> list[str]:
    """The names of the script's steps, in order."""
    functions = [node for node in ast.parse((HERE / SCRIPT).read_text()).body if isinstance(node, ast.FunctionDef)]
    return [f.name for f in functions if any(isinstance(d, ast.Name) and d.id == "step" for d in f.decorator_list)]


@pytest.fixture(scope="module")
def outcome(server: Server) -> tuple[set[str], str]:
    """The steps that passed, and what the client wrote."""
    done = server.run(sys.executable, SCRIPT, server.make_schema("serving"))
    return {line.split()[1] for line in done.stdout.splitlines() if line.startswith("ok ")}, done.stderr


@pytest.mark.parametrize("name", steps())
def test_step(name, outcome):
    passed, errors = outcome
    assert name in passed, errors[-6000:]
