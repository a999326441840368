"""Stock mlflow goes through the whole lifecycle, each way it can be pointed at the product."""

import sys

import pytest

from tests.clients.conftest import Server, steps_of

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]

SCRIPT = "lifecycle.py"
MODES = {
    "databricks": {},
    "http": {"DATABRICKS_RUNTIME_VERSION": "", "MLFLOW_TRACKING_URI": "{url}", "MLFLOW_TRACKING_TOKEN": "{token}"},
    "native": {"MLFLOW_ENABLE_UC_NATIVE_MODEL_REGISTRY": "true"},
    "skinny": {},
}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple[set[str], str]]:
    return {}


def outcome_of(mode: str, server: Server, request, outcomes) -> tuple[set[str], str]:
    """The steps that passed in a mode, and what the client wrote; run once a mode."""
    if mode not in outcomes:
        schema = server.make_schema(f"life_{mode}")
        token = server.environment["DATABRICKS_TOKEN"]
        environment = {name: value.format(url=server.url, token=token) for name, value in MODES[mode].items()}
        python = request.getfixturevalue("skinny") if mode == "skinny" else sys.executable
        outcomes[mode] = server.walk(python, SCRIPT, schema, **environment)
    return outcomes[mode]


@pytest.mark.parametrize("name", steps_of(SCRIPT))
@pytest.mark.parametrize("mode", MODES)
def test_step(mode, name, server, request, outcomes):
    passed, errors = outcome_of(mode, server, request, outcomes)
    assert name in passed, errors[-6000:]


@pytest.mark.parametrize("mode", MODES)
def test_the_run_inputs_are_lineage(mode, server, request, outcomes):
    outcome_of(mode, server, request, outcomes)
    answer = server.call("GET", f"/api/modelkeep/models/workspace.life_{mode}.lineage/versions/1/lineage")
    assert answer.status_code == 200, answer.text
    edges = answer.json()["edges"]
    assert [(edge["direction"], edge["kind"], edge["name"]) for edge in edges] == [
        ("UPSTREAM", "TABLE", f"workspace.life_{mode}.flowers")
    ]
    assert edges[0]["details"]["context"] == "training"
