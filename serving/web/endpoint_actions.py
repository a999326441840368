"""What is done to an endpoint at one click or in one dialog: stop, start, cancel, roll back, delete."""

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from registry.services.actors import Actor
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.session import signed_in
from serving.models import EndpointLevel
from serving.services.config_differences import differences_of_configs
from serving.services.endpoint_access import require_endpoint
from serving.services.endpoint_updates import cancel_update, roll_back, start_endpoint, stop_endpoint
from serving.services.endpoint_views import get_config, watch_endpoint
from serving.services.endpoints import delete_endpoint


class ReasonForm(Form):
    """Why, for whoever reads the history."""

    reason = forms.CharField(
        max_length=200, required=False, help_text="Shown in the history of configurations and in the events."
    )


class NameForm(Form):
    """The name of an endpoint, typed to show that it is meant."""

    typed = forms.CharField(label="Name", max_length=63, widget=forms.TextInput({"autocomplete": "off"}))

    def __init__(self, *args: object, expected: str, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._expected = expected
        self.fields["typed"].label = f"Type {expected} to delete it"

    def clean_typed(self) -> str:
        """The name.

        Raises:
            ValidationError: another one.
        """
        typed = str(self.cleaned_data["typed"]).strip()
        if typed != self._expected:
            raise forms.ValidationError(f"That is not its name: type {self._expected}.")
        return typed


def page_of(request: HttpRequest, endpoint: str) -> str:
    """Where a change ends: on the page below the dialog, or without scripts on the page of the endpoint."""
    return "" if getattr(request, "htmx", False) else reverse("endpoint", args=[endpoint])


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def stop(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Stop answering, after having asked."""
    found = require_endpoint(actor=actor, name=endpoint, level=EndpointLevel.CAN_MANAGE)
    form = Form(posted(request))
    if form.is_valid():
        with refusals_on(form):
            stop_endpoint(actor=actor, name=found.name)
            return done(request, to=page_of(request, found.name), toast=f"{found.name} is stopped.")
    intro = "Queries are answered with 400 from then on, and its processes end. Start makes it serve the same again."
    return dialog(request, title=f"Stop {found.name}", form=form, submit="Stop", danger=True, intro=intro)


@require_POST
@signed_in
@told_in_a_toast
def start(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Serve again what was served before it was stopped."""
    config = start_endpoint(actor=actor, name=endpoint)
    toast = f"{config.endpoint.name} is starting, as configuration {config.version}."
    return done(request, to=page_of(request, endpoint), toast=toast)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def cancel(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Give up the update that is on its way, after having asked."""
    watched = watch_endpoint(actor=actor, name=endpoint)
    require_endpoint(actor=actor, name=endpoint, level=EndpointLevel.CAN_MANAGE)
    form = Form(posted(request))
    if form.is_valid():
        with refusals_on(form):
            cancel_update(actor=actor, name=endpoint)
            return done(request, to=page_of(request, endpoint), toast="The update is canceled.")
    keeps = f"Configuration {watched.active.config.version} keeps answering" if watched.active else "Nothing answers"
    return dialog(
        request,
        title=f"Cancel the update of {endpoint}",
        form=form,
        submit="Cancel the update",
        dismiss="Let it go on",
        danger=True,
        intro=f"{keeps}; what was being made ready is ended.",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def back(request: HttpRequest, actor: Actor, endpoint: str, version: int) -> HttpResponseBase:
    """Serve what an earlier configuration served, after having shown what changes by it."""
    require_endpoint(actor=actor, name=endpoint, level=EndpointLevel.CAN_MANAGE)
    target = get_config(actor=actor, name=endpoint, version=version)
    now = target.endpoint.active_config
    current = get_config(actor=actor, name=endpoint, version=now.version) if now else None
    form = ReasonForm(posted(request))
    if form.is_valid():
        with refusals_on(form):
            said = form.cleaned_data["reason"].strip()
            reason = f"roll back to configuration {version}: {said}" if said else ""
            config = roll_back(actor=actor, name=endpoint, version=version, reason=reason)
            toast = f"Configuration {config.version} is on its way: it serves what {version} served."
            return done(request, to=reverse("endpoint", args=[endpoint]), toast=toast)
    return dialog(
        request,
        "serving/roll_back.html",
        title=f"Roll back to configuration {version}",
        form=form,
        submit="Roll back",
        differences=differences_of_configs(current, target),
        current=current,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def delete(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Delete an endpoint, once its name was typed."""
    found = require_endpoint(actor=actor, name=endpoint, level=EndpointLevel.CAN_MANAGE)
    form = NameForm(posted(request), expected=found.name)
    if form.is_valid():
        with refusals_on(form):
            delete_endpoint(actor=actor, name=found.name)
            return done(request, to=reverse("endpoints"), toast=f"{found.name} is deleted.")
    return dialog(
        request,
        title=f"Delete {found.name}",
        form=form,
        submit="Delete",
        danger=True,
        intro="Its URL answers 404 at once, and its configurations and events go with it. Its inference tables stay. "
        "To pause it only, stop it.",
    )
