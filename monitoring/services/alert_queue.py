"""When alerts are looked at: rows that are due, and messages that wake a worker. A lost message costs a minute."""

import logging
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from uuid import UUID

from celery import current_app
from django.db import transaction

from monitoring.models import Alert, AlertSource, EvaluationTrigger, Monitor
from monitoring.services.quartz import Schedule

logger = logging.getLogger(__name__)

EVALUATE_TASK = "monitoring.evaluate_alert"
QUEUE = "monitoring"
_SWEPT = 500


def send_alerts(ids: Iterable[UUID]) -> None:
    """Send the messages that make workers look at some alerts. A failure is logged: the sweep sends again."""
    for id_ in ids:
        try:
            current_app.send_task(EVALUATE_TASK, args=[str(id_)], queue=QUEUE)
        except Exception as error:  # noqa: BLE001  (whatever a broker does, what was committed stays)
            logger.warning("the broker took no message for an alert (%s); the sweep will send it", error)
            return


def wake_alerts_of(monitor: Monitor, *, now: datetime) -> int:
    """Have the alerts on a monitor's metrics looked at once the caller's transaction is committed; how many."""
    rows = Alert.objects.filter(monitor=monitor, source=AlertSource.METRIC, is_paused=False)
    ids = list(rows.values_list("pk", flat=True))
    Alert.objects.filter(pk__in=ids).update(due_at=now, due_trigger=EvaluationTrigger.REFRESH)
    transaction.on_commit(partial(send_alerts, ids))
    return len(ids)


def wake_due_alerts(*, now: datetime) -> int:
    """What beat does: mark what is due by its schedule, and send for all that is due and that nobody has."""
    for pk in list(Alert.objects.filter(next_run_at__lte=now).values_list("pk", flat=True)[:_SWEPT]):
        with transaction.atomic():
            alert = Alert.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=pk).first()
            if alert is not None and alert.next_run_at is not None and alert.next_run_at <= now:
                # Looks that were missed are made up by one.
                alert.next_run_at = None if alert.is_paused else _next(alert, now)
                if not alert.is_paused:
                    alert.due_at, alert.due_trigger = now, EvaluationTrigger.SCHEDULE
                alert.save(update_fields=["next_run_at", "due_at", "due_trigger"])
    due = Alert.objects.filter(due_at__lte=now).exclude(claimed_until__gt=now)
    ids = list(due.order_by("due_at").values_list("pk", flat=True)[:_SWEPT])
    send_alerts(ids)
    return len(ids)


def _next(alert: Alert, now: datetime) -> datetime | None:
    return Schedule(alert.quartz_cron, alert.time_zone).next_after(now) if alert.quartz_cron else None
