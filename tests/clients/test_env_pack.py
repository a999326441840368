"""A registration with env_pack; the packed environment is staged by an operation: unpacked, compiled and tried."""

import pytest

from tests.stack.conftest import wait_for

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]


def test_env_pack_registers_and_is_staged(server, skinny):
    schema = server.make_schema("env_pack")
    done = server.run(skinny, "env_pack.py", schema)
    for step in ("packed", "source intact", "loads"):
        assert f"ok {step}\n" in done.stdout, done.stderr[-6000:]
    assert "Failed to stage" not in done.stdout + done.stderr

    def staged():
        answer = server.call("GET", "/api/modelkeep/operations?kind=stage_deployment").json()
        return [one for one in answer["operations"] if one["state"] in {"SUCCEEDED", "FAILED", "CANCELED"}]

    operations = wait_for("the staging ends", staged, seconds=240)
    logs = [server.call("GET", f"/api/modelkeep/operations/{one['id']}/log").json()["lines"] for one in operations]
    assert [(one["state"], one["error"]) for one in operations] == [("SUCCEEDED", "")], logs
    result = operations[0]["result"]
    assert result["mlflow"] == "3.17.2"
    assert 0 < result["size_bytes"] <= 1024**3
