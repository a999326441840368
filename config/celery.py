"""The Celery application. Messages only wake a worker up; all state of long work lives in Operation rows."""

import os

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

HOUSEKEEPING = "housekeeping"
"""A queue of its own, with a worker of its own: long work that fills every other worker never holds up its rescue."""

app = Celery("modelkeep")
app.conf.update(
    # redis+socket:// names a Unix socket; redis:// a real server.
    broker_url=settings.REDIS_URL,
    broker_transport_options={
        # A message is never redelivered by the broker while its task still runs: recovery is by lease.
        "visibility_timeout": 24 * 3600,
        "socket_connect_timeout": 2,
    },
    broker_connection_retry_on_startup=True,
    # Keep trying for ever when Redis is away.
    broker_connection_max_retries=None,
    # A request that submits work does not wait for a broker that is away: the sweep sends the message later.
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.1},
    task_ignore_result=True,
    task_acks_late=False,
    task_default_queue="default",
    task_routes={
        "registry.wake_operations": {"queue": HOUSEKEEPING},
        "registry.reap_pending_versions": {"queue": HOUSEKEEPING},
        "registry.submit_artifact_sweep": {"queue": HOUSEKEEPING},
        "registry.sweep_statements": {"queue": HOUSEKEEPING},
        "serving.sweep_environments": {"queue": HOUSEKEEPING},
        "registry.wake_deliveries": {"queue": HOUSEKEEPING},
        "registry.forget_old_deliveries": {"queue": HOUSEKEEPING},
        "monitoring.follow_schedules": {"queue": HOUSEKEEPING},
        "monitoring.sweep": {"queue": HOUSEKEEPING},
        # With what waits for replicas: long work never holds up the rows of answered requests.
        "serving.append_captures": {"queue": "deploy"},
        "serving.append_endpoint_metrics": {"queue": "deploy"},
        "serving.tidy_inference_tables": {"queue": "deploy"},
    },
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=200,
    worker_hijack_root_logger=False,
    # Tasks run as their own operations: a worker that lost the broker goes on with what it has begun.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    timezone="UTC",
    beat_schedule={
        "wake operations": {
            "task": "registry.wake_operations",
            "schedule": settings.OPERATION_SWEEP_SECONDS,
            "options": {"expires": settings.OPERATION_SWEEP_SECONDS},
        },
        "reap pending versions": {
            "task": "registry.reap_pending_versions",
            "schedule": 300.0,
            "options": {"expires": 300},
        },
        "sweep artifacts": {
            "task": "registry.submit_artifact_sweep",
            "schedule": 3600.0,
            "options": {"expires": 3600},
        },
        "wake deliveries": {
            "task": "registry.wake_deliveries",
            "schedule": settings.OPERATION_SWEEP_SECONDS,
            "options": {"expires": settings.OPERATION_SWEEP_SECONDS},
        },
        "forget old deliveries": {
            "task": "registry.forget_old_deliveries",
            "schedule": 3600.0,
            "options": {"expires": 3600},
        },
        "forget old operations": {
            "task": "registry.forget_old_operations",
            "schedule": 3600.0,
            "options": {"expires": 3600},
        },
        "follow the schedules of monitors and alerts": {
            "task": "monitoring.follow_schedules",
            "schedule": 30.0,
            "options": {"expires": 30},
        },
        "sweep what monitors left": {
            "task": "monitoring.sweep",
            "schedule": 3600.0,
            "options": {"expires": 3600},
        },
        "follow aliases": {
            "task": "serving.follow_aliases",
            "schedule": settings.OPERATION_SWEEP_SECONDS,
            "options": {"expires": settings.OPERATION_SWEEP_SECONDS},
        },
        "append captured requests": {
            "task": "serving.append_captures",
            "schedule": settings.SERVING_CAPTURE_SECONDS,
            "options": {"expires": settings.SERVING_CAPTURE_SECONDS},
        },
        "append the metrics of endpoints": {
            "task": "serving.append_endpoint_metrics",
            "schedule": 300.0,
            "options": {"expires": 300},
        },
        "tidy inference tables": {
            "task": "serving.tidy_inference_tables",
            "schedule": 900.0,
            "options": {"expires": 900},
        },
        "sweep environments": {
            "task": "serving.sweep_environments",
            "schedule": 3600.0,
            "options": {"expires": 3600},
        },
        "sweep statements": {
            "task": "registry.sweep_statements",
            "schedule": 600.0,
            "options": {"expires": 600},
        },
    },
)
app.autodiscover_tasks()
# Celery's current application is a matter of the thread: without this, web threads would send to another one.
app.set_default()
