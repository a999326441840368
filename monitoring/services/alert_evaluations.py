"""One evaluation of an alert: claim, look, record. May be killed anywhere and run again.

Looking happens outside of any transaction. What was found is recorded only by the holder of the newest claim, in one
transaction with the incident and with what is to be sent: each breach is told once, and its end once.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from monitoring.models import Alert, AlertEvaluation, AlertIncident, EvaluationTrigger, Monitor
from monitoring.services.alert_notices import Occasion, tell
from monitoring.services.alert_rules import FAILED, RESOLVED, Standing, Step, step
from monitoring.services.alert_settings import rule_of, settings_of
from monitoring.services.alert_values import Look, look
from monitoring.services.monitor_lookup import monitors_with_everything
from registry.services.actors import RequestContext, load_actor

_SPARE_SECONDS = 120
_SWEPT = 10_000


@dataclass(frozen=True)
class Claim:
    """An alert that this worker has, and the number of the look."""

    alert: Alert
    number: int
    at: datetime
    trigger: str


def alerts_with_everything(rows: Any) -> Any:
    """Rows together with all that an evaluation or a view of them names, but for the monitors' metric tables."""
    return rows.select_related("owner", "monitor__table__parent__parent", "workflow_destination").prefetch_related(
        "destinations"
    )


def evaluate_due(*, alert_id: UUID, now: datetime | None = None) -> AlertEvaluation | None:
    """Evaluate an alert, if it is due and nobody has it. None: nothing was to be done, or another one did it."""
    claim = claim_alert(alert_id=alert_id, now=now or timezone.now())
    if claim is None:
        return None
    began = time.monotonic()
    found = look_at(claim.alert, now=claim.at)
    return record_look(claim, found, now=now, milliseconds=int((time.monotonic() - began) * 1000))


def claim_alert(*, alert_id: UUID, now: datetime, trigger: str = "") -> Claim | None:
    """Take an alert for one look; with a trigger also one that is not due."""
    with transaction.atomic():
        alert = (
            Alert.objects.select_for_update(no_key=True, skip_locked=True, of=("self",)).filter(pk=alert_id).first()
        )
        if alert is None or (alert.claimed_until is not None and alert.claimed_until > now):
            return None
        if not trigger and (alert.due_at is None or alert.due_at > now):
            return None
        alert.claim += 1
        alert.claimed_until = now + timedelta(seconds=settings.ALERT_SQL_SECONDS + _SPARE_SECONDS)
        alert.save(update_fields=["claim", "claimed_until"])
        trigger = trigger or alert.due_trigger or EvaluationTrigger.SCHEDULE
    whole = alerts_with_everything(Alert.objects.filter(pk=alert_id)).get()
    return Claim(whole, alert.claim, now, trigger)


def look_at(alert: Alert, *, now: datetime) -> Look:
    """Look with the rights that the alert's owner has now."""
    context = RequestContext(user_agent="alert")
    return look(
        actor=load_actor(alert.owner, context=context), alert=settings_of(alert), monitor=_monitor(alert), now=now
    )


def _monitor(alert: Alert) -> Monitor | None:
    """The monitor with its metric tables."""
    if alert.monitor is None:
        return None
    return monitors_with_everything(Monitor.objects.filter(pk=alert.monitor.pk)).first()


def record_look(
    claim: Claim, found: Look, *, now: datetime | None = None, milliseconds: int = 0
) -> AlertEvaluation | None:
    """Write down what was found and what follows. None: somebody has claimed the alert since, or it is gone."""
    ended = now or timezone.now()
    with transaction.atomic():
        rows = Alert.objects.select_for_update(no_key=True, of=("self",))
        if not rows.filter(pk=claim.alert.pk, claim=claim.number).exists():
            return None
        alert = alerts_with_everything(Alert.objects.filter(pk=claim.alert.pk)).get()
        incident = alert.incidents.filter(resolved_at=None).first()
        standing = Standing(
            alert.state, alert.streak, incident is not None, incident.notified_at if incident else None
        )
        what = step(rule_of(alert), standing, found.found, now=ended, is_muted=is_muted(alert, ended))
        incident = _incident(alert, incident, what, found, ended)
        told = _tell(alert, what, found, incident, ended)
        evaluation = AlertEvaluation.objects.create(
            alert=alert,
            incident=incident,
            at=ended,
            trigger=claim.trigger,
            state=what.standing.state,
            value=_kept(found.found.value),
            threshold=_kept(found.found.threshold),
            breached=what.breached,
            message=what.message,
            window_start=found.window_start,
            window_end=found.window_end,
            notified=told,
            milliseconds=milliseconds,
        )
        alert.state, alert.streak, alert.message = what.standing.state, what.standing.streak, what.message
        alert.last_value, alert.last_evaluated_at = _kept(found.found.value), ended
        # What became due while it was looked at stays due.
        if alert.due_at is not None and alert.due_at <= claim.at:
            alert.due_at, alert.due_trigger = None, ""
        alert.claimed_until = None
        alert.save(
            update_fields=[
                *("state", "streak", "message", "last_value", "last_evaluated_at"),
                *("due_at", "due_trigger", "claimed_until"),
            ]
        )
    return evaluation


def is_muted(alert: Alert, now: datetime) -> bool:
    """Whether nobody is told at that moment."""
    return alert.muted_until is not None and alert.muted_until > now


def _kept(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _incident(
    alert: Alert, incident: AlertIncident | None, what: Step, found: Look, now: datetime
) -> AlertIncident | None:
    if what.opens:
        return AlertIncident.objects.create(
            alert=alert, opened_at=now, value=_kept(found.found.value), notified_at=what.standing.notified_at
        )
    if incident is None:
        return None
    if what.resolves:
        incident.resolved_at, incident.resolved_value = now, _kept(found.found.value)
    else:
        incident.notified_at = what.standing.notified_at
    incident.save(update_fields=["resolved_at", "resolved_value", "notified_at"])
    return incident


def _tell(
    alert: Alert, what: Step, found: Look, incident: AlertIncident | None, now: datetime
) -> list[dict[str, Any]]:
    events: Sequence[str] = what.events
    alert.monitor = _monitor(alert) if events else alert.monitor
    return [
        told
        for event in events
        for told in tell(
            alert,
            Occasion(
                event,
                found,
                now,
                message=what.message if event in {FAILED, RESOLVED} else "",
                incident_id=incident.pk if incident else None,
                opened_at=incident.opened_at if incident else None,
            ),
        )
    ]


def forget_evaluations(*, now: datetime | None = None) -> int:
    """Delete evaluations of more than ALERT_LOG_DAYS ago, and incidents that ended before; returns how many."""
    if not settings.ALERT_LOG_DAYS:
        return 0
    before = (now or timezone.now()) - timedelta(days=settings.ALERT_LOG_DAYS)
    old = AlertEvaluation.objects.filter(at__lt=before).order_by("at").values_list("pk", flat=True)[:_SWEPT]
    count, _ = AlertEvaluation.objects.filter(pk__in=list(old)).delete()
    ended = AlertIncident.objects.filter(resolved_at__lt=before).values_list("pk", flat=True)[:_SWEPT]
    more, _ = AlertIncident.objects.filter(pk__in=list(ended)).delete()
    return count + more
