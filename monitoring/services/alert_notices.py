"""What receivers are told of an alert: a payload for programs, a subject and a text for people."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from monitoring.models import Alert, AlertSource, Comparison
from monitoring.services.alert_rules import FAILED, REPEATED, RESOLVED, TRIGGERED
from monitoring.services.alert_values import Look
from monitoring.services.monitor_lookup import metric_table_name
from monitoring.services.monitored_endpoints import models_behind
from registry.services.addressees import destinations_of
from registry.services.notifications import Notice, notify

WORKFLOW = "workflow.requested"
_SIGNS = {
    Comparison.LESS_THAN: "<",
    Comparison.GREATER_THAN: ">",
    Comparison.EQUAL: "=",
    Comparison.NOT_EQUAL: "!=",
    Comparison.GREATER_THAN_OR_EQUAL: ">=",
    Comparison.LESS_THAN_OR_EQUAL: "<=",
    Comparison.IS_NULL: "is null",
    Comparison.IS_NOT_NULL: "is not null",
}
_VERBS = {TRIGGERED: "is triggered", REPEATED: "is still triggered", RESOLVED: "is resolved", FAILED: "failed"}
_STATUS = {TRIGGERED: "TRIGGERED", REPEATED: "TRIGGERED", RESOLVED: "OK", FAILED: "ERROR"}
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Z_]+)\s*\}\}|@([A-Z_]+)\b")


@dataclass(frozen=True)
class Occasion:
    """What happened to an alert, and what was found."""

    event: str
    look: Look
    at: datetime
    message: str = ""
    incident_id: int | None = None
    opened_at: datetime | None = None


def notice_of(alert: Alert, occasion: Occasion) -> Notice:
    """What is sent. Costs two queries for an alert on the monitor of an endpoint's table."""
    data = payload_of(alert, occasion)
    words = _words(alert, occasion, data)
    verb = _VERBS.get(occasion.event, occasion.event)
    subject = _filled(alert.summary, words) if alert.summary else f"Alert {alert.name} {verb}"
    text = _filled(alert.description, words) if alert.description else _text(alert, occasion, data)
    table = alert.monitor.table if alert.monitor else None
    return Notice(event=occasion.event, subject=subject, text=text, data=data, securable=table)


def payload_of(alert: Alert, occasion: Occasion) -> dict[str, Any]:
    """The part for programs: the same at every event of an alert, so that one receiver can tell them apart."""
    found = occasion.look.found
    data: dict[str, Any] = {
        "alert_id": str(alert.pk),
        "alert_name": alert.name,
        "alert_url": url_of(alert),
        "state": _STATUS.get(occasion.event, alert.state),
        "value": found.value,
        "threshold": found.threshold if found.threshold is not None else alert.threshold,
        "resolve_threshold": alert.resolve_threshold,
        "comparison": alert.comparison,
        "source": alert.source,
        "message": occasion.message,
        "incident_id": occasion.incident_id,
        "opened_at": occasion.opened_at,
        "evaluated_at": occasion.at,
        "owner": alert.owner.name,
    }
    if alert.source == AlertSource.METRIC and alert.monitor is not None:
        data |= {
            "table": alert.monitor.table.full_name,
            "metric_table": metric_table_name(alert.monitor, alert.metric_table),
            "metric": alert.metric,
            "selector": dict(alert.selector),
            "window": {"start": occasion.look.window_start, "end": occasion.look.window_end},
            **models_behind(alert.monitor),
        }
    else:
        data |= {"query_text": alert.query_text, "column": alert.value_column, "aggregation": alert.aggregation}
    return data


def url_of(alert: Alert) -> str:
    """The page of an alert, where this installation knows its own address."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/alerts/{alert.pk}" if settings.PUBLIC_URL else ""


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def condition_in_words(alert: Alert) -> str:
    """As `js_distance of delay > 0.2`."""
    if alert.source == AlertSource.METRIC:
        column = alert.selector.get("column_name", ":table")
        what = alert.metric if column == ":table" else f"{alert.metric} of {column}"
    else:
        what = f"{alert.aggregation}({alert.value_column})" if alert.aggregation else alert.value_column
    sign = _SIGNS[Comparison(alert.comparison)]
    other = alert.threshold_column or ("" if alert.threshold is None else _number(alert.threshold))
    return f"{what} {sign} {other}".strip()


def _text(alert: Alert, occasion: Occasion, data: Mapping[str, Any]) -> str:
    lines = [
        f"Condition: {condition_in_words(alert)}",
        f"Value: {_number(occasion.look.found.value)}",
        f"Table: {data['table']}" if "table" in data else "",
        f"Window: {occasion.look.window_start} to {occasion.look.window_end}" if occasion.look.window_end else "",
        f"Since: {occasion.opened_at}" if occasion.opened_at and occasion.event != TRIGGERED else "",
        occasion.message,
        data["alert_url"],
    ]
    return "\n".join(line for line in lines if line)


def _words(alert: Alert, occasion: Occasion, data: Mapping[str, Any]) -> dict[str, str]:
    """What the placeholders of a template stand for, under the names that clients use."""
    return {
        "ALERT_NAME": alert.name,
        "ALERT_STATUS": str(data["state"]),
        "ALERT_CONDITION": _SIGNS[Comparison(alert.comparison)],
        "ALERT_THRESHOLD": _number(data["threshold"]),
        "ALERT_COLUMN": alert.value_display or alert.value_column or alert.metric,
        "ALERT_URL": str(data["alert_url"]),
        "QUERY_NAME": alert.name,
        "QUERY_URL": str(data["alert_url"]),
        "QUERY_RESULT_VALUE": _number(occasion.look.found.value),
        "TABLE_NAME": str(data.get("table", "")),
        "METRIC": alert.metric,
    }


def _filled(template: str, words: Mapping[str, str]) -> str:
    """The template with every known placeholder filled, once: what is filled in is not looked at again."""
    return _PLACEHOLDER.sub(lambda match: words.get(match[1] or match[2], match[0]), template)


def tell(alert: Alert, occasion: Occasion) -> list[dict[str, Any]]:
    """Put down what is to be sent: one row a receiver. Call in the transaction of what happened.

    When the alert is triggered, its workflow is asked for as well, with its parameters. Answers the events with the
    ids of their deliveries.
    """
    known = destinations_of(alert.emails)
    receivers: list[UUID] = [*(one.pk for one in alert.destinations.all()), *known.values()]
    notice = notice_of(alert, occasion)
    told = [_told(occasion.event, notify(destination_ids=receivers, notice=notice, now=occasion.at))]
    if occasion.event == TRIGGERED and alert.workflow_destination_id is not None:
        asked = workflow_notice(alert, notice)
        deliveries = notify(destination_ids=[alert.workflow_destination_id], notice=asked, now=occasion.at)
        told.append(_told(WORKFLOW, deliveries))
    return told


def workflow_notice(alert: Alert, notice: Notice) -> Notice:
    """What starts a workflow, as a training: its parameters, and all that is known of the breach."""
    return Notice(
        event=WORKFLOW,
        subject=f"Workflow for alert {alert.name}",
        text=notice.text,
        data={"parameters": dict(alert.workflow_parameters), "alert": dict(notice.data)},
        securable=notice.securable,
    )


def _told(event: str, deliveries: list[Any]) -> dict[str, Any]:
    return {"event": event, "deliveries": [str(one.pk) for one in deliveries]}
