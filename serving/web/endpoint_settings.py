"""What is said and set of an endpoint beside what it serves: description, tags, rate limits, who is told."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_http_methods, require_POST

from registry.services.actors import Actor
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.session import signed_in
from registry.web.toasts import Undo
from serving.models import EndpointLevel, ServingEndpoint
from serving.services.endpoint_access import require_endpoint
from serving.services.endpoint_events import FAILURE, SUCCESS
from serving.services.endpoint_notifications import notifications_wire
from serving.services.endpoints import (
    describe_endpoint,
    set_notifications,
    set_rate_limits,
    update_tags,
)
from serving.web.endpoint_actions import page_of

_BOTH = ["GET", "HEAD", "POST"]


class DescriptionForm(Form):
    """What an endpoint is for."""

    description = forms.CharField(
        required=False, max_length=10_000, widget=forms.Textarea({"rows": 6}), help_text="Markdown."
    )


class TagForm(Form):
    """One tag."""

    key = forms.CharField(max_length=255, widget=forms.TextInput({"autocomplete": "off"}))
    value = forms.CharField(max_length=1000, required=False, widget=forms.TextInput({"autocomplete": "off"}))


class LimitsForm(Form):
    """How often it may be asked."""

    endpoint = forms.IntegerField(
        label="All together, queries a minute", min_value=0, required=False, help_text="Empty: no limit."
    )
    user = forms.IntegerField(
        label="Each user, queries a minute", min_value=0, required=False, help_text="Empty: no limit."
    )


class NotifyForm(Form):
    """Who is told how updates end."""

    success = forms.CharField(
        label="When an update succeeds", required=False, widget=forms.Textarea({"rows": 2}), max_length=4000
    )
    failure = forms.CharField(
        label="When one fails",
        required=False,
        widget=forms.Textarea({"rows": 2}),
        max_length=4000,
        help_text="E-mail addresses, or ids of notification destinations (Settings), one a line.",
    )


def _managed(actor: Actor, name: str) -> ServingEndpoint:
    return require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_MANAGE)


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def describe(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Write what it is for."""
    found = _managed(actor, endpoint)
    form = DescriptionForm(posted(request), initial={"description": found.description})
    if form.is_valid():
        with refusals_on(form):
            describe_endpoint(actor=actor, name=endpoint, description=form.cleaned_data["description"])
            return done(request, to=page_of(request, endpoint), toast="The description is changed.")
    return dialog(request, title=f"Description of {endpoint}", form=form)


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def tag(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Set a tag."""
    _managed(actor, endpoint)
    form = TagForm(posted(request))
    if form.is_valid():
        with refusals_on(form):
            key, value = form.cleaned_data["key"].strip(), form.cleaned_data["value"].strip()
            update_tags(actor=actor, name=endpoint, add=[{"key": key, "value": value}])
            return done(request, to=page_of(request, endpoint), toast=f"Tagged {key}.")
    return dialog(request, title=f"Tag {endpoint}", form=form, submit="Tag")


@require_POST
@signed_in
@told_in_a_toast
def untag(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Remove a tag, with a way back."""
    key = request.POST.get("key", "")
    value = next((one.value for one in _managed(actor, endpoint).tags.all() if one.key == key), "")
    update_tags(actor=actor, name=endpoint, remove=[key])
    undo = Undo(request.path.replace("/untag", "/tag"), {"key": key, "value": value})
    return done(request, to=page_of(request, endpoint), toast=f"Tag {key} is removed.", undo=undo)


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def limits(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Change how often it may be asked. Limits of groups and of single people, which clients may have set, stay."""
    found = _managed(actor, endpoint)
    there = {limit["key"]: limit["calls"] for limit in found.rate_limits if not limit.get("principal")}
    form = LimitsForm(posted(request), initial=there)
    if form.is_valid():
        with refusals_on(form):
            others = [limit for limit in found.rate_limits if limit.get("principal")]
            asked = [
                {"calls": calls, "renewal_period": "minute", "key": key}
                for key, calls in form.cleaned_data.items()
                if calls is not None
            ]
            set_rate_limits(actor=actor, name=endpoint, rate_limits=[*asked, *others])
            return done(request, to=page_of(request, endpoint), toast="The rate limits are changed.")
    intro = "More than that is answered with 429 and the time to wait, before anything is computed."
    return dialog(request, title=f"Rate limits of {endpoint}", form=form, intro=intro)


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def notify(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Change who is told how updates end."""
    found = _managed(actor, endpoint)
    told = notifications_wire(found.email_notifications)
    initial = {"success": "\n".join(told.get(SUCCESS, [])), "failure": "\n".join(told.get(FAILURE, []))}
    form = NotifyForm(posted(request), initial=initial)
    if form.is_valid():
        with refusals_on(form):
            wire: dict[str, Any] = {
                SUCCESS: form.cleaned_data["success"].split(),
                FAILURE: form.cleaned_data["failure"].split(),
            }
            set_notifications(actor=actor, name=endpoint, email_notifications=wire)
            return done(request, to=page_of(request, endpoint), toast="Notifications are changed.")
    return dialog(request, title=f"Notifications of {endpoint}", form=form)
