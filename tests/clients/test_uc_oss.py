"""Stock clients of open-source Unity Catalog: mlflow's `uc:http://…` registry, and unitycatalog-client."""

import ast
import sys

import pytest

from tests.clients.conftest import HERE, Server

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]
SCRIPTS = {"uc_oss.py": "oss_life", "unity_catalog_client.py": "oss_client"}


def steps() -> list[tuple[str, str]]:
    """The scripts, and the names of their steps in order."""
    found = []
    for script in SCRIPTS:
        functions = [
            node
            for node in ast.parse((HERE / script).read_text()).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        found += [
            (script, f.name)
            for f in functions
            if any(isinstance(d, ast.Name) and d.id == "step" for d in f.decorator_list)
        ]
    return found


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple[set[str], str]]:
    return {}


def outcome_of(script: str, server: Server, outcomes) -> tuple[set[str], str]:
    """The steps that passed, and what the client wrote; each script runs once."""
    if script not in outcomes:
        schema = server.make_schema(SCRIPTS[script])
        done = server.run(sys.executable, script, schema)
        passed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("ok ")}
        outcomes[script] = passed, done.stderr
    return outcomes[script]


@pytest.mark.parametrize(("script", "name"), steps())
def test_step(script, name, server, outcomes):
    passed, errors = outcome_of(script, server, outcomes)
    assert name in passed, errors[-6000:]
