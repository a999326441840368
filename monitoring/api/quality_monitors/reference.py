"""What this dialect's calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from monitoring.models import MonitorStatus, ProblemType, RefreshState, RefreshTrigger
from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    ANYTHING,
    EMPTY,
    FLAG,
    MILLIS,
    TEXT,
    WHOLE,
    Named,
    Schema,
    choice,
    fields,
    listed,
    noted,
)

_TABLE = noted(TEXT, "catalog.schema.table", examples=["prod.ml.clicks"])
_GRANULARITIES = noted(listed(TEXT), "As 30 minutes, 1 hour, 1 day, 2 weeks, 1 month.")
_IN_TIME: dict[str, Schema] = {"timestamp_col": TEXT, "granularities": _GRANULARITIES}
_SNAPSHOT = noted(fields(), "All rows at once.")
_TIME_SERIES = fields(_IN_TIME)
_INFERENCE_LOG = fields(
    {
        "problem_type": choice(*(f"PROBLEM_TYPE_{one}" for one in ProblemType.values)),
        **_IN_TIME,
        "prediction_col": TEXT,
        "model_id_col": TEXT,
    },
    label_col=TEXT,
    prediction_proba_col=TEXT,
)
_METRIC = Named(
    "MonitorMetric",
    fields(
        {
            "name": TEXT,
            "type": choice("CUSTOM_METRIC_TYPE_AGGREGATE", "CUSTOM_METRIC_TYPE_DERIVED", "CUSTOM_METRIC_TYPE_DRIFT"),
            "input_columns": listed(TEXT),
            "definition": noted(TEXT, "A SQL expression with {{input_column}} in it."),
        },
        output_data_type=TEXT,
    ),
)
_SCHEDULE = fields(
    {"quartz_cron_expression": noted(TEXT, "As 0 0 12 * * ?")},
    timezone_id=TEXT,
    pause_status=choice("UNPAUSED", "PAUSED"),
)
_EMAILS = fields(email_addresses=listed(TEXT))
_GIVEN: dict[str, Schema] = {
    "snapshot": _SNAPSHOT,
    "time_series": _TIME_SERIES,
    "inference_log": _INFERENCE_LOG,
    "baseline_table_name": TEXT,
    "slicing_exprs": listed(TEXT),
    "custom_metrics": listed(_METRIC),
    "schedule": _SCHEDULE,
    "notifications": fields(on_failure=_EMAILS, on_new_classification_tag_detected=_EMAILS),
    "warehouse_id": TEXT,
    "data_classification_config": ANYTHING,
}
_MADE: dict[str, Schema] = {**_GIVEN, "skip_builtin_dashboard": FLAG}
MONITOR = Named(
    "QualityMonitor",
    fields(
        {
            "table_name": TEXT,
            "status": choice(*(f"MONITOR_STATUS_{one}" for one in MonitorStatus.values)),
            "monitor_version": WHOLE,
            "profile_metrics_table_name": TEXT,
            "drift_metrics_table_name": TEXT,
            "output_schema_name": TEXT,
        },
        assets_dir=TEXT,
        dashboard_id=TEXT,
        latest_monitor_failure_msg=TEXT,
        **_GIVEN,
    ),
)
REFRESH = Named(
    "QualityMonitorRefresh",
    fields(
        {
            "refresh_id": WHOLE,
            "state": choice(*RefreshState.values),
            "start_time_ms": MILLIS,
            "trigger": choice(*RefreshTrigger.values),
        },
        end_time_ms=MILLIS,
        message=TEXT,
    ),
)
_ROOT = "/api/2.1/unity-catalog/tables/{full_name}/monitor"

DIALECT = Dialect(
    slug="quality_monitors",
    title="Quality monitors",
    text="Monitors by their table's name, as databricks-sdk's quality_monitors calls them.",
    parts={"full_name": _TABLE, "refresh_id": WHOLE},
    paths={
        _ROOT: {
            "GET": Call("get", MONITOR),
            "POST": Call("create", MONITOR, body=fields({"output_schema_name": TEXT, "assets_dir": TEXT}, **_MADE)),
            "PUT": Call("update", MONITOR, body=fields({"output_schema_name": TEXT}, **_MADE)),
            "DELETE": Call("delete", EMPTY),
        },
        f"{_ROOT}/refreshes": {
            "GET": Call("list_refreshes", fields({"refreshes": listed(REFRESH)})),
            "POST": Call("run_refresh", REFRESH),
        },
        f"{_ROOT}/refreshes/{{refresh_id}}": {"GET": Call("get_refresh", REFRESH)},
        f"{_ROOT}/refreshes/{{refresh_id}}/cancel": {"POST": Call("cancel_refresh", REFRESH)},
        "/api/modelkeep/tables/{full_name}/monitor-choices": {
            "GET": Call(
                "monitor_choices",
                fields(
                    {
                        "columns": listed(fields({"name": TEXT, "type": TEXT, "is_time": FLAG, "is_number": FLAG})),
                        "suggestion": ANYTHING,
                    }
                ),
            )
        },
        "/api/modelkeep/tables/{full_name}/monitor-preview": {
            "POST": Call(
                "monitor_preview",
                fields(
                    {"rows": listed(ANYTHING), "rows_read": WHOLE, "warnings": listed(TEXT)},
                    window_start_ms=MILLIS,
                    window_end_ms=MILLIS,
                ),
                body=fields({"output_schema_name": TEXT}, **_MADE),
            )
        },
        "/api/modelkeep/endpoints/{name}/monitor": {
            "POST": Call(
                "monitor_endpoint",
                MONITOR,
                body=fields(
                    of=choice("ANSWERS", "METRICS"),
                    problem_type=choice(*(f"PROBLEM_TYPE_{one}" for one in ProblemType.values)),
                    granularities=_GRANULARITIES,
                    baseline_table_name=TEXT,
                    output_schema_name=TEXT,
                ),
            )
        },
        "/api/2.1/quality-monitoring/tables/{full_name}/monitor/dashboard": {
            "POST": Call(
                "regenerate_dashboard",
                fields({"dashboard_id": TEXT, "parent_folder": TEXT}),
                body=fields(warehouse_id=TEXT),
            )
        },
    },
)
