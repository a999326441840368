"""Monitors: the list of all, and the dialogs that make, change and delete one."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from monitoring.models import MonitorStatus
from monitoring.services.alerts import list_alerts
from monitoring.services.monitor_lookup import get_monitor, list_monitors
from monitoring.services.monitor_settings import MonitorSettings, settings_of
from monitoring.services.monitors import (
    create_monitor,
    delete_monitor,
    monitor_choices,
    preview_monitor,
    update_monitor,
)
from monitoring.web.monitor_forms import MonitorForm
from registry.errors import ModelkeepError
from registry.services.actors import Actor
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.explore import PAGE_SIZE
from registry.web.session import signed_in
from registry.web.template_tags import object_url


@require_safe
@signed_in
def monitors_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Every monitor whose table the viewer may see: what is broken comes with its reason."""
    query, status = request.GET.get("q", "").strip(), request.GET.get("status", "")
    page = list_monitors(
        actor=actor,
        name_contains=query,
        status=status,
        max_results=PAGE_SIZE,
        page_token=request.GET.get("page", ""),
    )
    statuses = [("", "All"), *((value, label) for value, label in MonitorStatus.choices if value in _SHOWN)]
    context = {
        "page": page,
        "query": query,
        "status": status,
        "statuses": statuses,
        "triggered": list_alerts(actor=actor, state="TRIGGERED", max_results=_TOLD).items,
        "failing": list_monitors(actor=actor, status=MonitorStatus.ERROR, max_results=_TOLD).items,
    }
    return render(request, "monitoring/monitors.html", context)


_SHOWN = {MonitorStatus.PENDING, MonitorStatus.ACTIVE, MonitorStatus.ERROR}
_TOLD = 5
"""How many of what broke stand above the list."""


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def enable(request: HttpRequest, actor: Actor, full_name: str) -> HttpResponseBase:
    """The dialog that starts to watch a table; `Preview` measures its last day first."""
    choices = monitor_choices(actor=actor, table=full_name)
    form = MonitorForm(posted(request), choices=choices)
    if form.is_valid():
        with refusals_on(form):
            settings = form.settings()
            if "preview" in request.POST:
                return _with_preview(request, actor, full_name, form, settings)
            made = create_monitor(actor=actor, table=full_name, settings=settings)
            to = f"{object_url(made.table)}?tab=quality"
            return done(request, to=to, toast="The table is watched. The first metrics are being computed.")
    return _form(request, form, title=f"Monitor {choices.table.name}", submit="Start monitoring")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def edit(request: HttpRequest, actor: Actor, full_name: str) -> HttpResponseBase:
    """The dialog with the settings of a monitor."""
    choices = monitor_choices(actor=actor, table=full_name)
    known = settings_of(get_monitor(actor=actor, table=full_name))
    form = MonitorForm(posted(request), choices=choices, known=known)
    if form.is_valid():
        with refusals_on(form):
            settings = form.settings()
            if "preview" in request.POST:
                return _with_preview(request, actor, full_name, form, settings)
            update_monitor(actor=actor, table=full_name, change=lambda _current: settings)
            return done(request, toast="The monitor is changed. The next refresh measures with it.")
    return _form(request, form, title=f"Monitor of {choices.table.name}", submit="Save")


def _form(request: HttpRequest, form: MonitorForm, *, title: str, submit: str, **more: Any) -> HttpResponseBase:
    return dialog(request, "monitoring/monitor_dialog.html", title=title, form=form, submit=submit, wide=True, **more)


def _with_preview(
    request: HttpRequest, actor: Actor, full_name: str, form: MonitorForm, settings: MonitorSettings
) -> HttpResponseBase:
    shown = {}
    try:
        shown["preview"] = preview_monitor(actor=actor, table=full_name, settings=settings)
    except ModelkeepError as error:
        form.refusal = error
        form.add_error(
            getattr(error, "field", None) if getattr(error, "field", "") in form.fields else None, error.message
        )
    submit = "Save" if form.known else "Start monitoring"
    return _form(request, form, title=f"Monitor {full_name.rpartition('.')[2]}", submit=submit, **shown)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def delete(request: HttpRequest, actor: Actor, full_name: str) -> HttpResponseBase:
    """Stop watching a table; what was measured stays."""
    monitor = get_monitor(actor=actor, table=full_name)
    form = Form(posted(request))
    if form.is_valid():
        with refusals_on(form):
            delete_monitor(actor=actor, table=full_name)
            return done(request, to=f"{object_url(monitor.table)}?tab=quality", toast="The table is watched no more.")
    intro = "Its schedule, its refresh history and its alerts go. The metric tables stay, with all that was measured."
    title = f"Stop monitoring {monitor.table.name}"
    return dialog(request, title=title, form=form, submit="Stop monitoring", danger=True, intro=intro)
