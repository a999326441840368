"""Asking for access and answering, and what a grant would change before it is made."""

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.modelkeep.shapes import milliseconds
from registry.api.wire import actor_of, flag_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import AccessRequest
from registry.privileges import Privilege, SecurableType
from registry.services import access_requests
from registry.services.grant_simulation import Simulation, simulate_grants
from registry.services.grants import Change, parse_privilege


def _request(row: AccessRequest) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "securable_type": row.securable_type,
        "full_name": row.securable.full_name if row.securable else row.securable_name,
        "exists": row.securable is not None,
        "requester": row.requester.name,
        "privileges": list(row.privileges),
        "reason": row.reason,
        "state": row.state,
        "granted": list(row.granted),
        "answer": row.answer,
        "decided_by": row.decided_by.name if row.decided_by else None,
        "decided_at": milliseconds(row.decided_at),
        "created_at": milliseconds(row.created_at),
    }


def _type(parameters: Mapping[str, Any]) -> SecurableType:
    given = text_of(parameters, "securable_type", required=True)
    try:
        return SecurableType(given)
    except ValueError as error:
        raise InvalidParameter(
            f"'securable_type' is '{given}': use one of {', '.join(SecurableType)}.", field="securable_type"
        ) from error


def _privileges(given: Any, field: str) -> list[Privilege]:
    if not isinstance(given, list):
        raise InvalidParameter(f"'{field}' must be a list of privileges.", field=field)
    return [parse_privilege(one, field=field) for one in given]


class AccessRequests(APIView):
    """GET and POST access-requests."""

    def get(self, request: Request) -> Response:
        """List the requests that the caller may answer (`box=inbox`) or has made (`box=mine`), newest first."""
        parameters = parameters_of(request)
        page = access_requests.list_requests(
            actor=actor_of(request),
            box=text_of(parameters, "box") or access_requests.INBOX,
            state=text_of(parameters, "state"),
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"access_requests": page.map(_request), "next_page_token": page.next_page_token})

    def post(self, request: Request) -> Response:
        """Ask for privileges on a securable; joins a request of the caller that waits."""
        parameters = parameters_of(request)
        made = access_requests.request_access(
            actor=actor_of(request),
            type_=_type(parameters),
            full_name=text_of(parameters, "full_name", required=True),
            privileges=_privileges(parameters.get("privileges") or [], "privileges"),
            reason=text_of(parameters, "reason"),
        )
        return object_response({"access_request": _request(made)})


class OneAccessRequest(APIView):
    """GET access-requests/{id}."""

    def get(self, request: Request, request_id: str) -> Response:
        """Show a request."""
        found = access_requests.get_request(actor=actor_of(request), request_id=request_id)
        return object_response({"access_request": _request(found)})


class Approve(APIView):
    """POST access-requests/{id}/approve."""

    def post(self, request: Request, request_id: str) -> Response:
        """Grant what was asked for, or the privileges that are given instead."""
        parameters = parameters_of(request)
        given = parameters.get("privileges")
        approval = access_requests.approve_request(
            actor=actor_of(request),
            request_id=request_id,
            privileges=None if given is None else _privileges(given, "privileges"),
            answer=text_of(parameters, "answer"),
            with_way=flag_of(parameters, "with_way"),
        )
        return object_response({"access_request": _request(approval.request)})


class Decline(APIView):
    """POST access-requests/{id}/decline."""

    def post(self, request: Request, request_id: str) -> Response:
        """Say no, and why."""
        answer = text_of(parameters_of(request), "answer", required=True)
        declined = access_requests.decline_request(actor=actor_of(request), request_id=request_id, answer=answer)
        return object_response({"access_request": _request(declined)})


class Withdraw(APIView):
    """POST access-requests/{id}/withdraw."""

    def post(self, request: Request, request_id: str) -> Response:
        """Take one's own request back."""
        withdrawn = access_requests.withdraw_request(actor=actor_of(request), request_id=request_id)
        return object_response({"access_request": _request(withdrawn)})


class Simulate(APIView):
    """POST permissions:simulate."""

    def post(self, request: Request) -> Response:
        """Tell what a change of grants would do. Nothing is written."""
        parameters = parameters_of(request)
        found = simulate_grants(
            actor=actor_of(request),
            type_=_type(parameters),
            full_name=text_of(parameters, "full_name", required=True),
            change=Change(
                text_of(parameters, "principal", required=True),
                add=tuple(_privileges(parameters.get("add") or [], "add")),
                remove=tuple(_privileges(parameters.get("remove") or [], "remove")),
            ),
        )
        return object_response(_simulation(found))


def _simulation(found: Simulation) -> dict[str, Any]:
    return {
        "principal": found.principal.name,
        "effects": [
            {"on_every": effect.every, "gained": list(effect.gained), "lost": list(effect.lost)}
            for effect in found.effects
        ],
        "missing": [
            {
                "privilege": way.privilege,
                "securable_type": way.securable.type,
                "full_name": way.securable.full_name,
                "may_grant": way.may_grant,
            }
            for way in found.missing_ways
        ],
    }
