"""Copying a version to another model, or promoting it: copied and pointed at by an alias in one step."""

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse_lazy
from django.views.decorators.http import require_http_methods, require_safe

from registry.errors import ModelkeepError
from registry.models import ModelVersion
from registry.privileges import SecurableType
from registry.services.actors import Actor
from registry.services.copy_plans import CopyPlan, plan_copy
from registry.services.creation_places import places_to_create
from registry.services.quick_search import quick_search
from registry.services.registrations import copy_version, promote_version
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.pickers import CreateContainersField, PickerInput
from registry.web.session import signed_in
from registry.web.template_tags import version_url

_MODELS = "models:/"
_MANY = 8
_DOTS = 2


class CopyForm(Form):
    """What is copied, where to, and which alias follows."""

    source = forms.CharField(
        label="Version",
        max_length=800,
        help_text="As catalog.schema.model/version.",
        widget=PickerInput(reverse_lazy("copy-sources")),
    )
    destination = forms.CharField(
        max_length=800,
        help_text="A model as catalog.schema.model. One that is not there yet is created, and you will own it.",
        widget=PickerInput(reverse_lazy("copy-destinations")),
    )
    create_containers = CreateContainersField()
    alias = forms.CharField(
        label="Point an alias at the copy",
        required=False,
        help_text="To promote: Champion, say, then means the copy at once. Leave it empty to copy only.",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false", "list": "usual-aliases"}),
    )

    def clean_source(self) -> str:
        """The version in its one spelling.

        Raises:
            ValidationError: no number behind the name.
        """
        name, number = split_source(self.cleaned_data["source"])
        if not number:
            raise forms.ValidationError("Say which version: catalog.schema.model/version.")
        return f"{name}/{number}"


def split_source(source: str) -> tuple[str, str]:
    """Name and number of `models:/a.b.c/4`, with or without its beginning."""
    name, _, number = source.strip().removeprefix(_MODELS).partition("/")
    return name, number


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def copy(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The dialog that copies a version; `source` in the address names the one that is copied."""
    source = request.GET.get("source", "")
    form = CopyForm(posted(request), initial={"source": source, "destination": request.GET.get("to", "")})
    if form.is_valid():
        with refusals_on(form):
            version, toast = _copy(actor, form)
            return done(request, to=version_url(version.model, version.version), toast=toast, tree=True)
    form.fields["destination" if source else "source"].widget.attrs["autofocus"] = True
    return dialog(
        request, "dialogs/copy.html", title="Copy a version", form=form, submit="Copy", plan=_plan(actor, form)
    )


def _copy(actor: Actor, form: CopyForm) -> tuple[ModelVersion, str]:
    asked = form.cleaned_data
    name, number = split_source(asked["source"])
    if asked["alias"]:
        version = promote_version(
            actor=actor,
            source_name=name,
            source_version=number,
            destination_name=asked["destination"],
            alias=asked["alias"],
            create_containers=asked["create_containers"],
        )
        return version, f"Copied: {asked['alias']} is now version {version.version}."
    version, _ = copy_version(
        actor=actor,
        source_name=name,
        source_version=number,
        destination_name=asked["destination"],
        create_containers=asked["create_containers"],
    )
    return version, f"Copying to version {version.version}."


@require_safe
@signed_in
def plan(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """What the copy would take, while it is being filled in."""
    form = CopyForm(request.GET)
    return render(request, "dialogs/_copy_plan.html", {"plan": _plan(actor, form)})


def _plan(actor: Actor, form: CopyForm) -> CopyPlan | str | None:
    """The plan for what the fields say; why there is none; or nothing while too little is filled in."""
    source, destination = str(form["source"].value() or ""), str(form["destination"].value() or "").strip()
    name, number = split_source(source)
    if not (name and number and destination):
        return None
    try:
        return plan_copy(
            actor=actor,
            source_name=name,
            source_version=number,
            destination_name=destination,
            alias=str(form["alias"].value() or "").strip(),
            create_containers=bool(form["create_containers"].value()),
        )
    except ModelkeepError as error:
        return error.message


@require_safe
@signed_in
def sources(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Versions of models by a part of the name, newest first: what may be copied is checked by the plan."""
    text = request.GET.get("q", "").strip().removeprefix(_MODELS).replace("/", " ")
    found = quick_search(actor=actor, text=text)
    options = [_version_option(version) for version in found.versions]
    models = [row for row in found.securables if row.type == SecurableType.REGISTERED_MODEL]
    options += [
        {"value": f"{row.full_name}/", "label": f"{row.full_name}/…", "icon": "cube", "note": "then the number"}
        for row in models
    ]
    return render(request, "parts/_picker_options.html", {"options": options, "empty": "No version is called that."})


def _version_option(version: ModelVersion) -> dict[str, str]:
    value = f"{version.model.securable.full_name}/{version.version}"
    note = " ".join(f"@{alias.name}" for alias in version.aliases.all())
    return {"value": value, "label": value, "icon": "square-3-stack-3d", "note": note}


@require_safe
@signed_in
def destinations(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Models that may take a version, and schemas in which a new model may be made."""
    text = request.GET.get("q", "").strip()
    models = places_to_create(actor=actor, type_=SecurableType.REGISTERED_MODEL, text=text, limit=_MANY)
    options = [{"value": row.full_name, "label": row.full_name, "icon": "cube", "note": ""} for row in models]
    options += _new_models(actor, text, known={row.full_name.lower() for row in models})
    empty = "No model or schema to which you may write has that in its name."
    return render(request, "parts/_picker_options.html", {"options": options, "empty": empty})


def _new_models(actor: Actor, text: str, known: set[str]) -> list[dict[str, str]]:
    """A model of the name that was typed, or the schemas in which one may be made while the name is not whole."""
    whole = text.count(".") == _DOTS
    place, _, name = text.rpartition(".") if whole else (text, "", "")
    found = places_to_create(actor=actor, type_=SecurableType.SCHEMA, text=place, limit=_MANY)
    options = [(f"{schema.full_name}.{name}", name) for schema in found]
    new = [
        {"value": value, "label": value if named else f"{value}…", "icon": "plus", "note": "new model"}
        for value, named in options
        if value.lower() not in known
    ]
    if name and not known and not new:
        # Perhaps a schema that is to be made: the plan tells, and nothing lies over it.
        return [{"value": text, "label": text, "icon": "plus", "note": ""}]
    return new
