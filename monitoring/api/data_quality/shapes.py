"""Monitors and refreshes in this dialect's words: in as settings, out as JSON."""

from collections.abc import Callable, Mapping
from typing import Any

from monitoring.api.reading import milliseconds, object_of, objects_of, present, texts_of, words_of
from monitoring.engine.spec import GRANULARITIES
from monitoring.models import Monitor, MonitorKind, MonitorRefresh, ProblemType
from monitoring.services.monitor_lookup import metric_table_name
from monitoring.services.monitor_settings import METRIC_TYPES, Metric, MonitorSettings, settings_of
from monitoring.services.quartz import Schedule, parse_schedule
from registry.api.wire import flag_of, text_of
from registry.errors import InvalidParameter

TABLE = "table"
WRITABLE = frozenset(
    {
        "output_schema_id",
        "assets_dir",
        "baseline_table_name",
        "slicing_exprs",
        "custom_metrics",
        "schedule",
        "notification_settings",
        "skip_builtin_dashboard",
        "warehouse_id",
        "inference_log",
        "time_series",
        "snapshot",
    }
)
"""What a client may set of a data profiling config; the rest is told by the server."""
KINDS = {
    "snapshot": MonitorKind.SNAPSHOT,
    "time_series": MonitorKind.TIME_SERIES,
    "inference_log": MonitorKind.INFERENCE_LOG,
}
_GRANULARITY = {text: f"AGGREGATION_GRANULARITY_{text.upper().replace(' ', '_')}" for text in GRANULARITIES}
_TEXT = {word: text for text, word in _GRANULARITY.items()}
_PAUSED, _UNPAUSED = "CRON_SCHEDULE_PAUSE_STATUS_PAUSED", "CRON_SCHEDULE_PAUSE_STATUS_UNPAUSED"


def settings_from(
    given: Mapping[str, Any], *, name_of_schema: Callable[[str], str], current: MonitorSettings | None = None
) -> MonitorSettings:
    """The settings that a whole data profiling config asks for.

    Raises:
        InvalidParameter, NotFound.
    """
    kinds = [field for field in KINDS if given.get(field) is not None]
    if len(kinds) != 1:
        raise InvalidParameter(
            "Give exactly one of 'snapshot', 'time_series' and 'inference_log'.", field="inference_log"
        )
    kind = object_of(given, kinds[0]) or {}
    on_failure = object_of(object_of(given, "notification_settings") or {}, "on_failure") or {}
    schedule, is_paused = _schedule(given)
    problem_type = text_of(kind, "problem_type")
    kept = dict(current.client_settings) if current else {}
    kept.pop("warehouse_id", None)
    if given.get("warehouse_id") is not None:
        kept["warehouse_id"] = text_of(given, "warehouse_id")
    return MonitorSettings(
        kind=KINDS[kinds[0]],
        output_schema_name=name_of_schema(text_of(given, "output_schema_id", required=True)),
        timestamp_column=text_of(kind, "timestamp_column"),
        granularities=tuple(_granularity(word) for word in texts_of(kind, "granularities")),
        problem_type=words_of(problem_type, "INFERENCE_PROBLEM_TYPE_", list(ProblemType.values), "problem_type")
        if problem_type
        else "",
        prediction_column=text_of(kind, "prediction_column"),
        # This dialect has no word for it: what the other one set stays.
        prediction_proba_column=current.prediction_proba_column if current else "",
        label_column=text_of(kind, "label_column"),
        model_id_column=text_of(kind, "model_id_column"),
        slicing_expressions=texts_of(given, "slicing_exprs"),
        custom_metrics=tuple(_metric(one) for one in objects_of(given, "custom_metrics")),
        baseline_table_name=text_of(given, "baseline_table_name"),
        assets_dir=text_of(given, "assets_dir"),
        skip_dashboard=flag_of(given, "skip_builtin_dashboard"),
        schedule=schedule,
        is_paused=is_paused,
        failure_emails=texts_of(on_failure, "email_addresses"),
        failure_destinations=current.failure_destinations if current else (),
        client_settings=kept,
    )


def _granularity(word: str) -> str:
    if word not in _TEXT:
        raise InvalidParameter(
            f"'granularities' holds '{word[:100]}': use {', '.join(_TEXT)}.", field="granularities"
        )
    return _TEXT[word]


def _schedule(given: Mapping[str, Any]) -> tuple[Schedule | None, bool]:
    asked = object_of(given, "schedule")
    if asked is None:
        return None, False
    schedule = parse_schedule(asked.get("quartz_cron_expression"), asked.get("timezone_id"))
    return schedule, text_of(asked, "pause_status") == _PAUSED


def _metric(given: Mapping[str, Any]) -> Metric:
    return Metric(
        name=text_of(given, "name", required=True),
        type=words_of(
            text_of(given, "type"), "DATA_PROFILING_CUSTOM_METRIC_TYPE_", list(METRIC_TYPES), "custom_metrics.type"
        ),
        input_columns=texts_of(given, "input_columns"),
        definition=text_of(given, "definition", required=True),
        output_type=text_of(given, "output_data_type") or "double",
    )


def written(settings: MonitorSettings, *, schema_id: str) -> dict[str, Any]:
    """The part of a data profiling config that a client may set, as it is now: what update masks change."""
    schedule = settings.schedule
    return present(
        {
            "output_schema_id": schema_id,
            "assets_dir": settings.assets_dir or None,
            "baseline_table_name": settings.baseline_table_name or None,
            "slicing_exprs": list(settings.slicing_expressions) or None,
            "custom_metrics": [
                {
                    "name": metric.name,
                    "type": f"DATA_PROFILING_CUSTOM_METRIC_TYPE_{metric.type}",
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
                "pause_status": _PAUSED if settings.is_paused else _UNPAUSED,
            }
            if schedule
            else None,
            "notification_settings": {"on_failure": {"email_addresses": list(settings.failure_emails)}}
            if settings.failure_emails
            else None,
            "skip_builtin_dashboard": settings.skip_dashboard,
            "warehouse_id": settings.client_settings.get("warehouse_id"),
            **_kind_of(settings),
        }
    )


def _kind_of(settings: MonitorSettings) -> dict[str, Any]:
    if settings.kind == MonitorKind.SNAPSHOT:
        return {"snapshot": {}}
    in_time = {
        "timestamp_column": settings.timestamp_column,
        "granularities": [_GRANULARITY[text] for text in settings.granularities],
    }
    if settings.kind == MonitorKind.TIME_SERIES:
        return {"time_series": in_time}
    return {
        "inference_log": present(
            {
                "problem_type": f"INFERENCE_PROBLEM_TYPE_{settings.problem_type}",
                **in_time,
                "prediction_column": settings.prediction_column,
                "model_id_column": settings.model_id_column,
                "label_column": settings.label_column or None,
            }
        )
    }


def monitor(row: Monitor) -> dict[str, Any]:
    """A monitor as clients read it."""
    config = written(settings_of(row), schema_id=str(row.output_schema_id) if row.output_schema_id else "")
    return {
        "object_type": TABLE,
        "object_id": str(row.table_id),
        "data_profiling_config": present(
            {
                **config,
                "status": f"DATA_PROFILING_STATUS_{row.status}",
                "monitored_table_name": row.table.full_name,
                "monitor_version": row.version,
                "profile_metrics_table_name": metric_table_name(row, "PROFILE"),
                "drift_metrics_table_name": metric_table_name(row, "DRIFT"),
                "dashboard_id": row.dashboard_id or None,
                "effective_warehouse_id": config.get("warehouse_id"),
                "latest_monitor_failure_message": row.failure_message or None,
            }
        ),
    }


def refresh(row: MonitorRefresh, table_id: object) -> dict[str, Any]:
    """A refresh as clients read it. One that waits has begun, to them, when it was asked for."""
    return present(
        {
            "object_type": TABLE,
            "object_id": str(table_id),
            "refresh_id": row.pk,
            "state": f"MONITOR_REFRESH_STATE_{row.state}",
            "start_time_ms": milliseconds(row.started_at or row.created_at),
            "end_time_ms": milliseconds(row.finished_at),
            "message": row.message or None,
            "trigger": f"MONITOR_REFRESH_TRIGGER_{row.trigger}",
        }
    )
