"""Stock databricks-sdk manages a workspace, by token and by a service principal's secret."""

import ast
import sys

import pytest

from tests.clients.conftest import HERE, Server

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]
SCRIPT = "sdk_workspace.py"


def steps() -> list[str]:
    """The names of the script's steps, in order."""
    functions = [node for node in ast.parse((HERE / SCRIPT).read_text()).body if isinstance(node, ast.FunctionDef)]
    return [f.name for f in functions if any(isinstance(d, ast.Name) and d.id == "step" for d in f.decorator_list)]


@pytest.fixture(scope="module")
def outcome(server: Server) -> tuple[set[str], str]:
    """The steps that passed, and what the client wrote."""
    done = server.run(sys.executable, SCRIPT, "sdk_catalog")
    return {line.split()[1] for line in done.stdout.splitlines() if line.startswith("ok ")}, done.stderr


@pytest.mark.parametrize("name", steps())
def test_step(name, outcome):
    passed, errors = outcome
    assert name in passed, errors[-6000:]


def test_the_client_warns_of_nothing(outcome):
    """Discovery that it cannot read is told of at every start."""
    _, errors = outcome
    assert "WARNING" not in errors
