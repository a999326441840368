"""Who ran `mlflow server` changes a URL and nothing else: stock mlflow over plain http, whole."""

import sys

import pytest

from tests.clients.conftest import Server, steps_of

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]

SCRIPT = "plain.py"
NOT_SET = ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_RUNTIME_VERSION", "MLFLOW_REGISTRY_URI")


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
        outcomes[request.param] = server.walk(python, SCRIPT, schema, f"flat_{request.param}", **environment)
    return outcomes[request.param]


@pytest.mark.parametrize("name", steps_of(SCRIPT))
def test_step(name, outcome):
    passed, errors = outcome
    assert name in passed, errors[-6000:]
