"""Events of the audit trail as they leave it: one by one, and as files."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from django.http import StreamingHttpResponse

from registry.api.files_out import Line, safe_cell
from registry.models import AuditEvent

_COLUMNS = (
    "event_id at service_name action decision actor securable_type securable_id securable_name params before after "
    "message request_id source_ip user_agent chain sequence hash"
).split()


def event_facts(event: AuditEvent) -> dict[str, Any]:
    """Everything that an event says; when, in ISO 8601 and UTC."""
    facts = {name: getattr(event, name) for name in _COLUMNS}
    return facts | {"event_id": str(event.event_id), "at": event.at.astimezone(UTC).isoformat()}


def send_events(events: Iterator[AuditEvent], *, as_csv: bool = False) -> StreamingHttpResponse:
    """A file of events, as they are read: JSON lines for programs, CSV for spreadsheets."""
    response = StreamingHttpResponse(
        _csv_lines(events) if as_csv else _json_lines(events),
        content_type="text/csv; charset=utf-8" if as_csv else "application/jsonl; charset=utf-8",
    )
    response.headers["Content-Disposition"] = f'attachment; filename="audit.{"csv" if as_csv else "jsonl"}"'
    return response


def _csv_lines(events: Iterator[AuditEvent]) -> Iterator[str]:
    writer = csv.writer(Line())
    yield writer.writerow(_COLUMNS)
    for event in events:
        yield writer.writerow([safe_cell(value) for value in event_facts(event).values()])


def _json_lines(events: Iterator[AuditEvent]) -> Iterator[str]:
    for event in events:
        yield json.dumps(event_facts(event), ensure_ascii=False) + "\n"
