"""How an attempt ends, in this process: what people read, and what stays for another attempt."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from registry.errors import Conflict, Unavailable
from registry.models import AuditEvent, Operation, OperationState, Principal
from registry.services import operation_kinds
from registry.services.operation_kinds import OperationKind
from registry.services.operation_runner import run_operation
from registry.services.operation_sweep import wake_operations
from registry.services.operations import submit_operation
from tests.operations import kinds  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(people, monkeypatch):
    """Run a handler as an operation of a kind of its own."""

    def body(handler, *, times=1, **options):
        kind = OperationKind(name="test_body", title="Body", handler=handler, **options)
        monkeypatch.setitem(operation_kinds._kinds, "test_body", kind)
        operation = submit_operation(actor=people.owner, kind="test_body", params={"a": 1})
        for _ in range(times):
            assert run_operation(operation_id=operation.pk, worker="w", task_id="t")
        operation.refresh_from_db()
        return operation

    return body


def raising(error):
    def handler(context):
        raise error

    return handler


def test_a_result_is_kept(run, people):
    seen = []
    operation = run(lambda context: seen.append((context.actor.name, context.params)) or {"rows": 3})
    assert (operation.state, operation.result, operation.progress) == ("SUCCEEDED", {"rows": 3}, 100)
    assert seen == [("owner@example.com", {"a": 1})]
    assert (operation.worker, operation.task_id, operation.attempts) == ("w", "t", 1)
    assert run_operation(operation_id=operation.pk) is False


def test_a_known_error_is_told_in_its_own_words(run):
    operation = run(raising(Conflict("Somebody else was faster.")))
    assert (operation.state, operation.error) == ("FAILED", "Somebody else was faster.")


def test_an_unexpected_error_tells_an_id_and_no_secret(run, caplog):
    operation = run(raising(ValueError("password=hunter2")))
    assert operation.state == "FAILED"
    assert "hunter2" not in operation.error
    assert str(operation.pk) in operation.error
    assert "hunter2" in caplog.text


@pytest.mark.parametrize("error", [OperationalError("gone"), Unavailable("MLflow is starting.")])
def test_what_is_away_is_tried_again_but_not_for_ever(run, settings, error):
    settings.OPERATION_MAX_ATTEMPTS = 2
    tidied = []
    operation = run(raising(error), on_failure=tidied.append)
    assert (operation.state, tidied) == ("PENDING", [])
    assert operation.lease_until is None
    assert operation.sent_at is not None
    assert run_operation(operation_id=operation.pk)
    operation.refresh_from_db()
    assert operation.state == "FAILED"
    assert "2 attempts" in operation.error
    assert tidied == [operation]


def test_an_actor_that_was_disabled_meanwhile_can_do_nothing(run, people, monkeypatch):
    Principal.objects.filter(key="owner@example.com").update(is_active=False)
    ran = []
    operation = run(ran.append)
    assert (operation.state, ran) == ("FAILED", [])
    assert "owner@example.com was disabled" in operation.error
    assert AuditEvent.objects.filter(decision="DENY", actor="owner@example.com").count() == 1


def test_a_named_effect_happens_once_over_attempts(run, settings):
    done = []

    def handler(context):
        with context.effect("pay") as first:
            if first:
                done.append(context.attempt)
        if context.attempt == 1:
            raise Unavailable("away")

    operation = run(handler, times=2)
    assert (operation.state, done, operation.effects) == ("SUCCEEDED", [1], ["pay"])


def test_an_effect_that_fails_is_undone_and_not_remembered(run):
    def handler(context):
        with context.effect("pay"):
            context.log("half done")
            raise Conflict("no")

    operation = run(handler)
    assert (operation.state, operation.effects, operation.log.count()) == ("FAILED", [], 0)


def test_a_handler_sees_that_it_is_to_stop(run):
    def handler(context):
        Operation.objects.filter(pk=context.operation_id).update(cancel_requested_at=timezone.now())
        context.progress(10, "begun")

    tidied = []
    operation = run(handler, on_cancel=tidied.append)
    assert (operation.state, operation.error, tidied) == ("CANCELED", "Canceled.", [operation])


def test_a_handler_sees_that_its_lease_is_lost(run):
    def handler(context):
        wake_operations(now=timezone.now() + timedelta(hours=1))
        context.progress(10)

    operation = run(handler)
    assert (operation.state, operation.progress) == ("PENDING", 0)


def test_progress_stays_within_bounds_and_steps_are_cut(run):
    def handler(context):
        context.progress(250, "s" * 300)
        context.log("l" * 10_000 + "\x00")
        raise Conflict("stop")

    operation = run(handler)
    assert (operation.progress, len(operation.step), len(operation.log.get().text)) == (100, 255, 8192)


def test_a_kind_that_this_worker_does_not_know_is_left_to_another(people):
    operation = submit_operation(actor=people.owner, kind="test_steps", params={})
    Operation.objects.filter(pk=operation.pk).update(kind="from_the_future")
    run_operation(operation_id=operation.pk)
    operation.refresh_from_db()
    assert operation.state == OperationState.PENDING
    assert "from_the_future" in operation.log.get().text


def test_kinds_are_checked_when_they_register():
    with pytest.raises(ValueError, match="queue"):
        operation_kinds.operation_kind("x", title="X", queue="nowhere")
    with pytest.raises(ValueError, match="twice"):
        operation_kinds.operation_kind("test_steps", title="X")(lambda context: None)
