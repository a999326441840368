"""What an alert makes of what was found: pure steps, with the time given."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.models import Comparison
from monitoring.services.alert_rules import (
    FAILED,
    REPEATED,
    RESOLVED,
    TRIGGERED,
    Found,
    Rule,
    Standing,
    compare,
    step,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ABOVE = Rule("GREATER_THAN", 10)


def walk(rule, *values, muted=(), minutes=1):
    """The states and the events of looks that find these values, one after another."""
    standing, states, events = Standing(), [], []
    for number, value in enumerate(values):
        found = value if isinstance(value, Found) else Found(value)
        what = step(rule, standing, found, now=NOW + timedelta(minutes=minutes * number), is_muted=number in muted)
        standing = what.standing
        states.append(str(standing.state))
        events.append(what.events)
    return states, [event for some in events for event in some], events


def test_it_is_told_once_a_breach_and_once_when_it_is_over():
    states, events, _ = walk(ABOVE, 5, 11, 12, 13, 9, 8, 20, 3)
    assert states == ["OK", "TRIGGERED", "TRIGGERED", "TRIGGERED", "OK", "OK", "TRIGGERED", "OK"]
    assert events == [TRIGGERED, RESOLVED, TRIGGERED, RESOLVED]


def test_between_the_two_thresholds_nothing_changes():
    rule = Rule("GREATER_THAN", 10, resolve_threshold=8)
    states, events, _ = walk(rule, 9, 11, 9, 8.5, 8, 9, 10.5)
    assert states == ["OK", "TRIGGERED", "TRIGGERED", "TRIGGERED", "OK", "OK", "TRIGGERED"]
    assert events == [TRIGGERED, RESOLVED, TRIGGERED]


def test_several_breaches_in_a_row_are_needed_and_one_good_look_starts_over():
    rule = Rule("GREATER_THAN", 10, consecutive=3)
    states, events, _ = walk(rule, 5, 11, 12, 5, 11, 12, 13, 14)
    assert states == ["OK", "OK", "OK", "OK", "OK", "OK", "TRIGGERED", "TRIGGERED"]
    assert events == [TRIGGERED]


def test_while_it_is_triggered_it_is_told_again_when_that_was_asked_for():
    _, events, _ = walk(Rule("GREATER_THAN", 10, retrigger_seconds=120), 11, 11, 11, 11, 11, 5)
    assert events == [TRIGGERED, REPEATED, REPEATED, RESOLVED]


def test_the_end_is_told_only_where_it_was_asked_for():
    assert walk(Rule("GREATER_THAN", 10, notify_on_ok=False), 11, 5)[1] == [TRIGGERED]


def test_while_it_is_muted_nobody_is_told_and_what_is_open_is_told_afterwards():
    assert walk(ABOVE, 11, 12, 13, muted={0, 1})[2] == [(), (), (TRIGGERED,)]
    assert walk(ABOVE, 11, 5, muted={0})[1] == []
    assert walk(ABOVE, 11, 5, muted={1})[1] == [TRIGGERED]


@pytest.mark.parametrize(
    ("empty", "state", "events"),
    [
        ("OK", "OK", []),
        ("TRIGGERED", "TRIGGERED", [TRIGGERED]),
        ("UNKNOWN", "UNKNOWN", []),
        ("ERROR", "ERROR", [FAILED]),
    ],
)
def test_no_row_means_what_was_said(empty, state, events):
    found = walk(Rule("GREATER_THAN", 10, empty_result_state=empty), Found(is_empty=True))
    assert (found[0], found[1]) == ([state], events)


def test_a_failed_look_neither_opens_nor_closes_and_is_told_once():
    broken = Found(error="The query failed.")
    states, events, _ = walk(ABOVE, 11, broken, broken, 12, 5, broken, 5)
    assert states == ["TRIGGERED", "ERROR", "ERROR", "TRIGGERED", "OK", "ERROR", "OK"]
    assert events == [TRIGGERED, FAILED, RESOLVED, FAILED]


@pytest.mark.parametrize(
    ("comparison", "value", "threshold", "holds"),
    [
        ("LESS_THAN", 1, 2, True),
        ("LESS_THAN_OR_EQUAL", 2, 2, True),
        ("GREATER_THAN", 2, 2, False),
        ("GREATER_THAN_OR_EQUAL", "2.0", 2, True),
        ("EQUAL", "10", 10.0, True),
        ("EQUAL", "a", "a", True),
        ("NOT_EQUAL", "a", "b", True),
        ("EQUAL", "true", True, True),
        ("NOT_EQUAL", False, True, True),
        ("IS_NULL", None, None, True),
        ("IS_NULL", float("nan"), None, True),
        ("IS_NOT_NULL", 0, None, True),
        ("GREATER_THAN", None, 1, False),
        ("NOT_EQUAL", None, 1, False),
        ("GREATER_THAN", float("inf"), 1, True),
        ("EQUAL", 2**63 + 1, 2**63, False),
        ("GREATER_THAN", "b", "a", True),
    ],
)
def test_comparisons(comparison, value, threshold, holds):
    assert compare(comparison, value, threshold) == (holds, "")


@pytest.mark.parametrize(("value", "threshold"), [("abc", 1), (1, "abc"), (1, None), ("maybe", True)])
def test_what_cannot_be_compared_is_an_error_that_says_so(value, threshold):
    holds, message = compare("GREATER_THAN", value, threshold)
    assert holds is None
    assert message


RULES = st.builds(
    Rule,
    st.sampled_from([Comparison.GREATER_THAN, Comparison.LESS_THAN_OR_EQUAL, Comparison.EQUAL]),
    st.just(10),
    resolve_threshold=st.sampled_from([None, 10.0]),
    consecutive=st.integers(1, 4),
    empty_result_state=st.sampled_from(["OK", "UNKNOWN", "TRIGGERED", "ERROR"]),
)
LOOKS = st.lists(
    st.tuples(
        st.one_of(
            st.builds(Found, st.integers(8, 12)),
            st.just(Found(is_empty=True)),
            st.just(Found(error="x")),
            st.just(Found(None)),
        ),
        st.booleans(),
    ),
    max_size=30,
)


@given(RULES, LOOKS)
def test_every_breach_is_told_at_most_once_and_resolved_after_it_was_told(rule, looks):
    standing, is_told = Standing(), False
    for number, (found, muted) in enumerate(looks):
        what = step(rule, standing, found, now=NOW + timedelta(hours=number), is_muted=muted)
        for event in what.events:
            assert not muted
            if event == TRIGGERED:
                assert not is_told
                is_told = True
            if event == RESOLVED:
                assert is_told
        assert what.opens <= (not standing.is_open)
        assert what.resolves <= standing.is_open
        assert what.standing.is_open == (standing.is_open or what.opens) - what.resolves
        assert (what.standing.state == "TRIGGERED") <= what.standing.is_open
        is_told = is_told and what.standing.is_open
        standing = what.standing
