"""Alerts in the words of alerts_v2: in as settings, out as JSON.

Stock clients know alerts on queries. One on a metric is shown to them with the query that finds its number, and what
is ours besides stands in `modelkeep`, which they pass over.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from monitoring.api.reading import milliseconds, object_of, objects_of, plain, present
from monitoring.models import Alert, AlertEvaluation, AlertIncident, AlertSource
from monitoring.services.alert_settings import AlertSettings, Parameter, settings_of
from monitoring.services.alert_values import query_of
from monitoring.services.alerts import Trial
from monitoring.services.quartz import Schedule, parse_schedule
from registry.api.wire import flag_of, number_of, text_of
from registry.errors import InvalidParameter
from registry.models import Delivery
from registry.services.notifications import Notice

FIELDS = frozenset(
    {
        "display_name",
        "query_text",
        "warehouse_id",
        "evaluation",
        "schedule",
        "custom_summary",
        "custom_description",
        "custom_template_format",
        "parameters",
        "modelkeep",
        "run_as",
        "run_as_user_name",
        "owner_user_name",
        "parent_path",
    }
)
"""What a client may name in an update mask. `parent_path` and the users stay as they are."""


def settings_from(given: Mapping[str, Any]) -> AlertSettings:
    """The settings that a whole alert asks for.

    Raises:
        InvalidParameter.
    """
    evaluation = object_of(given, "evaluation") or {}
    source = object_of(evaluation, "source") or {}
    threshold = object_of(evaluation, "threshold") or {}
    column = object_of(threshold, "column") or {}
    notification = object_of(evaluation, "notification") or {}
    subscriptions = objects_of(notification, "subscriptions")
    ours = object_of(given, "modelkeep") or {}
    metric = object_of(ours, "metric")
    schedule, is_paused = schedule_from(given)
    return AlertSettings(
        name=text_of(given, "display_name", required=True),
        source=AlertSource.METRIC if metric is not None else AlertSource.SQL,
        **_metric(metric or {}),
        query_text="" if metric is not None else text_of(given, "query_text", required=True),
        parameters=tuple(_parameter(one) for one in objects_of(given, "parameters")),
        value_column="" if metric is not None else text_of(source, "name", required=True),
        value_display=text_of(source, "display"),
        aggregation=text_of(source, "aggregation"),
        comparison=text_of(evaluation, "comparison_operator", required=True),
        threshold=_value(threshold),
        threshold_column=text_of(column, "name"),
        threshold_column_display=text_of(column, "display"),
        threshold_column_aggregation=text_of(column, "aggregation"),
        empty_result_state=text_of(evaluation, "empty_result_state") or "UNKNOWN",
        notify_on_ok=flag_of(notification, "notify_on_ok"),
        retrigger_seconds=number_of(notification, "retrigger_seconds", default=0),
        destinations=tuple(text_of(one, "destination_id") for one in subscriptions if one.get("destination_id")),
        emails=tuple(text_of(one, "user_email") for one in subscriptions if one.get("user_email")),
        resolve_threshold=_optional_number(ours, "resolve_threshold"),
        consecutive=number_of(ours, "consecutive", default=1),
        workflow_destination=text_of(ours, "workflow_destination_id"),
        workflow_parameters=object_of(ours, "workflow_parameters") or {},
        schedule=schedule,
        is_paused=is_paused,
        summary=text_of(given, "custom_summary"),
        description=text_of(given, "custom_description"),
        template_format=text_of(given, "custom_template_format")[:10],
        parent_path=text_of(given, "parent_path")[:1024],
        warehouse_id=text_of(given, "warehouse_id")[:64],
    )


def _metric(metric: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "table": text_of(metric, "table"),
        "metric_table": text_of(metric, "metric_table").upper(),
        "metric": text_of(metric, "metric"),
        "selector": object_of(metric, "selector") or {},
    }


def _parameter(given: Mapping[str, Any]) -> Parameter:
    value = given.get("value")
    if value is not None and not isinstance(value, str):
        raise InvalidParameter("'value' of a parameter must be text.", field="parameters")
    return Parameter(text_of(given, "name", required=True), value, text_of(given, "type") or "STRING")


def _value(threshold: Mapping[str, Any]) -> Any:
    value = object_of(threshold, "value") or {}
    kinds = [name for name in ("double_value", "string_value", "bool_value") if value.get(name) is not None]
    if len(kinds) > 1:
        raise InvalidParameter("'threshold.value' must hold one value.", field="threshold")
    if not kinds:
        return None
    found = value[kinds[0]]
    if kinds[0] == "double_value":
        return _number(found, "threshold.value.double_value")
    wanted = str if kinds[0] == "string_value" else bool
    if not isinstance(found, wanted):
        raise InvalidParameter(f"'threshold.value.{kinds[0]}' is of another type.", field="threshold")
    return found


def _number(value: object, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidParameter(f"'{field}' must be a number.", field=field)
    try:
        number = float(value)
    except ValueError as error:
        raise InvalidParameter(f"'{field}' must be a number.", field=field) from error
    if number != number or number in (float("inf"), float("-inf")):
        raise InvalidParameter(f"'{field}' must be a finite number.", field=field)
    return number


def _optional_number(given: Mapping[str, Any], field: str) -> float | None:
    return None if given.get(field) is None else _number(given[field], field)


def schedule_from(given: Mapping[str, Any]) -> tuple[Schedule | None, bool]:
    """The schedule, and whether it is paused.

    Raises:
        InvalidParameter.
    """
    asked = object_of(given, "schedule")
    if asked is None:
        return None, False
    schedule = parse_schedule(asked.get("quartz_cron_schedule"), asked.get("timezone_id"))
    return schedule, text_of(asked, "pause_status").upper() == "PAUSED"


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def written(settings: AlertSettings) -> dict[str, Any]:
    """The part of an alert that a client may set, as it is now: what update masks change."""
    schedule = settings.schedule
    evaluation = {
        "source": present(
            {
                "name": settings.value_column or settings.metric,
                "display": settings.value_display or None,
                "aggregation": settings.aggregation or None,
            }
        ),
        "comparison_operator": settings.comparison,
        "threshold": _threshold(settings),
        "empty_result_state": settings.empty_result_state,
        "notification": present(
            {
                "notify_on_ok": settings.notify_on_ok,
                "retrigger_seconds": settings.retrigger_seconds or None,
                "subscriptions": [
                    *({"destination_id": id_} for id_ in settings.destinations),
                    *({"user_email": email} for email in settings.emails),
                ]
                or None,
            }
        ),
    }
    return present(
        {
            "display_name": settings.name,
            "query_text": settings.query_text or None,
            "warehouse_id": settings.warehouse_id,
            "evaluation": present(evaluation),
            "schedule": {
                "quartz_cron_schedule": schedule.expression,
                "timezone_id": schedule.time_zone,
                "pause_status": "PAUSED" if settings.is_paused else "UNPAUSED",
            }
            if schedule
            else None,
            "parameters": [present(vars(one)) for one in settings.parameters] or None,
            "custom_summary": settings.summary or None,
            "custom_description": settings.description or None,
            "custom_template_format": settings.template_format or None,
            "parent_path": settings.parent_path or None,
            "modelkeep": _ours(settings),
        }
    )


def _threshold(settings: AlertSettings) -> dict[str, Any] | None:
    if settings.threshold_column:
        return {
            "column": present(
                {
                    "name": settings.threshold_column,
                    "display": settings.threshold_column_display or None,
                    "aggregation": settings.threshold_column_aggregation or None,
                }
            )
        }
    if settings.threshold is None:
        return None
    kind = {bool: "bool_value", str: "string_value"}.get(type(settings.threshold), "double_value")
    return {"value": {kind: settings.threshold}}


def _ours(settings: AlertSettings) -> dict[str, Any]:
    metric = None
    if settings.source == AlertSource.METRIC:
        metric = {
            "table": settings.table,
            "metric_table": settings.metric_table,
            "metric": settings.metric,
            "selector": dict(settings.selector),
        }
    return present(
        {
            "metric": metric,
            "resolve_threshold": settings.resolve_threshold,
            "consecutive": settings.consecutive,
            "workflow_destination_id": settings.workflow_destination or None,
            "workflow_parameters": dict(settings.workflow_parameters) or None,
        }
    )


def alert(row: Alert) -> dict[str, Any]:
    """An alert as clients read it."""
    settings = settings_of(row)
    shape = written(settings)
    if row.monitor is not None and row.source == AlertSource.METRIC:
        shape["query_text"] = query_of(settings, row.monitor)
    shape["evaluation"] |= present({"state": row.state, "last_evaluated_at": _moment(row.last_evaluated_at)})
    shape["modelkeep"] |= present(
        {"last_value": row.last_value, "message": row.message or None, "muted_until": _moment(row.muted_until)}
    )
    owner = row.owner.name
    kind = "user_name" if "@" in owner else "service_principal_name"
    return {
        "id": str(row.pk),
        **shape,
        "owner_user_name": owner,
        "run_as_user_name": owner,
        "effective_run_as": {kind: owner},
        "lifecycle_state": "ACTIVE",
        "create_time": _moment(row.created_at),
        "update_time": _moment(row.updated_at),
    }


def evaluation(row: AlertEvaluation, deliveries: Mapping[str, Delivery] | None = None) -> dict[str, Any]:
    """What one look found, and what was sent of it."""
    known = deliveries or {}
    return present(
        {
            "id": row.pk,
            "at": milliseconds(row.at),
            "trigger": row.trigger,
            "state": row.state,
            "value": row.value,
            "threshold": row.threshold,
            "breached": row.breached,
            "message": row.message or None,
            "window_start": milliseconds(row.window_start),
            "window_end": milliseconds(row.window_end),
            "incident_id": row.incident_id,
            "milliseconds": row.milliseconds,
            "notified": [
                {
                    "event": told["event"],
                    "deliveries": [_delivery(id_, known.get(id_)) for id_ in told["deliveries"]],
                }
                for told in row.notified
            ],
        }
    )


def _delivery(id_: str, row: Delivery | None) -> dict[str, Any]:
    if row is None:
        return {"id": id_}
    name = row.destination.display_name if row.destination else None
    return present({"id": id_, "state": row.state, "destination": name, "attempts": row.attempts})


def incident(row: AlertIncident) -> dict[str, Any]:
    """One breach; without `resolved_at` it is open."""
    return present(
        {
            "id": row.pk,
            "opened_at": milliseconds(row.opened_at),
            "value": row.value,
            "notified_at": milliseconds(row.notified_at),
            "resolved_at": milliseconds(row.resolved_at),
            "resolved_value": row.resolved_value,
            "resolution": row.resolution or None,
        }
    )


def notice(what: Notice) -> dict[str, Any]:
    """What receivers would be sent."""
    return {"event": what.event, "subject": what.subject, "text": what.text, "data": plain(dict(what.data))}


def trial(what: Trial) -> dict[str, Any]:
    """What a look found, what would follow, and what a trigger would send."""
    found = what.look.found
    return present(
        {
            "state": what.step.standing.state,
            "breached": what.step.breached,
            "value": plain(found.value),
            "threshold": plain(found.threshold),
            "is_empty": found.is_empty,
            "message": found.error or what.step.message or None,
            "events": list(what.step.events),
            "window_start": milliseconds(what.look.window_start),
            "window_end": milliseconds(what.look.window_end),
            "notice": notice(what.notice),
            "workflow": notice(what.workflow) if what.workflow else None,
        }
    )


def until_from(given: Mapping[str, Any]) -> datetime:
    """The moment until which an alert is muted: `until` in milliseconds since 1970, or `seconds` from now.

    Raises:
        InvalidParameter: neither, or a moment beyond all calendars.
    """
    seconds, until = number_of(given, "seconds", default=0), number_of(given, "until", default=0)
    try:
        if seconds > 0:
            return timezone.now() + timedelta(seconds=seconds)
        if until > 0:
            return datetime.fromtimestamp(until / 1000, tz=UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise InvalidParameter("'until' lies beyond all calendars.", field="until") from error
    raise InvalidParameter("Give 'until' in milliseconds since 1970, or 'seconds' from now.", field="until")
