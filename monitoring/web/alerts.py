"""Alerts: the list, the rule editor, and one alert with its breaches and what was sent."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from monitoring.models import Alert, AlertSource, AlertState
from monitoring.services.alert_notices import condition_in_words
from monitoring.services.alert_settings import AlertSettings, settings_of
from monitoring.services.alerts import (
    create_alert,
    delete_alert,
    deliveries_of,
    evaluate_alert_now,
    get_alert,
    list_alerts,
    list_evaluations,
    list_incidents,
    may_manage,
    mute_alert,
    pause_alert,
    preview_notice,
    try_alert,
    update_alert,
)
from monitoring.web.alert_forms import METRICS, AlertForm, MetricAlertForm, QueryAlertForm
from registry.errors import ModelkeepError
from registry.services.actors import Actor
from registry.services.notification_destinations import list_destinations
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.explore import PAGE_SIZE
from registry.web.session import signed_in

_MOST_DESTINATIONS = 200
_RECENT = 20
_STATES = [
    ("", "All"),
    (AlertState.TRIGGERED, "Triggered"),
    (AlertState.OK, "OK"),
    (AlertState.ERROR, "Error"),
    (AlertState.UNKNOWN, "Not known"),
]
_HOURS = [("1", "1 hour"), ("8", "8 hours"), ("24", "a day"), ("168", "a week")]


@require_safe
@signed_in
def alerts_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The alerts that the viewer may see."""
    query, state = request.GET.get("q", "").strip(), request.GET.get("state", "")
    own, order = request.GET.get("whose") == "mine", request.GET.get("order", "")
    page = list_alerts(
        actor=actor,
        state=state,
        name_contains=query,
        table=request.GET.get("table", ""),
        own=own,
        order=order,
        max_results=PAGE_SIZE,
        page_token=request.GET.get("page", ""),
    )
    context = {
        "page": page,
        "rows": [(row, condition_in_words(row.alert)) for row in page.items],
        "query": query,
        "state": state,
        "states": _STATES,
        "own": own,
    }
    return render(request, "monitoring/alerts.html", context)


@require_safe
@signed_in
def alert_page(request: HttpRequest, actor: Actor, alert_id: UUID) -> HttpResponseBase:
    """One alert: how it stands, its breaches, what was found and what was sent of it."""
    alert = get_alert(actor=actor, alert_id=alert_id)
    incidents = list_incidents(actor=actor, alert_id=alert_id, max_results=_RECENT)
    evaluations = list_evaluations(
        actor=actor, alert_id=alert_id, max_results=_RECENT, page_token=request.GET.get("page", "")
    )
    deliveries = deliveries_of(actor=actor, alert_id=alert_id, evaluations=list(evaluations.items))
    notice = preview_notice(actor=actor, alert_id=alert_id)
    context = {
        "alert": alert,
        "condition": condition_in_words(alert),
        "open": next((one for one in incidents.items if one.resolved_at is None), None),
        "incidents": incidents.items,
        "evaluations": [(one, _sent(one.notified, deliveries)) for one in evaluations.items],
        "page": evaluations,
        "notice": notice,
        "tells": bool(alert.emails or alert.destinations.all() or alert.workflow_destination),
        "may_manage": may_manage(actor, alert),
        "may_change": alert.owner_id in actor.principal_ids,
        "muted": alert.muted_until is not None and alert.muted_until > timezone.now(),
    }
    return render(request, "monitoring/alert.html", context)


def _sent(notified: list[dict[str, Any]], deliveries: dict[str, Any]) -> list[Any]:
    return [deliveries[id_] for told in notified for id_ in told["deliveries"] if id_ in deliveries]


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new_alert(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The rule editor for a new alert; the address may name table, metric, column, granularity and drift type."""
    kind = QueryAlertForm if request.GET.get("on") == "query" else MetricAlertForm
    given = {name: request.GET[name] for name in _GIVEN if request.GET.get(name)}
    form = kind(posted(request), destinations=_destinations(actor), initial=given)
    if form.is_valid():
        with refusals_on(form):
            settings = form.settings()
            if "try" in request.POST:
                return _tried(request, actor, form, settings, title="New alert")
            made = create_alert(actor=actor, settings_=settings)
            return done(request, to=reverse("alert", args=[made.pk]), toast=f"{made.name} watches from now on.")
    return _editor(request, form, title="New alert")


_GIVEN = ("name", "table", "metric", "column_name", "granularity", "drift_type", "query_text", "value_column")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def edit_alert(request: HttpRequest, actor: Actor, alert_id: UUID) -> HttpResponseBase:
    """The rule editor for an alert that there is."""
    alert = get_alert(actor=actor, alert_id=alert_id)
    known = settings_of(alert)
    kind = QueryAlertForm if alert.source == AlertSource.SQL else MetricAlertForm
    form = kind(posted(request), destinations=_destinations(actor), known=known)
    if form.is_valid():
        with refusals_on(form):
            settings = form.settings()
            if "try" in request.POST:
                return _tried(request, actor, form, settings, title=f"Edit {alert.name}", alert=alert)
            update_alert(actor=actor, alert_id=alert_id, change=lambda _current: settings)
            return done(request, toast="The alert is changed.")
    return _editor(request, form, title=f"Edit {alert.name}", alert=alert)


def _destinations(actor: Actor) -> list[Any]:
    return list(list_destinations(actor=actor, max_results=_MOST_DESTINATIONS).items)


def _editor(
    request: HttpRequest, form: AlertForm, *, title: str, alert: Alert | None = None, **more: Any
) -> HttpResponseBase:
    context = {"metrics": METRICS, "submit": "Save" if alert else "Create alert", "wide": True, **more}
    return dialog(request, "monitoring/alert_dialog.html", title=title, form=form, **context)


def _tried(
    request: HttpRequest,
    actor: Actor,
    form: AlertForm,
    settings: AlertSettings,
    *,
    title: str,
    alert: Alert | None = None,
) -> HttpResponseBase:
    """The editor again, with what the rule finds now and what would be sent."""
    shown = {}
    try:
        shown["trial"] = try_alert(actor=actor, settings_=settings, alert_id=alert.pk if alert else None)
    except ModelkeepError as error:
        form.refusal = error
        form.add_error(getattr(error, "field", None), error.message)
    return _editor(request, form, title=title, alert=alert, **shown)


class MuteForm(Form):
    """For how long nobody is told."""

    hours = forms.ChoiceField(label="Tell nobody for", choices=_HOURS, initial="8")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def mute(request: HttpRequest, actor: Actor, alert_id: UUID) -> HttpResponseBase:
    """Tell nobody for a while; `off` in what is sent tells again."""
    alert = get_alert(actor=actor, alert_id=alert_id)
    if request.method == "POST" and "off" in request.POST:
        mute_alert(actor=actor, alert_id=alert_id, until=None)
        return done(request, toast="It is told again.")
    form = MuteForm(posted(request))
    if form.is_valid():
        with refusals_on(form):
            until = timezone.now() + timedelta(hours=int(form.cleaned_data["hours"]))
            mute_alert(actor=actor, alert_id=alert_id, until=until)
            return done(request, toast=f"{alert.name} tells nobody until then.")
    intro = "It goes on looking. What is still broken when the time is over is told then."
    return dialog(request, title=f"Mute {alert.name}", form=form, submit="Mute", intro=intro)


@require_POST
@signed_in
@told_in_a_toast
def pause(request: HttpRequest, actor: Actor, alert_id: UUID) -> HttpResponseBase:
    """Look no more, or go on: `on` says which."""
    alert = pause_alert(actor=actor, alert_id=alert_id, is_paused=request.POST.get("on") == "1")
    return done(request, toast="It is paused." if alert.is_paused else "It goes on.")


@require_POST
@signed_in
@told_in_a_toast
def evaluate(request: HttpRequest, actor: Actor, alert_id: UUID) -> HttpResponseBase:
    """Look now, with all that follows from it."""
    found = evaluate_alert_now(actor=actor, alert_id=alert_id)
    return done(request, toast=f"Looked: {AlertState(found.state).label.lower()}.")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def test(request: HttpRequest, actor: Actor, alert_id: UUID) -> HttpResponseBase:
    """What the alert would find and send now, without sending it."""
    alert = get_alert(actor=actor, alert_id=alert_id)
    trial = try_alert(actor=actor, settings_=settings_of(alert), alert_id=alert_id)
    return dialog(request, "monitoring/trial_dialog.html", title=f"Try {alert.name}", trial=trial)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def delete(request: HttpRequest, actor: Actor, alert_id: UUID) -> HttpResponseBase:
    """Delete an alert with its history."""
    alert = get_alert(actor=actor, alert_id=alert_id)
    form = Form(posted(request))
    if form.is_valid():
        with refusals_on(form):
            delete_alert(actor=actor, alert_id=alert_id)
            return done(request, to=reverse("alerts"), toast=f"{alert.name} is deleted.")
    intro = "Its history goes with it. What waits to be sent is still sent."
    return dialog(request, title=f"Delete {alert.name}", form=form, submit="Delete", danger=True, intro=intro)
