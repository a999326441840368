"""Celery tasks of serving: shells around services. Names are part of the protocol between processes."""

from celery import shared_task

from serving.services.capture_appends import append_captures
from serving.services.capture_upkeep import tidy_inference_tables
from serving.services.endpoint_aliases import follow_aliases
from serving.services.endpoint_metrics_log import append_endpoint_metrics
from serving.services.environment_packing import sweep_environments
from serving.services.model_files import sweep_model_files
from serving.services.table_scoring import sweep_scoring


@shared_task(name="serving.follow_aliases")
def follow_aliases_task() -> None:
    """Find the moves of aliases whose signal was lost."""
    follow_aliases()


@shared_task(name="serving.append_captures")
def append_captures_task() -> None:
    """Move what gateways spooled into the inference tables."""
    append_captures()


@shared_task(name="serving.append_endpoint_metrics")
def append_endpoint_metrics_task() -> None:
    """Add what endpoints did to the tables that are monitored for it."""
    append_endpoint_metrics()


@shared_task(name="serving.tidy_inference_tables")
def tidy_inference_tables_task() -> None:
    """Retention and small files of inference tables."""
    tidy_inference_tables()


@shared_task(name="serving.sweep_environments")
def sweep_environments_task() -> None:
    """Take environments, model files and scored batches that nobody uses off this machine's disk."""
    sweep_environments()
    sweep_model_files()
    sweep_scoring()
