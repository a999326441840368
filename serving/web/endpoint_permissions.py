"""Giving and taking away levels on an endpoint."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.services.actors import Actor
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.permission_dialogs import option_of
from registry.web.pickers import PickerInput
from registry.web.session import signed_in
from registry.web.toasts import Undo
from serving.models import EndpointLevel
from serving.services.endpoint_access import require_endpoint
from serving.services.endpoint_grantees import grant_level, revoke_level, suggest_grantees
from serving.web.endpoint_actions import page_of
from serving.web.words import LEVELS


class LevelForm(Form):
    """Who gets which level."""

    who = forms.CharField(max_length=255)
    level = forms.ChoiceField(
        label="May",
        choices=[(name, f"{word}: {meaning}") for name, (word, meaning) in LEVELS.items()],
        widget=forms.RadioSelect,
        initial=EndpointLevel.CAN_QUERY,
    )

    def __init__(self, *args: Any, suggestions: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        placeholder = "Name or e-mail of a user, group or service principal"
        self.fields["who"].widget = PickerInput(suggestions, {"placeholder": placeholder})


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def grant(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Give somebody a level, or another one."""
    require_endpoint(actor=actor, name=endpoint, level=EndpointLevel.CAN_MANAGE)
    form = LevelForm(
        posted(request),
        initial={"who": request.GET.get("who", "")},
        suggestions=reverse("endpoint-grantees", args=[endpoint]),
    )
    if form.is_valid():
        with refusals_on(form):
            who, level = form.cleaned_data["who"].strip(), form.cleaned_data["level"]
            had = grant_level(actor=actor, name=endpoint, who=who, level=level)
            undo = (
                Undo(reverse("endpoint-grant", args=[endpoint]), {"who": who, "level": had})
                if had
                else Undo(reverse("endpoint-revoke", args=[endpoint]), {"who": who})
            )
            toast = f"{who} {LEVELS[level][0].lower()} {endpoint}."
            return done(request, to=page_of(request, endpoint), toast=toast, undo=undo)
    return dialog(request, title=f"Give access to {endpoint}", form=form, submit="Give access")


@require_POST
@signed_in
@told_in_a_toast
def revoke(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Take away what somebody has, with a way back."""
    who = request.POST.get("who", "")
    had = revoke_level(actor=actor, name=endpoint, who=who)
    undo = Undo(reverse("endpoint-grant", args=[endpoint]), {"who": who, "level": had})
    toast = f"{who} has no access to {endpoint} any more, unless through a group."
    return done(request, to=page_of(request, endpoint), toast=toast, undo=undo)


@require_safe
@signed_in
def grantees(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Principals by a part of the name, for who manages the endpoint."""
    found = suggest_grantees(actor=actor, name=endpoint, text=request.GET.get("q", "").strip())
    options = [option_of(one) for one in found]
    return render(request, "parts/_picker_options.html", {"options": options, "empty": "Nobody is called that."})
