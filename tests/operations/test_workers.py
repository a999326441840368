"""Real workers under kill -9, lost messages, double messages and pauses: one effect, no stuck row."""

import os
import re
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from registry.models import Operation, OperationState
from registry.services.operation_delivery import wake_worker
from registry.services.operation_sweep import wake_operations
from registry.services.operations import request_cancel
from tests.operations.conftest import CONCURRENCY, LEASE_SECONDS, PATIENCE, flush_broker, start_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = ["before the effect", "inside the effect", "after the effect"]


def lease_is_over():
    """A moment at which every lease taken until now has ended."""
    return timezone.now() + timedelta(seconds=LEASE_SECONDS + 1)


def take_back(puppet):
    """Sweep until the lease that stands now is taken back, and no later one: the row may be locked for a moment."""
    fence = puppet.row.fence
    wait_until(lambda: (wake_operations(now=lease_is_over()), puppet.row.fence > fence)[1], "the sweep")


def test_an_operation_runs_once_from_end_to_end(worker, submit):
    puppet = submit()
    ended = puppet.ended()
    assert (ended.state, ended.progress, ended.attempts) == (OperationState.SUCCEEDED, 100, 1)
    assert ended.result == {"attempt": 1}
    assert puppet.log == ["effect"]


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_at_a_step_leaves_one_effect(worker, submit, step):
    puppet = submit("test_steps", step)
    os.kill(puppet.reached(step), signal.SIGKILL)
    take_back(puppet)
    ended = puppet.ended()
    assert (ended.state, ended.result) == (OperationState.SUCCEEDED, {"attempt": 2})
    assert puppet.log.count("effect") == 1


def test_a_worker_killed_while_it_ends_an_operation_leaves_nothing_half_done(worker, submit):
    puppet = submit("test_failing", "inside the cleanup")
    os.kill(puppet.reached("inside the cleanup"), signal.SIGKILL)
    take_back(puppet)
    ended = puppet.ended()
    assert (ended.state, ended.attempts) == (OperationState.FAILED, 2)
    assert "secret" not in ended.error
    assert str(ended.pk) in ended.error
    assert puppet.log.count("tidied after FAILED") == 1


def test_an_operation_that_kills_every_worker_is_given_up(worker, submit, settings):
    settings.OPERATION_MAX_ATTEMPTS = 2
    puppet = submit("test_steps", "before the effect", attempts_stopped=9)
    for _ in range(2):
        os.kill(puppet.reached("before the effect"), signal.SIGKILL)
        take_back(puppet)
    assert puppet.row.state == OperationState.FAILED
    assert "2 attempts" in puppet.row.error
    assert "tidied after FAILED" in puppet.log


def test_a_whole_worker_killed_is_replaced_by_another(worker_folder, submit, empty_broker):
    first = start_worker(worker_folder, "doomed", queues="build")
    puppet = submit("test_steps_elsewhere", "before the effect")
    os.kill(parent_of(puppet.reached("before the effect")), signal.SIGKILL)
    first.process.wait(PATIENCE)
    wake_operations(now=lease_is_over())
    second = start_worker(worker_folder, "successor", queues="build")
    try:
        assert puppet.ended().state == OperationState.SUCCEEDED
    finally:
        second.stop()
    assert puppet.log.count("effect") == 1


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_flushed_redis_loses_no_operation(worker, submit):
    busy = [submit("test_steps", "before the effect") for _ in range(CONCURRENCY)]
    for puppet in busy:
        puppet.reached("before the effect")
    waiting = [submit() for _ in range(5)]
    flush_broker()
    Operation.objects.filter(state=OperationState.PENDING).update(sent_at=timezone.now() - timedelta(hours=1))
    assert wake_operations().sent == len(waiting)
    assert wake_operations().sent == 0
    for puppet in busy:
        puppet.go()
    assert {puppet.ended().state for puppet in [*busy, *waiting]} == {OperationState.SUCCEEDED}
    assert all(puppet.log == ["effect"] for puppet in [*busy, *waiting])


def test_a_message_delivered_twice_runs_once(worker, submit):
    puppet = submit("test_steps", "inside the effect")
    puppet.reached("inside the effect")
    for _ in range(3):
        assert wake_worker(puppet.operation_id, queue="default")
    other = submit()
    other.ended()  # Behind the copies in the queue: they have all been looked at.
    puppet.go()
    ended = puppet.ended()
    assert wake_worker(puppet.operation_id, queue="default")
    submit().ended()
    assert (ended.state, puppet.row.attempts) == (OperationState.SUCCEEDED, 1)
    assert puppet.log == ["effect"]


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_paused_past_its_lease_can_do_no_more(worker, submit, step):
    puppet = submit("test_steps", step)
    paused = puppet.reached(step)
    os.kill(paused, signal.SIGSTOP)
    try:
        take_back(puppet)
        first_end = puppet.ended()
        assert (first_end.state, first_end.result) == (OperationState.SUCCEEDED, {"attempt": 2})
        puppet.go()
    finally:
        os.kill(paused, signal.SIGCONT)
    noticed = re.compile(rf"operation {puppet.operation_id} (is held by another|could not keep|lost the database)")
    wait_until(lambda: noticed.search(worker.text), "the paused worker to notice")
    submit().ended()
    last = puppet.row
    assert (last.fence, last.finished_at) == (first_end.fence, first_end.finished_at)
    assert puppet.log.count("effect") == 1


def test_a_waiting_operation_is_canceled_at_once(people, submit, transactional_db, empty_broker):
    puppet = submit("test_steps_elsewhere")
    assert request_cancel(actor=people.owner, operation_id=puppet.operation_id).state == OperationState.CANCELED
    assert puppet.row.error == "Canceled by owner@example.com."
    assert puppet.log == ["tidied after CANCELED"]


def test_a_running_operation_stops_when_asked(worker, people, submit):
    puppet = submit("test_steps", "before the effect")
    puppet.reached("before the effect")
    assert request_cancel(actor=people.owner, operation_id=puppet.operation_id).state == OperationState.RUNNING
    puppet.go()
    assert puppet.ended().state == OperationState.CANCELED
    assert puppet.log == ["tidied after CANCELED"]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_an_operation_that_does_not_stop_is_killed(worker, people, submit, settings):
    puppet = submit("test_stubborn", "stubborn")
    pid = puppet.reached("stubborn")
    puppet.go()
    request_cancel(actor=people.owner, operation_id=puppet.operation_id)
    swept = wake_operations(now=timezone.now() + timedelta(seconds=settings.OPERATION_CANCEL_GRACE_SECONDS + 1))
    assert swept.stopped == 1
    assert puppet.row.state == OperationState.CANCELED
    wait_until(lambda: not alive(pid), "the process to be killed")
    assert submit().ended().state == OperationState.SUCCEEDED
    assert Operation.objects.filter(state=OperationState.RUNNING).count() == 0
