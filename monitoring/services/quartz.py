"""Schedules as Quartz writes them: seconds first, `?`, days of the week from SUN = 1, an optional year.

croniter finds the days; what a Quartz expression means, and what a clock that is put forward or back does to it, is
decided here.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, croniter

from registry.errors import InvalidParameter

_FIELDS = ("seconds", "minutes", "hours", "day of month", "month", "day of week", "year")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DAY = r"(?:[1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)"
_DAY_OF_WEEK = re.compile(rf"\*(?:/[1-7])?|{_DAY}(?:-{_DAY})?(?:/[1-7])?(?:,{_DAY}(?:-{_DAY})?(?:/[1-7])?)*")
_LAST_DAY = re.compile(rf"({_DAY})L")
_NTH_DAY = re.compile(rf"({_DAY})#([1-5])")
_LOCAL_STEPS = 10_000
_EXAMPLE = (
    "Write it as '0 0 12 * * ?': seconds, minutes, hours, day of month, month, day of week, and maybe the year."
)


@dataclass(frozen=True)
class Schedule:
    """When something runs: a checked Quartz expression in a time zone."""

    expression: str
    time_zone: str

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time after a moment, in UTC; None when there is none within fifty years.

        Where the clock is put forward over it, it runs as long after the change as it would have been after it. Where
        the clock is put back, it runs once; but one of every hour runs every hour.
        """
        cron, every_hour = _translate(self.expression)
        zone = _zone(self.time_zone)
        local = moment.astimezone(zone)
        wall = local.replace(tzinfo=None)
        offset = local.utcoffset()
        try:
            steps = croniter(cron, wall, second_at_beginning=True)
            for _ in range(_LOCAL_STEPS):
                found: datetime = steps.get_next(datetime)
                # Of every hour: the hours go on, whatever the clock on the wall is put to.
                if every_hour and offset is not None:
                    return (found - offset).replace(tzinfo=UTC)
                at = found.replace(tzinfo=zone).astimezone(UTC)
                if at > moment:
                    return at
        except CroniterBadDateError:
            return None
        return None


def parse_schedule(expression: object, time_zone: object, *, field: str = "schedule") -> Schedule:
    """A schedule of what a client sends; without a time zone it is UTC.

    Raises:
        InvalidParameter: no Quartz expression, or an unknown time zone.
    """
    if not isinstance(expression, str) or not expression.strip():
        raise InvalidParameter(f"'{field}.quartz_cron_expression' is required. {_EXAMPLE}", field=field)
    if time_zone is not None and not isinstance(time_zone, str):
        raise InvalidParameter(f"'{field}.timezone_id' must be text, as 'Europe/Rome'.", field=field)
    name = (time_zone or "").strip() or "UTC"
    text = " ".join(expression.upper().split())
    if len(text) > 200:
        raise InvalidParameter(f"'{field}.quartz_cron_expression' is longer than 200 characters.", field=field)
    try:
        cron, _ = _translate(text)
        croniter(cron, second_at_beginning=True)
    except ValueError as error:
        reason = str(error) if isinstance(error, _NotQuartz) else "It cannot be read."
        raise InvalidParameter(
            f"'{field}.quartz_cron_expression' is '{text}'. {reason} {_EXAMPLE}", field=field
        ) from error
    try:
        _zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidParameter(
            f"'{field}.timezone_id' is '{name[:100]}': use a name such as UTC or Europe/Rome.", field=field
        ) from error
    return Schedule(text, name)


class _NotQuartz(ValueError):
    """Says what is wrong with an expression."""


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=256)
def _translate(text: str) -> tuple[str, bool]:
    """The expression as croniter reads it, and whether it runs in every hour."""
    parts = text.split()
    if len(parts) not in {6, 7}:
        raise _NotQuartz(f"It has {len(parts)} fields instead of 6 or 7.")
    for name, part in zip(_FIELDS, parts, strict=False):
        if not re.fullmatch(r"[0-9A-Z*?,/#-]+", part):
            raise _NotQuartz(f"Its {name}, '{part}', cannot be read.")
    seconds, minutes, hours, day, month, weekday, *year = parts
    if "?" in "".join([seconds, minutes, hours, month, *year]):
        raise _NotQuartz("A '?' stands for a day only.")
    if day == "?" and weekday == "?":
        raise _NotQuartz("Only one of the two days may be '?'.")
    if day not in {"*", "?"} and weekday not in {"*", "?"}:
        raise _NotQuartz("Give a day of the month or a day of the week, and '?' for the other.")
    if "W" in day or ("L" in day and day != "L"):
        raise _NotQuartz("Of the days of a month, only numbers, ranges, steps and L are offered.")
    if "L" in "".join([seconds, minutes, hours, month.replace("JUL", ""), *year]):
        raise _NotQuartz("An L stands for a day only.")
    translated = [
        seconds,
        minutes,
        hours,
        "*" if day == "?" else day,
        month,
        "*" if weekday == "?" else _weekdays(weekday),
    ]
    return " ".join([*translated, *year]), hours == "*"


def _weekdays(text: str) -> str:
    """Days from 1 = SUN, as croniter counts them from 0."""
    if last := _LAST_DAY.fullmatch(text):
        return f"L{_day(last[1])}"
    if nth := _NTH_DAY.fullmatch(text):
        return f"{_day(nth[1])}#{nth[2]}"
    if text == "L":
        return str(_DAYS.index("SAT"))
    if not _DAY_OF_WEEK.fullmatch(text):
        raise _NotQuartz(f"Its day of week, '{text}', cannot be read: use 1 for Sunday to 7, or SUN to SAT.")
    return ",".join(str(day) for day in sorted(_days_of(text)))


def _days_of(text: str) -> set[int]:
    found: set[int] = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        begin = 0 if span == "*" else _day(first)
        end = _day(last) if last else 6 if span == "*" or step else begin
        length = (end - begin) % 7
        found |= {(begin + away) % 7 for away in range(0, length + 1, int(step or 1))}
    return found


def _day(text: str) -> int:
    return _DAYS.index(text) if text in _DAYS else int(text) - 1
