"""What the supervisor writes down: minutes add up, and what was deleted meanwhile stops nothing."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from serving.models import (
    Deployment,
    EndpointConfig,
    EndpointEvent,
    EndpointSample,
    Replica,
    ReplicaState,
    ServedEntity,
    ServingEndpoint,
)
from serving.services.replica_logs import logs_text, read_tail, replica_logs
from serving.services.replica_records import (
    DeploymentChange,
    ReplicaRecord,
    SampleKey,
    add_samples,
    close_lost,
    forget_old_replicas,
    forget_old_samples,
    write_deployments,
    write_replicas,
)

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(second=0, microsecond=0)


@pytest.fixture
def entity(people):
    endpoint = ServingEndpoint.objects.create(
        name="kept", creator=people.owner.principal, created_at=NOW, updated_at=NOW
    )
    config = EndpointConfig.objects.create(endpoint=endpoint, version=1, created_at=NOW)
    return ServedEntity.objects.create(
        config=config, name="one", entity_name="a.b.c", entity_version="1", is_wanted=True, created_at=NOW
    )


def record(entity_id, **values):
    values = {"state": ReplicaState.READY, "pid": 7, "created_at": NOW, **values}
    return ReplicaRecord(id=values.pop("id", uuid.uuid4()), entity_id=entity_id, host="here", **values)


def test_minutes_add_up_and_a_deleted_endpoint_has_none(entity):
    key = SampleKey(entity.config.endpoint_id, "one", "1", NOW)
    gone = SampleKey(uuid.uuid4(), "one", "1", NOW)
    values = {"requests": 2, "latency_counts": [1, 1], "latency_sum_ms": 1.5, "cpu_percent": 10.0}
    add_samples({gone: values, key: values})
    add_samples({key: {**values, "cpu_percent": 30.0}})
    row = EndpointSample.objects.get()
    assert (row.requests, row.latency_counts, row.latency_sum_ms, row.cpu_percent) == (4, [2, 2], 3.0, 30.0)
    assert forget_old_samples(now=NOW + timedelta(days=13)) == 0
    assert forget_old_samples(now=NOW + timedelta(days=15)) == 1


@pytest.mark.django_db(transaction=True)
def test_replica_of_a_deleted_entity_is_left_out(entity):
    kept, lost = record(entity.pk), record(uuid.uuid4())
    write_replicas([lost, kept])
    assert [row.pk for row in Replica.objects.all()] == [kept.id]
    write_replicas([record(entity.pk, id=kept.id, state=ReplicaState.FAILED, ended_at=NOW, log_tail="the end")])
    row = Replica.objects.get()
    assert (row.state, row.log_tail) == (ReplicaState.FAILED, "the end")
    assert forget_old_replicas(now=NOW + timedelta(days=15)) == 1


def test_states_are_told_once_and_only_of_what_is_wanted(entity):
    ready = DeploymentChange(entity.pk, Deployment.READY, "")
    write_deployments([ready])
    write_deployments([ready, DeploymentChange(uuid.uuid4(), Deployment.FAILED, "gone")])
    write_deployments([DeploymentChange(entity.pk, Deployment.RECOVERING, "It ended with code 9.")])
    ServedEntity.objects.update(is_wanted=False)
    write_deployments([DeploymentChange(entity.pk, Deployment.FAILED, "too late")])
    entity.refresh_from_db()
    assert entity.deployment == Deployment.RECOVERING
    kinds = list(EndpointEvent.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == ["ENTITY_READY", "ENTITY_RECOVERING"]


def test_replicas_without_a_process_are_closed(entity):
    alive, lost = record(entity.pk), record(entity.pk)
    write_replicas([alive, lost])
    assert close_lost(host="elsewhere", held=[]) == 0
    assert close_lost(host="here", held=[alive.id]) == 1
    assert Replica.objects.get(pk=lost.id).state == ReplicaState.FAILED


def test_logs_come_from_the_file_while_it_runs_and_from_the_row_after_that(entity, settings, tmp_path):
    settings.SERVING_ROOT = str(tmp_path)
    running = record(entity.pk)
    over = record(
        entity.pk,
        state=ReplicaState.FAILED,
        log_tail="the end of it",
        reason="It ended.",
        created_at=NOW - timedelta(hours=1),
    )
    write_replicas([running, over])
    folder = tmp_path / "replicas" / str(running.id)
    folder.mkdir(parents=True)
    (folder / "log").write_bytes(b"one\ntwo \xff\x00\n")
    live, ended = replica_logs(entity)
    assert (live.is_live, live.text) == (True, "one\ntwo \ufffd\n")
    assert (ended.is_live, ended.text) == (False, "the end of it")
    text = logs_text(entity)
    assert text.index("the end of it") < text.index("It ended.") < text.index("two")


def test_a_log_is_read_without_the_colours_of_terminals(tmp_path):
    (tmp_path / "log").write_bytes(b"\x1b[33mAdd type hints\x1b[0m \x00[1m] a\n")
    assert read_tail(tmp_path / "log") == "Add type hints [1m] a\n"
    assert read_tail(tmp_path / "none") == ""
