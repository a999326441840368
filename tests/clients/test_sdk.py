"""Stock databricks-sdk manages a workspace, by token and by a service principal's secret."""

import sys

import pytest

from tests.clients.conftest import Server, steps_of

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]
SCRIPT = "sdk_workspace.py"


@pytest.fixture(scope="module")
def outcome(server: Server) -> tuple[set[str], str]:
    """The steps that passed, and what the client wrote."""
    return server.walk(sys.executable, SCRIPT, "sdk_catalog")


@pytest.mark.parametrize("name", steps_of(SCRIPT))
def test_step(name, outcome):
    passed, errors = outcome
    assert name in passed, errors[-6000:]


def test_the_client_warns_of_nothing(outcome):
    """Discovery that it cannot read is told of at every start."""
    _, errors = outcome
    assert "WARNING" not in errors
