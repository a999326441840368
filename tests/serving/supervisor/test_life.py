"""Replicas from start to end, by a real supervisor and a real model host."""

import os
import signal

import pytest
from django.db import connection

from config.stack import processes
from serving.models import EndpointEvent, Replica, ReplicaState, ServedEntity
from serving.services.replica_logs import logs_text
from serving.supervisor.replicas import socket_folder
from tests.serving.supervisor.conftest import eventually

pytestmark = pytest.mark.stack


def program_of(stage, replica) -> int:
    """The model's own process, below what confines it."""
    return list(processes.tree(replica.pid))[-1]


def test_update_routes_to_the_new_version_before_the_old_one_drains(stage, people):
    first = stage.serve(people.owner, "walk", active=True)
    assert stage.ask("walk", [1, 2]) == {"predictions": [2, 4]}
    pending = stage.serve(
        people.owner, "walk", "def predict(rows):\n    return [0 for _ in rows]\n", endpoint=first.config.endpoint
    )
    stage.await_ready(pending)
    # Ready, and not asked for yet: what answers is still the old one.
    assert stage.ask("walk", [1]) == {"predictions": [2]}
    stage.activate(pending)
    eventually("the new version", lambda: stage.entity_route("walk").version == "2")
    assert stage.ask("walk", [1]) == {"predictions": [0]}
    eventually("the old replica", lambda: stage.replicas(first, ReplicaState.STOPPED))
    assert [row.exit_code for row in stage.replicas(first)] == [0]
    assert "Loaded" in logs_text(first)


def test_equal_entities_share_a_replica_and_it_follows_the_configuration(stage, people):
    first = stage.serve(people.owner, "share", fingerprint="f" * 64, active=True)
    (before,) = stage.replicas(first)
    again = stage.serve(people.owner, "share", fingerprint="f" * 64, endpoint=first.config.endpoint)
    stage.await_ready(again)
    stage.activate(again)
    eventually("the replica's new entity", lambda: stage.replicas(again, ReplicaState.READY))
    assert [row.pk for row in stage.replicas(again)] == [before.pk]
    assert Replica.objects.count() == 1


def test_killed_replica_is_replaced_and_leaves_the_routes(stage, people):
    entity = stage.serve(people.owner, "fallen", active=True)
    (first,) = stage.replicas(entity, ReplicaState.READY)
    os.kill(program_of(stage, first), signal.SIGKILL)
    eventually("its row", lambda: stage.replicas(entity, ReplicaState.FAILED))
    eventually("another one", lambda: stage.replicas(entity, ReplicaState.READY))
    gone = str(socket_folder(stage.sockets, first.pk) / "s")
    eventually("the route", lambda: stage.addresses("fallen") and gone not in stage.addresses("fallen"))
    assert stage.ask("fallen", [3]) == {"predictions": [6]}
    (failed,) = stage.replicas(entity, ReplicaState.FAILED)
    assert "137" in failed.reason


def test_replicas_survive_the_supervisor_and_the_next_takes_them_over(stage, people):
    entity = stage.serve(people.owner, "survivor", active=True)
    eventually("the route", lambda: stage.addresses("survivor"))
    (before,) = stage.replicas(entity, ReplicaState.READY)
    first = stage.supervisor
    stage.start_supervisor()
    eventually("a second one", lambda: stage.said("supervisor.log").rstrip().endswith("The supervisor is ready"))
    assert "taken over" not in stage.said("supervisor.log")
    stage.kill(first)
    assert stage.ask("survivor", [4]) == {"predictions": [8]}
    eventually("it to be taken over", lambda: "taken over" in stage.said("supervisor.log"))
    assert stage.ask("survivor", [5]) == {"predictions": [10]}
    assert [row.pk for row in stage.replicas(entity)] == [before.pk]
    os.kill(program_of(stage, before), signal.SIGKILL)
    eventually("the next to act", lambda: stage.replicas(entity, ReplicaState.FAILED))
    eventually("another replica", lambda: stage.replicas(entity, ReplicaState.READY))
    ServedEntity.objects.filter(pk=entity.pk).update(is_wanted=False)
    eventually("it to end", lambda: stage.replicas(entity, ReplicaState.STOPPED))


def test_lost_database_connections_cost_nothing(stage, people):
    stage.serve(people.owner, "steady", active=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] > 0
    assert stage.ask("steady", [1]) == {"predictions": [2]}
    stage.await_ready(stage.serve(people.owner, "later"))
    assert stage.supervisor.poll() is None


def test_scaled_to_zero_starts_when_somebody_waits(stage, people):
    entity = stage.serve(people.owner, "sleeper", active=True, scale_to_zero=True, min_concurrency=0)
    eventually("it to sleep", lambda: stage.route("sleeper") and not stage.addresses("sleeper"))
    entity.refresh_from_db()
    assert entity.deployment == "DEPLOYMENT_READY"
    eventually("it to be over", lambda: stage.replicas(entity, ReplicaState.STOPPED))
    (stage.root / "wake" / str(entity.pk)).touch()
    assert stage.ask("sleeper", [2]) == {"predictions": [4]}
    kinds = set(EndpointEvent.objects.filter(endpoint=entity.config.endpoint).values_list("kind", flat=True))
    assert "ENTITY_RECOVERING" not in kinds, "nothing was wrong"


def test_medium_entity_has_two_replicas_and_shrinks_with_its_bounds(stage, people):
    first = stage.serve(
        people.owner, "medium", active=True, fingerprint="a" * 64, min_concurrency=8, max_concurrency=16
    )
    eventually("two of them", lambda: len(stage.addresses("medium")) == 2)
    assert stage.entity_route("medium").concurrency == 8
    assert stage.entity_route("medium").max_concurrency == 16
    small = stage.serve(people.owner, "medium", endpoint=first.config.endpoint, fingerprint="a" * 64)
    stage.await_ready(small)
    stage.activate(small)
    eventually("one of them", lambda: len(stage.addresses("medium")) == 1)
    eventually("the other to end", lambda: Replica.objects.filter(state=ReplicaState.STOPPED).count() == 1)


def test_gpu_type_without_a_gpu_fails_and_says_so(stage, people):
    entity = stage.serve(people.owner, "gpu", workload_type="GPU_XLARGE_8")
    assert "GPU_XLARGE_8 needs 8 GPUs" in stage.await_failed(entity)


def test_end_of_the_host_ends_its_models_and_they_are_started_again(stage, people):
    entity = stage.serve(people.owner, "hosted", active=True)
    (before,) = stage.replicas(entity, ReplicaState.READY)
    program = program_of(stage, before)
    stage.kill(stage.host)
    eventually("the model's end", lambda: not processes.is_alive(program))
    stage.start_host()
    eventually("its row", lambda: stage.replicas(entity, ReplicaState.FAILED))
    eventually("another one", lambda: stage.replicas(entity, ReplicaState.READY))
    gone = str(socket_folder(stage.sockets, before.pk) / "s")
    eventually("the route", lambda: stage.addresses("hosted") and gone not in stage.addresses("hosted"))
    assert stage.ask("hosted", [1]) == {"predictions": [2]}


def test_right_lost_by_the_creator_keeps_a_replica_from_starting(stage, people):
    entity = stage.serve(people.owner, "rights")
    stage.await_ready(entity)
    entity.version.model.securable.owner = people.principals["outsider"]
    entity.version.model.securable.save(update_fields=["owner"])
    (first,) = stage.replicas(entity, ReplicaState.READY)
    os.kill(program_of(stage, first), signal.SIGKILL)
    assert "may not" in stage.await_failed(entity) or "not exist" in stage.await_failed(entity)
    assert not stage.replicas(entity, ReplicaState.READY)
