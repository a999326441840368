"""What the calls of operations take and answer, for the OpenAPI document."""

from registry.api.openapi.dialects import Call
from registry.api.openapi.shapes import (
    ANYTHING,
    FLAG,
    FULL_NAME,
    ID,
    MILLIS,
    PAGE,
    TEXT,
    WHOLE,
    Named,
    Schema,
    choice,
    fields,
    noted,
    nullable,
    page_of,
)
from registry.models import OperationState
from registry.privileges import SecurableType

OPERATION = Named(
    "Operation",
    fields(
        {
            "id": ID,
            "kind": TEXT,
            "subject": noted(TEXT, "The name that its object had when it was asked for."),
            "securable_id": nullable(ID),
            "actor": TEXT,
            "state": choice(*OperationState.values),
            "progress": WHOLE,
            "step": TEXT,
            "result": ANYTHING,
            "error": TEXT,
            "attempts": WHOLE,
            "max_attempts": WHOLE,
            "cancel_requested_at": nullable(MILLIS),
            "cancel_requested_by": nullable(TEXT),
            "retry_of": nullable(ID),
            "created_at": nullable(MILLIS),
            "started_at": nullable(MILLIS),
            "finished_at": nullable(MILLIS),
        }
    ),
)
ONE_OPERATION = fields({"operation": OPERATION})
_FILTERS: dict[str, Schema] = {
    "state": noted(TEXT, f"One of {', '.join(OperationState.values)}."),
    "kind": TEXT,
    "securable_type": noted(TEXT, f"One of {', '.join(SecurableType)}."),
    "securable_name": FULL_NAME,
    "own": noted(FLAG, "Only what the caller asked for."),
}

_MK = "/api/modelkeep"
PATHS: dict[str, dict[str, Call]] = {
    f"{_MK}/operations": {"GET": Call("list_operations", page_of("operations", OPERATION), query=_FILTERS | PAGE)},
    f"{_MK}/operations/{{operation_id}}": {"GET": Call("get_operation", ONE_OPERATION)},
    f"{_MK}/operations/{{operation_id}}/log": {
        "GET": Call(
            "operation_log", page_of("lines", fields({"at": MILLIS, "level": TEXT, "text": TEXT})), query=PAGE
        )
    },
    f"{_MK}/operations/{{operation_id}}/cancel": {"POST": Call("cancel_operation", ONE_OPERATION)},
    f"{_MK}/operations/{{operation_id}}/retry": {"POST": Call("retry_operation", ONE_OPERATION)},
}
