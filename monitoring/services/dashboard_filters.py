"""What of a monitor is on show: parsed from an address, completed by what there is, and given back as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta

from django.utils.dateparse import parse_date, parse_datetime

from monitoring.models import Monitor
from monitoring.services.metric_rows import MetricTables, RowFilter, distinct
from registry.errors import InvalidParameter

BASELINE, CONSECUTIVE = "BASELINE", "CONSECUTIVE"
DEFAULT_WINDOWS = 60
"""How many windows are on show when the address names no range: the newest."""


@dataclass(frozen=True)
class Chosen:
    """One state of a dashboard. The empty text is the default of each, and stays out of addresses.

    `slice` is `key|value`, `since` and `until` are days (until inclusive), `window` is the start of a window.
    """

    granularity: str = ""
    model: str = ""
    slice: str = ""
    drift: str = ""
    since: str = ""
    until: str = ""
    column: str = ""
    window: str = ""

    def as_params(self, **changes: str) -> dict[str, str]:
        """This state with some changes as parameters of an address, without those at their default."""
        changed = replace(self, **changes)
        given = {field.name: getattr(changed, field.name) for field in fields(changed)}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class Choices:
    """What there is to choose from, in the metric tables as they are."""

    granularities: list[str]
    models: list[str]
    slices: list[tuple[str, str]]
    drifts: list[str]


def parse_chosen(given: Mapping[str, str]) -> Chosen:
    """Read a state from the parameters of an address. Unknown parameters are none of ours.

    Raises:
        InvalidParameter: a day or a moment that is none.
    """
    chosen = Chosen(**{field.name: given.get(field.name, "").strip()[:1000] for field in fields(Chosen)})
    for name in ("since", "until"):
        _day(getattr(chosen, name), field=name)
    _moment(chosen.window)
    return chosen


def find_choices(tables: MetricTables, monitor: Monitor) -> Choices:
    """The granularities, models, slices and kinds of drift that the metric tables hold rows of."""
    model = monitor.model_id_column
    everything = RowFilter(slice_key=None, columns=(":table",), log_type="INPUT")
    rows = distinct(
        tables.profile, ["granularity", "slice_key", "slice_value", *([model] if model else [])], everything
    )
    drifts = distinct(tables.drift, ["drift_type"], RowFilter(slice_key=None))
    known = {row.get("granularity") or "" for row in rows}
    return Choices(
        granularities=[text for text in monitor.granularities if text in known],
        models=sorted({str(row[model]) for row in rows if model and row.get(model) is not None}),
        slices=sorted({(row["slice_key"], str(row["slice_value"])) for row in rows if row.get("slice_key")}),
        drifts=[kind for kind in (BASELINE, CONSECUTIVE) if kind in {row["drift_type"] for row in drifts}],
    )


def complete(chosen: Chosen, choices: Choices) -> Chosen:
    """The state with its defaults filled in; what does not exist any more gives way to the default."""
    slices = {f"{key}|{value}" for key, value in choices.slices}
    return replace(
        chosen,
        granularity=_one(chosen.granularity, choices.granularities),
        model=chosen.model if chosen.model in choices.models else "",
        slice=chosen.slice if chosen.slice in slices else "",
        drift=_one(chosen.drift, choices.drifts) or CONSECUTIVE,
    )


def row_filter(chosen: Chosen) -> RowFilter:
    """The rows of the metric tables that a completed state asks for."""
    key, _, value = chosen.slice.partition("|")
    until = _day(chosen.until, field="until")
    return RowFilter(
        granularity=chosen.granularity,
        since=_day(chosen.since, field="since"),
        until=until + timedelta(days=1) if until else None,
        slice_key=key,
        slice_value=value if key else None,
        # Rows of all versions together have no version.
        model_id=chosen.model,
    )


def _one(wanted: str, known: Sequence[str]) -> str:
    if wanted in known:
        return wanted
    return known[0] if known else ""


def _day(text: str, *, field: str) -> datetime | None:
    if not text:
        return None
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None:
        raise InvalidParameter(f"'{field}' is {text!r}: it must be a day, as 2030-01-31.", field=field)
    return datetime(found.year, found.month, found.day, tzinfo=UTC)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise InvalidParameter(f"'window' is {text!r}: it must be the start of a window.", field="window")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def window_of(chosen: Chosen) -> datetime | None:
    """The start of the window that is looked at closely; None for the newest."""
    return _moment(chosen.window)
