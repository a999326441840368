"""The form of a monitor: what the columns of one table can be used for."""

from collections.abc import Mapping
from typing import Any, cast

from django import forms

from monitoring.engine.spec import GRANULARITIES
from monitoring.models import MonitorKind, ProblemType
from monitoring.services.monitor_settings import MonitorSettings
from monitoring.services.monitors import MonitorChoices
from monitoring.services.quartz import Schedule, parse_schedule
from registry.errors import InvalidParameter
from registry.web.dialogs import Form

_KINDS = [
    (MonitorKind.INFERENCE_LOG, "Inference log: the requests and predictions of a model"),
    (MonitorKind.TIME_SERIES, "Time series: rows that carry a time"),
    (MonitorKind.SNAPSHOT, "Snapshot: the whole table, each time"),
]
_PROBLEMS = [
    ("", "—"),
    (ProblemType.CLASSIFICATION, "Classification"),
    (ProblemType.REGRESSION, "Regression"),
]
SCHEDULES = [
    ("", "Only when asked"),
    ("0 0 * * * ?", "Every hour"),
    ("0 0 6 * * ?", "Every day at 06:00"),
    ("0 0 6 ? * MON", "Every Monday at 06:00"),
    ("own", "Own Quartz expression"),
]
# What the service names is not always what the form calls it.
_FIELDS = {
    "timestamp_col": "timestamp_column",
    "prediction_col": "prediction_column",
    "prediction_proba_col": "prediction_proba_column",
    "label_col": "label_column",
    "model_id_col": "model_id_column",
    "slicing_exprs": "slices",
    "slicing_expressions": "slices",
    "output_schema_name": "output_schema",
    "baseline_table_name": "baseline",
    "quartz_cron_expression": "cron",
    "schedule": "cron",
    "notifications": "emails",
    "kind": "kind",
}


class MonitorForm(Form):
    """Everything that people set about a monitor here; custom metrics are set by REST and kept."""

    kind = forms.ChoiceField(label="What it is", choices=_KINDS)
    timestamp_column = forms.ChoiceField(label="Time of a row", required=False)
    granularities = forms.MultipleChoiceField(
        label="Windows",
        required=False,
        choices=[(text, text) for text in GRANULARITIES],
        widget=forms.CheckboxSelectMultiple,
        help_text="Each window is measured by itself and held against the one before.",
    )
    problem_type = forms.ChoiceField(label="The model does", required=False, choices=_PROBLEMS)
    prediction_column = forms.ChoiceField(label="Prediction", required=False)
    label_column = forms.ChoiceField(
        label="Label", required=False, help_text="The truth, once it is known: without it quality cannot be measured."
    )
    model_id_column = forms.ChoiceField(label="Model version", required=False)
    prediction_proba_column = forms.ChoiceField(label="Probabilities", required=False)
    slices = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 2, "spellcheck": "false"}),
        help_text="A column or a condition a line, as carrier or distance > 1000. Each is measured by itself too.",
    )
    baseline = forms.CharField(
        label="Baseline table",
        required=False,
        max_length=1024,
        help_text="Full name of a table that rows should look like, as the training data.",
    )
    output_schema = forms.CharField(
        label="Metric tables in", max_length=1024, help_text="A schema in which you may make tables."
    )
    schedule = forms.ChoiceField(label="Measured", required=False, choices=SCHEDULES)
    cron = forms.CharField(
        label="Quartz expression", required=False, max_length=255, help_text="Seconds first, as 0 30 6 * * ?"
    )
    time_zone = forms.CharField(label="Time zone", required=False, max_length=64, initial="UTC")
    emails = forms.CharField(
        label="Told of failures", required=False, help_text="E-mail addresses, with commas between."
    )

    def __init__(
        self, *args: Any, choices: MonitorChoices, known: MonitorSettings | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.known = known
        columns = choices.columns
        every = [("", "—"), *((column.name, f"{column.name}  ({column.type})") for column in columns)]
        times = [("", "—"), *((column.name, column.name) for column in columns if column.is_time)]
        for name, offered in (
            ("timestamp_column", times),
            ("prediction_column", every),
            ("label_column", every),
            ("model_id_column", every),
            ("prediction_proba_column", every),
        ):
            cast("forms.ChoiceField", self.fields[name]).choices = offered
        self.initial = {**_as_initial(known or choices.suggestion), **self.initial}

    def settings(self) -> MonitorSettings:
        """What was chosen, once the form is valid; what it does not show is kept.

        Raises:
            InvalidParameter: no Quartz expression.
        """
        given = self.cleaned_data
        log = given["kind"] == MonitorKind.INFERENCE_LOG
        in_time = given["kind"] != MonitorKind.SNAPSHOT
        kept = self.known
        return MonitorSettings(
            kind=given["kind"],
            output_schema_name=given["output_schema"],
            timestamp_column=given["timestamp_column"] if in_time else "",
            granularities=tuple(given["granularities"]) if in_time else (),
            problem_type=given["problem_type"] if log else "",
            prediction_column=given["prediction_column"] if log else "",
            label_column=given["label_column"] if log else "",
            model_id_column=given["model_id_column"] if log else "",
            prediction_proba_column=given["prediction_proba_column"] if log else "",
            slicing_expressions=tuple(line.strip() for line in given["slices"].splitlines() if line.strip()),
            baseline_table_name=given["baseline"],
            schedule=schedule_of(self.cleaned_data),
            failure_emails=tuple(part.strip() for part in given["emails"].split(",") if part.strip()),
            is_paused=kept.is_paused if kept else False,
            custom_metrics=kept.custom_metrics if kept else (),
            assets_dir=kept.assets_dir if kept else "",
            skip_dashboard=kept.skip_dashboard if kept else False,
            failure_destinations=kept.failure_destinations if kept else (),
            client_settings=kept.client_settings if kept else {},
        )

    def add_error(self, field: str | None, error: Any) -> None:
        """As a form does, at the field that goes by another name in the service."""
        super().add_error(_FIELDS.get(field, field) if field else field, error)


def schedule_of(given: Mapping[str, Any]) -> Schedule | None:
    """What a form's `schedule`, `cron` and `time_zone` say; None for no schedule.

    Raises:
        InvalidParameter: no Quartz expression.
    """
    expression = given["cron"] if given["schedule"] == "own" else given["schedule"]
    if given["schedule"] == "own" and not expression:
        raise InvalidParameter("Write a Quartz expression, or choose another schedule.", field="cron")
    return parse_schedule(expression, given["time_zone"] or "UTC", field="cron") if expression else None


def schedule_fields(schedule: Schedule | None) -> dict[str, str]:
    """The same three fields for a schedule that there is."""
    expression = schedule.expression if schedule else ""
    is_offered = expression in {value for value, _ in SCHEDULES}
    return {
        "schedule": expression if is_offered else "own",
        "cron": "" if is_offered else expression,
        "time_zone": schedule.time_zone if schedule else "UTC",
    }


def _as_initial(settings: MonitorSettings) -> dict[str, Any]:
    return {
        "kind": settings.kind,
        "timestamp_column": settings.timestamp_column,
        "granularities": list(settings.granularities),
        "problem_type": settings.problem_type,
        "prediction_column": settings.prediction_column,
        "label_column": settings.label_column,
        "model_id_column": settings.model_id_column,
        "prediction_proba_column": settings.prediction_proba_column,
        "slices": "\n".join(settings.slicing_expressions),
        "baseline": settings.baseline_table_name,
        "output_schema": settings.output_schema_name,
        **schedule_fields(settings.schedule),
        "emails": ", ".join(settings.failure_emails),
    }
