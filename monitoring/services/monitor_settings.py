"""What a monitor is set to, in neutral words: checked, kept on its row, and handed to the engine."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from monitoring.engine.spec import GRANULARITIES, CustomMetric, Kind, MonitorSpec
from monitoring.engine.spec import ProblemType as Problem
from monitoring.models import Monitor, MonitorKind, ProblemType
from monitoring.services.quartz import Schedule
from registry.errors import InvalidParameter

MAX_FAILURE_EMAILS = 5
MAX_SLICES = 50
MAX_CUSTOM_METRICS = 100
MAX_EXPRESSION = 4000
METRIC_TYPES = ("AGGREGATE", "DERIVED", "DRIFT")
_METRIC_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


@dataclass(frozen=True)
class Metric:
    """A metric that people define: a SQL expression, and the columns that it is computed for."""

    name: str
    type: str
    input_columns: tuple[str, ...]
    definition: str
    output_type: str = "double"


@dataclass(frozen=True)
class MonitorSettings:
    """All that can be said of a monitor. Dialects make one of what clients send; an update changes one into another.

    `is_paused` keeps a schedule without following it. `client_settings` changes nothing here and is told back.
    """

    kind: str
    output_schema_name: str
    timestamp_column: str = ""
    granularities: tuple[str, ...] = ()
    problem_type: str = ""
    prediction_column: str = ""
    prediction_proba_column: str = ""
    label_column: str = ""
    model_id_column: str = ""
    slicing_expressions: tuple[str, ...] = ()
    custom_metrics: tuple[Metric, ...] = ()
    baseline_table_name: str = ""
    assets_dir: str = ""
    skip_dashboard: bool = False
    schedule: Schedule | None = None
    is_paused: bool = False
    failure_emails: tuple[str, ...] = ()
    failure_destinations: tuple[str, ...] = ()
    client_settings: Mapping[str, Any] = field(default_factory=dict)


def check_settings(given: MonitorSettings) -> MonitorSettings:
    """The settings with everything put in its usual form.

    Raises:
        InvalidParameter: a value that no monitor can have, whatever its table.
    """
    if given.kind not in MonitorKind.values:
        raise InvalidParameter(
            "Give exactly one of 'snapshot', 'time_series' and 'inference_log'.", field="inference_log"
        )
    if given.output_schema_name.count(".") != 1:
        raise InvalidParameter(
            f"'output_schema_name' is '{given.output_schema_name[:200]}': write it as catalog.schema.",
            field="output_schema_name",
        )
    in_time = given.kind != MonitorKind.SNAPSHOT
    _check_roles(given, in_time=in_time)
    if len(given.slicing_expressions) > MAX_SLICES:
        raise InvalidParameter(f"'slicing_exprs' holds more than {MAX_SLICES} expressions.", field="slicing_exprs")
    for expression in given.slicing_expressions:
        _text(expression, field="slicing_exprs")
    _check_metrics(given.custom_metrics)
    return MonitorSettings(
        **{
            **vars(given),
            "granularities": _granularities(given.granularities) if in_time else (),
            "slicing_expressions": tuple(dict.fromkeys(text.strip() for text in given.slicing_expressions)),
            "failure_emails": check_emails(given.failure_emails, most=MAX_FAILURE_EMAILS, field="notifications"),
        }
    )


def _check_roles(given: MonitorSettings, *, in_time: bool) -> None:
    if in_time and not given.timestamp_column:
        raise InvalidParameter("'timestamp_col' is required: the column that says when.", field="timestamp_col")
    if given.kind != MonitorKind.INFERENCE_LOG:
        return
    if given.problem_type not in ProblemType.values:
        raise InvalidParameter(
            "'problem_type' must be PROBLEM_TYPE_CLASSIFICATION or PROBLEM_TYPE_REGRESSION.", field="problem_type"
        )
    for role, name in (("prediction_column", "prediction_col"), ("model_id_column", "model_id_col")):
        if not getattr(given, role):
            raise InvalidParameter(f"'{name}' is required for an inference log.", field=name)


def _granularities(given: Sequence[str]) -> tuple[str, ...]:
    if not given:
        raise InvalidParameter(
            f"'granularities' is required: one or more of {', '.join(GRANULARITIES)}.", field="granularities"
        )
    found = []
    for text in given:
        words = " ".join(str(text).lower().split())
        usual = words if words in GRANULARITIES else words.removesuffix("s")
        if usual not in GRANULARITIES:
            raise InvalidParameter(
                f"'granularities' holds '{str(text)[:50]}': use {', '.join(GRANULARITIES)}.", field="granularities"
            )
        found.append(usual)
    return tuple(dict.fromkeys(found))


def _check_metrics(metrics: Sequence[Metric]) -> None:
    if len(metrics) > MAX_CUSTOM_METRICS:
        raise InvalidParameter(f"'custom_metrics' holds more than {MAX_CUSTOM_METRICS}.", field="custom_metrics")
    names: set[str] = set()
    for metric in metrics:
        if not _METRIC_NAME.fullmatch(metric.name):
            raise InvalidParameter(
                f"'name' of a custom metric is '{metric.name[:100]}': use letters, digits and underscores, and a "
                "letter first.",
                field="custom_metrics",
            )
        if metric.name.lower() in names:
            raise InvalidParameter(f"Two custom metrics are named '{metric.name}'.", field="custom_metrics")
        names.add(metric.name.lower())
        if metric.type not in METRIC_TYPES:
            raise InvalidParameter(
                f"'type' of custom metric '{metric.name}' must be one of {', '.join(METRIC_TYPES)}.",
                field="custom_metrics",
            )
        if not metric.input_columns:
            raise InvalidParameter(
                f"'input_columns' of custom metric '{metric.name}' is empty: name columns, or ':table' alone.",
                field="custom_metrics",
            )
        _text(metric.definition, field="custom_metrics")


def _text(text: str, *, field: str) -> None:
    if not text.strip() or len(text) > MAX_EXPRESSION:
        raise InvalidParameter(
            f"'{field}' holds an expression that is empty or longer than {MAX_EXPRESSION} characters.", field=field
        )


def check_emails(given: Sequence[str], *, most: int, field: str) -> tuple[str, ...]:
    """Addresses without those that are given twice.

    Raises:
        InvalidParameter: too many, or one that is no e-mail.
    """
    found = tuple(dict.fromkeys(str(address).strip() for address in given))
    if len(found) > most:
        raise InvalidParameter(f"'{field}' names {len(found)} e-mails: {most} at most.", field=field)
    for address in found:
        try:
            validate_email(address)
        except ValidationError as error:
            raise InvalidParameter(f"'{field}' holds '{address[:200]}', which is no e-mail.", field=field) from error
    return found


def settings_of(monitor: Monitor) -> MonitorSettings:
    """What a monitor is set to now. Reads `baseline_table` and `output_schema` with their parents: select them."""
    return MonitorSettings(
        kind=monitor.kind,
        output_schema_name=(monitor.output_schema.full_name if monitor.output_schema else monitor.output_schema_name),
        timestamp_column=monitor.timestamp_column,
        granularities=tuple(monitor.granularities),
        problem_type=monitor.problem_type,
        prediction_column=monitor.prediction_column,
        prediction_proba_column=monitor.prediction_proba_column,
        label_column=monitor.label_column,
        model_id_column=monitor.model_id_column,
        slicing_expressions=tuple(monitor.slicing_expressions),
        custom_metrics=tuple(
            Metric(**{**metric, "input_columns": tuple(metric["input_columns"])}) for metric in monitor.custom_metrics
        ),
        baseline_table_name=(
            monitor.baseline_table.full_name if monitor.baseline_table else monitor.baseline_table_name
        ),
        assets_dir=monitor.assets_dir,
        skip_dashboard=not monitor.dashboard_id,
        schedule=Schedule(monitor.quartz_cron, monitor.time_zone) if monitor.quartz_cron else None,
        is_paused=monitor.is_paused,
        failure_emails=tuple(monitor.failure_emails),
        failure_destinations=tuple(monitor.failure_destinations),
        client_settings=dict(monitor.client_settings),
    )


def put_settings(monitor: Monitor, given: MonitorSettings) -> None:
    """Write checked settings onto a row, but for the securables that they name; the caller saves it."""
    monitor.kind = given.kind
    monitor.timestamp_column = given.timestamp_column
    monitor.granularities = list(given.granularities)
    monitor.problem_type = given.problem_type
    monitor.prediction_column = given.prediction_column
    monitor.prediction_proba_column = given.prediction_proba_column
    monitor.label_column = given.label_column
    monitor.model_id_column = given.model_id_column
    monitor.slicing_expressions = list(given.slicing_expressions)
    monitor.custom_metrics = [
        {**vars(metric), "input_columns": list(metric.input_columns)} for metric in given.custom_metrics
    ]
    monitor.assets_dir = given.assets_dir
    monitor.quartz_cron = given.schedule.expression if given.schedule else ""
    monitor.time_zone = given.schedule.time_zone if given.schedule else ""
    monitor.is_paused = given.is_paused
    monitor.failure_emails = list(given.failure_emails)
    monitor.failure_destinations = list(given.failure_destinations)
    monitor.client_settings = dict(given.client_settings)


def spec_of(given: MonitorSettings) -> MonitorSpec:
    """What the engine is asked to measure."""
    return MonitorSpec(
        kind=cast("Kind", given.kind),
        lookback_days=django_settings.MONITOR_LOOKBACK_DAYS,
        exact_rows=django_settings.MONITOR_EXACT_ROWS,
        timestamp_column=given.timestamp_column or None,
        granularities=given.granularities,
        slicing_expressions=given.slicing_expressions,
        problem_type=cast("Problem", given.problem_type) if given.problem_type else None,
        prediction_column=given.prediction_column or None,
        label_column=given.label_column or None,
        prediction_proba_column=given.prediction_proba_column or None,
        model_id_column=given.model_id_column or None,
        custom_metrics=tuple(
            CustomMetric(
                name=metric.name,
                type=metric.type,  # type: ignore[arg-type]  # One of METRIC_TYPES, when it was checked.
                input_columns=metric.input_columns,
                definition=metric.definition,
                output_type=metric.output_type,
            )
            for metric in given.custom_metrics
        ),
    )
