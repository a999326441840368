"""What this dialect's calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from monitoring.models import Aggregation, AlertState, Comparison, EvaluationTrigger
from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    ANYTHING,
    EMPTY,
    FLAG,
    ID,
    MILLIS,
    MOMENT,
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

_NUMBER: Schema = {"type": "number"}
_COLUMN = fields({"name": TEXT}, display=TEXT, aggregation=choice(*Aggregation.values))
_STATE = choice(*AlertState.values)
_ANY = noted({}, "A number, a text, true or false.")
_EVALUATED: dict[str, Schema] = {
    "source": _COLUMN,
    "threshold": fields(value=fields(double_value=_NUMBER, string_value=TEXT, bool_value=FLAG), column=_COLUMN),
    "empty_result_state": _STATE,
    "notification": fields(
        notify_on_ok=FLAG,
        retrigger_seconds=WHOLE,
        subscriptions=listed(fields(user_email=TEXT, destination_id=TEXT)),
    ),
}
_COMPARISON: dict[str, Schema] = {"comparison_operator": choice(*Comparison.values)}
_METRIC = fields(
    {
        "table": noted(TEXT, "The monitored table, by name or id."),
        "metric_table": choice("PROFILE", "DRIFT", "INSIGHTS"),
        "metric": noted(TEXT, "A column of the metric table, as js_distance or ks_test.pvalue."),
    },
    selector=noted(ANYTHING, "Which rows: column_name, granularity, slice_key, slice_value, model_id, drift_type."),
)
_OURS: dict[str, Schema] = {
    "metric": noted(_METRIC, "Instead of a query."),
    "resolve_threshold": noted(_NUMBER, "A triggered alert is over once the number is behind this one."),
    "consecutive": noted(WHOLE, "So many breaches in a row trigger it."),
    "workflow_destination_id": noted(TEXT, "A webhook that is asked for work when the alert is triggered."),
    "workflow_parameters": ANYTHING,
}
_SCHEDULE = fields(
    {"quartz_cron_schedule": noted(TEXT, "As 0 0 12 * * ?")},
    timezone_id=TEXT,
    pause_status=choice("UNPAUSED", "PAUSED"),
)
_REST: dict[str, Schema] = {
    "query_text": TEXT,
    "warehouse_id": TEXT,
    "schedule": _SCHEDULE,
    "parameters": listed(fields({"name": TEXT}, value=TEXT, type=TEXT)),
    "custom_summary": TEXT,
    "custom_description": TEXT,
    "custom_template_format": TEXT,
    "parent_path": TEXT,
}
ALERT = Named(
    "Alert",
    fields(
        {
            "id": ID,
            "display_name": TEXT,
            "evaluation": fields(_COMPARISON, state=_STATE, last_evaluated_at=MOMENT, **_EVALUATED),
            "modelkeep": fields(last_value=_ANY, message=TEXT,
                                muted_until=MOMENT, **_OURS),
            "owner_user_name": TEXT,
            "run_as_user_name": TEXT,
            "effective_run_as": ANYTHING,
            "lifecycle_state": choice("ACTIVE"),
            "create_time": MOMENT,
            "update_time": MOMENT,
        },
        **_REST,
    ),
)  # fmt: skip
_RUN_AS: dict[str, Schema] = {"run_as": ANYTHING, "run_as_user_name": TEXT}
_PAGE: dict[str, Schema] = {"page_size": PAGE["max_results"], "page_token": PAGE["page_token"]}
_ROOT = "/api/2.0/alerts"
_OURS_ROOT = "/api/modelkeep/alerts"
_OURS_ONE = f"{_OURS_ROOT}/{{alert_id}}"
_NOTICE = Named("AlertNotice", fields({"event": TEXT, "subject": TEXT, "text": TEXT, "data": ANYTHING}))
_DELIVERY = fields({"id": ID}, state=TEXT, destination=TEXT, attempts=WHOLE)
_EVALUATION = Named(
    "AlertEvaluation",
    fields(
        {
            "id": WHOLE,
            "at": MILLIS,
            "trigger": choice(*EvaluationTrigger.values),
            "state": _STATE,
            "milliseconds": WHOLE,
            "notified": listed(fields({"event": TEXT, "deliveries": listed(_DELIVERY)})),
        },
        value=_ANY,
        threshold=_ANY,
        breached=FLAG,
        message=TEXT,
        window_start=MILLIS,
        window_end=MILLIS,
        incident_id=WHOLE,
    ),
)  # fmt: skip
_INCIDENT = Named(
    "AlertIncident",
    fields(
        {"id": WHOLE, "opened_at": MILLIS},
        value=_ANY,
        notified_at=MILLIS,
        resolved_at=MILLIS,
        resolved_value=_ANY,
        resolution=TEXT,
    ),
)

DIALECT = Dialect(
    slug="alerts",
    title="Alerts",
    text="Alerts on queries and on metrics, as databricks-sdk's alerts_v2 calls them.",
    parts={"alert_id": ID},
    paths={
        _ROOT: {
            "GET": Call("list_alerts", page_of("alerts", ALERT), query={**_PAGE, "state": _STATE, "table": TEXT}),
            "POST": Call(
                "create_alert",
                ALERT,
                body=fields(
                    {"display_name": TEXT, "evaluation": fields(_COMPARISON, **_EVALUATED)},
                    modelkeep=fields(**_OURS),
                    **_REST,
                    **_RUN_AS,
                ),
            ),
        },
        f"{_ROOT}/{{alert_id}}": {
            "GET": Call("get_alert", ALERT),
            "PATCH": Call(
                "update_alert",
                ALERT,
                query={"update_mask": noted(TEXT, "Paths with commas between, as schedule; all else stays.")},
                body=fields(
                    display_name=TEXT,
                    evaluation=fields(comparison_operator=choice(*Comparison.values), **_EVALUATED),
                    modelkeep=fields(**_OURS),
                    **_REST,
                    **_RUN_AS,
                ),
            ),
            "DELETE": Call("delete_alert", EMPTY),
        },
        f"{_OURS_ROOT}/test": {
            "POST": Call(
                "test_alert",
                fields(
                    {
                        "state": _STATE,
                        "is_empty": FLAG,
                        "events": listed(TEXT),
                        "notice": _NOTICE,
                    },
                    breached=FLAG,
                    value=_ANY,
                    threshold=_ANY,
                    message=TEXT,
                    window_start=MILLIS,
                    window_end=MILLIS,
                    workflow=_NOTICE,
                ),
                body=fields(
                    {"display_name": TEXT, "evaluation": fields(_COMPARISON, **_EVALUATED)},
                    modelkeep=fields(**_OURS),
                    alert_id=noted(TEXT, "How this alert stands is where what follows is reckoned from."),
                    **_REST,
                ),
            )
        },
        f"{_OURS_ONE}/evaluate": {"POST": Call("evaluate_alert", fields({"evaluation": _EVALUATION}))},
        f"{_OURS_ONE}/mute": {
            "POST": Call("mute_alert", ALERT, body=fields(until=MILLIS, seconds=WHOLE)),
            "DELETE": Call("unmute_alert", ALERT),
        },
        f"{_OURS_ONE}/transfer": {"POST": Call("transfer_alert", ALERT, body=fields({"owner": TEXT}))},
        f"{_OURS_ONE}/notice": {"GET": Call("preview_alert_notice", _NOTICE)},
        f"{_OURS_ONE}/evaluations": {
            "GET": Call("list_alert_evaluations", page_of("evaluations", _EVALUATION), query=PAGE)
        },
        f"{_OURS_ONE}/incidents": {"GET": Call("list_alert_incidents", page_of("incidents", _INCIDENT), query=PAGE)},
    },
)
