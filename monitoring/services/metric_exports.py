"""Rows of the metric tables to take away."""

from collections.abc import Iterator
from dataclasses import replace

from monitoring.services.dashboard_filters import Chosen, complete, find_choices, row_filter
from monitoring.services.metric_rows import Row, open_metric_tables, read_rows
from monitoring.services.monitor_lookup import find_shown_monitor
from registry.errors import InvalidParameter
from registry.services.actors import Actor
from registry.services.audit import audited_read

PROFILE, DRIFT, INSIGHTS = "profile", "drift", "insights"
_FIELDS = {
    PROFILE: (
        *(
            "log_type",
            "granularity",
            "slice_key",
            "slice_value",
            "count",
            "data_type",
            "num_nulls",
            "avg",
            "min",
            "max",
        ),
        *("median", "stddev", "num_zeros", "num_nan", "min_length", "max_length", "avg_length", "distinct_count"),
        *("percent_nan", "percent_null", "percent_zeros", "percent_distinct", "frequent_items"),
        *("accuracy_score", "log_loss", "roc_auc_score", "precision", "recall", "f1_score"),
        *("mean_squared_error", "root_mean_squared_error", "mean_average_error", "mean_absolute_percentage_error"),
        "r2_score",
    ),
    DRIFT: (
        *("drift_type", "granularity", "slice_key", "slice_value", "data_type", "count_delta", "avg_delta"),
        *("percent_null_delta", "percent_zeros_delta", "percent_distinct_delta", "js_distance", "ks_test"),
        *("wasserstein_distance", "population_stability_index", "chi_squared_test", "tv_distance"),
        "l_infinity_distance",
    ),
    INSIGHTS: (
        *("insight", "granularity", "slice_key", "slice_value", "column_name", "value", "pvalue", "rank", "details"),
    ),
}


@audited_read
def export_metrics(*, actor: Actor, table: str, chosen: Chosen, which: str) -> Iterator[Row]:
    """The rows of a metric table (profile, drift, insights) that a dashboard in this state is drawn from.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: no such table of metrics.
        LimitExceeded.
    """
    if which not in _FIELDS:
        raise InvalidParameter(f"'which' is '{which[:50]}': it must be profile, drift or insights.", field="which")
    monitor = find_shown_monitor(actor=actor, table=table)
    tables = open_metric_tables(actor=actor, monitor=monitor)
    completed = complete(chosen, find_choices(tables, monitor))
    wanted = row_filter(completed)
    if which == DRIFT:
        wanted = replace(wanted, drift_type=completed.drift)
    if completed.column:
        wanted = replace(wanted, columns=(completed.column,))
    if which == INSIGHTS:
        # A comparison stands with the version that is compared: with all versions on show, so are theirs.
        wanted = replace(wanted, model_id=wanted.model_id or None)
    model = monitor.model_id_column
    source = {PROFILE: tables.profile, DRIFT: tables.drift, INSIGHTS: tables.insights}[which]
    rows = read_rows(source, wanted, [*_FIELDS[which], *([model] if model else [])], model_id_column=model)
    return ({"start": row.pop("start"), "end": row.pop("end"), **row} for row in rows)
