"""Celery tasks: shells around services. Names are part of the protocol between processes and never change."""

from typing import Any
from uuid import UUID

from celery import shared_task

from registry.services.delivery_queue import DELIVER_TASK
from registry.services.delivery_runner import deliver
from registry.services.delivery_sweep import forget_old_deliveries, wake_due_deliveries
from registry.services.model_versions import reap_pending_versions
from registry.services.operation_delivery import RUN_TASK
from registry.services.operation_handlers import submit_artifact_sweep
from registry.services.operation_history import forget_old_operations
from registry.services.operation_runner import run_operation
from registry.services.operation_sweep import wake_operations
from registry.services.sql_statements import sweep_statements


@shared_task(name=RUN_TASK, bind=True)
def run_operation_task(self: Any, operation_id: str) -> None:
    """Run one operation, unless another worker has it or it is over."""
    run_operation(operation_id=UUID(operation_id), worker=self.request.hostname, task_id=self.request.id)


@shared_task(name="registry.wake_operations")
def wake_operations_task() -> None:
    """Sweep the operations."""
    wake_operations()


@shared_task(name="registry.reap_pending_versions")
def reap_pending_versions_task() -> None:
    """Fail the versions whose upload was abandoned."""
    reap_pending_versions()


@shared_task(name="registry.submit_artifact_sweep")
def submit_artifact_sweep_task() -> None:
    """Ask for a sweep of the artifacts, unless one is waiting or running."""
    submit_artifact_sweep()


@shared_task(name="registry.forget_old_operations")
def forget_old_operations_task() -> None:
    """Delete operations that ended long ago, and their logs."""
    forget_old_operations()


@shared_task(name="registry.sweep_statements")
def sweep_statements_task() -> None:
    """Take away results that have expired, old statements, and the files of tables that are gone."""
    sweep_statements()


@shared_task(name=DELIVER_TASK)
def deliver_task(delivery_id: str) -> None:
    """Try one delivery, if it is due and nobody has it."""
    deliver(delivery_id=UUID(delivery_id))


@shared_task(name="registry.wake_deliveries")
def wake_deliveries_task() -> None:
    """Wake workers for the deliveries that are due."""
    wake_due_deliveries()


@shared_task(name="registry.forget_old_deliveries")
def forget_old_deliveries_task() -> None:
    """Take deliveries that were over long ago out of the log."""
    forget_old_deliveries()
