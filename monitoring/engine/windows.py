"""Windows of time: where they begin and end, on the clock of a time zone.

Minutes and hours are cut in UTC, so an hour is always an hour; days and longer begin at midnight of the monitor's
time zone, so a day may have 23 or 25 hours. Weeks begin on Mondays; several are counted from Monday, 5 January 1970.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MONDAY = date(1970, 1, 5)
MICROSECONDS = 1_000_000
_SECONDS = {"5 minutes": 300, "30 minutes": 1800, "1 hour": 3600}
_WEEKS = {"1 week": 1, "2 weeks": 2, "3 weeks": 3, "4 weeks": 4}


@dataclass(frozen=True, order=True)
class Window:
    """From `start` up to, not including, `end`, in microseconds since 1970 UTC; a snapshot has no granularity."""

    granularity: str | None
    start: int
    end: int


def microseconds(moment: datetime) -> int:
    """Of an aware moment."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(value: int) -> datetime:
    """The aware moment of microseconds."""
    return EPOCH + timedelta(microseconds=value)


class Calendar:
    """The windows of one granularity that touch the time from `low` to `high`."""

    def __init__(self, granularity: str, low: datetime, high: datetime, zone: str) -> None:
        self.granularity = granularity
        zone_info = ZoneInfo(zone)
        if (step := _SECONDS.get(granularity)) is not None:
            first = microseconds(low) // (step * MICROSECONDS)
            last = microseconds(high) // (step * MICROSECONDS) + 1
            self.edges = np.arange(first, last + 1, dtype=np.int64) * (step * MICROSECONDS)
            self.local_edges = self.edges
            if zone != "UTC":
                self.local_edges = np.array(
                    [_local(moment(edge), zone_info) for edge in self.edges.tolist()], np.int64
                )
            return
        first_day, last_day = low.astimezone(zone_info).date(), high.astimezone(zone_info).date()
        days = list(_days(granularity, first_day, last_day))
        midnights = [datetime.combine(day, time()) for day in days]
        self.edges = np.array([microseconds(day.replace(tzinfo=zone_info)) for day in midnights], np.int64)
        self.local_edges = np.array([microseconds(day.replace(tzinfo=UTC)) for day in midnights], np.int64)

    def __len__(self) -> int:
        return len(self.edges) - 1

    def window(self, position: int) -> Window:
        """The window at a position of `positions`."""
        return Window(self.granularity, int(self.edges[position]), int(self.edges[position + 1]))

    def windows(self) -> Sequence[Window]:
        """All, in order."""
        return [self.window(position) for position in range(len(self))]

    def positions(self, times: npt.NDArray[np.int64], *, local: bool) -> npt.NDArray[np.int32]:
        """The position of the window of each moment, -1 for those before the first and after the last.

        Args:
            local: the moments are of a wall clock in the calendar's zone, as dates and timestamps without zone are.
        """
        edges = self.local_edges if local else self.edges
        found = np.searchsorted(edges, times, "right").astype(np.int32) - np.int32(1)
        found[found >= len(self)] = -1
        return found

    def ahead(self, times: npt.NDArray[np.int64], *, local: bool) -> bool:
        """Whether a moment lies after the last window."""
        return bool((times >= (self.local_edges if local else self.edges)[-1]).any())


def _local(instant: datetime, zone: ZoneInfo) -> int:
    return microseconds(instant.astimezone(zone).replace(tzinfo=UTC))


def _days(granularity: str, first: date, last: date) -> Iterator[date]:
    """The first days of windows, from the one that holds `first` to the one after `last`."""
    day = _begin(granularity, first)
    while day <= last:
        yield day
        day = _next(granularity, day)
    yield day


def _begin(granularity: str, day: date) -> date:
    if granularity == "1 year":
        return day.replace(month=1, day=1)
    if granularity == "1 month":
        return day.replace(day=1)
    if granularity == "1 day":
        return day
    length = 7 * _WEEKS[granularity]
    return day - timedelta(days=(day - _FIRST_MONDAY).days % length)


def _next(granularity: str, day: date) -> date:
    if granularity == "1 year":
        return day.replace(year=day.year + 1)
    if granularity == "1 month":
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day + timedelta(days=1 if granularity == "1 day" else 7 * _WEEKS[granularity])
