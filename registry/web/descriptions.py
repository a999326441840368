"""Writing the description of a model or a version: Markdown, with a preview, and a draft where one can be had."""

from collections.abc import Callable

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from registry.api.wire import STATUS
from registry.errors import ModelkeepError
from registry.services.actors import Actor
from registry.services.description_suggestions import (
    suggest_model_description,
    suggest_version_description,
    suggestions_enabled,
)
from registry.services.model_versions import get_version, update_version
from registry.services.registered_models import get_model, update_model
from registry.services.securables import Changes
from registry.web.actions import name_of
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.markdown import MAX_CHARACTERS, render_markdown
from registry.web.session import signed_in


class DescriptionForm(Form):
    """A text in Markdown."""

    comment = forms.CharField(
        label="Description",
        required=False,
        max_length=MAX_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "true"}),
        help_text="Markdown: **bold**, lists, tables, links. Raw HTML is shown as text.",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def of_model(request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str) -> HttpResponseBase:
    """The dialog with the description of a model."""
    name = name_of(catalog, schema, model)
    found = get_model(actor=actor, name=name)

    def save(text: str) -> None:
        update_model(actor=actor, name=name, changes=Changes(comment=text))

    return _edit(
        request,
        title=f"Description of {found.securable.name}",
        text=found.securable.comment,
        save=save,
        page=reverse("model", args=[catalog, schema, model]),
        suggest=reverse("model-description-draft", args=[catalog, schema, model]),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def of_version(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """The dialog with the description of a version."""
    name = name_of(catalog, schema, model)
    found = get_version(actor=actor, name=name, version=version)

    def save(text: str) -> None:
        update_version(actor=actor, name=name, version=version, comment=text)

    return _edit(
        request,
        title=f"Description of version {version}",
        text=found.comment,
        save=save,
        page=reverse("version", args=[catalog, schema, model, version]),
        suggest=reverse("version-description-draft", args=[catalog, schema, model, version]),
    )


def _edit(
    request: HttpRequest, *, title: str, text: str, save: Callable[[str], None], page: str, suggest: str
) -> HttpResponseBase:
    form = DescriptionForm(posted(request), initial={"comment": text})
    if form.is_valid():
        with refusals_on(form):
            save(form.cleaned_data["comment"])
            # Without scripts there is no page below the dialog to go back to.
            return done(request, to="" if getattr(request, "htmx", False) else page, toast="Description saved.")
    return dialog(
        request,
        "dialogs/description.html",
        title=title,
        form=form,
        suggest=suggest if suggestions_enabled() else "",
    )


@require_POST
@signed_in
def preview(request: HttpRequest, actor: Actor) -> HttpResponseBase:  # noqa: ARG001  (shows what was sent)
    """A text as it will look."""
    text = request.POST.get("comment", "")
    return HttpResponse(render_markdown(text) if text.strip() else "", content_type="text/html; charset=utf-8")


@require_POST
@signed_in
def draft_of_model(request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str) -> HttpResponseBase:
    """A draft for a model, in the field of the dialog, to be edited."""
    name = name_of(catalog, schema, model)
    return _draft(request, lambda: suggest_model_description(actor=actor, name=name))


@require_POST
@signed_in
def draft_of_version(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """As `draft_of_model`, for a version."""
    name = name_of(catalog, schema, model)
    return _draft(request, lambda: suggest_version_description(actor=actor, name=name, version=version))


def _draft(request: HttpRequest, ask: Callable[[], str]) -> HttpResponseBase:
    text, refused, status = request.POST.get("comment", ""), "", 200
    try:
        text = ask()
    except ModelkeepError as error:
        refused, status = error.message, STATUS[error.code][0]
    form = DescriptionForm(initial={"comment": text})
    context = {"form": form, "refused": refused, "drafted": not refused}
    return render(request, "dialogs/_description_fields.html", context, status=status)
