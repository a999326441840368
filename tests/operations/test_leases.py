"""Every write of a worker is a compare-and-set: two connections, one winner."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from registry.models import Operation, OperationState
from registry.services import operation_leases as leases
from registry.services.operation_sweep import wake_operations
from registry.services.operations import submit_operation
from tests.operations import kinds  # noqa: F401  (registers the kinds)


@pytest.fixture
def operation(people, transactional_db, empty_broker):
    return submit_operation(actor=people.owner, kind="test_steps_elsewhere", params={})


def claim(operation, **options):
    claimed = leases.claim(operation_id=operation.pk, **options)
    assert claimed is not None
    return claimed


def worker_writes(operation, fence):
    """Everything that a worker writes, by name."""
    held = {"operation_id": operation.pk, "fence": fence}
    return {
        "heartbeat": lambda: leases.heartbeat(**held),
        "check": lambda: leases.check_held(**held),
        "progress": lambda: leases.report_progress(**held, percent=7, step="late"),
        "log": lambda: leases.append_log(**held, text="late"),
        "give back": lambda: leases.give_back(**held, reason="late"),
        "finish": lambda: leases.finish(**held, state=OperationState.SUCCEEDED),
    }


def test_of_two_workers_that_claim_at_once_one_wins(operation, other_connection):
    start = threading.Barrier(2)

    def take():
        start.wait()
        return leases.claim(operation_id=operation.pk)

    answers = []
    threads = [threading.Thread(target=lambda: answers.append(other_connection(take))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer is not None for answer in answers) == [False, True]
    operation.refresh_from_db()
    assert (operation.fence, operation.attempts) == (1, 1)


def test_a_claim_waits_for_another_and_then_finds_nothing(operation, other_connection):
    with transaction.atomic():
        claim(operation)
        locked = "SELECT 1 FROM registry_operation WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED"

        def look():
            with connection.cursor() as cursor:
                cursor.execute(locked, [operation.pk])
                return cursor.fetchone()

        assert other_connection(look) is None
    assert other_connection(lambda: leases.claim(operation_id=operation.pk)) is None


@pytest.mark.parametrize("write", ["heartbeat", "check", "progress", "log", "give back", "finish"])
def test_a_worker_that_lost_its_lease_writes_nothing(operation, other_connection, write):
    old = claim(operation)
    wake_operations(now=old.lease_until + timedelta(seconds=1))
    new = other_connection(lambda: claim(operation))
    before = Operation.objects.filter(pk=operation.pk).values().get()
    log_before = operation.log.count()
    with pytest.raises(leases.LeaseLost):
        worker_writes(operation, old.fence)[write]()
    assert Operation.objects.filter(pk=operation.pk).values().get() == before
    assert operation.log.count() == log_before
    worker_writes(operation, new.fence)[write]()


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELED"])
def test_what_has_ended_is_never_claimed_or_written_again(operation, state):
    held = claim(operation)
    leases.finish(operation_id=held.pk, fence=held.fence, state=OperationState(state))
    assert leases.claim(operation_id=operation.pk) is None
    for write in worker_writes(operation, held.fence).values():
        with pytest.raises(leases.LeaseLost):
            write()


def test_a_heartbeat_moves_the_end_of_the_lease(operation, settings):
    now = timezone.now()
    held = claim(operation, now=now)
    later = now + timedelta(seconds=settings.OPERATION_LEASE_SECONDS - 1)
    leases.heartbeat(operation_id=held.pk, fence=held.fence, now=later)
    swept = wake_operations(now=now + timedelta(seconds=settings.OPERATION_LEASE_SECONDS + 1))
    assert (swept.released, swept.failed) == (0, 0)


def test_the_sweep_passes_over_a_row_that_takes_effect(operation, other_connection):
    held = claim(operation)
    over = held.lease_until + timedelta(seconds=1)
    with transaction.atomic():
        leases.lock_held(operation_id=held.pk, fence=held.fence)
        assert other_connection(lambda: wake_operations(now=over)).released == 0
    assert wake_operations(now=over).released == 1


def test_a_cleanup_that_fails_leaves_the_end_standing(operation):
    held = claim(operation)

    def broken(row):
        row.log.create(at=row.finished_at, text="half done")
        raise RuntimeError

    leases.finish(operation_id=held.pk, fence=held.fence, state=OperationState.FAILED, error="x", cleanup=broken)
    operation.refresh_from_db()
    assert operation.state == OperationState.FAILED
    assert list(operation.log.values_list("text", flat=True)) == ["Cleaning up failed; the server's log says why."]
