"""Operations that ended long ago go, with their logs; nothing that waits or runs ever does."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.models import AuditEvent, Operation, OperationLogLine
from registry.services.operation_history import forget_old_operations
from registry.services.operations import submit_operation
from registry.tasks import forget_old_operations_task

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def operation(people, state, *, days, finished=True):
    made = submit_operation(actor=people.owner, kind="sweep_artifacts", params={}, subject="artifacts")
    at = NOW - timedelta(days=days)
    Operation.objects.filter(pk=made.pk).update(state=state, created_at=at, finished_at=at if finished else None)
    OperationLogLine.objects.create(operation=made, at=at, text="a line")
    return made


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELED"])
def test_what_is_over_for_long_goes_with_its_log_and_stays_on_the_trail(people, settings, state):
    settings.OPERATION_DAYS = 30
    old, young = operation(people, state, days=31), operation(people, state, days=29)
    retry = operation(people, "PENDING", days=0, finished=False)
    Operation.objects.filter(pk=retry.pk).update(retry_of=old)
    asked = AuditEvent.objects.filter(action="submitOperation").count()
    assert forget_old_operations(now=NOW) == 1
    assert set(Operation.objects.values_list("pk", flat=True)) == {young.pk, retry.pk}
    assert not OperationLogLine.objects.filter(operation_id=old.pk).exists()
    assert AuditEvent.objects.filter(action="submitOperation").count() == asked == 3
    assert forget_old_operations(now=NOW) == 0


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_what_waits_or_runs_stays_however_old(people, settings, state):
    settings.OPERATION_DAYS = 30
    operation(people, state, days=400, finished=False)
    assert forget_old_operations(now=NOW) == 0
    assert Operation.objects.count() == 1


def test_what_began_long_ago_and_ended_lately_stays(people, settings):
    settings.OPERATION_DAYS = 30
    long = operation(people, "SUCCEEDED", days=40)
    Operation.objects.filter(pk=long.pk).update(finished_at=NOW - timedelta(days=1))
    assert forget_old_operations(now=NOW) == 0


def test_nothing_goes_when_everything_is_to_be_kept(people, settings):
    operation(people, "SUCCEEDED", days=4000)
    settings.OPERATION_DAYS = 0
    assert forget_old_operations(now=NOW) == 0
    settings.OPERATION_DAYS = 30
    forget_old_operations_task()
    assert not Operation.objects.exists()


def test_many_go_in_one_call_and_a_batch_costs_what_one_does(
    people, settings, monkeypatch, django_assert_num_queries, django_assert_max_num_queries
):
    monkeypatch.setattr("registry.services.operation_history._BATCH", 4)
    settings.OPERATION_DAYS = 30
    operation(people, "SUCCEEDED", days=31)
    with django_assert_max_num_queries(20) as single:
        assert forget_old_operations(now=NOW) == 1
    for _ in range(9):
        operation(people, "SUCCEEDED", days=31)
    with django_assert_num_queries(3 * len(single)):
        assert forget_old_operations(now=NOW) == 9
