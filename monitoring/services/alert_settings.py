"""What an alert is set to, in neutral words: checked, and kept on its row."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from monitoring.models import Aggregation, Alert, AlertSource, AlertState, Comparison
from monitoring.services.alert_rules import Rule, needs_threshold, number_of
from monitoring.services.monitor_lookup import SUFFIXES
from monitoring.services.monitor_settings import check_emails
from monitoring.services.quartz import Schedule
from registry.errors import InvalidParameter
from registry.services.addressees import unknown_users

MAX_RECEIVERS = 50
MAX_CONSECUTIVE = 100
MAX_TEMPLATE = 10_000
MAX_PARAMETERS_BYTES = 32 * 1024
SELECTABLE = (
    "column_name",
    "granularity",
    "slice_key",
    "slice_value",
    "model_id",
    "drift_type",
    "log_type",
    "window",
)
"""What a metric alert may say of the rows that it looks at."""
WINDOWS = ("LATEST", "LATEST_COMPLETE")
_METRIC = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[^.\x00]{1,200})*")


@dataclass(frozen=True)
class Parameter:
    """What `:name` in the query is filled with."""

    name: str
    value: str | None = None
    type: str = "STRING"


@dataclass(frozen=True)
class AlertSettings:
    """All that can be said of an alert; dialects make one of what clients send.

    `table` is the monitored table of a METRIC alert, by full name or id; `metric` a column of the metric table, with
    a path into it as `ks_test.pvalue`; `selector` says which rows. A SQL alert has a query instead.
    """

    name: str
    source: str
    comparison: str
    table: str = ""
    metric_table: str = ""
    metric: str = ""
    selector: Mapping[str, Any] = field(default_factory=dict)
    query_text: str = ""
    parameters: tuple[Parameter, ...] = ()
    value_column: str = ""
    value_display: str = ""
    aggregation: str = ""
    threshold: Any = None
    threshold_column: str = ""
    threshold_column_display: str = ""
    threshold_column_aggregation: str = ""
    resolve_threshold: float | None = None
    consecutive: int = 1
    empty_result_state: str = AlertState.UNKNOWN
    notify_on_ok: bool = True
    retrigger_seconds: int = 0
    destinations: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    workflow_destination: str = ""
    workflow_parameters: Mapping[str, Any] = field(default_factory=dict)
    schedule: Schedule | None = None
    is_paused: bool = False
    summary: str = ""
    description: str = ""
    template_format: str = ""
    parent_path: str = ""
    warehouse_id: str = ""


def check_settings(given: AlertSettings) -> AlertSettings:
    """The settings with everything put in its usual form. Securables and destinations are not looked up.

    Raises:
        InvalidParameter.
    """
    name = given.name.strip()
    if not name or len(name) > 255:
        raise InvalidParameter("'display_name' is required, with 255 characters at most.", field="display_name")
    _one_of(given.source, AlertSource.values, "source")
    _one_of(given.comparison, Comparison.values, "comparison_operator")
    _one_of(given.empty_result_state, AlertState.values, "empty_result_state")
    _check_thresholds(given)
    if given.source == AlertSource.METRIC:
        _check_metric(given)
    else:
        _check_query(given)
    for text, what in ((given.summary, "custom_summary"), (given.description, "custom_description")):
        if len(text) > MAX_TEMPLATE:
            raise InvalidParameter(f"'{what}' is longer than {MAX_TEMPLATE} characters.", field=what)
    if not 1 <= given.consecutive <= MAX_CONSECUTIVE:
        raise InvalidParameter(f"'consecutive' must be 1 to {MAX_CONSECUTIVE}.", field="consecutive")
    if not 0 <= given.retrigger_seconds <= 2**31 - 1:
        raise InvalidParameter("'retrigger_seconds' must be 0 or more.", field="retrigger_seconds")
    if len(given.destinations) + len(given.emails) > MAX_RECEIVERS:
        raise InvalidParameter(f"'subscriptions' holds more than {MAX_RECEIVERS}.", field="subscriptions")
    if len(json.dumps(dict(given.workflow_parameters), default=str)) > MAX_PARAMETERS_BYTES:
        raise InvalidParameter(
            f"'workflow_parameters' are larger than {MAX_PARAMETERS_BYTES} bytes.", field="workflow_parameters"
        )
    emails = check_emails(given.emails, most=MAX_RECEIVERS, field="subscriptions")
    for email in unknown_users(emails):
        raise InvalidParameter(
            f"'subscriptions' names '{email}', which is no active user here. Subscribe a notification destination to "
            "write to somebody else.",
            field="subscriptions",
        )
    return replace(given, name=name, emails=emails, destinations=tuple(dict.fromkeys(given.destinations)))


def _one_of(value: str, allowed: Sequence[str], field_name: str) -> None:
    if value not in allowed:
        raise InvalidParameter(
            f"'{field_name}' is '{value[:100]}': use one of {', '.join(allowed)}.", field=field_name
        )


def _check_thresholds(given: AlertSettings) -> None:
    if given.threshold is not None and not isinstance(given.threshold, bool | int | float | str):
        raise InvalidParameter("'threshold' must be a number, a text, true or false.", field="threshold")
    has_one = given.threshold is not None or given.threshold_column
    if needs_threshold(given.comparison) and not has_one:
        raise InvalidParameter(f"'threshold' is required to compare by {given.comparison}.", field="threshold")
    if given.threshold is not None and given.threshold_column:
        raise InvalidParameter("'threshold' is either a value or a column, not both.", field="threshold")
    if given.resolve_threshold is None:
        return
    limit = number_of(given.threshold)
    if limit is None:
        raise InvalidParameter(
            "'resolve_threshold' needs a 'threshold' that is a number: between the two, nothing changes.",
            field="resolve_threshold",
        )
    is_above = given.comparison in {Comparison.GREATER_THAN, Comparison.GREATER_THAN_OR_EQUAL}
    is_below = given.comparison in {Comparison.LESS_THAN, Comparison.LESS_THAN_OR_EQUAL}
    fits = (is_above and given.resolve_threshold <= limit) or (is_below and given.resolve_threshold >= limit)
    if not fits:
        raise InvalidParameter(
            "'resolve_threshold' must lie on the good side of 'threshold', which needs to be compared as less or "
            "greater.",
            field="resolve_threshold",
        )


def _check_metric(given: AlertSettings) -> None:
    if not given.table:
        raise InvalidParameter("'table' is required: the monitored table.", field="table")
    _one_of(given.metric_table, list(SUFFIXES), "metric_table")
    if len(given.metric) > 255 or not _METRIC.fullmatch(given.metric):
        raise InvalidParameter(
            f"'metric' is '{given.metric[:100]}': name a column, as js_distance or ks_test.pvalue.",
            field="metric",
        )
    unknown = sorted(set(given.selector) - set(SELECTABLE))
    if unknown:
        raise InvalidParameter(f"'selector' holds '{unknown[0]}': use {', '.join(SELECTABLE)}.", field="selector")
    for key, value in given.selector.items():
        if value is not None and (not isinstance(value, str) or len(value) > 4000):
            raise InvalidParameter(f"'selector.{key}' must be text.", field="selector")
    if given.selector.get("window") not in {None, *WINDOWS}:
        raise InvalidParameter(f"'selector.window' must be one of {', '.join(WINDOWS)}.", field="selector")
    if given.threshold_column:
        raise InvalidParameter("'threshold' of an alert on a metric must be a value.", field="threshold")


def _check_query(given: AlertSettings) -> None:
    if not given.query_text.strip():
        raise InvalidParameter("'query_text' is required.", field="query_text")
    if not given.value_column:
        raise InvalidParameter("'evaluation.source.name' is required: a column of the query.", field="evaluation")
    for aggregation in (given.aggregation, given.threshold_column_aggregation):
        if aggregation:
            _one_of(aggregation, Aggregation.values, "aggregation")
    names = [parameter.name for parameter in given.parameters]
    if len(set(names)) < len(names) or not all(names):
        raise InvalidParameter("'parameters' need names, each once.", field="parameters")
    if given.schedule is None:
        raise InvalidParameter("'schedule' is required: when the query runs.", field="schedule")


def rule_of(given: AlertSettings | Alert) -> Rule:
    """When it is triggered and resolved."""
    return Rule(
        comparison=given.comparison,
        threshold=given.threshold,
        resolve_threshold=given.resolve_threshold,
        consecutive=given.consecutive,
        empty_result_state=given.empty_result_state,
        notify_on_ok=given.notify_on_ok,
        retrigger_seconds=given.retrigger_seconds,
    )


_PLAIN = (
    "name source metric_table metric query_text value_column value_display aggregation threshold threshold_column "
    "threshold_column_display threshold_column_aggregation comparison resolve_threshold consecutive "
    "empty_result_state notify_on_ok retrigger_seconds is_paused summary description template_format parent_path "
    "warehouse_id"
).split()
"""What is called the same on the row and in the settings, and kept as it is."""


def put_settings(alert: Alert, given: AlertSettings) -> None:
    """Write checked settings onto a row, but for what they refer to; the caller saves it."""
    for name in _PLAIN:
        setattr(alert, name, getattr(given, name))
    alert.selector = {key: value for key, value in given.selector.items() if value is not None}
    alert.parameters = [vars(parameter) for parameter in given.parameters]
    alert.emails, alert.workflow_parameters = list(given.emails), dict(given.workflow_parameters)
    alert.quartz_cron = given.schedule.expression if given.schedule else ""
    alert.time_zone = given.schedule.time_zone if given.schedule else ""


def settings_of(alert: Alert) -> AlertSettings:
    """What an alert is set to now. Reads the monitor's table and the destinations: fetch them with the row."""
    return AlertSettings(
        **{name: getattr(alert, name) for name in _PLAIN},
        table=alert.monitor.table.full_name if alert.monitor else "",
        selector=dict(alert.selector),
        parameters=tuple(Parameter(**parameter) for parameter in alert.parameters),
        emails=tuple(alert.emails),
        destinations=tuple(str(one.pk) for one in alert.destinations.all()),
        workflow_destination=str(alert.workflow_destination_id) if alert.workflow_destination_id else "",
        workflow_parameters=dict(alert.workflow_parameters),
        schedule=Schedule(alert.quartz_cron, alert.time_zone) if alert.quartz_cron else None,
    )
