"""Scoring a table with a version of a model: asked in a dialog that shows what it takes, followed as an operation."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.views.decorators.http import require_http_methods, require_safe

from registry.errors import ModelkeepError
from registry.privileges import Action, SecurableType
from registry.services.actors import Actor
from registry.services.creation_places import places_to_create
from registry.services.quick_search import quick_search
from registry.services.table_uploads import APPEND, CREATE, OVERWRITE
from registry.web.copies import split_source
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.object_tabs import MODEL, VERSION, add_menu_item
from registry.web.pickers import PickerInput
from registry.web.session import signed_in
from serving.services.scoring_plans import ScoringPlan, ScoringRequest, plan_scoring
from serving.services.table_scoring import score_table

_MODES = [
    (CREATE, "Create the target"),
    (APPEND, "Append to the target"),
    (OVERWRITE, "Overwrite all rows of the target"),
]
_DOTS = 2

for _page in (MODEL, VERSION):
    add_menu_item(_page, "serving/_score_item.html", Action.LOAD_VERSION)


class ScoreForm(Form):
    """Which version scores which table, and where to."""

    version = forms.CharField(
        max_length=800,
        help_text="As catalog.schema.model/version, or catalog.schema.model@alias.",
        widget=PickerInput(reverse_lazy("copy-sources")),
    )
    source = forms.CharField(
        label="Table to score",
        max_length=800,
        help_text="All rows that it has now.",
        widget=PickerInput(reverse_lazy("score-tables")),
    )
    target = forms.CharField(
        label="Write the scored rows to",
        max_length=800,
        help_text="As catalog.schema.table.",
        widget=PickerInput(reverse_lazy("score-targets")),
    )
    mode = forms.ChoiceField(label="How", choices=_MODES)
    columns = forms.CharField(
        label="Columns to keep",
        required=False,
        max_length=20_000,
        help_text="Of the table that is scored, with commas between. Empty: all of them.",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    input_columns = forms.CharField(
        label="Columns for the model's inputs",
        required=False,
        max_length=20_000,
        help_text="Only for a model that does not name its inputs: in their order, with commas between.",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )


def _asked(form: ScoreForm) -> ScoringRequest | None:
    """What the fields say, checked or not; None while too little is filled in."""

    def value(name: str) -> str:
        return str(form[name].value() or "").strip()

    name, at, alias = value("version").removeprefix("models:/").partition("@")
    number = ""
    if not at:
        name, number = split_source(value("version"))
    if not (name and (number or alias) and value("source") and value("target")):
        return None
    return ScoringRequest(
        name=name,
        version=number or None,
        alias=alias,
        source=value("source"),
        target=value("target"),
        mode=value("mode") or CREATE,
        columns=_names(value("columns")),
        input_columns=_names(value("input_columns")),
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def score(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The dialog; `version` in the address names what scores, `source` what is scored."""
    given = {name: request.GET.get(name, "") for name in ("version", "source")}
    form = ScoreForm(posted(request), initial={**given, "mode": CREATE})
    if form.is_valid():
        asked = _asked(form)
        if asked is None:
            form.add_error(
                "version", "Say which version: catalog.schema.model/version, or catalog.schema.model@alias."
            )
        else:
            with refusals_on(form):
                operation = score_table(actor=actor, asked=asked)
                toast = f"{operation.params['rows']:,} rows are being scored."
                return done(request, to=reverse("operation", args=[operation.pk]), toast=toast)
    form.fields["source" if given["version"] else "version"].widget.attrs["autofocus"] = True
    return dialog(
        request, "serving/score.html", title="Score a table", form=form, submit="Score", plan=_plan(actor, form)
    )


@require_safe
@signed_in
def plan(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """What scoring would take, while it is being filled in."""
    return render(request, "serving/_score_plan.html", {"plan": _plan(actor, ScoreForm(request.GET))})


def _plan(actor: Actor, form: ScoreForm) -> ScoringPlan | str | None:
    """The plan for what the fields say; why there is none; or nothing while too little is filled in."""
    asked = _asked(form)
    if asked is None:
        return None
    try:
        return plan_scoring(actor=actor, asked=asked)
    except ModelkeepError as error:
        return error.message


@require_safe
@signed_in
def tables(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Tables by a part of the name: whether they may be read is told by the plan."""
    options = _tables(actor, request.GET.get("q", "").strip())
    return render(request, "parts/_picker_options.html", {"options": options, "empty": "No table is called that."})


def _tables(actor: Actor, text: str) -> list[dict[str, Any]]:
    rows = [row for row in quick_search(actor=actor, text=text).securables if row.type == SecurableType.TABLE]
    return [{"value": row.full_name, "label": row.full_name, "icon": "table-cells", "note": ""} for row in rows]


@require_safe
@signed_in
def targets(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Tables that are there, and schemas in which one may be made, with the name that was typed."""
    text = request.GET.get("q", "").strip()
    place, _, name = text.rpartition(".") if text.count(".") == _DOTS else (text, "", "")
    found = places_to_create(actor=actor, type_=SecurableType.SCHEMA, text=place, action=Action.CREATE_TABLE)
    options = _tables(actor, text)
    known = {option["value"].lower() for option in options}
    new = [f"{schema.full_name}.{name}" for schema in found]
    options += [
        {"value": value, "label": value if name else f"{value}…", "icon": "plus", "note": "new table"}
        for value in new
        if value.lower() not in known
    ]
    empty = "No table is called that, and you may make none there."
    return render(request, "parts/_picker_options.html", {"options": options, "empty": empty})
