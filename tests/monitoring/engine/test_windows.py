"""Windows on the clock: zones, summer time, weeks, months."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from monitoring.engine.spec import GRANULARITIES
from monitoring.engine.windows import Calendar, microseconds, moment


def calendar(granularity, low, high, zone="UTC"):
    return Calendar(granularity, low.replace(tzinfo=UTC), high.replace(tzinfo=UTC), zone)


def hours(found):
    return [(window.end - window.start) / 3_600e6 for window in found.windows()]


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia"])
def test_windows_follow_each_other_and_cover_the_time_asked_for(granularity, zone):
    low, high = datetime(2025, 12, 29, 13, 7), datetime(2026, 1, 3, 23, 59)
    found = calendar(granularity, low, high, zone)
    windows = found.windows()
    assert all(one.end == other.start for one, other in pairwise(windows))
    assert windows[0].start <= microseconds(low.replace(tzinfo=UTC)) < windows[0].end
    assert windows[-1].start <= microseconds(high.replace(tzinfo=UTC)) < windows[-1].end


def test_a_day_has_23_or_25_hours_when_clocks_change():
    found = calendar("1 day", datetime(2026, 3, 28, 12), datetime(2026, 3, 30, 12), "Europe/Berlin")
    assert hours(found) == [24, 23, 24]
    assert moment(found.window(1).start) == datetime(2026, 3, 28, 23, tzinfo=UTC)
    found = calendar("1 day", datetime(2026, 10, 24, 12), datetime(2026, 10, 26, 12), "Europe/Berlin")
    assert hours(found) == [24, 25, 24]


def test_an_hour_is_an_hour_when_clocks_change():
    found = calendar("1 hour", datetime(2026, 10, 24, 22), datetime(2026, 10, 25, 4), "Europe/Berlin")
    assert set(hours(found)) == {1}
    assert len(set(found.edges.tolist())) == len(found.edges)


def test_months_and_years_have_their_own_lengths():
    assert hours(calendar("1 month", datetime(2028, 1, 15), datetime(2028, 3, 1))) == [31 * 24, 29 * 24, 31 * 24]
    assert hours(calendar("1 year", datetime(2028, 1, 15), datetime(2029, 3, 1))) == [366 * 24, 365 * 24]


def test_weeks_begin_on_mondays_and_several_are_counted_from_one_monday():
    week = calendar("1 week", datetime(2026, 3, 18), datetime(2026, 3, 19)).window(0)
    assert moment(week.start) == datetime(2026, 3, 16, tzinfo=UTC)
    starts = {
        moment(calendar("3 weeks", datetime(2026, 3, day), datetime(2026, 3, day, 1)).window(0).start)
        for day in range(1, 29)
    }
    first = datetime(1970, 1, 5, tzinfo=UTC)
    assert len(starts) == 2
    assert all((start - first) % timedelta(weeks=3) == timedelta() for start in starts)


def test_moments_find_their_windows():
    found = calendar("1 day", datetime(2026, 3, 1), datetime(2026, 3, 2))
    day = 86_400_000_000
    first = int(found.edges[0])
    times = np.array([first - 1, first, first + day - 1, first + day, first + 2 * day])
    assert found.positions(times, local=False).tolist() == [-1, 0, 0, 1, -1]
    assert found.ahead(times, local=False)


def test_wall_clock_times_belong_to_the_day_that_they_name():
    found = calendar("1 day", datetime(2026, 3, 28, 12), datetime(2026, 3, 30, 12), "Europe/Berlin")
    midnight = microseconds(datetime(2026, 3, 29, tzinfo=UTC))
    assert found.positions(np.array([midnight - 1, midnight]), local=True).tolist() == [0, 1]
    assert found.positions(np.array([midnight - 1, midnight]), local=False).tolist() == [1, 1]
