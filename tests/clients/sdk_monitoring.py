"""Monitoring as a data scientist's script does it. Runs in a process of its own with nothing but databricks-sdk.

Usage: python sdk_monitoring.py SCHEMA, a full name. Prints a line a step: `ok NAME`, or `failed NAME` behind the
traceback; and at the end `folder PROFILE DRIFT`, the ids of the metric tables.
"""

import sys
import time
import traceback

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, NotFound, ResourceAlreadyExists
from databricks.sdk.service import catalog as uc
from databricks.sdk.service import dataquality as dq
from databricks.sdk.service import settings, sql

SCHEMA = sys.argv[1]
TABLE, BASELINE = f"{SCHEMA}.predictions", f"{SCHEMA}.baseline"
SECONDS = 120
w = WorkspaceClient()
state = {}
steps = []


def step(function):
    steps.append(function)
    return function


def run(statement):
    warehouse = next(iter(w.warehouses.list())).id
    done = w.statement_execution.execute_statement(statement, warehouse, wait_timeout="50s")
    assert done.status.state == sql.StatementState.SUCCEEDED, done.status
    return done.result.data_array if done.result and done.result.data_array else []


def until(ask, wanted):
    """What `ask` answers once it is wanted."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        found = ask()
        if wanted(found):
            return found
        time.sleep(0.3)
    raise AssertionError(f"not within {SECONDS} s: {found}")


def refused(kind, call):
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError("was not refused")


@step
def tables_of_predictions_are_made():
    rows = "SELECT now() - INTERVAL 1 DAY * (n % 3) AS at, CAST(n % 2 AS STRING) AS model_version, n * {} AS delay, "
    rows += "n * 1.0 AS prediction, n * 1.1 AS label, CASE WHEN n % 2 = 0 THEN 'AA' ELSE 'UA' END AS carrier "
    rows += "FROM (SELECT * FROM VALUES " + ", ".join(f"({n})" for n in range(120)) + " AS t(n))"
    run(f"CREATE TABLE {TABLE} AS {rows.format('1.0')}")
    run(f"CREATE TABLE {BASELINE} AS {rows.format('5.0')}")
    state["table_id"] = w.tables.get(TABLE).table_id


@step
def a_monitor_is_created_and_becomes_active():
    made = w.quality_monitors.create(
        table_name=TABLE,
        output_schema_name=SCHEMA,
        assets_dir="/Workspace/Users/me/monitoring",
        baseline_table_name=BASELINE,
        inference_log=uc.MonitorInferenceLog(
            problem_type=uc.MonitorInferenceLogProblemType.PROBLEM_TYPE_REGRESSION,
            timestamp_col="at",
            granularities=["1 day"],
            prediction_col="prediction",
            model_id_col="model_version",
            label_col="label",
        ),
        slicing_exprs=["carrier", "delay > 50"],
        custom_metrics=[
            uc.MonitorMetric(
                name="mean_delay",
                type=uc.MonitorMetricType.CUSTOM_METRIC_TYPE_AGGREGATE,
                input_columns=["delay"],
                definition="avg(`{{input_column}}`)",
                output_data_type="double",
            )
        ],
        schedule=uc.MonitorCronSchedule(quartz_cron_expression="0 0 12 * * ?", timezone_id="PST8PDT"),
        notifications=uc.MonitorNotifications(on_failure=uc.MonitorDestination(email_addresses=["me@example.com"])),
    )
    assert made.status == uc.MonitorInfoStatus.MONITOR_STATUS_PENDING
    assert made.monitor_version == 0
    assert made.profile_metrics_table_name == f"{TABLE}_profile_metrics"
    pending = uc.MonitorInfoStatus.MONITOR_STATUS_PENDING
    info = until(lambda: w.quality_monitors.get(TABLE), lambda found: found.status != pending)
    assert info.status == uc.MonitorInfoStatus.MONITOR_STATUS_ACTIVE, info
    assert info.inference_log.granularities == ["1 day"]
    assert info.schedule.pause_status == uc.MonitorCronSchedulePauseStatus.UNPAUSED
    assert info.custom_metrics[0].type == uc.MonitorMetricType.CUSTOM_METRIC_TYPE_AGGREGATE
    assert info.dashboard_id


@step
def a_refresh_goes_to_success():
    first = w.quality_monitors.list_refreshes(TABLE).refreshes[0]
    assert first.state == uc.MonitorRefreshInfoState.SUCCESS
    run_info = w.quality_monitors.run_refresh(TABLE)
    assert isinstance(run_info.refresh_id, int)
    assert run_info.trigger == uc.MonitorRefreshInfoTrigger.MANUAL
    over = (uc.MonitorRefreshInfoState.PENDING, uc.MonitorRefreshInfoState.RUNNING)
    done = until(
        lambda: w.quality_monitors.get_refresh(TABLE, run_info.refresh_id), lambda found: found.state not in over
    )
    assert done.state == uc.MonitorRefreshInfoState.SUCCESS, done
    refused(BadRequest, lambda: w.quality_monitors.cancel_refresh(TABLE, run_info.refresh_id))


@step
def metrics_are_read_by_sql():
    rows = run(
        f"SELECT window.start, count, avg, mean_delay FROM {TABLE}_profile_metrics WHERE column_name = 'delay' "
        "AND slice_key IS NULL AND log_type = 'INPUT' AND granularity = '1 day' ORDER BY window.start"
    )
    assert rows, "no rows"
    assert all(abs(float(row[2]) - float(row[3])) < 1e-9 for row in rows), rows
    drift = run(f"SELECT DISTINCT drift_type FROM {TABLE}_drift_metrics")
    assert {row[0] for row in drift} >= {"BASELINE"}, drift
    quality = run(
        f"SELECT mean_squared_error FROM {TABLE}_profile_metrics WHERE column_name = ':table' "
        "AND mean_squared_error IS NOT NULL LIMIT 1"
    )
    assert float(quality[0][0]) >= 0
    values = run(f"SELECT DISTINCT slice_value FROM {TABLE}_profile_metrics WHERE slice_key = 'delay > 50'")
    assert {row[0] for row in values} == {"true", "false"}


@step
def the_monitor_is_updated_and_its_dashboard_made_anew():
    changed = w.quality_monitors.update(
        TABLE,
        SCHEMA,
        slicing_exprs=["carrier"],
        inference_log=w.quality_monitors.get(TABLE).inference_log,
        baseline_table_name=BASELINE,
    )
    assert changed.monitor_version == 1
    assert changed.slicing_exprs == ["carrier"]
    assert changed.schedule is None
    made = w.quality_monitors.regenerate_dashboard(TABLE)
    assert made.dashboard_id
    assert made.parent_folder == "/Workspace/Users/me/monitoring"


@step
def what_cannot_be_is_refused_in_the_clients_words():
    create = w.quality_monitors.create
    snapshot = uc.MonitorSnapshot()
    refused(ResourceAlreadyExists, lambda: create(TABLE, SCHEMA, "/x", snapshot=snapshot))
    refused(InvalidParameterValue, lambda: create(BASELINE, SCHEMA, "/x"))
    refused(NotFound, lambda: create(f"{SCHEMA}.nowhere", SCHEMA, "/x", snapshot=snapshot))
    refused(NotFound, lambda: w.quality_monitors.get(BASELINE))


@step
def the_newer_api_speaks_of_the_same_monitor():
    table_id = state["table_id"]
    found = w.data_quality.get_monitor("table", table_id)
    config = found.data_profiling_config
    assert config.monitored_table_name == TABLE
    assert config.status == dq.DataProfilingStatus.DATA_PROFILING_STATUS_ACTIVE
    day = dq.AggregationGranularity.AGGREGATION_GRANULARITY_1_DAY
    assert config.inference_log.granularities == [day]
    changed = w.data_quality.update_monitor(
        "table",
        table_id,
        dq.Monitor(
            object_type="table",
            object_id=table_id,
            data_profiling_config=dq.DataProfilingConfig(
                output_schema_id=config.output_schema_id, slicing_exprs=["carrier", "delay > 9"]
            ),
        ),
        update_mask="data_profiling_config.slicing_exprs",
    ).data_profiling_config
    assert changed.slicing_exprs == ["carrier", "delay > 9"]
    assert changed.baseline_table_name == BASELINE
    assert table_id in [one.object_id for one in w.data_quality.list_monitor()]
    begun = w.data_quality.create_refresh("table", table_id, dq.Refresh(object_type="table", object_id=table_id))
    success = dq.RefreshState.MONITOR_REFRESH_STATE_SUCCESS
    until(
        lambda: w.data_quality.get_refresh("table", table_id, begun.refresh_id), lambda found: found.state == success
    )
    assert begun.refresh_id in [one.refresh_id for one in w.data_quality.list_refresh("table", table_id)]


@step
def an_alert_is_made_on_a_metric_table_and_told_to_a_destination():
    destination = w.notification_destinations.create(
        display_name=f"hook of {SCHEMA}",
        config=settings.Config(generic_webhook=settings.GenericWebhookConfig(url="https://hooks.example.com/x")),
    )
    alert = w.alerts_v2.create_alert(
        sql.AlertV2(
            display_name="Delay drifts",
            query_text=f"SELECT max(js_distance) AS drift FROM {TABLE}_drift_metrics",
            warehouse_id="w",
            evaluation=sql.AlertV2Evaluation(
                source=sql.AlertV2OperandColumn(name="drift"),
                comparison_operator=sql.ComparisonOperator.GREATER_THAN,
                threshold=sql.AlertV2Operand(value=sql.AlertV2OperandValue(double_value=2.0)),
                empty_result_state=sql.AlertEvaluationState.OK,
                notification=sql.AlertV2Notification(
                    notify_on_ok=True, subscriptions=[sql.AlertV2Subscription(destination_id=destination.id)]
                ),
            ),
            schedule=sql.CronSchedule(quartz_cron_schedule="* * * * * ?", timezone_id="UTC"),
        )
    )
    assert alert.evaluation.threshold.value.double_value == 2.0
    ok = sql.AlertEvaluationState.OK
    found = until(lambda: w.alerts_v2.get_alert(alert.id), lambda found: found.evaluation.state == ok)
    assert found.evaluation.last_evaluated_at
    assert found.lifecycle_state == sql.AlertLifecycleState.ACTIVE
    alert.display_name = "Delay drifts a lot"
    assert w.alerts_v2.update_alert(alert.id, alert, "display_name").display_name == "Delay drifts a lot"
    assert alert.id in [one.id for one in w.alerts_v2.list_alerts()]
    w.alerts_v2.trash_alert(alert.id)
    refused(NotFound, lambda: w.alerts_v2.get_alert(alert.id))


@step
def a_deleted_monitor_leaves_its_metric_tables():
    profile, drift = f"{TABLE}_profile_metrics", f"{TABLE}_drift_metrics"
    w.quality_monitors.delete(TABLE)
    refused(NotFound, lambda: w.quality_monitors.get(TABLE))
    print("folder", w.tables.get(profile).table_id, w.tables.get(drift).table_id)


for function in steps:
    try:
        function()
    except Exception:  # every step is told of, whatever it raises
        traceback.print_exc()
        print("failed", function.__name__, flush=True)
    else:
        print("ok", function.__name__, flush=True)
