"""Rows as this dialect writes them. Times are milliseconds since 1970."""

from datetime import datetime
from typing import Any

from django.conf import settings

from registry.models import ModelVersion, Operation, OperationLogLine


def milliseconds(at: datetime | None) -> int | None:
    """A time as this dialect writes it."""
    return None if at is None else int(at.timestamp() * 1000)


def operation(row: Operation) -> dict[str, Any]:
    """An operation. `subject` is the name its object had when it was asked for."""
    return {
        "id": str(row.pk),
        "kind": row.kind,
        "subject": row.subject,
        "securable_id": str(row.securable_id) if row.securable_id else None,
        "actor": row.actor.name,
        "state": row.state,
        "progress": row.progress,
        "step": row.step,
        "result": row.result,
        "error": row.error,
        "attempts": row.attempts,
        "max_attempts": settings.OPERATION_MAX_ATTEMPTS,
        "cancel_requested_at": milliseconds(row.cancel_requested_at),
        "cancel_requested_by": row.cancel_requested_by.name if row.cancel_requested_by else None,
        "retry_of": str(row.retry_of_id) if row.retry_of_id else None,
        "created_at": milliseconds(row.created_at),
        "started_at": milliseconds(row.started_at),
        "finished_at": milliseconds(row.finished_at),
    }


def log_line(row: OperationLogLine) -> dict[str, Any]:
    """One line of a log."""
    return {"at": milliseconds(row.at), "level": row.level, "text": row.text}


def model_version(row: ModelVersion) -> dict[str, Any]:
    """A version on its way: what identifies it, and where it stands."""
    return {
        "name": row.model.securable.full_name,
        "version": str(row.version),
        "status": row.status,
        "status_message": row.status_message,
        "source": row.source,
        "run_id": row.run_id,
        "model_id": row.logged_model_id,
        "created_at": milliseconds(row.created_at),
    }
