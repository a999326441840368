"""Stock clients of open-source Unity Catalog: mlflow's `uc:http://…` registry, and unitycatalog-client."""

import sys

import pytest

from tests.clients.conftest import Server, steps_of

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]
SCRIPTS = {"uc_oss.py": "oss_life", "unity_catalog_client.py": "oss_client"}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple[set[str], str]]:
    return {}


def outcome_of(script: str, server: Server, outcomes) -> tuple[set[str], str]:
    """The steps that passed, and what the client wrote; each script runs once."""
    if script not in outcomes:
        schema = server.make_schema(SCRIPTS[script])
        outcomes[script] = server.walk(sys.executable, script, schema)
    return outcomes[script]


@pytest.mark.parametrize(("script", "name"), [(script, name) for script in SCRIPTS for name in steps_of(script)])
def test_step(script, name, server, outcomes):
    passed, errors = outcome_of(script, server, outcomes)
    assert name in passed, errors[-6000:]
