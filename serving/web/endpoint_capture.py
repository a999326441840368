"""The inference table of an endpoint: turned on and off, and for how long its rows are kept."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse_lazy
from django.views.decorators.http import require_http_methods, require_safe

from registry.errors import TooLarge
from registry.privileges import Action, SecurableType
from registry.services.actors import Actor
from registry.services.creation_places import places_to_create
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.pickers import PickerInput
from registry.web.session import signed_in
from serving.models import EndpointLevel
from serving.services.capture_switches import turn_off_capture, turn_on_capture
from serving.services.endpoint_access import require_endpoint
from serving.services.inference_tables import find_table, set_retention
from serving.services.labels import read_labels, upload_labels
from serving.web.endpoint_actions import page_of

_BOTH = ["GET", "HEAD", "POST"]
_LEVELS = 2
MOST_LABEL_BYTES = 32 * 1024**2
_LABEL_KINDS = {"csv": "text/csv", "json": "application/json", "parquet": "application/vnd.apache.parquet"}


class CaptureOnForm(Form):
    """Where the table is made."""

    place = forms.CharField(
        label="Schema",
        max_length=520,
        help_text="As catalog.schema. It takes CREATE TABLE there; the table is yours.",
        widget=PickerInput(reverse_lazy("capture-places")),
    )
    prefix = forms.CharField(  # type: ignore[assignment]  # a field of this name hides the prefix of a form
        label="Begin of the tables' names",
        max_length=200,
        required=False,
        help_text="The tables are called …_payload and …_unpacked. Empty: after the endpoint.",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_place(self) -> tuple[str, str]:
        """Catalog and schema.

        Raises:
            ValidationError: not two levels.
        """
        parts = str(self.cleaned_data["place"]).strip().split(".")
        if len(parts) != _LEVELS or not all(parts):
            raise forms.ValidationError("Write it as catalog.schema.")
        return parts[0], parts[1]


class RetentionForm(Form):
    """How long rows are kept."""

    retention_days = forms.IntegerField(label="Days", min_value=0, max_value=3650, help_text="0: for ever.")


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def turn_on(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Keep every request and its answer in a table."""
    require_endpoint(actor=actor, name=endpoint, level=EndpointLevel.CAN_MANAGE)
    form = CaptureOnForm(posted(request))
    if form.is_valid():
        with refusals_on(form):
            catalog, schema = form.cleaned_data["place"]
            prefix = form.cleaned_data["prefix"].strip()
            turn_on_capture(actor=actor, name=endpoint, catalog=catalog, schema=schema, prefix=prefix)
            return done(request, to=page_of(request, endpoint), toast="Requests are kept from now on.")
    intro = (
        "Each query and its answer becomes a row, within seconds and exactly once. Requests over 1 MB are kept "
        "without their text. A second table has a column for each input and prediction."
    )
    return dialog(request, title=f"Inference table of {endpoint}", form=form, submit="Turn on", intro=intro)


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def turn_off(request: HttpRequest, actor: Actor, endpoint: str, form_name: str) -> HttpResponseBase:
    """Keep no more requests, after having asked."""
    found = find_table(require_endpoint(actor=actor, name=endpoint, level=EndpointLevel.CAN_MANAGE), form_name)
    form = Form(posted(request))
    if form.is_valid():
        with refusals_on(form):
            turn_off_capture(actor=actor, name=endpoint, form=form_name)
            return done(request, to=page_of(request, endpoint), toast="Requests are not kept any more.")
    table = found.table.full_name if found.table else "the table"
    intro = f"What is in {table} stays there. Monitors of it get no new rows."
    return dialog(
        request, title="Turn the inference table off", form=form, submit="Turn off", danger=True, intro=intro
    )


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def retention(request: HttpRequest, actor: Actor, endpoint: str, form_name: str) -> HttpResponseBase:
    """How long rows are kept."""
    found = find_table(require_endpoint(actor=actor, name=endpoint, level=EndpointLevel.CAN_MANAGE), form_name)
    form = RetentionForm(posted(request), initial={"retention_days": found.retention_days})
    if form.is_valid():
        with refusals_on(form):
            days: Any = form.cleaned_data["retention_days"]
            set_retention(actor=actor, name=endpoint, form=form_name, days=days)
            toast = f"Rows are kept for {days} days." if days else "Rows are kept for ever."
            return done(request, to=page_of(request, endpoint), toast=toast)
    intro = "Older rows are deleted from both tables, a day at a time."
    return dialog(request, title="How long rows are kept", form=form, intro=intro)


@require_safe
@signed_in
def places(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Schemas in which the viewer may make tables, by a part of the name."""
    text = request.GET.get("q", "").strip()
    found = places_to_create(actor=actor, type_=SecurableType.SCHEMA, text=text, action=Action.CREATE_TABLE)
    options = [{"value": row.full_name, "label": row.full_name, "icon": "folder", "note": ""} for row in found]
    empty = "You may make tables in no schema of that name."
    return render(request, "parts/_picker_options.html", {"options": options, "empty": empty})


class LabelsForm(Form):
    """A file of labels."""

    file = forms.FileField(
        label="File",
        help_text="CSV, JSON or Parquet with the columns request_id, row_index (0 where it is missing) and label.",
    )


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def labels(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Tell what really was, from a file."""
    require_endpoint(actor=actor, name=endpoint, level=EndpointLevel.CAN_VIEW)
    form = LabelsForm(posted(request), request.FILES if request.method == "POST" else None)
    if form.is_valid():
        with refusals_on(form):
            file = form.cleaned_data["file"]
            if file.size > MOST_LABEL_BYTES:
                raise TooLarge(f"The file has {file.size:,} bytes: send at most {MOST_LABEL_BYTES:,} at a time.")
            kind = _LABEL_KINDS.get(file.name.rpartition(".")[2].lower(), file.content_type or "")
            taken = read_labels(file.read(), kind)
            upload_labels(actor=actor, name=endpoint, labels=taken)
            toast = f"{len(taken)} labels were taken: they are joined to the requests within seconds."
            return done(request, to=page_of(request, endpoint), toast=toast)
    intro = "What really was, by the id of the request that each answer carries. Told again, the last one counts."
    return dialog(
        request, "serving/labels.html", title=f"Labels for {endpoint}", form=form, submit="Send", intro=intro
    )
