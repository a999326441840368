"""What the calls of access requests and simulated grants take and answer, for the OpenAPI document."""

from registry.api.openapi.dialects import Call
from registry.api.openapi.shapes import (
    FLAG,
    FULL_NAME,
    ID,
    MILLIS,
    PAGE,
    TEXT,
    Named,
    choice,
    fields,
    listed,
    noted,
    nullable,
    page_of,
)
from registry.models import AccessRequestState
from registry.privileges import SecurableType
from registry.services.access_requests import INBOX, MINE

ACCESS_REQUEST = Named(
    "AccessRequest",
    fields(
        {
            "id": ID,
            "securable_type": choice(*SecurableType),
            "full_name": TEXT,
            "exists": noted(FLAG, "False where what it is about is gone."),
            "requester": TEXT,
            "privileges": listed(TEXT),
            "reason": TEXT,
            "state": choice(*AccessRequestState.values),
            "granted": listed(TEXT),
            "answer": TEXT,
            "decided_by": nullable(TEXT),
            "decided_at": nullable(MILLIS),
            "created_at": nullable(MILLIS),
        }
    ),
)
_ONE = fields({"access_request": ACCESS_REQUEST})
_EFFECT = fields({"on_every": nullable(TEXT), "gained": listed(TEXT), "lost": listed(TEXT)})
_WAY = fields({"privilege": TEXT, "securable_type": TEXT, "full_name": TEXT, "may_grant": FLAG})
_ASKS = "/api/modelkeep/access-requests"
_ASK = f"{_ASKS}/{{request_id}}"
_ANSWER = noted(TEXT, "What the requester reads.")

PATHS = {
    _ASKS: {
        "GET": Call(
            "list_access_requests",
            page_of("access_requests", ACCESS_REQUEST),
            query={"box": choice(INBOX, MINE), "state": choice(*AccessRequestState.values)} | PAGE,
        ),
        "POST": Call(
            "request_access",
            _ONE,
            body=fields(
                {"securable_type": choice(*SecurableType), "full_name": FULL_NAME, "privileges": listed(TEXT)},
                reason=TEXT,
            ),
        ),
    },
    _ASK: {"GET": Call("get_access_request", _ONE)},
    f"{_ASK}/approve": {
        "POST": Call(
            "approve_access_request",
            _ONE,
            body=fields(
                {},
                privileges=noted(listed(TEXT), "Instead of those that were asked for."),
                answer=_ANSWER,
                with_way=noted(FLAG, "Grant the missing rights to use the containers above as well."),
            ),
        )
    },
    f"{_ASK}/decline": {"POST": Call("decline_access_request", _ONE, body=fields({"answer": _ANSWER}))},
    f"{_ASK}/withdraw": {"POST": Call("withdraw_access_request", _ONE)},
    "/api/modelkeep/permissions:simulate": {
        "POST": Call(
            "simulate_grants",
            fields({"principal": TEXT, "effects": listed(_EFFECT), "missing": listed(_WAY)}),
            body=fields(
                {"securable_type": choice(*SecurableType), "full_name": FULL_NAME, "principal": TEXT},
                add=listed(TEXT),
                remove=listed(TEXT),
            ),
        )
    },
}
