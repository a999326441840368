"""The audit trail: looked through, one event in full, taken out as a file, and verified."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from registry.api.audit_files import send_events
from registry.errors import InvalidParameter
from registry.privileges import Action, SecurableType
from registry.services.actors import Actor
from registry.services.audit_trail import EventFilter, differences, export_events, get_event, list_events
from registry.services.audit_verification import last_verification, submit_verification
from registry.services.operations import OPEN
from registry.services.securables import metastore
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done
from registry.web.pickers import PickerInput
from registry.web.rights_in_words import NOUNS
from registry.web.session import signed_in

PAGE_SIZE = 50
_OTHER_TYPES = ["OPERATION", "STATEMENT"]


class FilterForm(Form):
    """Which events are looked for. Days are days in UTC, and the last one counts whole."""

    actor = forms.CharField(label="Who", required=False, max_length=255)
    name = forms.CharField(label="On what", required=False, max_length=1024)
    type = forms.ChoiceField(label="Kind of object", required=False)
    action = forms.CharField(label="Action", required=False, max_length=80)
    decision = forms.ChoiceField(
        label="Outcome", required=False, choices=[("", "Any"), ("ALLOW", "Allowed"), ("DENY", "Denied")]
    )
    since = forms.DateField(label="From", required=False, widget=forms.DateInput({"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput({"type": "date"}))

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        types = [(one.value, NOUNS[one].capitalize()) for one in SecurableType]
        kind: Any = self.fields["type"]
        kind.choices = [("", "Any"), *types, *((one, one.capitalize()) for one in _OTHER_TYPES)]
        self.fields["name"].widget.attrs |= {"placeholder": "prod.ml", "data-search": True}
        self.fields["action"].widget.attrs |= {"list": "audit-actions", "autocomplete": "off"}
        if actor.is_metastore_admin:
            directory = reverse("principal-suggestions", args=[SecurableType.METASTORE, metastore().name])
            self.fields["actor"].widget = PickerInput(directory)

    def wanted(self) -> EventFilter:
        """What was filled in; a field that makes no sense filters nothing, and says so below itself."""
        self.full_clean()
        found: dict[str, Any] = {name: value for name, value in self.cleaned_data.items() if value}
        for name, days in (("since", 0), ("until", 1)):
            if name in found:
                found[name] = datetime.combine(found[name] + timedelta(days=days), time(), UTC)
        return EventFilter(**found)


@require_safe
@signed_in
def audit_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The events that the viewer may see, newest first."""
    form = FilterForm(request.GET, actor=actor)
    wanted = form.wanted()
    context = {
        "form": form,
        "wanted": wanted,
        "actions": [action.value for action in Action],
        "page": list_events(
            actor=actor, wanted=wanted, max_results=PAGE_SIZE, page_token=request.GET.get("page", "")
        ),
        **_verification(actor),
    }
    return render(request, "audit/audit.html", context, status=form.status)


def _verification(actor: Actor) -> dict[str, Any]:
    found = last_verification(actor=actor)
    return {"verification": found, "verifying": found is not None and found.state in OPEN, "wait": 1}


@require_safe
@signed_in
def event(request: HttpRequest, actor: Actor, event_id: UUID) -> HttpResponseBase:
    """One event in full, with what it changed."""
    found = get_event(actor=actor, event_id=event_id)
    return dialog(
        request,
        "audit/event.html",
        title="Event",
        event=found,
        differences=differences(found),
        params=[(name, value) for name, value in found.params.items() if value not in (None, "", [], {})],
    )


@require_safe
@signed_in
def export(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The events of the page's filter as a file: CSV for spreadsheets, JSON lines for programs."""
    as_csv = request.GET.get("format") != "jsonl"
    form = FilterForm(request.GET, actor=actor)
    wanted = form.wanted()
    for name, errors in form.errors.items():
        # A file of more than was asked for would be worse than none.
        raise InvalidParameter(f"'{name}': {errors[0]}", field=name)
    events = export_events(actor=actor, wanted=wanted, format_="csv" if as_csv else "jsonl")
    return send_events(events, as_csv=as_csv)


@require_POST
@signed_in
@told_in_a_toast
def verify(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Check the whole trail, as an operation."""
    operation = submit_verification(actor=actor)
    return done(request, to=reverse("operation", args=[operation.pk]), toast="Verification asked for.")
