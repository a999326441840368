"""A model with a thousand versions: in bounded time, and whole whatever is killed on the way."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.models import Blob, ManifestEntry, ModelVersion, Operation
from registry.services.imports import ImportRequest, submit_import
from registry.services.operation_runner import run_operation
from registry.services.operation_sweep import wake_operations
from registry.services.operations import request_cancel
from tests.imports.conftest import INTO, MLMODEL
from tests.operations.conftest import _test_database_url, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 60
"""Of processor time, so that neighbours on the same machine do not count; the source spends its own."""


@pytest.fixture
def thousand(mlflow_server):
    return many(mlflow_server, 1000)


def many(server, count):
    """Versions that share one small model, as a nightly job leaves them."""
    name = f"nightly-{uuid.uuid4().hex[:8]}"
    location = server.write(f"0/{name}/artifacts/model", **{"MLmodel": MLMODEL, "data/w.bin": os.urandom(500)})
    server.many_versions(name, count, location)
    return name


@pytest.mark.django_db(transaction=True)  # The heartbeat beats on a connection of its own.
def test_a_thousand_versions_in_a_minute(import_from, mlflow_server, thousand):
    begun = time.process_time()
    operation = import_from(mlflow_server.url, models=[thousand])
    took = time.process_time() - begun
    assert (operation.state, operation.error) == ("SUCCEEDED", "")
    assert took < SECONDS
    versions = ModelVersion.objects.filter(model__securable__name=thousand, status="READY")
    assert list(versions.order_by("version").values_list("version", flat=True)) == list(range(1, 1001))
    assert versions.get(version=321).comment == "number 321"
    assert (ManifestEntry.objects.count(), Blob.objects.count()) == (2000, 2)
    again = time.process_time()
    assert import_from(mlflow_server.url, models=[thousand]).result["counts"]["present"] == 1000
    assert time.process_time() - again < 10


@pytest.mark.django_db
def test_one_version_more_costs_the_same_wherever_it_stands(import_from, mlflow_server):
    def queries(count):
        name = many(mlflow_server, count)
        with CaptureQueriesContext(connection) as captured:
            assert import_from(mlflow_server.url, models=[name]).state == "SUCCEEDED"
        return len(captured)

    few, more, most = queries(2), queries(12), queries(22)
    assert abs((most - more) - (more - few)) <= 10


@pytest.fixture
def process_environment(stores):
    return {
        **os.environ,
        "DATABASE_URL": _test_database_url(),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ARTIFACT_ROOT": str(stores / "artifacts"),
        "MODELKEEP_TRACKING_ROOT": str(stores / "tracking"),
        "MODELKEEP_OPERATION_LEASE_SECONDS": "3",
        "MODELKEEP_OPERATION_HEARTBEAT_SECONDS": "1",
    }


def ready():
    return ModelVersion.objects.filter(status="READY").count()


@pytest.mark.django_db(transaction=True)
def test_killed_on_the_way_it_goes_on(schema, process_environment, mlflow_server, tmp_path):
    name = many(mlflow_server, 300)
    options = ["--from", mlflow_server.url, "--model", name, "--into", INTO, "--as", "owner@example.com"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "django", "import_mlflow", *options, "--allow-private"],
            env=process_environment,
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: ready() >= 20 or process.poll() is not None, "some versions")
        assert process.poll() is None, (tmp_path / "log").read_text()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    survived = ready()
    assert 0 < survived < 300
    operation = Operation.objects.get()
    assert operation.state == "RUNNING"
    wait_until(
        lambda: (wake_operations(now=timezone.now() + timedelta(minutes=5)), taken_back(operation))[1], "the sweep"
    )
    run_operation(operation_id=operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.attempts, operation.error) == ("SUCCEEDED", 2, "")
    assert operation.result["counts"] == {
        "models": 1,
        "models_failed": 0,
        "imported": 300,
        "present": 0,
        "failed": 0,
    }
    numbers = list(ModelVersion.objects.order_by("version").values_list("version", "status"))
    assert numbers == [(number, "READY") for number in range(1, 301)]
    files = ModelVersion.objects.annotate(count=Count("files")).values_list("count", flat=True)
    assert set(files) == {2}


def taken_back(operation):
    return Operation.objects.get(pk=operation.pk).state == "PENDING"


@pytest.mark.django_db(transaction=True)
def test_canceled_it_stops_and_can_be_asked_for_again(people, schema, mlflow_server):
    name = many(mlflow_server, 300)
    wanted = ImportRequest(source_url=mlflow_server.url, models=[name], into=INTO, allow_private=True)
    operation = submit_import(actor=people.owner, wanted=wanted)
    runner = threading.Thread(target=run_and_close, args=(operation.pk,))
    runner.start()
    try:
        wait_until(lambda: ready() >= 5, "some versions")
        request_cancel(actor=people.owner, operation_id=operation.pk)
    finally:
        runner.join(60)
    operation.refresh_from_db()
    assert (operation.state, operation.error) == ("CANCELED", "Canceled by owner@example.com.")
    stopped_at = ready()
    assert 5 <= stopped_at < 300
    assert not ModelVersion.objects.filter(status="PENDING_REGISTRATION").exists()
    again = submit_import(actor=people.owner, wanted=wanted)
    run_operation(operation_id=again.pk)
    again.refresh_from_db()
    assert again.result["counts"]["present"] == stopped_at
    assert list(ModelVersion.objects.order_by("version").values_list("version", "status")) == [
        (number, "READY") for number in range(1, 301)
    ]


def run_and_close(operation_id):
    from django.db import connections

    try:
        run_operation(operation_id=operation_id)
    finally:
        connections.close_all()
