"""`manage.py up` as a person meets it: real processes, real signals."""

import http.client
import os
import re
import signal
import socket
import sys
import time
from urllib.parse import urlsplit

import psycopg
import pytest

from config.stack import processes
from tests.stack.conftest import PATIENCE_SECONDS, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]


def get(url, path):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_answers_and_shows_the_first_password_once(running):
    url = running.state()["url"]
    assert get(url, "/.well-known/databricks-config") == 200
    assert f"ready at {url}" in running.said()
    assert re.search(r"First password  \S{12,}", running.said())


def test_status_tells_what_runs(running):
    wait_for("all ready", running.all_ready)
    result = running.manage("status", "--data-dir", str(running.folder))
    assert result.returncode == 0, result.stdout
    for name in (
        "postgres",
        "redis",
        "web",
        "mlflow",
        "worker-default",
        "worker-build",
        "housekeeping",
        "deliveries",
        "beat",
        "worker-deploy",
        "model-host",
        "serving",
    ):
        assert re.search(rf"^{name}\s+ready\s+\d+", result.stdout, re.MULTILINE), result.stdout
    assert re.search(r"^sandbox of models: (bubblewrap|landlock)$", result.stdout, re.MULTILINE), result.stdout


def test_client_env_prints_only_assignments(running):
    result = running.manage("client-env", "--data-dir", str(running.folder))
    assert result.returncode == 0, result.stderr
    lines = dict(line.split("=", 1) for line in result.stdout.splitlines())
    assert lines["DATABRICKS_HOST"] == running.state()["url"]
    assert lines["DATABRICKS_RUNTIME_VERSION"].startswith("client.4.")
    assert (lines["MLFLOW_TRACKING_URI"], lines["MLFLOW_REGISTRY_URI"]) == ("databricks", "databricks-uc")
    assert len(lines["DATABRICKS_TOKEN"]) > 20
    assert lines["MLFLOW_UC_OSS_TOKEN"] == lines["DATABRICKS_TOKEN"]
    assert lines["MLFLOW_S3_ENDPOINT_URL"] == f"{lines['DATABRICKS_HOST']}/s3"
    assert len(lines) == 7


def test_client_env_refuses_an_unknown_user(running):
    result = running.manage("client_env", "--data-dir", str(running.folder), "--user", "nobody@example.com")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "nobody@example.com" in result.stderr


def test_second_up_on_the_folder_names_the_first(running):
    result = running.manage("up", "--data-dir", str(running.folder), "--port", "0")
    assert result.returncode == 1
    assert f"process {running.process.pid}" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["web", "worker-build", "redis"])
def test_killed_child_comes_back(running, name):
    wait_for(f"{name} ready", lambda: running.child(name)["state"] == "ready")
    before = running.child(name)
    os.kill(before["pid"], signal.SIGKILL)

    def is_back():
        now = running.child(name)
        return now["restarts"] > before["restarts"] and now["state"] == "ready"

    wait_for(f"{name} back", is_back)
    assert running.child(name)["pid"] != before["pid"]
    assert get(running.state()["url"], "/.well-known/databricks-config") == 200


def test_files_are_private(running):
    assert (running.folder / "secret.key").stat().st_mode & 0o077 == 0
    assert (running.folder / "run" / "state.json").stat().st_mode & 0o077 == 0
    for path in (running.folder / "logs", running.folder / "artifacts", running.folder / "tracking"):
        assert path.stat().st_mode & 0o077 == 0, path
    wait_for("mlflow's socket", (running.folder / "run" / "mlflow.sock").exists)
    assert (running.folder / "run" / "mlflow.sock").stat().st_mode & 0o077 == 0


def test_sigterm_stops_everything_and_the_next_start_is_warm(launcher, capsys):
    cold = launcher.start()
    launcher.process.send_signal(signal.SIGTERM)
    assert launcher.process.wait(PATIENCE_SECONDS) == 0
    assert launcher.survivors() == []
    assert not (launcher.folder / "run" / "state.json").exists()
    assert launcher.manage("status", "--data-dir", str(launcher.folder)).returncode == 1

    warm = launcher.start()
    with capsys.disabled():
        sys.stdout.write(f"\n  up: cold {cold:.1f} s, warm {warm:.1f} s\n")
    assert "First password" not in launcher.said()
    assert warm < 20


def test_killed_launcher_leaves_no_orphan_and_the_folder_free(launcher):
    launcher.start()
    launcher.process.kill()
    launcher.process.wait()
    # At once, while the first run's processes still end: the new one waits for them.
    launcher.start()
    assert launcher.process.poll() is None
    pids = {child["pid"] for child in launcher.state()["children"]}
    launcher.process.kill()
    launcher.process.wait()
    wait_for("no orphan", lambda: not launcher.survivors())
    assert not [pid for pid in pids if pid and processes.is_alive(pid)]


def test_second_interrupt_kills_at_once(launcher):
    launcher.start()
    # What holds the stop up: a stopped process does not react to SIGTERM.
    os.kill(launcher.child("web")["pid"], signal.SIGSTOP)
    launcher.process.send_signal(signal.SIGINT)
    wait_for("stopping", lambda: "Stopping" in launcher.said())

    def has_ended():
        launcher.process.send_signal(signal.SIGINT)
        return launcher.process.poll() is not None

    began = time.monotonic()
    wait_for("the end", has_ended)
    assert launcher.process.returncode == 1
    assert time.monotonic() - began < 8
    wait_for("everything ended", lambda: not launcher.survivors())


def test_taken_port_is_named_before_anything_starts(launcher):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = launcher.manage("up", "--data-dir", str(launcher.folder), "--port", str(port))
    assert result.returncode == 1
    assert f"Port {port}" in result.stderr
    assert "--port" in result.stderr
    assert not (launcher.folder / "postgres").exists()


def test_database_of_another_version_is_refused(launcher):
    (launcher.folder / "postgres").mkdir()
    (launcher.folder / "postgres" / "PG_VERSION").write_text("16\n")
    result = launcher.manage("up", "--data-dir", str(launcher.folder), "--port", "0")
    assert result.returncode == 1
    assert "PostgreSQL 16" in result.stderr
    assert "Traceback" not in result.stderr


def test_child_that_never_becomes_ready_shows_its_log(launcher):
    result = launcher.manage(
        "up", "--data-dir", str(launcher.folder), "--port", "0", DJANGO_SETTINGS_MODULE="config.no_such_settings"
    )
    assert result.returncode == 1
    assert "no_such_settings" in result.stderr
    assert "The end of" in result.stderr
    assert launcher.survivors() == []


def test_named_servers_are_used_instead_of_embedded_ones(launcher):
    ours = os.environ["DATABASE_URL"]
    name = f"named_{launcher.mark[:8]}"
    with psycopg.connect(ours, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    launcher.environment = {"DATABASE_URL": ours.replace("/modelkeep?", f"/{name}?")}
    launcher.environment["REDIS_URL"] = os.environ["REDIS_URL"]
    launcher.start()
    wait_for("all ready", launcher.all_ready)
    assert {child["name"] for child in launcher.state()["children"]}.isdisjoint({"postgres", "redis"})
    assert get(launcher.state()["url"], "/.well-known/databricks-config") == 200
    assert not (launcher.folder / "postgres").exists()
