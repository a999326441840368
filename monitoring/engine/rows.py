"""The rows and columns of the metric tables, as documented: names, types and order."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from monitoring.engine.columns import ColumnKind, spark_name
from monitoring.engine.custom_metrics import Definitions, finite
from monitoring.engine.grouping import Group
from monitoring.engine.profiles import ColumnProfile
from monitoring.engine.spec import TABLE_ROW, MonitorSpec
from monitoring.engine.windows import Window, moment
from monitoring.metrics.drift import Test, categorical_drift, numeric_drift
from monitoring.metrics.fairness import MEASURES

Row = dict[str, Any]

_TIME = pa.timestamp("us", tz="UTC")
WINDOW = pa.struct([("start", _TIME), ("end", _TIME)])
_SCORE = pa.struct(
    [("one_vs_all", pa.map_(pa.string(), pa.float64())), ("macro", pa.float64()), ("weighted", pa.float64())]
)
_TEST = pa.struct([("statistic", pa.float64()), ("pvalue", pa.float64())])
_MATRIX = pa.list_(pa.struct([("prediction", pa.string()), ("label", pa.string()), ("count", pa.int64())]))

_PROFILE = [
    ("window", WINDOW),
    ("log_type", pa.string()),
    ("logging_table_commit_version", pa.int32()),
    ("monitor_version", pa.int64()),
    ("granularity", pa.string()),
    ("slice_key", pa.string()),
    ("slice_value", pa.string()),
    ("column_name", pa.string()),
    ("count", pa.int64()),
    ("data_type", pa.string()),
    ("num_nulls", pa.int64()),
    ("avg", pa.float64()),
    ("quantiles", pa.list_(pa.float64())),
    ("min", pa.float64()),
    ("max", pa.float64()),
    ("stddev", pa.float64()),
    ("num_zeros", pa.int64()),
    ("num_nan", pa.int64()),
    ("min_length", pa.float64()),
    ("max_length", pa.float64()),
    ("avg_length", pa.float64()),
    ("non_null_columns", pa.list_(pa.string())),
    ("frequent_items", pa.list_(pa.struct([("item", pa.string()), ("count", pa.int64())]))),
    ("median", pa.float64()),
    ("distinct_count", pa.int64()),
    ("percent_nan", pa.float64()),
    ("percent_null", pa.float64()),
    ("percent_zeros", pa.float64()),
    ("percent_distinct", pa.float64()),
]
_CLASSIFICATION = [
    ("accuracy_score", pa.float64()),
    ("log_loss", pa.float64()),
    ("roc_auc_score", _SCORE),
    ("confusion_matrix", _MATRIX),
    ("precision", _SCORE),
    ("recall", _SCORE),
    ("f1_score", _SCORE),
    *((name, pa.map_(pa.string(), pa.float64())) for name in MEASURES),
]
_REGRESSION = [
    ("mean_squared_error", pa.float64()),
    ("root_mean_squared_error", pa.float64()),
    ("mean_average_error", pa.float64()),
    ("mean_absolute_percentage_error", pa.float64()),
    ("r2_score", pa.float64()),
]
_DRIFT = [
    ("window", WINDOW),
    ("granularity", pa.string()),
    ("monitor_version", pa.int64()),
    ("slice_key", pa.string()),
    ("slice_value", pa.string()),
    ("column_name", pa.string()),
    ("data_type", pa.string()),
    ("window_cmp", WINDOW),
    ("drift_type", pa.string()),
    ("count_delta", pa.int64()),
    ("avg_delta", pa.float64()),
    ("percent_null_delta", pa.float64()),
    ("percent_zeros_delta", pa.float64()),
    ("percent_distinct_delta", pa.float64()),
    ("non_null_columns_delta", pa.struct([("added", pa.int32()), ("missing", pa.int32())])),
    ("js_distance", pa.float64()),
    ("ks_test", _TEST),
    ("wasserstein_distance", pa.float64()),
    ("population_stability_index", pa.float64()),
    ("chi_squared_test", _TEST),
    ("tv_distance", pa.float64()),
    ("l_infinity_distance", pa.float64()),
]
_INSIGHTS = [
    ("window", WINDOW),
    ("log_type", pa.string()),
    ("granularity", pa.string()),
    ("monitor_version", pa.int64()),
    ("slice_key", pa.string()),
    ("slice_value", pa.string()),
    ("column_name", pa.string()),
    ("insight", pa.string()),
    ("value", pa.float64()),
    ("pvalue", pa.float64()),
    ("rank", pa.int32()),
    ("details", pa.string()),
]


def reserved_names() -> frozenset[str]:
    """Names that a custom metric or a model id column cannot have, in lower case."""
    everything = (*_PROFILE, *_CLASSIFICATION, *_REGRESSION, *_DRIFT, *_INSIGHTS)
    return frozenset(name.lower() for name, _ in everything)


def _model_field(spec: MonitorSpec, schema: Any) -> list[tuple[str, Any]]:
    if spec.kind != "INFERENCE_LOG" or not spec.model_id_column:
        return []
    type_ = schema.field(spec.model_id_column).type
    return [(spec.model_id_column, pa.int64() if pa.types.is_signed_integer(type_) else pa.string())]


def profile_schema(spec: MonitorSpec, schema: Any, custom: Definitions) -> Any:
    """Of the profile table; quality columns are there where predictions can be held against labels."""
    quality: list[tuple[str, Any]] = []
    if spec.kind == "INFERENCE_LOG" and spec.label_column and spec.prediction_column:
        quality = _CLASSIFICATION if spec.problem_type == "CLASSIFICATION" else _REGRESSION
    return pa.schema([*_PROFILE, *_model_field(spec, schema), *quality, *custom.profile_types.items()])


def drift_schema(spec: MonitorSpec, schema: Any, custom: Definitions) -> Any:
    """Of the drift table."""
    return pa.schema([*_DRIFT, *_model_field(spec, schema), *custom.drift_types.items()])


def insights_schema(spec: MonitorSpec, schema: Any) -> Any:
    """Of the table of what the documented tables have no column for."""
    return pa.schema([*_INSIGHTS, *_model_field(spec, schema)])


def window_value(window: Window | None) -> Row | None:
    """A window as the tables hold it."""
    return None if window is None else {"start": moment(window.start), "end": moment(window.end)}


def group_values(spec: MonitorSpec, schema: Any, group: Group) -> Row:
    """The columns that tell a group."""
    values: Row = {"slice_key": group.slice_key, "slice_value": group.slice_value}
    for name, type_ in _model_field(spec, schema):
        values[name] = int(group.model) if group.model is not None and pa.types.is_integer(type_) else group.model
    return values


def profile_row(column: str, type_: Any, profile: ColumnProfile) -> Row:
    """What a column's row says of it, without window and group."""
    row: Row = {"column_name": column, "count": profile.count, **profile.custom}
    if column == TABLE_ROW:
        return row | {"non_null_columns": list(profile.columns)}
    row |= {
        "data_type": spark_name(type_),
        "num_nulls": profile.num_nulls,
        "percent_null": profile.percent_null,
        "distinct_count": profile.distinct,
        "percent_distinct": profile.percent_distinct,
    }
    statistics, categories, lengths = profile.statistics, profile.categories, profile.lengths
    if statistics is not None:
        row |= {"min": statistics.min, "max": statistics.max, "median": finite(statistics.median)}
    if profile.kind is ColumnKind.NUMERIC and statistics is not None:
        row |= {
            "avg": profile.avg,
            "stddev": statistics.stddev,
            "quantiles": statistics.quantiles if len(statistics.quantiles) else None,
            "num_zeros": profile.num_zeros,
            "num_nan": profile.num_nan,
            "percent_nan": profile.percent_nan,
            "percent_zeros": profile.percent_zeros,
        }
    if categories is not None:
        row["frequent_items"] = [{"item": item, "count": count} for item, count in categories.frequent()]
    if lengths is not None:
        row |= {"min_length": lengths.min, "max_length": lengths.max, "avg_length": lengths.avg}
    return row


def drift_row(column: str, type_: Any, current: ColumnProfile, reference: ColumnProfile) -> Row:
    """How a column differs from what it is compared with, without windows and group."""
    row: Row = {"column_name": column, "count_delta": current.count - reference.count}
    if column == TABLE_ROW:
        now, then = set(current.columns), set(reference.columns)
        return row | {"non_null_columns_delta": {"added": len(now - then), "missing": len(then - now)}}
    row["data_type"] = spark_name(type_)
    for name in ("percent_null", "percent_zeros", "percent_distinct"):
        row[f"{name}_delta"] = _delta(getattr(current, name), getattr(reference, name))
    if current.kind is not reference.kind:
        return row
    if current.kind is ColumnKind.NUMERIC and current.numeric is not None and reference.numeric is not None:
        drift = numeric_drift(current.numeric, reference.numeric)
        row |= {
            "avg_delta": _delta(current.avg, reference.avg),
            "ks_test": _test(drift.ks),
            "wasserstein_distance": finite(drift.wasserstein),
            "population_stability_index": drift.psi,
        }
    if current.categories is not None and reference.categories is not None:
        changes = categorical_drift(current.categories, reference.categories)
        row |= {
            "chi_squared_test": _test(changes.chi_squared),
            "tv_distance": changes.tv,
            "l_infinity_distance": changes.l_infinity,
            "js_distance": changes.js,
        }
    return row


def _delta(one: float | None, other: float | None) -> float | None:
    difference: float | None = None if one is None or other is None else finite(one - other)
    return difference


def _test(test: Test | None) -> Mapping[str, float] | None:
    return None if test is None else {"statistic": test.statistic, "pvalue": test.pvalue}


def batch_of(rows: list[Row], schema: Any) -> Any:
    """Rows as a record batch; columns that a row lacks are null."""
    return pa.record_batch(
        [pa.array([row.get(field.name) for row in rows], field.type) for field in schema], schema=schema
    )
