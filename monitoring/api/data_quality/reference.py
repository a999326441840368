"""What this dialect's calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from monitoring.api.data_quality import shapes
from monitoring.engine.spec import GRANULARITIES
from monitoring.models import MonitorStatus, ProblemType, RefreshState, RefreshTrigger
from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    EMPTY,
    FLAG,
    ID,
    MILLIS,
    PAGE,
    TEXT,
    WHOLE,
    Named,
    Schema,
    choice,
    fields,
    listed,
    noted,
    page_of,
)

_GRANULARITIES = listed(
    choice(*(f"AGGREGATION_GRANULARITY_{text.upper().replace(' ', '_')}" for text in GRANULARITIES))
)
_IN_TIME: dict[str, Schema] = {"timestamp_column": TEXT, "granularities": _GRANULARITIES}
_METRIC = Named(
    "DataProfilingCustomMetric",
    fields(
        {
            "name": TEXT,
            "type": choice(
                *(f"DATA_PROFILING_CUSTOM_METRIC_TYPE_{one}" for one in ("AGGREGATE", "DERIVED", "DRIFT"))
            ),
            "input_columns": listed(TEXT),
            "definition": noted(TEXT, "A SQL expression with {{input_column}} in it."),
        },
        output_data_type=TEXT,
    ),
)
_WRITTEN: dict[str, Schema] = {
    "assets_dir": TEXT,
    "baseline_table_name": TEXT,
    "slicing_exprs": listed(TEXT),
    "custom_metrics": listed(_METRIC),
    "schedule": fields(
        {"quartz_cron_expression": noted(TEXT, "As 0 0 12 * * ?")},
        timezone_id=TEXT,
        pause_status=choice("CRON_SCHEDULE_PAUSE_STATUS_UNPAUSED", "CRON_SCHEDULE_PAUSE_STATUS_PAUSED"),
    ),
    "notification_settings": fields(on_failure=fields(email_addresses=listed(TEXT))),
    "skip_builtin_dashboard": FLAG,
    "warehouse_id": TEXT,
    "snapshot": noted(fields(), "All rows at once."),
    "time_series": fields(_IN_TIME),
    "inference_log": fields(
        {
            "problem_type": choice(*(f"INFERENCE_PROBLEM_TYPE_{one}" for one in ProblemType.values)),
            **_IN_TIME,
            "prediction_column": TEXT,
            "model_id_column": TEXT,
        },
        label_column=TEXT,
    ),
}
_SCHEMA_ID = noted(TEXT, "The id of the schema of the metric tables; empty when it is gone.")
CONFIG = Named(
    "DataProfilingConfig",
    fields(
        {
            "output_schema_id": _SCHEMA_ID,
            "status": choice(*(f"DATA_PROFILING_STATUS_{one}" for one in MonitorStatus.values)),
            "monitored_table_name": TEXT,
            "monitor_version": WHOLE,
            "profile_metrics_table_name": TEXT,
            "drift_metrics_table_name": TEXT,
        },
        dashboard_id=TEXT,
        effective_warehouse_id=TEXT,
        latest_monitor_failure_message=TEXT,
        **_WRITTEN,
    ),
)
_OBJECT: dict[str, Schema] = {"object_type": choice(shapes.TABLE), "object_id": ID}
MONITOR = Named("DataQualityMonitor", fields({**_OBJECT, "data_profiling_config": CONFIG}))
REFRESH = Named(
    "DataQualityRefresh",
    fields(
        {
            **_OBJECT,
            "refresh_id": WHOLE,
            "state": choice(*(f"MONITOR_REFRESH_STATE_{one}" for one in RefreshState.values)),
            "start_time_ms": MILLIS,
            "trigger": choice(*(f"MONITOR_REFRESH_TRIGGER_{one}" for one in RefreshTrigger.values)),
        },
        end_time_ms=MILLIS,
        message=TEXT,
    ),
)
_PAGE: dict[str, Schema] = {"page_size": PAGE["max_results"], "page_token": PAGE["page_token"]}
_MASK: dict[str, Schema] = {
    "update_mask": noted(TEXT, "Paths with commas between, as data_profiling_config.slicing_exprs; all else stays.")
}
_NEW = fields({"output_schema_id": ID}, **_WRITTEN)
_ROOT = "/api/data-quality/v1/monitors"
_ONE = f"{_ROOT}/{{object_type}}/{{object_id}}"

DIALECT = Dialect(
    slug="data_quality",
    title="Data quality",
    text="Monitors by the id of their table, as databricks-sdk's data_quality calls them.",
    parts={"object_type": choice(shapes.TABLE), "object_id": ID, "refresh_id": WHOLE},
    paths={
        _ROOT: {
            "GET": Call("list_monitors", page_of("monitors", MONITOR), query=_PAGE),
            "POST": Call(
                "create_monitor", MONITOR, body=fields({**_OBJECT, "data_profiling_config": _NEW}), errors=(501,)
            ),
        },
        _ONE: {
            "GET": Call("get_monitor", MONITOR, errors=(501,)),
            "PATCH": Call(
                "update_monitor",
                MONITOR,
                query=_MASK,
                body=fields({"data_profiling_config": fields(output_schema_id=ID, **_WRITTEN)}),
                errors=(501,),
            ),
            "DELETE": Call("delete_monitor", EMPTY, errors=(501,)),
        },
        f"{_ONE}/refreshes": {
            "GET": Call("list_refreshes", page_of("refreshes", REFRESH), query=_PAGE, errors=(501,)),
            "POST": Call("create_refresh", REFRESH, errors=(501,)),
        },
        f"{_ONE}/refreshes/{{refresh_id}}": {
            "GET": Call("get_refresh", REFRESH, errors=(501,)),
            "PATCH": Call("update_refresh", REFRESH, errors=(501,)),
            "DELETE": Call("delete_refresh", EMPTY, errors=(501,)),
        },
        f"{_ONE}/refreshes/{{refresh_id}}/cancel": {
            "POST": Call("cancel_refresh", fields({"refresh": REFRESH}), errors=(501,))
        },
    },
)
