"""Stock MlflowClient and databricks-sdk make webhooks and destinations; their own receiver is told, and verifies."""

import ast
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import HERE, Server, open_server

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]
SCRIPT = "webhooks.py"


def steps() -> list[str]:
    """The names of the script's steps, in order."""
    functions = [node for node in ast.parse((HERE / SCRIPT).read_text()).body if isinstance(node, ast.FunctionDef)]
    return [f.name for f in functions if any(isinstance(d, ast.Name) and d.id == "step" for d in f.decorator_list)]


@pytest.fixture(scope="module")
def near_server() -> Iterator[Server]:
    """The running product, whose operator lets it reach receivers on this machine and asks it to be quick."""
    settings = {"MODELKEEP_WEBHOOK_NETWORKS": "127.0.0.0/8", "MODELKEEP_WEBHOOK_RETRY_SECONDS": "1"}
    with open_server(Path(tempfile.mkdtemp(prefix="mk-")), **settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def outcome(near_server: Server) -> tuple[set[str], str]:
    """The steps that passed, and what the client wrote."""
    done = near_server.run(sys.executable, SCRIPT)
    return {line.split()[1] for line in done.stdout.splitlines() if line.startswith("ok ")}, done.stderr


@pytest.mark.parametrize("name", steps())
def test_step(name, outcome):
    passed, errors = outcome
    assert name in passed, errors[-6000:]
