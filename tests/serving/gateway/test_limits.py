"""Rate limits of several gateway processes on one machine."""

import fcntl
from dataclasses import replace

import pytest

from serving.gateway.answers import Refusal
from serving.gateway.limits import RateLimits
from serving.gateway.verdicts import Verdict
from serving.routing.routes import RateLimit
from tests.serving.gateway.plane import endpoint

ANN = Verdict(requester_id="7", requester="ann@example.com", kind="USER", groups=("data", "science"))
LIMITED = replace(endpoint(), rate_limits=(RateLimit(3, 60, "endpoint"), RateLimit(2, 60, "user")))


@pytest.fixture
def now():
    return [1000.0]


@pytest.fixture
def processes(tmp_path, now):
    """The limits of two gateway processes."""
    made = [RateLimits(tmp_path / "limits", lambda: now[0]) for _ in range(2)]
    yield made
    for limits in made:
        limits.close()


def taken(limits, caller=ANN, served=LIMITED) -> bool:
    try:
        limits.take(served, caller)
    except Refusal:
        return False
    return True


def test_calls_count_for_all_processes_together(processes, now):
    first, second = processes
    assert [taken(first), taken(second), taken(first)] == [True, True, False]
    bob = replace(ANN, requester="bob@example.com")
    assert [taken(second, bob), taken(first, bob)] == [True, False], "what was refused was not counted anywhere"
    now[0] += 30
    assert not taken(second, bob)
    now[0] += 31
    assert taken(second, bob)


def test_a_window_slides_over_many_rounds(processes, now):
    served = replace(endpoint(), rate_limits=(RateLimit(5, 10, "endpoint"),))
    passed = []
    for step in range(200):
        now[0] += 0.7
        if taken(processes[step % 2], served=served):
            passed.append(now[0])
    assert all(later - earlier >= 10 for earlier, later in zip(passed, passed[5:], strict=False))
    assert len(passed) >= 65, "and no more is refused than has to be"


def test_one_group_with_calls_left_is_enough(processes):
    limits = (RateLimit(1, 60, "user_group", "data"), RateLimit(2, 60, "user_group", "science"))
    served = replace(endpoint(), rate_limits=limits)
    assert [taken(processes[0], served=served) for _ in range(3)] == [True, True, False]


def test_times_of_before_a_restart_of_the_machine_are_over(processes, now):
    assert taken(processes[0])
    assert taken(processes[0])
    now[0] = 5.0
    assert taken(processes[1])


def test_calls_that_cannot_be_counted_are_let_through(processes, tmp_path, caplog):
    assert taken(processes[0])
    with (tmp_path / "limits" / "lock").open() as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        assert all(taken(processes[0]) for _ in range(4))
    assert caplog.text.count("cannot be counted") == 1
    assert [taken(processes[0]), taken(processes[0])] == [True, False]
    (tmp_path / "file").touch()
    assert taken(RateLimits(tmp_path / "file"))
