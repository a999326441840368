"""Celery tasks: shells around services. Names are part of the protocol between processes and never change."""

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from monitoring.services.alert_evaluations import evaluate_due, forget_evaluations
from monitoring.services.alert_queue import EVALUATE_TASK, wake_due_alerts
from monitoring.services.refresh_runs import sweep_states
from monitoring.services.refreshes import repair_refreshes, run_due_schedules


@shared_task(name="monitoring.follow_schedules")
def follow_schedules_task() -> None:
    """Ask for the refreshes and evaluations that are due."""
    run_due_schedules()
    repair_refreshes()
    wake_due_alerts(now=timezone.now())


@shared_task(name=EVALUATE_TASK)
def evaluate_alert_task(alert_id: str) -> None:
    """Evaluate one alert, if it is due and nobody has it."""
    evaluate_due(alert_id=UUID(alert_id))


@shared_task(name="monitoring.sweep")
def sweep_task() -> None:
    """Forget old evaluations, and what was kept for monitors that are gone."""
    forget_evaluations()
    sweep_states()
