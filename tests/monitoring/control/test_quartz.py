"""Quartz schedules: what is read, what is refused, and clocks that are put forward and back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.services.quartz import Schedule, parse_schedule
from registry.errors import InvalidParameter


def times(expression, zone, start, count=3):
    schedule, found, at = parse_schedule(expression, zone), [], start
    for _ in range(count):
        at = schedule.next_after(at)
        found.append(at)
    return [at.strftime("%m-%d %H:%M") for at in found]


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("0 0 12 * * ?", "UTC", ["01-01 12:00", "01-02 12:00", "01-03 12:00"]),
        ("0 0 12 * * *", None, ["01-01 12:00", "01-02 12:00", "01-03 12:00"]),
        ("0 0/15 9 ? * MON-FRI", "UTC", ["01-01 09:00", "01-01 09:15", "01-01 09:30"]),
        ("0 0 9 ? * MON", "America/New_York", ["01-05 14:00", "01-12 14:00", "01-19 14:00"]),
        ("0 0 9 ? * 2", "UTC", ["01-05 09:00", "01-12 09:00", "01-19 09:00"]),
        ("0 0 9 ? * 6L", "UTC", ["01-30 09:00", "02-27 09:00", "03-27 09:00"]),
        ("0 0 9 ? * FRI#3", "UTC", ["01-16 09:00", "02-20 09:00", "03-20 09:00"]),
        ("0 15 10 L * ?", "UTC", ["01-31 10:15", "02-28 10:15", "03-31 10:15"]),
        ("0 0 0 ? JUL SAT-MON 2026", "UTC", ["07-04 00:00", "07-05 00:00", "07-06 00:00"]),
        ("0 0 0 1 * ?", "UTC", ["02-01 00:00", "03-01 00:00", "04-01 00:00"]),
    ],
)
def test_it_runs_when_quartz_says(expression, zone, expected):
    assert times(expression, zone, utc(2026, 1, 1)) == expected


def test_a_time_that_the_clock_jumps_over_comes_as_long_after_the_jump():
    assert times("0 30 2 * * ?", "Europe/Rome", utc(2026, 3, 28, 12)) == ["03-29 01:30", "03-30 00:30", "03-31 00:30"]


def test_a_time_that_comes_twice_runs_once():
    assert times("0 30 2 * * ?", "Europe/Rome", utc(2026, 10, 24, 12), 2) == ["10-25 00:30", "10-26 01:30"]


def test_what_runs_every_hour_runs_every_hour_whatever_the_clock_says():
    back = times("0 0 * * * ?", "Europe/Rome", utc(2026, 10, 24, 22, 30), 4)
    assert back == ["10-24 23:00", "10-25 00:00", "10-25 01:00", "10-25 02:00"]
    ahead = times("0 0/30 * * * ?", "Europe/Rome", utc(2026, 3, 29, 0, 10), 4)
    assert ahead == ["03-29 00:30", "03-29 01:00", "03-29 01:30", "03-29 02:00"]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "noon",
        "* * * *",
        "0 12 * * *",
        "0 0 12 1 * MON",
        "0 0 12 ? * ?",
        "? 0 12 * * ?",
        "0 0 12 15W * ?",
        "0 0 12 L-3 * ?",
        "0 0 25 * * ?",
        "0 0 12 ? * FOO",
        "0 0 12 ? * 0",
        "0 0 12 ? * 8",
        "0 0/0 * * * ?",
        "0 0 12 * * ? 2030 2031",
        "0 0 12 * * ?; rm -rf",
        "0 " * 400,
    ],
)
def test_what_cannot_be_read_is_refused_with_an_example(expression):
    with pytest.raises(InvalidParameter, match="quartz_cron_expression"):
        parse_schedule(expression, "UTC")


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "/etc/passwd", 5, "Europe/Rome\x00"])
def test_an_unknown_time_zone_is_refused(zone):
    with pytest.raises(InvalidParameter, match="timezone_id"):
        parse_schedule("0 0 12 * * ?", zone)


def test_one_that_never_comes_has_no_next_time():
    assert Schedule("0 0 0 30 2 ?", "UTC").next_after(utc(2026, 1, 1)) is None
    assert Schedule("0 0 0 1 1 ? 1990", "UTC").next_after(utc(2026, 1, 1)) is None


ZONES = st.sampled_from(["UTC", "Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
EXPRESSIONS = st.sampled_from(["0 0 12 * * ?", "0 30 2 * * ?", "0 0 * * * ?", "0 0/20 * * * ?", "0 15 1 ? * SUN"])


@given(EXPRESSIONS, ZONES, st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1)))
def test_the_next_time_is_later_and_nothing_lies_between(expression, zone, moment):
    schedule, start = Schedule(expression, zone), moment.replace(tzinfo=UTC)
    first = schedule.next_after(start)
    assert first > start
    assert schedule.next_after(start + (first - start) / 2) == first
    assert schedule.next_after(first) > first
    assert first - start <= timedelta(days=8)
