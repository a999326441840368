"""Alerts as people see them: made, shown, changed, tried, muted, deleted.

Who may look at what an alert looks at is asked when it looks: it works with its owner's rights. So its owner alone
says what it looks at; a metastore admin may mute, pause, hand over or delete it. One on a metric is seen by everybody
who sees the monitored table.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from monitoring.models import (
    Alert,
    AlertEvaluation,
    AlertIncident,
    AlertSource,
    AlertState,
    EvaluationTrigger,
    Monitor,
)
from monitoring.services.alert_evaluations import alerts_with_everything, claim_alert, is_muted, look_at, record_look
from monitoring.services.alert_notices import Occasion, notice_of, workflow_notice
from monitoring.services.alert_rules import TRIGGERED, Found, Standing, Step, step
from monitoring.services.alert_settings import AlertSettings, check_settings, put_settings, rule_of, settings_of
from monitoring.services.alert_values import Look, check_query, look
from monitoring.services.monitor_lookup import (
    SERVICE,
    find_monitor_for,
    find_shown_monitor,
    metric_table_of,
    visible_monitors,
)
from registry.errors import AccessDenied, Conflict, InvalidParameter, LimitExceeded, NotFound
from registry.models import Delivery, DestinationKind, NotificationDestination, Principal
from registry.names import lookup_key
from registry.privileges import Action
from registry.services.access import require
from registry.services.actors import Actor
from registry.services.addressees import keep_addressees
from registry.services.audit import HiddenFromActor, audited, audited_read, record
from registry.services.notification_destinations import find_destination
from registry.services.notifications import Notice
from registry.services.paging import Page, fetch_page, page_size

Change = Callable[[AlertSettings], AlertSettings]
_ORDERS = {"": ("-created_at", "-pk"), "name": ("name", "pk"), "-evaluated": ("-last_evaluated_at", "-pk")}


class HiddenAlert(HiddenFromActor):
    """A missing alert, or one the actor may not know of: both read the same."""

    def __init__(self, alert_id: object, *, action: str) -> None:
        super(HiddenFromActor, self).__init__(f"Alert '{str(alert_id)[:100]}' does not exist.")
        self.action = action


# --- Finding -----------------------------------------------------------------------------------------------------


def visible_alerts(actor: Actor) -> "QuerySet[Alert]":
    """The alerts that the actor may see, decided in SQL."""
    rows: QuerySet[Alert] = alerts_with_everything(Alert.objects.all())
    if actor.is_metastore_admin:
        return rows
    monitors = visible_monitors(actor).values("pk")
    return rows.filter(Q(owner__in=list(actor.principal_ids)) | Q(monitor__in=monitors))


def _find(actor: Actor, alert_id: object, action: str, *, lock: bool = False) -> Alert:
    try:
        key = uuid.UUID(str(alert_id))
    except ValueError as error:
        raise HiddenAlert(alert_id, action=action) from error
    found = visible_alerts(actor).filter(pk=key).first()
    if found is None:
        raise HiddenAlert(alert_id, action=action)
    if lock:
        Alert.objects.select_for_update(no_key=True).filter(pk=key).first()
        found = visible_alerts(actor).filter(pk=key).first() or found
    return found


def _find_own(actor: Actor, alert_id: object, action: str) -> Alert:
    """The alert, if it works as the actor."""
    alert = _find(actor, alert_id, action, lock=True)
    if alert.owner_id not in actor.principal_ids:
        raise _not_owned(actor, alert, "ownership")
    return alert


def _find_managed(actor: Actor, alert_id: object, action: str) -> Alert:
    """The alert, if the actor may quiet or delete it."""
    alert = _find(actor, alert_id, action, lock=True)
    if not may_manage(actor, alert):
        raise _not_owned(actor, alert, "ownership")
    return alert


def may_manage(actor: Actor, alert: Alert) -> bool:
    """Whether the actor may mute, pause, hand over or delete the alert; its owner may also change it."""
    return alert.owner_id in actor.principal_ids or actor.is_metastore_admin


def _not_owned(actor: Actor, alert: Alert, missing: str) -> AccessDenied:
    return AccessDenied(
        f"{actor.name} lacks {missing} on alert '{alert.name}'. Ask its owner, {alert.owner.name}.",
        missing=missing,
        securable=alert.name,
        owner=alert.owner.name,
    )


@audited_read
def get_alert(*, actor: Actor, alert_id: object) -> Alert:
    """One alert, with owner, monitor and destinations. At most six queries.

    Raises:
        NotFound: there is none, or the actor may not see it.
    """
    return _find(actor, alert_id, "getAlert")


@dataclass(frozen=True)
class AlertRow:
    """An alert in a list, with the incident that is open."""

    alert: Alert
    incident: AlertIncident | None
    is_muted: bool


@audited_read
def list_alerts(
    *,
    actor: Actor,
    state: str = "",
    table: str = "",
    name_contains: str = "",
    own: bool = False,
    order: str = "",
    max_results: int | None = None,
    page_token: str = "",
) -> Page[AlertRow]:
    """The alerts that the actor may see, newest first. At most eight queries, however many rows.

    `table` is a monitored table; `order` is empty, `name` or `-evaluated`.

    Raises:
        NotFound: the table is missing or hidden, or has no monitor.
        InvalidParameter: a state or an order that there is not, or a token of another list.
    """
    rows = visible_alerts(actor)
    if state:
        if state not in AlertState.values:
            known = ", ".join(AlertState.values)
            raise InvalidParameter(f"'state' is '{state[:50]}': it must be one of {known}.", field="state")
        rows = rows.filter(state=state)
    if table:
        rows = rows.filter(monitor=find_shown_monitor(actor=actor, table=table))
    if name_contains:
        rows = rows.filter(name__icontains=name_contains)
    if own:
        rows = rows.filter(owner__in=list(actor.principal_ids))
    if order not in _ORDERS:
        raise InvalidParameter(f"'order' is '{order[:50]}': use name or -evaluated.", field="order")
    if order == "-evaluated":
        rows = rows.exclude(last_evaluated_at=None)
    scope = f"alerts:{state}:{table}:{name_contains}:{own}:{order}"
    page = fetch_page(rows, order=_ORDERS[order], size=page_size(max_results), token=page_token, scope=scope)
    incidents = AlertIncident.objects.filter(alert__in=[one.pk for one in page.items], resolved_at=None)
    by_alert = {incident.alert_id: incident for incident in incidents}
    now = timezone.now()
    return Page([AlertRow(one, by_alert.get(one.pk), is_muted(one, now)) for one in page.items], page.next_page_token)


# --- Changing ----------------------------------------------------------------------------------------------------


@audited
def create_alert(*, actor: Actor, settings_: AlertSettings) -> Alert:
    """Make an alert, owned by the actor. What it looks at is not looked at yet.

    Raises:
        InvalidParameter.
        NotFound, AccessDenied: a metric alert takes the right to read the monitored table and its metric table.
        LimitExceeded: the actor has as many as one may.
    """
    checked = check_settings(settings_)
    if Alert.objects.filter(owner=actor.principal).count() >= settings.MAX_ALERTS_PER_OWNER:
        raise LimitExceeded(f"You have {settings.MAX_ALERTS_PER_OWNER} alerts, the most one may have: delete one.")
    now = timezone.now()
    alert = Alert(owner=actor.principal, created_at=now, created_by=actor.principal)
    _apply(actor, alert, checked, now=now)
    _record(actor, "createAlert", alert, after=_facts(alert))
    return _find(actor, alert.pk, "getAlert")


@audited
def update_alert(*, actor: Actor, alert_id: object, change: Change) -> Alert:
    """Change what an alert is set to: `change` is given the settings as they are and returns all of them.

    Where what it looks at or compares with changes, an open incident is closed and its state is UNKNOWN again.

    Raises:
        NotFound, AccessDenied: only its owner may.
        InvalidParameter.
    """
    alert = _find_own(actor, alert_id, "updateAlert")
    before, current = _facts(alert), settings_of(alert)
    wanted = check_settings(change(current))
    if _looked_at(wanted) != _looked_at(current):
        _start_over(alert, now=timezone.now())
    _apply(actor, alert, wanted, now=timezone.now())
    _record(actor, "updateAlert", alert, before=before, after=_facts(alert))
    return _find(actor, alert.pk, "getAlert")


def _looked_at(given: AlertSettings) -> AlertSettings:
    """The part of the settings that decides what is a breach."""
    plain = AlertSettings(name="", source="", comparison="")
    return replace(
        given,
        **{
            name: getattr(plain, name)
            for name in (
                *("name", "notify_on_ok", "retrigger_seconds", "destinations", "emails", "workflow_destination"),
                *("workflow_parameters", "schedule", "is_paused", "summary", "description", "template_format"),
                *("parent_path", "warehouse_id", "value_display", "threshold_column_display", "table"),
            )
        },
    )


def _start_over(alert: Alert, *, now: datetime) -> None:
    alert.incidents.filter(resolved_at=None).update(resolved_at=now, resolution="The alert was changed.")
    alert.state, alert.streak, alert.message = AlertState.UNKNOWN, 0, ""
    # Whoever is looking now looks for what is asked no more.
    alert.claim += 1
    alert.claimed_until = None


def _apply(actor: Actor, alert: Alert, wanted: AlertSettings, *, now: datetime) -> None:
    alert.monitor = None
    if wanted.source == AlertSource.METRIC:
        alert.monitor = _monitor_for(actor, wanted)
    else:
        check_query(actor=actor, alert=wanted)
    receivers = [_destination(id_, "subscriptions") for id_ in wanted.destinations]
    alert.workflow_destination = _workflow(wanted)
    put_settings(alert, wanted)
    alert.next_run_at = wanted.schedule.next_after(now) if wanted.schedule and not wanted.is_paused else None
    alert.updated_at, alert.updated_by = now, actor.principal
    alert.save()
    alert.destinations.set(receivers)
    keep_addressees(actor=actor, emails=wanted.emails)


def _monitor_for(actor: Actor, wanted: AlertSettings) -> Monitor:
    monitor = find_monitor_for(actor=actor, table=wanted.table, action=Action.SELECT_TABLE)
    metrics = metric_table_of(monitor, wanted.metric_table)
    if metrics is not None:
        require(actor=actor, action=Action.SELECT_TABLE, securable=metrics)
    return monitor


def _destination(destination_id: str, field: str) -> NotificationDestination:
    try:
        return find_destination(destination_id)
    except NotFound as error:
        raise InvalidParameter(f"'{field}': {error.message}", field=field) from error


def _workflow(wanted: AlertSettings) -> NotificationDestination | None:
    if not wanted.workflow_destination:
        return None
    found = _destination(wanted.workflow_destination, "workflow_destination")
    if found.kind != DestinationKind.WEBHOOK:
        raise InvalidParameter(
            f"'workflow_destination' is '{found.display_name}', which is no webhook: a workflow is started by a "
            "request.",
            field="workflow_destination",
        )
    return found


@audited
def mute_alert(*, actor: Actor, alert_id: object, until: datetime | None) -> Alert:
    """Tell nobody until a moment; None: tell again. What is still open when the time is over is told then.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: a moment in the past.
    """
    alert = _find_managed(actor, alert_id, "muteAlert")
    if until is not None and until <= timezone.now():
        raise InvalidParameter("'until' lies in the past: give a later moment, or none to tell again.", field="until")
    before = {"muted_until": alert.muted_until}
    alert.muted_until = until
    alert.save(update_fields=["muted_until"])
    _record(actor, "muteAlert" if until else "unmuteAlert", alert, before=before, after={"muted_until": until})
    return alert


@audited
def pause_alert(*, actor: Actor, alert_id: object, is_paused: bool) -> Alert:
    """Look no more, by schedule or after refreshes; or go on.

    Raises:
        NotFound, AccessDenied.
    """
    alert = _find_managed(actor, alert_id, "updateAlert")
    schedule = settings_of(alert).schedule
    before = {"is_paused": alert.is_paused}
    alert.is_paused = is_paused
    alert.next_run_at = schedule.next_after(timezone.now()) if schedule and not is_paused else None
    alert.save(update_fields=["is_paused", "next_run_at"])
    _record(actor, "updateAlert", alert, before=before, after={"is_paused": is_paused})
    return alert


@audited
def transfer_alert(*, actor: Actor, alert_id: object, owner: str) -> Alert:
    """Hand an alert over: it works with the new owner's rights from then on. One may give only what one has: an
    administrator takes it first.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: no such active principal; or somebody else's alert is given to another than oneself.
    """
    alert = _find_managed(actor, alert_id, "transferAlert")
    found = Principal.objects.filter(key=lookup_key(owner), is_active=True).first()
    if found is None or found.pk not in actor.principal_ids:
        raise InvalidParameter(
            "'owner' must be yourself or a group that you are in: an alert looks with its owner's rights.",
            field="owner",
        )
    before = {"owner": alert.owner.name}
    alert.owner = found
    alert.save(update_fields=["owner"])
    _record(actor, "transferAlert", alert, before=before, after={"owner": found.name})
    return alert


@audited
def delete_alert(*, actor: Actor, alert_id: object) -> None:
    """Delete an alert with its history. What waits to be sent is sent.

    Raises:
        NotFound, AccessDenied.
    """
    alert = _find_managed(actor, alert_id, "deleteAlert")
    _record(actor, "deleteAlert", alert, before=_facts(alert))
    alert.delete()


def _facts(alert: Alert) -> dict[str, Any]:
    return {
        "name": alert.name,
        "owner": alert.owner.name,
        "source": alert.source,
        "table": alert.monitor.table.full_name if alert.monitor else None,
        "metric": alert.metric,
        "selector": alert.selector,
        "query_text": alert.query_text[:4000],
        "comparison": alert.comparison,
        "threshold": alert.threshold,
        "resolve_threshold": alert.resolve_threshold,
        "schedule": alert.quartz_cron,
        "is_paused": alert.is_paused,
        "emails": alert.emails,
    }


def _record(actor: Actor, action: str, alert: Alert, **more: Any) -> None:
    record(
        actor=actor,
        action=action,
        service_name=SERVICE,
        subject=("ALERT", str(alert.pk), alert.name),
        **more,
    )


# --- Trying ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """What a look found now, what would follow from it, and what would be sent: nothing was."""

    look: Look
    step: Step
    notice: Notice
    workflow: Notice | None


def try_alert(
    *, actor: Actor, settings_: AlertSettings, alert_id: object = None, now: datetime | None = None
) -> Trial:
    """Look once, as the actor, without writing anything but the audit row; for a form before it is saved.

    With `alert_id`, what follows is reckoned from how that alert stands. The notice is what a trigger would send.
    No transaction is open while it looks, which may take as long as a query may.

    Raises:
        InvalidParameter, NotFound, AccessDenied: as `create_alert`. A look that fails is what was found.
    """
    at = now or timezone.now()
    checked = check_settings(settings_)
    alert, standing = _prepare_trial(actor=actor, checked=checked, alert_id=alert_id)
    found = look(actor=actor, alert=checked, monitor=alert.monitor, now=at)
    notice = notice_of(alert, Occasion(TRIGGERED, found, at, opened_at=at))
    workflow = workflow_notice(alert, notice) if alert.workflow_destination else None
    return Trial(found, step(rule_of(checked), standing, found.found, now=at), notice, workflow)


@audited
def _prepare_trial(*, actor: Actor, checked: AlertSettings, alert_id: object) -> tuple[Alert, Standing]:
    """A row that is not saved, for what may be looked at; and how the alert stands that it would replace."""
    standing = Standing()
    if alert_id is not None:
        known = _find(actor, alert_id, "testAlert")
        incident = known.incidents.filter(resolved_at=None).first()
        told = incident.notified_at if incident else None
        standing = Standing(known.state, known.streak, incident is not None, told)
    alert = Alert(owner=actor.principal, workflow_destination=_workflow(checked))
    put_settings(alert, checked)
    if checked.source == AlertSource.METRIC:
        alert.monitor = _monitor_for(actor, checked)
    else:
        check_query(actor=actor, alert=checked)
    _record(actor, "testAlert", alert)
    return alert, standing


@audited_read
def preview_notice(*, actor: Actor, alert_id: object, now: datetime | None = None) -> Notice:
    """What the alert would send if it were triggered now, with the number that was found last. Looks at nothing.

    Raises:
        NotFound.
    """
    alert = _find(actor, alert_id, "getAlert")
    at = now or timezone.now()
    return notice_of(alert, Occasion(TRIGGERED, Look(Found(value=alert.last_value)), at, opened_at=at))


def evaluate_alert_now(*, actor: Actor, alert_id: object, now: datetime | None = None) -> AlertEvaluation:
    """Evaluate an alert at once, with its owner's rights and with all that follows. May take as long as its query.

    Raises:
        NotFound, AccessDenied.
        Conflict: it is being evaluated.
    """
    alert = _permit_evaluation(actor=actor, alert_id=alert_id)
    claim = claim_alert(alert_id=alert.pk, now=now or timezone.now(), trigger=EvaluationTrigger.MANUAL)
    evaluation = record_look(claim, look_at(claim.alert, now=claim.at), now=now) if claim else None
    if evaluation is None:
        raise Conflict(f"Alert '{alert.name}' is being evaluated: look at what that found in a moment.")
    return evaluation


@audited
def _permit_evaluation(*, actor: Actor, alert_id: object) -> Alert:
    alert = _find_managed(actor, alert_id, "evaluateAlert")
    _record(actor, "evaluateAlert", alert)
    return alert


# --- What came of it ---------------------------------------------------------------------------------------------


@audited_read
def list_evaluations(
    *, actor: Actor, alert_id: object, max_results: int | None = None, page_token: str = ""
) -> Page[AlertEvaluation]:
    """What was found, newest first. At most six queries.

    Raises:
        NotFound, InvalidParameter.
    """
    alert = _find(actor, alert_id, "getAlert")
    rows = alert.evaluations.select_related("incident")
    return fetch_page(
        rows, order=["-pk"], size=page_size(max_results), token=page_token, scope=f"evaluations:{alert.pk}"
    )


@audited_read
def list_incidents(
    *, actor: Actor, alert_id: object, max_results: int | None = None, page_token: str = ""
) -> Page[AlertIncident]:
    """The breaches of an alert, newest first. At most six queries.

    Raises:
        NotFound, InvalidParameter.
    """
    alert = _find(actor, alert_id, "getAlert")
    return fetch_page(
        alert.incidents.all(),
        order=["-pk"],
        size=page_size(max_results),
        token=page_token,
        scope=f"incidents:{alert.pk}",
    )


@audited_read
def deliveries_of(*, actor: Actor, alert_id: object, evaluations: list[AlertEvaluation]) -> dict[str, Delivery]:
    """What became of all that some evaluations of an alert sent, by the ids that they name. At most seven queries.

    What receivers answered is for who manages destinations: the rows' log is not fetched.

    Raises:
        NotFound.
    """
    _find(actor, alert_id, "getAlert")
    ids = [id_ for one in evaluations for told in one.notified for id_ in told["deliveries"]]
    rows = Delivery.objects.filter(pk__in=ids).select_related("destination")
    return {str(row.pk): row for row in rows}
