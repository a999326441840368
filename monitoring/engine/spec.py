"""What a refresh is asked and what it answers: the contract of the engine with its callers.

Standard library only, so that a web process may import it. The work itself is in three functions, imported where they
are called (they load numpy, pyarrow and deltalake):

    monitoring.engine.refreshing.refresh(*, spec, table, baseline, state_folder, profile_table_uri, drift_table_uri,
        monitor_version, now, progress, insights_table_uri=None, metrics_storage_options=None) -> RefreshResult
    monitoring.engine.validation.validate_spec(spec, schema) -> None           raises SpecError
    monitoring.engine.previews.preview(spec, table, now) -> Preview
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

Kind = Literal["SNAPSHOT", "TIME_SERIES", "INFERENCE_LOG"]
ProblemType = Literal["CLASSIFICATION", "REGRESSION"]
MetricType = Literal["AGGREGATE", "DERIVED", "DRIFT"]

TABLE_ROW = ":table"
"""The column name of rows that speak of the whole table, and the input column of metrics over several columns."""

APPROXIMATION = "APPROXIMATION"
MOST_CHANGED = "MOST_CHANGED"
MULTIVARIATE_DRIFT = "MULTIVARIATE_DRIFT"
ESTIMATED_ACCURACY = "ESTIMATED_ACCURACY"
MODEL_COMPARISON = "MODEL_COMPARISON"
"""The kinds of rows of the table of insights; docs/monitoring-metrics.md tells what each holds."""

GRANULARITIES = (
    "5 minutes",
    "30 minutes",
    "1 hour",
    "1 day",
    "1 week",
    "2 weeks",
    "3 weeks",
    "4 weeks",
    "1 month",
    "1 year",
)


class SpecError(ValueError):
    """The monitor cannot work on this table; `field` is the name of MonitorSpec's attribute, `message` the remedy."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


class TableError(RuntimeError):
    """A table cannot be read: it is gone, or uses a Delta feature that the reader lacks. The text is for people."""


class Cancelled(RuntimeError):
    """For callers to raise inside `progress`; any other exception stops a refresh as well."""


@dataclass(frozen=True)
class CustomMetric:
    """A metric that users define.

    Args:
        name: its column in the metric tables.
        input_columns: columns that it is computed for, or (":table",).
        definition: a SQL expression with the placeholders {{input_column}}, {{prediction_col}}, {{label_col}},
            {{current_df}}, {{base_df}}.
        output_type: a Spark type: its name ("double"), or the JSON text of a StructField or type.
    """

    name: str
    type: MetricType
    input_columns: tuple[str, ...]
    definition: str
    output_type: str = "double"


@dataclass(frozen=True)
class MonitorSpec:
    """What to measure.

    Args:
        granularities: texts of GRANULARITIES; empty for SNAPSHOT.
        slicing_expressions: a column's name, or a SQL expression over the table's columns.
        time_zone: IANA name; days and longer windows begin at its midnight.
        lookback_days: windows that ended earlier than this many days ago are left as they are.
        exact_rows: a window with more rows is measured with sketches, whose error the insights state.
        max_slice_values: the most frequent values of an expression that become slices, per window.
    """

    kind: Kind
    timestamp_column: str | None = None
    granularities: tuple[str, ...] = ()
    slicing_expressions: tuple[str, ...] = ()
    problem_type: ProblemType | None = None
    prediction_column: str | None = None
    label_column: str | None = None
    prediction_proba_column: str | None = None
    model_id_column: str | None = None
    custom_metrics: tuple[CustomMetric, ...] = ()
    time_zone: str = "UTC"
    lookback_days: int = 30
    exact_rows: int = 4_000_000
    max_slice_values: int = 100


@dataclass(frozen=True)
class TableRef:
    """A Delta table at a version; None is the latest."""

    uri: str
    storage_options: Mapping[str, str] | None = None
    version: int | None = None


class Progress(Protocol):
    """Told how far a refresh is; raises to stop it, which leaves the metric tables as they were or complete."""

    def __call__(self, percent: int, step: str) -> None:
        """Percent from 0 to 100, and what is being done, for people."""


@dataclass(frozen=True)
class RefreshResult:
    """What a refresh did; `last_version` is the version of the monitored table that the metrics now describe."""

    windows_refreshed: int
    rows_read: int
    rows_written: int
    warnings: list[str]
    last_version: int


@dataclass(frozen=True)
class Preview:
    """A small profile before a monitor is enabled: rows of the profile table as dictionaries, one a column."""

    rows: list[dict[str, Any]]
    window_start: datetime | None
    window_end: datetime | None
    rows_read: int
    warnings: list[str] = field(default_factory=list)
