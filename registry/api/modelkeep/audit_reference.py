"""What the calls of the audit trail take and answer, for the OpenAPI document."""

from registry.api.modelkeep.operation_reference import ONE_OPERATION
from registry.api.openapi.dialects import Call
from registry.api.openapi.shapes import (
    ANYTHING,
    BYTES,
    ID,
    MILLIS,
    MOMENT,
    PAGE,
    TEXT,
    WHOLE,
    Named,
    Schema,
    choice,
    fields,
    noted,
    page_of,
)
from registry.services.audit_trail import DECISIONS

_ANY_JSON: Schema = {}
AUDIT_EVENT = Named(
    "AuditEvent",
    fields(
        {
            "event_id": ID,
            "at": MILLIS,
            "service_name": TEXT,
            "action": TEXT,
            "decision": choice(*DECISIONS),
            "actor": TEXT,
            "securable_type": noted(TEXT, "What it is about: a type of securable, or another noun."),
            "securable_id": TEXT,
            "securable_name": noted(TEXT, "The full name that it had then."),
            "params": ANYTHING,
            "before": noted(_ANY_JSON, "What was so before; null where nothing changed."),
            "after": noted(_ANY_JSON, "What is so since."),
            "message": noted(TEXT, "Why it was refused."),
            "request_id": TEXT,
            "source_ip": TEXT,
            "user_agent": TEXT,
            "chain": WHOLE,
            "sequence": WHOLE,
            "hash": noted(TEXT, "Of everything in the event, and of the event before it in its chain."),
        }
    ),
)
_FILTERS: dict[str, Schema] = {
    "actor": noted(TEXT, "Who did it, by the exact name."),
    "action": TEXT,
    "securable_type": TEXT,
    "securable_name": noted(TEXT, "A full name; finds what lay below it too."),
    "decision": choice(*DECISIONS),
    "since": noted(MOMENT, "From this moment on."),
    "until": noted(MOMENT, "Before this moment."),
}

_MK = "/api/modelkeep"
PATHS: dict[str, dict[str, Call]] = {
    f"{_MK}/audit-events": {"GET": Call("list_audit_events", page_of("events", AUDIT_EVENT), query=_FILTERS | PAGE)},
    f"{_MK}/audit-events/{{event_id}}": {"GET": Call("get_audit_event", fields({"event": AUDIT_EVENT}))},
    f"{_MK}/audit-events:export": {
        "GET": Call("export_audit_events", BYTES, query=_FILTERS, answer_type="application/jsonl")
    },
    f"{_MK}/audit-events:verify": {"POST": Call("verify_audit_events", ONE_OPERATION)},
}
