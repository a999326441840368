"""Stock databricks-sdk and mlflow.deployments make, query, change and delete endpoints of the running product."""

import sys

import pytest

from tests.clients.conftest import Server, steps_of

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]
SCRIPT = "serving.py"


@pytest.fixture(scope="module")
def outcome(server: Server) -> tuple[set[str], str]:
    """The steps that passed, and what the client wrote."""
    return server.walk(sys.executable, SCRIPT, server.make_schema("serving"))


@pytest.mark.parametrize("name", steps_of(SCRIPT))
def test_step(name, outcome):
    passed, errors = outcome
    assert name in passed, errors[-6000:]
