"""The audit trail over REST: what the page of it shows, with the same filters."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.audit_files import event_facts, send_events
from registry.api.modelkeep.shapes import milliseconds, operation
from registry.api.wire import actor_of, number_of, object_response, parameters_of, parse_moment, text_of
from registry.errors import NotFound
from registry.models import AuditEvent
from registry.services import audit_trail
from registry.services.audit_trail import EventFilter
from registry.services.audit_verification import submit_verification


def _wanted(parameters: Mapping[str, Any]) -> EventFilter:
    return EventFilter(
        actor=text_of(parameters, "actor"),
        action=text_of(parameters, "action"),
        type=text_of(parameters, "securable_type"),
        name=text_of(parameters, "securable_name"),
        decision=text_of(parameters, "decision"),
        since=_moment(parameters, "since"),
        until=_moment(parameters, "until"),
    )


def _moment(parameters: Mapping[str, Any], field: str) -> datetime | None:
    given = text_of(parameters, field)
    return parse_moment(given, field=field) if given else None


def _event(event: AuditEvent) -> dict[str, Any]:
    return event_facts(event) | {"at": milliseconds(event.at)}


class Events(APIView):
    """GET audit-events."""

    def get(self, request: Request) -> Response:
        """List the events that the caller may see, newest first."""
        parameters = parameters_of(request)
        page = audit_trail.list_events(
            actor=actor_of(request),
            wanted=_wanted(parameters),
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"events": page.map(_event), "next_page_token": page.next_page_token})


class OneEvent(APIView):
    """GET audit-events/{id}."""

    def get(self, request: Request, event_id: str) -> Response:
        """Show an event."""
        try:
            key = UUID(event_id)
        except ValueError as error:
            raise NotFound(f"Event '{event_id}' does not exist.") from error
        return object_response({"event": _event(audit_trail.get_event(actor=actor_of(request), event_id=key))})


class Export(APIView):
    """GET audit-events:export."""

    def get(self, request: Request) -> StreamingHttpResponse:
        """Send every event that the list would page through, one a line."""
        wanted = _wanted(parameters_of(request))
        return send_events(audit_trail.export_events(actor=actor_of(request), wanted=wanted, format_="jsonl"))


class Verify(APIView):
    """POST audit-events:verify."""

    def post(self, request: Request) -> Response:
        """Check the whole trail, as an operation."""
        return object_response({"operation": operation(submit_verification(actor=actor_of(request)))})
