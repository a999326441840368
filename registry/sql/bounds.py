"""The span of time that a query asks of a table itself, so that no more of it is read than that."""

from datetime import date, datetime, timedelta
from typing import Any

from sqlglot import exp

_DATE, _TIME = "event_date", "event_time"


def time_bounds(table: Any) -> tuple[str, str]:
    """From when (inclusive) and until when (exclusive) `event_time` can matter, in ISO format; empty is unbounded.

    Looks at the plain comparisons with constants that every row must pass, where the table is all that is selected
    from. Missing one only costs time: the query still filters by itself.
    """
    select = table.find_ancestor(exp.Select)
    source = table.parent
    if select is None or not isinstance(source, exp.From) or select.args.get("joins") or table.args.get("joins"):
        return "", ""
    where = select.args.get("where")
    since, until = [], []
    for condition in where.this.flatten() if where and isinstance(where.this, exp.And) else [where and where.this]:
        start, end = _span(condition)
        since += [start] if start else []
        until += [end] if end else []
    return max(since, default=""), min(until, default="")


def _span(condition: Any) -> tuple[str, str]:
    match condition:
        case exp.Between():
            low, high = (
                _moment(condition.this, condition.args["low"]),
                _moment(condition.this, condition.args["high"]),
            )
            return low[0], high[1]
        case exp.GTE() | exp.GT():
            return _moment(condition.this, condition.expression)[0], ""
        case exp.LTE() | exp.LT():
            return "", _moment(condition.this, condition.expression)[1]
        case exp.EQ():
            return _moment(condition.this, condition.expression)
    return "", ""


def _moment(column: Any, value: Any) -> tuple[str, str]:
    """The first instant that equals the constant, and the first one beyond it; empty where they are not known."""
    if not isinstance(column, exp.Column) or column.name.lower() not in {_DATE, _TIME}:
        return "", ""
    if isinstance(value, exp.Cast):
        value = value.this
    if not isinstance(value, exp.Literal) or not value.is_string:
        return "", ""
    try:
        if column.name.lower() == _DATE:
            day = date.fromisoformat(value.name)
            return f"{day.isoformat()}T00:00:00", f"{(day + timedelta(days=1)).isoformat()}T00:00:00"
        moment = datetime.fromisoformat(value.name)
    except (ValueError, OverflowError):
        return "", ""
    if moment.tzinfo is not None:
        return "", ""
    return moment.isoformat(), (moment + timedelta(seconds=1)).isoformat()
