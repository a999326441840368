"""Making a catalog, a schema or a model, from any page."""

from collections.abc import Callable

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse_lazy
from django.views.decorators.http import require_http_methods, require_safe

from registry.errors import InvalidParameter
from registry.models import Securable
from registry.names import MAX_NAME_LENGTH, split_full_name
from registry.privileges import Action, SecurableType
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.catalogs import create_catalog
from registry.services.creation_places import places_to_create
from registry.services.registered_models import create_model
from registry.services.schemas import create_schema
from registry.services.securables import metastore
from registry.web.context import public_host
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.palette import Command, add_command
from registry.web.pickers import PickerInput
from registry.web.session import signed_in
from registry.web.template_tags import object_url

_ICONS = {
    SecurableType.CATALOG: "circle-stack",
    SecurableType.SCHEMA: "folder",
    SecurableType.REGISTERED_MODEL: "cube",
}
_QUIET = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class NameForm(Form):
    """A name and what it is for."""

    name = forms.CharField(max_length=MAX_NAME_LENGTH, widget=forms.TextInput(_QUIET))
    comment = forms.CharField(
        label="Description",
        required=False,
        widget=forms.Textarea({"rows": 3}),
        help_text="Markdown. It can be changed at any time.",
    )


class CatalogForm(NameForm):
    """A new catalog."""


class SchemaForm(NameForm):
    """A new schema."""

    catalog = forms.CharField(
        max_length=MAX_NAME_LENGTH, widget=PickerInput(reverse_lazy("places", args=["catalogs"]))
    )
    field_order = ("catalog", "name", "comment")


class ModelForm(NameForm):
    """A new model."""

    schema = forms.CharField(
        max_length=2 * MAX_NAME_LENGTH + 1,
        help_text="As catalog.schema. Only schemas in which you may create models are suggested.",
        widget=PickerInput(reverse_lazy("places", args=["schemas"])),
    )
    field_order = ("schema", "name", "comment")

    def clean_schema(self) -> str:
        """Two names with a dot between.

        Raises:
            ValidationError: anything else.
        """
        try:
            return ".".join(split_full_name(self.cleaned_data["schema"], levels=2, field="schema"))
        except InvalidParameter as error:
            raise forms.ValidationError(error.message) from error


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new_catalog(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The dialog that makes a catalog."""
    form = CatalogForm(posted(request))
    if form.is_valid():
        asked = form.cleaned_data
        with refusals_on(form):
            return _made(
                request, create_catalog(actor=actor, name=asked["name"], comment=asked["comment"]), "catalog"
            )
    intro = "A catalog is an environment or a team, such as dev, staging and prod. You will own it."
    return dialog(request, title="Create a catalog", form=form, submit="Create catalog", intro=intro)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new_schema(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The dialog that makes a schema; `catalog` in the address fills its first field."""
    form = SchemaForm(posted(request), initial={"catalog": request.GET.get("catalog", "")})
    if form.is_valid():
        asked = form.cleaned_data
        with refusals_on(form):
            made = create_schema(actor=actor, catalog=asked["catalog"], name=asked["name"], comment=asked["comment"])
            return _made(request, made, "schema")
    _begin_at(form, "name" if form.initial["catalog"] else "catalog")
    intro = "A schema holds the models and tables of one subject. You will own it."
    return dialog(request, title="Create a schema", form=form, submit="Create schema", intro=intro)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new_model(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The dialog that makes a model without versions; `schema` in the address fills its first field."""
    form = ModelForm(posted(request), initial={"schema": request.GET.get("schema", "")})
    if form.is_valid():
        asked = form.cleaned_data
        with refusals_on(form):
            made = create_model(actor=actor, name=f"{asked['schema']}.{asked['name']}", comment=asked["comment"])
            return _made(request, made.securable, "model")
    schema = form["schema"].value() or "catalog.schema"
    _begin_at(form, "name" if form.initial["schema"] else "schema")
    return dialog(
        request,
        "dialogs/new_model.html",
        title="Create a model",
        form=form,
        submit="Create model",
        host=public_host(request),
        example=f"{schema}.{form['name'].value() or 'my_model'}",
    )


def _begin_at(form: Form, field: str) -> None:
    form.fields[field].widget.attrs["autofocus"] = True


def _made(request: HttpRequest, made: Securable, noun: str) -> HttpResponseBase:
    return done(request, to=object_url(made), toast=f"The {noun} {made.full_name} is created.", tree=True)


_PLACES = {
    "catalogs": (SecurableType.CATALOG, "No catalog in which you may create a schema has that in its name."),
    "schemas": (SecurableType.SCHEMA, "No schema in which you may create a model has that in its name."),
}


@require_safe
@signed_in
def places(request: HttpRequest, actor: Actor, kind: str) -> HttpResponseBase:
    """Suggestions of where something may be made."""
    type_, empty = _PLACES.get(kind, _PLACES["schemas"])
    found = places_to_create(actor=actor, type_=type_, text=request.GET.get("q", "").strip())
    options = [
        {"value": row.full_name, "label": row.full_name, "icon": _ICONS[type_], "note": row.owner.label}
        for row in found
    ]
    return render(request, "parts/_picker_options.html", {"options": options, "empty": empty})


def _may_create_catalog(actor: Actor) -> bool:
    return Action.CREATE_CATALOG in allowed_actions(actor=actor, securable=metastore())


def _has_place(type_: SecurableType) -> Callable[[Actor], bool]:
    return lambda actor: bool(places_to_create(actor=actor, type_=type_, limit=1))


add_command(Command("Create catalog", "new-catalog", "circle-stack", offered=_may_create_catalog))
add_command(Command("Create schema", "new-schema", "folder", offered=_has_place(SecurableType.CATALOG)))
add_command(Command("Create model", "new-model", "cube", offered=_has_place(SecurableType.SCHEMA)))
add_command(Command("Copy a version …", "copy-version", "document-duplicate"))
