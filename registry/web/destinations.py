"""Notification destinations under Settings: for metastore admins, who alone see where they lead."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from registry.errors import InvalidParameter
from registry.models import DestinationKind, NotificationDestination
from registry.services.actors import Actor
from registry.services.deliveries import list_deliveries, try_destination
from registry.services.delivery_http import Answer
from registry.services.notification_destinations import (
    create_destination,
    delete_destination,
    get_destination,
    list_destinations,
    require_manager,
    update_destination,
)
from registry.web.actions import told_in_a_toast
from registry.web.delivery_log import log_context
from registry.web.dialogs import Form, dialog, done, refusals_on
from registry.web.explore import PAGE_SIZE
from registry.web.session import signed_in
from registry.web.settings_sections import Section, add_section, settings_context

KINDS = {
    DestinationKind.EMAIL: ("E-mail", "envelope"),
    DestinationKind.WEBHOOK: ("Web request", "globe-alt"),
    DestinationKind.SLACK: ("Slack", "chat-bubble-left-right"),
}
_KEEP = "Empty: what is set stays."

add_section(Section("Destinations", "/settings/destinations", "megaphone", admins_only=True, position=61))


class DestinationForm(Form):
    """A named place. Which fields there are depends on how it is reached."""

    display_name = forms.CharField(label="Name", max_length=255, help_text="As people choose it: on call, team …")

    def __init__(self, *args: Any, known: NotificationDestination | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = known
        if known is not None:
            self.initial["display_name"] = known.display_name

    def config(self) -> dict[str, Any]:
        """The settings to give to the service, once the form is valid."""
        raise NotImplementedError


class EmailForm(DestinationForm):
    """A few people's addresses."""

    addresses = forms.CharField(
        label="To",
        widget=forms.Textarea({"rows": 3, "placeholder": "team@example.com"}),
        help_text="One address a line.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.known is not None:
            self.initial["addresses"] = "\n".join(self.known.addresses)

    def config(self) -> dict[str, Any]:
        """Addresses, each once."""
        return {"addresses": self.cleaned_data["addresses"].replace(",", "\n").split()}


class SlackForm(DestinationForm):
    """The address of an incoming webhook."""

    url = forms.CharField(
        label="Address of the incoming webhook",
        max_length=2000,
        widget=forms.TextInput({"inputmode": "url", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.known is not None:
            self.fields["url"].required = False
            self.fields["url"].help_text = _KEEP

    def config(self) -> dict[str, Any]:
        """What was given; secrets that were left empty stay as they are."""
        return {name: self.cleaned_data[name] for name in ("url",) if self.cleaned_data[name]}


class RequestForm(SlackForm):
    """An address with a user name and a password, if it asks for them."""

    field_order = ("display_name", "url", "username", "password")
    username = forms.CharField(label="User name", max_length=2000, required=False)
    password = forms.CharField(
        max_length=2000,
        required=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text="Sealed, and never shown again.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["url"].label = "Address"
        if self.known is not None:
            self.fields["username"].help_text = _KEEP
            self.fields["password"].help_text = f"{_KEEP} It does not follow to another address."

    def config(self) -> dict[str, Any]:
        """What was given; secrets that were left empty stay as they are."""
        names = ("url", "username", "password")
        return {name: self.cleaned_data[name] for name in names if self.cleaned_data[name]}


_FORMS: dict[DestinationKind, type[DestinationForm]] = {
    DestinationKind.EMAIL: EmailForm,
    DestinationKind.SLACK: SlackForm,
    DestinationKind.WEBHOOK: RequestForm,
}


@require_safe
@signed_in
def destinations_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The destinations to choose from, by name, or those that were made for an address."""
    require_manager(actor=actor)
    apart = "addresses" in request.GET
    token = request.GET.get("page", "")
    page = list_destinations(actor=actor, for_addresses=apart, max_results=PAGE_SIZE, page_token=token)
    rows = [(row, *KINDS[DestinationKind(row.kind)]) for row in page.items]
    context = {"page": page, "rows": rows, "kinds": _kinds(), "apart": apart, **settings_context(request, actor)}
    return render(request, "settings/destinations.html", context)


def _kinds() -> list[tuple[str, str, str]]:
    return [(kind.value, label, icon) for kind, (label, icon) in KINDS.items()]


@require_safe
@signed_in
def destination_page(request: HttpRequest, actor: Actor, destination_id: str) -> HttpResponseBase:
    """One destination, and the log of what it was sent."""
    require_manager(actor=actor)
    destination = get_destination(actor=actor, destination_id=destination_id)
    label, icon = KINDS[DestinationKind(destination.kind)]
    state = request.GET.get("state", "")
    page = list_deliveries(
        actor=actor,
        destination_id=destination.pk,
        state=state,
        max_results=PAGE_SIZE,
        page_token=request.GET.get("page", ""),
    )
    context = {
        "destination": destination,
        "kind": label,
        "icon": icon,
        **log_context(page, state=state, may_replay=True),
        **settings_context(request, actor),
    }
    return render(request, "settings/destination.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def new_destination(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Make a destination of the kind that the address names."""
    require_manager(actor=actor)
    kind = _kind(request.GET)
    form = _FORMS[kind](request.POST if request.method == "POST" else None)
    if form.is_valid():
        with refusals_on(form):
            made = create_destination(
                actor=actor, display_name=form.cleaned_data["display_name"], kind=kind, config=form.config()
            )
            to = reverse("destination", args=[made.pk])
            return done(request, to=to, toast=f"{made.display_name} is made. Try it with Send test.")
    title = f"New destination: {KINDS[kind][0].lower()}"
    return dialog(request, title=title, form=form, submit="Create destination")


def _kind(given: Mapping[str, Any]) -> DestinationKind:
    word = str(given.get("kind") or DestinationKind.EMAIL).upper()
    if word not in DestinationKind.values:
        raise InvalidParameter(f"'kind' is '{word}': use one of {', '.join(DestinationKind.values)}.", field="kind")
    return DestinationKind(word)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def edit_destination(request: HttpRequest, actor: Actor, destination_id: str) -> HttpResponseBase:
    """Change a destination; how it is reached stays."""
    require_manager(actor=actor)
    known = get_destination(actor=actor, destination_id=destination_id)
    kind = DestinationKind(known.kind)
    form = _FORMS[kind](request.POST if request.method == "POST" else None, known=known)
    if form.is_valid():
        with refusals_on(form):
            update_destination(
                actor=actor,
                destination_id=known.pk,
                display_name=form.cleaned_data["display_name"],
                config=form.config() or None,
            )
            return done(request, to=_page_of(request, known), toast="The destination is changed.")
    return dialog(request, title=f"Edit {known.display_name}", form=form)


def _page_of(request: HttpRequest, destination: NotificationDestination) -> str:
    return "" if getattr(request, "htmx", False) else reverse("destination", args=[destination.pk])


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def test_destination(request: HttpRequest, actor: Actor, destination_id: str) -> HttpResponseBase:
    """Send a notice that says it is a test, and show what came of it."""
    require_manager(actor=actor)
    destination = get_destination(actor=actor, destination_id=destination_id)
    form = Form(request.POST if request.method == "POST" else None)
    answer: Answer | None = None
    if form.is_valid():
        with refusals_on(form):
            answer = try_destination(actor=actor, destination_id=destination.pk)
    return dialog(
        request,
        "settings/try.html",
        title=f"Test {destination.display_name}",
        form=form,
        submit="Send again" if answer else "Send test",
        answer=answer,
        receiver=destination.display_name,
        page=reverse("destination", args=[destination.pk]),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def remove_destination(request: HttpRequest, actor: Actor, destination_id: str) -> HttpResponseBase:
    """Delete a destination with its log."""
    require_manager(actor=actor)
    destination = get_destination(actor=actor, destination_id=destination_id)
    form = Form(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with refusals_on(form):
            delete_destination(actor=actor, destination_id=destination.pk)
            return done(request, to=reverse("destinations"), toast=f"{destination.display_name} is deleted.")
    intro = "Nothing is sent to it any more, and its log goes with it."
    title = f"Delete {destination.display_name}"
    return dialog(request, title=title, form=form, submit="Delete", danger=True, intro=intro)
