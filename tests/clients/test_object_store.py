"""The lifecycle of stock clients on a server whose files lie in an object store, which links lead them to."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import Server, open_server, steps_of
from tests.clients.test_lifecycle import SCRIPT
from tests.s3store import BUCKET, ObjectStore, running_store
from tests.stack.conftest import Launcher

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("object store")]

ROUTES = {
    "files": {},
    "presigned": {"MLFLOW_USE_DATABRICKS_SDK_MODEL_ARTIFACTS_REPO_FOR_UC": "false"},
}
"""Both ways on which a stock client moves files."""


@pytest.fixture(scope="module")
def object_store() -> Iterator[ObjectStore]:
    with running_store() as store:
        yield store


@pytest.fixture(scope="module")
def s3_server(object_store) -> Iterator[Server]:
    environment = {**object_store.environment, "ARTIFACT_ROOT": f"s3://{BUCKET}/kept"}
    with open_server(Path(tempfile.mkdtemp(prefix="mk-")), **environment) as server:
        yield server


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple[set[str], str]]:
    return {}


def outcome_of(route: str, server: Server, outcomes) -> tuple[set[str], str]:
    """The steps that passed, and what the client wrote. It is given nothing of the object store but links."""
    if route not in outcomes:
        schema = server.make_schema(f"stored_{route}")
        nothing = dict.fromkeys((name for name in os.environ if name.startswith("AWS_")), "")
        outcomes[route] = server.walk(sys.executable, SCRIPT, schema, **nothing, **ROUTES[route])
    return outcomes[route]


@pytest.mark.parametrize("name", steps_of(SCRIPT))
@pytest.mark.parametrize("route", ROUTES)
def test_step(route, name, s3_server, outcomes):
    passed, errors = outcome_of(route, s3_server, outcomes)
    assert name in passed, errors[-6000:]


@pytest.mark.parametrize("route", ROUTES)
def test_nothing_of_it_lies_in_the_data_folder(route, s3_server, outcomes):
    outcome_of(route, s3_server, outcomes)
    folder = s3_server.launcher.folder
    kept = [path for name in ("artifacts", "tracking") for path in (folder / name).rglob("*") if path.is_file()]
    assert kept == []


def test_status_names_the_store(s3_server):
    said = s3_server.launcher.manage("status", "--data-dir", str(s3_server.launcher.folder))
    assert said.returncode == 0, said.stdout
    assert f"artifacts s3://{BUCKET}/kept" in said.stdout


def test_a_start_without_a_bucket_says_so_and_starts_nothing(object_store, tmp_path):
    launcher = Launcher(tmp_path / "data")
    environment = {**object_store.environment, "ARTIFACT_ROOT": "s3://no-such-bucket/x"}
    done = launcher.manage("up", "--port", "0", "--data-dir", str(launcher.folder), **environment)
    assert done.returncode == 1
    assert "There is no bucket 'no-such-bucket': create it, or correct ARTIFACT_ROOT." in done.stderr
    assert not (launcher.folder / "postgres").exists()


def test_tables_cannot_lie_in_an_object_store(tmp_path):
    launcher = Launcher(tmp_path / "data")
    done = launcher.manage("up", "--data-dir", str(launcher.folder), MODELKEEP_TABLE_ROOT="s3://bucket/tables")
    assert done.returncode == 1
    assert "MODELKEEP_TABLE_ROOT must be a folder" in done.stderr
