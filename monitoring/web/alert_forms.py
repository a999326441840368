"""The form of an alert: a number of a monitor, or of a query, and the threshold that it must not cross."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms

from monitoring.models import Aggregation, AlertSource, Comparison
from monitoring.services.alert_settings import AlertSettings
from monitoring.web.monitor_forms import SCHEDULES, schedule_fields, schedule_of
from registry.models import DestinationKind, NotificationDestination
from registry.web.dialogs import Form

METRICS = {
    "DRIFT:js_distance": "Jensen-Shannon distance of a text column",
    "DRIFT:tv_distance": "Total variation of a text column",
    "DRIFT:ks_test.statistic": "KS statistic of a numeric column",
    "DRIFT:population_stability_index": "PSI of a numeric column",
    "DRIFT:wasserstein_distance": "Wasserstein distance of a numeric column",
    "DRIFT:percent_null_delta": "Change of the share of nulls, %",
    "PROFILE:count": "Rows in a window",
    "PROFILE:percent_null": "Nulls, %",
    "PROFILE:avg": "Mean",
    "PROFILE:max": "Greatest value",
    "PROFILE:min": "Least value",
    "PROFILE:accuracy_score": "Accuracy",
    "PROFILE:f1_score.weighted": "F1, weighted",
    "PROFILE:log_loss": "Log loss",
    "PROFILE:root_mean_squared_error": "Root mean squared error",
    "PROFILE:mean_average_error": "Mean absolute error",
    "PROFILE:r2_score": "R²",
}
"""The metrics that are offered, by table and column; any other column can be written."""
_COMPARISONS = [
    (Comparison.GREATER_THAN, "is greater than"),
    (Comparison.GREATER_THAN_OR_EQUAL, "is at least"),
    (Comparison.LESS_THAN, "is less than"),
    (Comparison.LESS_THAN_OR_EQUAL, "is at most"),
    (Comparison.EQUAL, "is"),
    (Comparison.NOT_EQUAL, "is not"),
    (Comparison.IS_NULL, "is missing"),
    (Comparison.IS_NOT_NULL, "is there"),
]
_FIELDS = {
    "display_name": "name",
    "comparison_operator": "comparison",
    "subscriptions": "destinations",
    "evaluation": "value_column",
    "selector": "column_name",
    "quartz_cron_expression": "cron",
    "schedule": "cron",
}


class AlertForm(Form):
    """What metric and query alerts share."""

    name = forms.CharField(max_length=255, help_text="As it stands in the message: Delay model drifts.")
    comparison = forms.ChoiceField(label="Alert when it", choices=_COMPARISONS)
    threshold = forms.CharField(required=False, max_length=255, help_text="A number, or a text for a query's text.")
    resolve_threshold = forms.FloatField(
        label="Over again at", required=False, help_text="Empty: as soon as the threshold is not crossed."
    )
    consecutive = forms.IntegerField(
        label="Looks in a row", min_value=1, max_value=100, initial=1, help_text="So many have to cross it."
    )
    destinations = forms.MultipleChoiceField(
        label="Tell", required=False, widget=forms.CheckboxSelectMultiple, help_text="Destinations under Settings."
    )
    emails = forms.CharField(label="And these users", required=False, help_text="E-mail addresses, commas between.")
    workflow_destination = forms.ChoiceField(
        label="Start a workflow",
        required=False,
        help_text="A web request with the model, the table and the number, as for a retraining.",
    )
    notify_on_ok = forms.BooleanField(label="Tell when it is over, too", required=False, initial=True)
    schedule = forms.ChoiceField(label="Looked at", required=False, choices=SCHEDULES)
    cron = forms.CharField(label="Quartz expression", required=False, max_length=255)
    time_zone = forms.CharField(label="Time zone", required=False, max_length=64, initial="UTC")
    description = forms.CharField(
        label="Text of the message",
        required=False,
        widget=forms.Textarea({"rows": 3}),
        help_text="What to do about it.",
    )
    source = AlertSource.METRIC

    def __init__(
        self,
        *args: Any,
        destinations: Sequence[NotificationDestination],
        known: AlertSettings | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.known = known
        _offer(self.fields["destinations"], [(str(one.pk), one.display_name) for one in destinations])
        workflows = [one for one in destinations if one.kind == DestinationKind.WEBHOOK]
        _offer(
            self.fields["workflow_destination"], [("", "—"), *((str(one.pk), one.display_name) for one in workflows)]
        )
        if known is not None:
            self.initial = {**_as_initial(known), **self.initial}

    def settings(self) -> AlertSettings:
        """What was chosen, once the form is valid; what it does not show is kept.

        Raises:
            InvalidParameter: no Quartz expression.
        """
        given, kept = self.cleaned_data, self.known or AlertSettings(name="", source=self.source, comparison="")
        shown = {
            "name": given["name"],
            "source": self.source,
            "comparison": given["comparison"],
            "threshold": _value(given["threshold"]),
            "resolve_threshold": given["resolve_threshold"],
            "consecutive": given["consecutive"],
            "destinations": tuple(given["destinations"]),
            "emails": tuple(part.strip() for part in given["emails"].split(",") if part.strip()),
            "workflow_destination": given["workflow_destination"],
            "notify_on_ok": given["notify_on_ok"],
            "schedule": schedule_of(given),
            "description": given["description"],
        }
        return AlertSettings(**{**vars(kept), **shown, **self.looked_at()})

    def looked_at(self) -> dict[str, Any]:
        """The settings that say where the number comes from."""
        raise NotImplementedError

    def add_error(self, field: str | None, error: Any) -> None:
        """As a form does, at the field that goes by another name in the service."""
        known = _FIELDS.get(field, field) if field else field
        super().add_error(known if known in self.fields else None, error)


class MetricAlertForm(AlertForm):
    """An alert on a metric of a monitor. It is looked at after every refresh, and by schedule if there is one."""

    table = forms.CharField(label="Monitored table", max_length=1024)
    metric = forms.CharField(
        max_length=255,
        widget=forms.TextInput({"list": "alert-metrics", "autocomplete": "off"}),
        help_text="As DRIFT:js_distance. The list offers what is looked at most.",
    )
    column_name = forms.CharField(label="Of the column", required=False, max_length=255, initial=":table")
    granularity = forms.CharField(label="Windows", required=False, max_length=40)
    drift_type = forms.ChoiceField(
        label="Held against",
        required=False,
        choices=[("", "—"), ("CONSECUTIVE", "the window before"), ("BASELINE", "the baseline")],
    )
    field_order = ("name", "table", "metric", "column_name", "granularity", "drift_type", "comparison", "threshold")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer(self.fields["schedule"], [("", "After each refresh"), *SCHEDULES[1:]])

    def looked_at(self) -> dict[str, Any]:
        """Table, metric and selector."""
        given = self.cleaned_data
        which, _, column = given["metric"].rpartition(":")
        chosen = {name: given[name] for name in ("column_name", "granularity", "drift_type") if given[name]}
        kept = dict(self.known.selector) if self.known else {}
        shown = {"column_name", "granularity", "drift_type"}
        selector = {name: value for name, value in kept.items() if name not in shown} | chosen
        return {
            "table": given["table"],
            "metric_table": (which or "DRIFT").upper(),
            "metric": column,
            "selector": selector,
        }


class QueryAlertForm(AlertForm):
    """An alert on a column of a query's result. It runs with its owner's rights."""

    source = AlertSource.SQL
    query_text = forms.CharField(
        label="Query", widget=forms.Textarea({"rows": 5, "spellcheck": "false", "data-sql": True})
    )
    value_column = forms.CharField(label="Column", max_length=255)
    aggregation = forms.ChoiceField(
        label="Of all rows", required=False, choices=[("", "the first row"), *Aggregation.choices]
    )
    field_order = ("name", "query_text", "value_column", "aggregation", "comparison", "threshold")

    def looked_at(self) -> dict[str, Any]:
        """Query, column, and what is made of it."""
        given = self.cleaned_data
        return {name: given[name] for name in ("query_text", "value_column", "aggregation")}


def _offer(field: forms.Field, choices: list[tuple[str, str]]) -> None:
    cast("forms.ChoiceField", field).choices = choices


def _value(text: str) -> float | str | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        return text.strip()


def _as_initial(known: AlertSettings) -> dict[str, Any]:
    return {
        **vars(known),
        **known.selector,
        "metric": f"{known.metric_table}:{known.metric}" if known.metric else "",
        "threshold": "" if known.threshold is None else known.threshold,
        "emails": ", ".join(known.emails),
        **schedule_fields(known.schedule),
    }
