"""Template tags for operations, statements and the audit trail."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone

from registry.models import Operation, OperationState
from registry.services import operation_views
from registry.web.rights_in_words import NOUNS

register = template.Library()

_TONES = {
    OperationState.PENDING: ("", "Waiting"),
    OperationState.RUNNING: ("warn", "Running"),
    OperationState.SUCCEEDED: ("ok", "Succeeded"),
    OperationState.FAILED: ("bad", "Failed"),
    OperationState.CANCELED: ("", "Canceled"),
}
_NOUNS = {str(type_): noun for type_, noun in NOUNS.items()}
_MINUTE, _HOUR = 60, 3600


@register.filter
def operation_title(operation: Operation) -> str:
    """What people read of its kind."""
    return operation_views.title_of(operation)


@register.inclusion_tag("parts/_status.html")
def operation_status(operation: Operation) -> dict[str, str]:
    """The state of an operation as a dot and a word."""
    tone, word = _TONES[OperationState(operation.state)]
    stopping = operation.cancel_requested_at is not None and operation.finished_at is None
    return {"tone": "warn" if stopping else tone, "word": "Stopping" if stopping else word, "message": ""}


@register.filter
def object_noun(type_: str) -> str:
    """What an event is about, as people call it: a kind of securable, or something else that has a trail."""
    return _NOUNS.get(type_) or type_.replace("_", " ").lower()


@register.filter
def in_words(value: Any) -> str:
    """A value of JSON as people read it."""
    return operation_views.in_words(value)


@register.filter
def took(operation: Operation) -> str:
    """How long an operation has run, or ran."""
    if operation.started_at is None:
        return ""
    return length_in_words((operation.finished_at or timezone.now()) - operation.started_at)


@register.filter
def seconds_between(begin: datetime | None, end: datetime | None) -> str:
    """The time between two moments; nothing while one is missing."""
    return length_in_words(end - begin) if begin and end else ""


def length_in_words(length: timedelta) -> str:
    """A length of time in its two largest units."""
    seconds = max(length.total_seconds(), 0)
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"
