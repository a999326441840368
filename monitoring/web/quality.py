"""The Quality tab of a table: its dashboard, or how to have one."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from monitoring.models import RefreshState
from monitoring.services.dashboard_board import Dashboard, VersionRow
from monitoring.services.dashboard_filters import parse_chosen
from monitoring.services.dashboard_insights import Versus, at_or_before
from monitoring.services.dashboard_marks import aliases_of, marks_of
from monitoring.services.dashboards import build_dashboard
from monitoring.services.metric_exports import export_metrics
from monitoring.services.monitor_lookup import get_monitor
from monitoring.services.monitored_endpoints import watched_of_model
from monitoring.services.refreshes import cancel_refresh, list_refreshes, run_refresh
from monitoring.web.figures import (
    Aliases,
    Chart,
    column_charts,
    estimate_chart,
    heat_chart,
    metric_label,
    own_charts,
    quality_charts,
    row_chart,
    together_chart,
    version_label,
    versus_chart,
    window_label,
)
from registry.api.files_out import Line, safe_cell
from registry.errors import ModelkeepError, NotFound
from registry.models import RegisteredModel, Securable, Table
from registry.privileges import Action
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.tables import get_table
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import done
from registry.web.polling import next_wait
from registry.web.session import signed_in
from registry.web.template_tags import object_url

_REFRESHES = 10
_OPEN = {RefreshState.PENDING, RefreshState.RUNNING}


def quality_tab(request: HttpRequest, actor: Actor, table: Table) -> Mapping[str, Any]:
    """What the tab shows of a table."""
    securable = table.securable
    may = allowed_actions(actor=actor, securable=securable)
    context: dict[str, Any] = {"may_manage": Action.MANAGE_MONITOR in may, "table_name": securable.full_name}
    try:
        monitor = get_monitor(actor=actor, table=securable.full_name)
    except NotFound:
        return context
    context |= {"monitor": monitor, **refresh_context(request, actor, securable)}
    try:
        chosen = parse_chosen(request.GET.dict())
        board = build_dashboard(actor=actor, table=securable.full_name, chosen=chosen)
    except ModelkeepError as error:
        return context | {"refused": error.message}
    return context | _board_context(actor, board, page=object_url(securable))


def model_tab(_request: HttpRequest, actor: Actor, model: RegisteredModel) -> Mapping[str, Any]:
    """What watches the endpoints that serve a model."""
    return {"tables": watched_of_model(actor=actor, model=model)}


def _board_context(actor: Actor, board: Dashboard, *, page: str) -> dict[str, Any]:
    marks = marks_of(actor=actor, monitor=board.monitor, windows=board.windows)
    aliases = aliases_of(actor=actor, monitor=board.monitor)

    def address(**changes: str) -> str:
        return f"{page}?{urlencode({'tab': 'quality', **board.chosen.as_params(**changes)})}"

    export = reverse("metrics-csv", args=[board.monitor.table.full_name])
    return {
        "board": board,
        "chosen": board.chosen,
        "heat": heat_chart(board, address),
        "rows_chart": row_chart(board),
        "quality_charts": [*quality_charts(board, marks, aliases), *_some(estimate_chart(board, marks))],
        "estimate": at_or_before(board.insights.estimates, board.last_window),
        "rows_statement": rows_statement(board),
        "own_charts": own_charts(board, marks),
        "versus_chart": versus_chart(board, marks, aliases),
        "versions": [_compared(board, one, aliases) for one in board.versions],
        "versions_label": window_label(board, board.versions_window) if board.versions_window else "",
        "compared_by": metric_label(board),
        "together_chart": together_chart(board, marks),
        "together": at_or_before(board.insights.together, board.last_window),
        "column_charts": column_charts(board.detail, marks) if board.detail else [],
        "last_label": window_label(board, board.last_window) if board.last_window else "",
        "marks": sorted(marks, key=lambda mark: mark.at, reverse=True),
        "exports": [
            (label, f"{export}?{urlencode({'which': which, **board.chosen.as_params()})}")
            for which, label in (("profile", "Profile, CSV"), ("drift", "Drift, CSV"), ("insights", "Insights, CSV"))
        ],
    }


def rows_statement(board: Dashboard) -> str:
    """A statement for the monitored rows of the window that is looked at; empty where windows are not of time."""
    monitor, start = board.monitor, board.last_window
    if start is None or not monitor.timestamp_column:
        return ""
    parts = (monitor.table.full_name).split(".")
    time = _quoted(monitor.timestamp_column)
    bounds = [
        f"{time} {sign} TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S}'"
        for sign, moment in ((">=", start), ("<", board.window_ends[start]))
    ]
    if board.chosen.model:
        value = board.chosen.model.replace("'", "''")
        bounds.append(f"CAST({_quoted(monitor.model_id_column)} AS STRING) = '{value}'")
    table = ".".join(_quoted(part) for part in parts)
    return f"SELECT * FROM {table}\nWHERE {' AND '.join(bounds)}\nLIMIT 100"  # noqa: S608  (shown, not run)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _some(chart: Chart | None) -> list[Chart]:
    return [chart] if chart else []


@dataclass(frozen=True)
class ComparedVersion:
    """A version in the table of versions; `versus` is there where it was held against the one that answers most."""

    label: str
    row: VersionRow
    versus: Versus | None
    is_first: bool


def _compared(board: Dashboard, row: VersionRow, aliases: Aliases) -> ComparedVersion:
    there = [one for one in board.insights.versus if one.start == board.versions_window]
    found = next((one for one in there if one.model == row.version), None)
    is_first = any(one.than == row.version for one in there)
    return ComparedVersion(version_label(row.version, aliases), row, found, is_first)


def refresh_context(request: HttpRequest, actor: Actor, securable: Securable) -> dict[str, Any]:
    """The newest refreshes, and whether one goes on."""
    page = list_refreshes(actor=actor, table=securable.full_name, max_results=_REFRESHES)
    return {
        "refreshes": page.items,
        "going_on": any(refresh.state in _OPEN for refresh in page.items),
        "wait": next_wait(request.GET.get("wait", ""), longest=10),
    }


@require_safe
@signed_in
def live(request: HttpRequest, actor: Actor, full_name: str) -> HttpResponseBase:
    """The newest refreshes, asked for again while one goes on; once none does, the page is shown anew."""
    table = get_table(actor=actor, full_name=full_name)
    context = refresh_context(request, actor, table.securable)
    if not context["going_on"]:
        swap = {"path": _tab_of(table.securable), "target": "#main", "select": "#main"}
        swap |= {"swap": "outerHTML show:none", "push": "false"}
        return HttpResponse(status=204, headers={"HX-Location": json.dumps(swap)})
    may = allowed_actions(actor=actor, securable=table.securable)
    context |= {"table_name": full_name, "may_manage": Action.MANAGE_MONITOR in may}
    return render(request, "monitoring/_refreshes.html", context)


def _tab_of(securable: Securable) -> str:
    return f"{object_url(securable)}?tab=quality"


@require_POST
@signed_in
@told_in_a_toast
def refresh(request: HttpRequest, actor: Actor, full_name: str) -> HttpResponseBase:
    """Compute the metrics now."""
    made = run_refresh(actor=actor, table=full_name)
    return done(request, to=_tab_of(made.monitor.table), toast="The metrics are being computed.")


@require_POST
@signed_in
@told_in_a_toast
def cancel(request: HttpRequest, actor: Actor, full_name: str, refresh_id: int) -> HttpResponseBase:
    """Stop a refresh."""
    stopped = cancel_refresh(actor=actor, table=full_name, refresh_id=refresh_id)
    return done(request, to=_tab_of(stopped.monitor.table), toast="The refresh is being stopped.")


@require_safe
@signed_in
def metrics_csv(request: HttpRequest, actor: Actor, full_name: str) -> HttpResponseBase:
    """The numbers that the dashboard is drawn from."""
    which = request.GET.get("which", "profile")
    rows = export_metrics(actor=actor, table=full_name, chosen=parse_chosen(request.GET.dict()), which=which)
    response = StreamingHttpResponse(_lines(rows), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{which}_metrics.csv"'
    return response


def _lines(rows: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    writer = csv.writer(Line())
    names: list[str] = []
    for row in rows:
        if not names:
            names = list(row)
            yield writer.writerow(names)
        yield writer.writerow([safe_cell(row.get(name)) for name in names])
