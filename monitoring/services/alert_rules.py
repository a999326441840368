"""What an alert makes of what was found: a pure step from one state to the next.

    OK ── breach, `consecutive` times in a row ──> TRIGGERED ── number behind `resolve_threshold` ──> OK

A breach opens an incident, and only the number being back resolves it: a look that failed or found nothing leaves an
open incident open. While an alert is muted everything happens but telling; what is still open when the muting ends is
told then.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from monitoring.models import AlertState, Comparison

TRIGGERED, REPEATED, RESOLVED, FAILED = "alert.triggered", "alert.repeated", "alert.resolved", "alert.failed"
"""What receivers are told."""

_ORDERED = {
    Comparison.LESS_THAN,
    Comparison.GREATER_THAN,
    Comparison.GREATER_THAN_OR_EQUAL,
    Comparison.LESS_THAN_OR_EQUAL,
}
_NEEDS_NONE = {Comparison.IS_NULL, Comparison.IS_NOT_NULL}


@dataclass(frozen=True)
class Rule:
    """When an alert is triggered and resolved."""

    comparison: str
    threshold: Any = None
    resolve_threshold: float | None = None
    consecutive: int = 1
    empty_result_state: str = AlertState.UNKNOWN
    notify_on_ok: bool = True
    retrigger_seconds: int = 0


@dataclass(frozen=True)
class Found:
    """What a look found: a value (None is a value: NULL), no row at all, or that it could not be looked."""

    value: Any = None
    threshold: Any = None
    is_empty: bool = False
    error: str = ""


@dataclass(frozen=True)
class Standing:
    """How an alert stands: its state, breaches in a row, and the incident that is open, if one is."""

    state: str = AlertState.UNKNOWN
    streak: int = 0
    is_open: bool = False
    notified_at: datetime | None = None
    """When the open incident was told last; None: never, as while muted."""


@dataclass(frozen=True)
class Step:
    """What follows: how it stands then, and what happens on the way. `events` are told, unless nobody listens."""

    standing: Standing
    breached: bool | None
    opens: bool = False
    resolves: bool = False
    events: tuple[str, ...] = ()
    message: str = ""


def step(rule: Rule, standing: Standing, found: Found, *, now: datetime, is_muted: bool = False) -> Step:
    """One look further."""
    if found.error:
        return _failed(standing, found.error, is_muted=is_muted)
    breached, message = _judge(rule, found, is_open=standing.is_open)
    if message and breached is None:
        return _failed(standing, message, is_muted=is_muted)
    if breached is None:
        return Step(replace(standing, state=AlertState.UNKNOWN, streak=0), None, message="There was no row to judge.")
    if standing.is_open:
        return _while_open(rule, standing, breached=breached, now=now, is_muted=is_muted)
    if not breached:
        return Step(Standing(AlertState.OK), breached=False)
    streak = standing.streak + 1
    if streak < max(rule.consecutive, 1):
        message = f"Breach {streak} of {rule.consecutive} in a row that trigger it."
        state = AlertState.OK if standing.state != AlertState.UNKNOWN else AlertState.UNKNOWN
        return Step(Standing(state, streak), breached=True, message=message)
    told = None if is_muted else now
    events: tuple[str, ...] = () if is_muted else (TRIGGERED,)
    return Step(
        Standing(AlertState.TRIGGERED, 0, is_open=True, notified_at=told), breached=True, opens=True, events=events
    )


def _while_open(rule: Rule, standing: Standing, *, breached: bool, now: datetime, is_muted: bool) -> Step:
    if not breached:
        # Who was never told of the breach need not be told that it is over.
        tell = rule.notify_on_ok and standing.notified_at is not None and not is_muted
        return Step(Standing(AlertState.OK), breached=False, resolves=True, events=(RESOLVED,) if tell else ())
    standing = replace(standing, state=AlertState.TRIGGERED, streak=0)
    if is_muted:
        return Step(standing, breached=True)
    if standing.notified_at is None:
        return Step(replace(standing, notified_at=now), breached=True, events=(TRIGGERED,))
    pause = timedelta(seconds=rule.retrigger_seconds)
    if rule.retrigger_seconds and now - standing.notified_at >= pause:
        return Step(replace(standing, notified_at=now), breached=True, events=(REPEATED,))
    return Step(standing, breached=True)


def _failed(standing: Standing, message: str, *, is_muted: bool) -> Step:
    """An open incident stays open. It is told once, until a look succeeds again."""
    is_news = standing.state != AlertState.ERROR and not is_muted
    after = replace(standing, state=AlertState.ERROR)
    return Step(after, None, events=(FAILED,) if is_news else (), message=message)


def _judge(rule: Rule, found: Found, *, is_open: bool) -> tuple[bool | None, str]:
    """Whether it is a breach; None where nobody can tell, with the reason where that is an error."""
    if found.is_empty:
        match rule.empty_result_state:
            case AlertState.OK:
                return False, ""
            case AlertState.TRIGGERED:
                return True, ""
            case AlertState.ERROR:
                return None, "The query found no row, which this alert takes for an error."
        return None, ""
    threshold = rule.threshold if found.threshold is None else found.threshold
    if is_open and rule.resolve_threshold is not None and rule.comparison in _ORDERED:
        threshold = rule.resolve_threshold
    return compare(rule.comparison, found.value, threshold)


def compare(comparison: str, value: Any, threshold: Any) -> tuple[bool | None, str]:
    """Whether the comparison holds. NULL and NaN fulfil none but IS_NULL.

    Numbers are compared as numbers also when they come as text; else texts are compared.
    """
    is_null = value is None or (isinstance(value, float) and math.isnan(value))
    if comparison == Comparison.IS_NULL:
        return is_null, ""
    if comparison == Comparison.IS_NOT_NULL:
        return not is_null, ""
    if is_null:
        return False, ""
    if threshold is None:
        return None, "The threshold is NULL, so there is nothing to compare with."
    left, right = _comparable(value, threshold)
    if left is None or right is None:
        return None, f"'{str(value)[:100]}' cannot be compared with the threshold '{str(threshold)[:100]}'."
    holds = {
        Comparison.EQUAL: left == right,
        Comparison.NOT_EQUAL: left != right,
    }
    if comparison in holds:
        return holds[Comparison(comparison)], ""
    match comparison:
        case Comparison.LESS_THAN:
            return left < right, ""
        case Comparison.GREATER_THAN:
            return left > right, ""
        case Comparison.LESS_THAN_OR_EQUAL:
            return left <= right, ""
        case _:
            return left >= right, ""


def _comparable(value: Any, threshold: Any) -> tuple[Any, Any]:
    if isinstance(threshold, bool) or isinstance(value, bool):
        return _truth(value), _truth(threshold)
    numbers = number_of(value), number_of(threshold)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers
    if isinstance(value, str) and isinstance(threshold, str):
        return value, threshold
    return None, None


def _truth(value: Any) -> bool | None:
    words = {"true": True, "1": True, "false": False, "0": False}
    return value if isinstance(value, bool) else words.get(str(value).strip().lower())


def number_of(value: Any) -> float | int | None:
    """A number that comes as one or as text; None for anything else, NaN included."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if math.isnan(number):
        return None
    return int(value) if isinstance(value, str) and value.strip().lstrip("-").isdecimal() else number


def needs_threshold(comparison: str) -> bool:
    """Whether the comparison is with something."""
    return comparison not in _NEEDS_NONE
