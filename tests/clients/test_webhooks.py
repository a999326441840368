"""Stock MlflowClient and databricks-sdk make webhooks and destinations; their own receiver is told, and verifies."""

import sys

import pytest

from tests.clients.conftest import Server, steps_of

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]
SCRIPT = "webhooks.py"


@pytest.fixture(scope="module")
def outcome(server: Server) -> tuple[set[str], str]:
    """The steps that passed, and what the client wrote."""
    return server.walk(sys.executable, SCRIPT)


@pytest.mark.parametrize("name", steps_of(SCRIPT))
def test_step(name, outcome):
    passed, errors = outcome
    assert name in passed, errors[-6000:]
