"""Monitors and refreshes in this dialect's words: in as settings, out as JSON."""

from collections.abc import Mapping
from typing import Any

from monitoring.api.reading import milliseconds, object_of, objects_of, plain, present, texts_of, words_of
from monitoring.engine.spec import Preview
from monitoring.models import Monitor, MonitorKind, MonitorRefresh, ProblemType
from monitoring.services.monitor_lookup import metric_table_name
from monitoring.services.monitor_settings import METRIC_TYPES, Metric, MonitorSettings, settings_of
from monitoring.services.quartz import Schedule, parse_schedule
from registry.api.wire import flag_of, text_of
from registry.errors import InvalidParameter

_KINDS = {
    "snapshot": MonitorKind.SNAPSHOT,
    "time_series": MonitorKind.TIME_SERIES,
    "inference_log": MonitorKind.INFERENCE_LOG,
}
_KEPT = ("warehouse_id", "data_classification_config")
"""What clients may set that changes nothing here."""


def settings_from(given: Mapping[str, Any], *, current: MonitorSettings | None = None) -> MonitorSettings:
    """The settings that a body asks for. An update that names no kind keeps the current one.

    Raises:
        InvalidParameter.
    """
    kinds = [field for field in _KINDS if given.get(field) is not None]
    if not kinds and current is not None:
        given = {**given, **_kind_of(current)}
        kinds = [field for field in _KINDS if given.get(field) is not None]
    if len(kinds) != 1:
        raise InvalidParameter(
            "Give exactly one of 'snapshot', 'time_series' and 'inference_log'.", field="inference_log"
        )
    kind = object_of(given, kinds[0]) or {}
    notifications = object_of(given, "notifications") or {}
    on_failure = object_of(notifications, "on_failure") or {}
    schedule, is_paused = _schedule(given)
    problem_type = text_of(kind, "problem_type")
    kept = {name: given[name] for name in _KEPT if given.get(name) is not None}
    if notifications.get("on_new_classification_tag_detected") is not None:
        kept["on_new_classification_tag_detected"] = notifications["on_new_classification_tag_detected"]
    return MonitorSettings(
        kind=_KINDS[kinds[0]],
        output_schema_name=text_of(given, "output_schema_name", required=True),
        timestamp_column=text_of(kind, "timestamp_col"),
        granularities=texts_of(kind, "granularities"),
        problem_type=words_of(problem_type, "PROBLEM_TYPE_", list(ProblemType.values), "problem_type")
        if problem_type
        else "",
        prediction_column=text_of(kind, "prediction_col"),
        prediction_proba_column=text_of(kind, "prediction_proba_col"),
        label_column=text_of(kind, "label_col"),
        model_id_column=text_of(kind, "model_id_col"),
        slicing_expressions=texts_of(given, "slicing_exprs"),
        custom_metrics=tuple(_metric(one) for one in objects_of(given, "custom_metrics")),
        baseline_table_name=text_of(given, "baseline_table_name"),
        assets_dir=text_of(given, "assets_dir"),
        skip_dashboard=flag_of(
            given, "skip_builtin_dashboard", default=current.skip_dashboard if current is not None else False
        ),
        schedule=schedule,
        is_paused=is_paused,
        failure_emails=texts_of(on_failure, "email_addresses"),
        failure_destinations=current.failure_destinations if current else (),
        client_settings=kept,
    )


def _schedule(given: Mapping[str, Any]) -> tuple[Schedule | None, bool]:
    asked = object_of(given, "schedule")
    if asked is None:
        return None, False
    schedule = parse_schedule(asked.get("quartz_cron_expression"), asked.get("timezone_id"))
    return schedule, text_of(asked, "pause_status").upper() == "PAUSED"


def _metric(given: Mapping[str, Any]) -> Metric:
    return Metric(
        name=text_of(given, "name", required=True),
        type=words_of(text_of(given, "type"), "CUSTOM_METRIC_TYPE_", list(METRIC_TYPES), "custom_metrics.type"),
        input_columns=texts_of(given, "input_columns"),
        definition=text_of(given, "definition", required=True),
        output_type=text_of(given, "output_data_type") or "double",
    )


def _kind_of(settings: MonitorSettings) -> dict[str, Any]:
    if settings.kind == MonitorKind.SNAPSHOT:
        return {"snapshot": {}}
    in_time = {"timestamp_col": settings.timestamp_column, "granularities": list(settings.granularities)}
    if settings.kind == MonitorKind.TIME_SERIES:
        return {"time_series": in_time}
    return {
        "inference_log": present(
            {
                "problem_type": f"PROBLEM_TYPE_{settings.problem_type}",
                **in_time,
                "prediction_col": settings.prediction_column,
                "model_id_col": settings.model_id_column,
                "label_col": settings.label_column or None,
                "prediction_proba_col": settings.prediction_proba_column or None,
            }
        )
    }


def given(settings: MonitorSettings) -> dict[str, Any]:
    """Settings as a client would send them, but for what is empty."""
    return {"output_schema_name": settings.output_schema_name, **_kind_of(settings)}


def preview(found: Preview) -> dict[str, Any]:
    """What a preview measured: a row for each column, as in the profile metric table."""
    return present(
        {
            "rows": [{key: plain(value) for key, value in row.items()} for row in found.rows],
            "window_start_ms": milliseconds(found.window_start),
            "window_end_ms": milliseconds(found.window_end),
            "rows_read": found.rows_read,
            "warnings": list(found.warnings),
        }
    )


def monitor(row: Monitor) -> dict[str, Any]:
    """A monitor as clients read it."""
    settings = settings_of(row)
    kept = dict(settings.client_settings)
    on_tag = kept.pop("on_new_classification_tag_detected", None)
    notifications = present(
        {
            "on_failure": {"email_addresses": list(settings.failure_emails)} if settings.failure_emails else None,
            "on_new_classification_tag_detected": on_tag,
        }
    )
    schedule = settings.schedule
    return present(
        {
            "table_name": row.table.full_name,
            "status": f"MONITOR_STATUS_{row.status}",
            "monitor_version": row.version,
            "profile_metrics_table_name": metric_table_name(row, "PROFILE"),
            "drift_metrics_table_name": metric_table_name(row, "DRIFT"),
            "output_schema_name": settings.output_schema_name,
            "assets_dir": settings.assets_dir or None,
            "dashboard_id": row.dashboard_id or None,
            "latest_monitor_failure_msg": row.failure_message or None,
            **_kind_of(settings),
            "baseline_table_name": settings.baseline_table_name or None,
            "slicing_exprs": list(settings.slicing_expressions) or None,
            "custom_metrics": [
                {
                    "name": metric.name,
                    "type": f"CUSTOM_METRIC_TYPE_{metric.type}",
                    "input_columns": list(metric.input_columns),
                    "definition": metric.definition,
                    "output_data_type": metric.output_type,
                }
                for metric in settings.custom_metrics
            ]
            or None,
            "schedule": {
                "quartz_cron_expression": schedule.expression,
                "timezone_id": schedule.time_zone,
                "pause_status": "PAUSED" if settings.is_paused else "UNPAUSED",
            }
            if schedule
            else None,
            "notifications": notifications or None,
            **{name: kept.get(name) for name in _KEPT},
        }
    )


def refresh(row: MonitorRefresh) -> dict[str, Any]:
    """A refresh as clients read it. One that waits has begun, to them, when it was asked for."""
    return present(
        {
            "refresh_id": row.pk,
            "state": row.state,
            "start_time_ms": milliseconds(row.started_at or row.created_at),
            "end_time_ms": milliseconds(row.finished_at),
            "message": row.message or None,
            "trigger": row.trigger,
        }
    )
