"""Renaming and deleting models, and deleting versions: what it means is shown before it is done."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from registry.services.actors import Actor
from registry.services.model_deletion import plan_deletion
from registry.services.model_versions import delete_version
from registry.services.registered_models import delete_model, get_model, update_model
from registry.services.securables import Changes
from registry.web.actions import name_of
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.session import signed_in
from registry.web.toasts import Undo


class RenameForm(Form):
    """A name within the schema."""

    new_name = forms.CharField(label="Name", max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off"}))


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def rename(request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str) -> HttpResponseBase:
    """The dialog that gives a model another name in its schema."""
    name = name_of(catalog, schema, model)
    found = get_model(actor=actor, name=name)
    form = RenameForm(posted(request), initial={"new_name": found.securable.name})
    if form.is_valid():
        new = form.cleaned_data["new_name"]
        with refusals_on(form):
            renamed = update_model(actor=actor, name=name, changes=Changes(new_name=new))
            parts = renamed.securable.full_name.split(".")
            undo = Undo(reverse("model-rename", args=parts), {"new_name": found.securable.name})
            return done(
                request, to=reverse("model", args=parts), toast=f"Renamed to {parts[-1]}.", undo=undo, tree=True
            )
    return dialog(
        request,
        title=f"Rename {found.securable.name}",
        form=form,
        submit="Rename",
        intro="Versions, aliases and rights stay. Who loads it by its old name must use the new one.",
    )


class ConfirmNameForm(Form):
    """Typing the name says that one means it."""

    typed = forms.CharField(label="Name", widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}))

    def expect(self, name: str) -> None:
        """The name that must be typed."""
        self.expected = name
        self.fields["typed"].label = f"Type {name} to confirm"

    def clean_typed(self) -> str:
        """Refuse anything but the name."""
        typed: str = self.cleaned_data["typed"]
        if typed.strip() != self.expected:
            raise forms.ValidationError(f"This is not '{self.expected}'.")
        return typed


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def delete(request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str) -> HttpResponseBase:
    """The dialog that deletes a model: what goes, who would notice, and the name to type."""
    name = name_of(catalog, schema, model)
    plan = plan_deletion(actor=actor, name=name)
    form = ConfirmNameForm(posted(request))
    form.expect(plan.model.securable.name)
    if form.is_valid():
        with refusals_on(form):
            freed = delete_model(actor=actor, name=name)
            toast = f"{name} is deleted. {filesizeformat(freed)} will be freed."
            return done(request, to=reverse("schema", args=[catalog, schema]), toast=toast, tree=True)
    return _ask(request, title=f"Delete {plan.model.securable.name}?", form=form, plan=plan)


class ConfirmForm(Form):
    """A box to tick where aliases would go."""

    def name_aliases(self, aliases: list[str]) -> None:
        """Ask to confirm the loss of aliases; without any there is nothing to tick."""
        if aliases:
            lost = ", ".join(f"@{alias}" for alias in aliases)
            self.fields["aliases"] = forms.BooleanField(label=f"Remove {lost} too: who loads by it will fail")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def delete_one(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """The dialog that deletes a version."""
    name = name_of(catalog, schema, model)
    plan = plan_deletion(actor=actor, name=name, version=version)
    # A form without fields is bound by having been sent at all.
    form = ConfirmForm(request.POST if request.method == "POST" else None)
    form.name_aliases(list(plan.aliases))
    if form.is_valid():
        with refusals_on(form):
            freed = delete_version(actor=actor, name=name, version=version)
            versions = f"{reverse('model', args=[catalog, schema, model])}?tab=versions"
            toast = f"Version {version} is deleted. {filesizeformat(freed)} will be freed."
            return done(request, to=versions, toast=toast)
    return _ask(request, title=f"Delete version {version}?", form=form, plan=plan, one=version)


def _ask(request: HttpRequest, **context: Any) -> HttpResponseBase:
    return dialog(request, "dialogs/deletion.html", submit="Delete for ever", danger=True, **context)
