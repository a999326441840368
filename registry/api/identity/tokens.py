"""Personal access tokens: one's own, and everybody's for administrators."""

from datetime import datetime
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import ApiToken
from registry.services.tokens import (
    create_token,
    create_token_on_behalf,
    describe_token,
    get_token,
    list_tokens,
    revoke_token,
)

_NEVER = -1


def _millis(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment else _NEVER


def _shape(token: ApiToken) -> dict[str, Any]:
    return {
        "token_id": str(token.pk),
        "comment": token.comment,
        "creation_time": _millis(token.created_at),
        "expiry_time": _millis(token.expires_at),
    }


class Create(APIView):
    """POST token/create."""

    def post(self, request: Request) -> Response:
        """Make a token for the caller and show it this once."""
        parameters = parameters_of(request)
        new = create_token(
            actor=actor_of(request), comment=text_of(parameters, "comment"), lifetime_seconds=_lifetime(parameters)
        )
        return object_response({"token_value": new.value, "token_info": _shape(new.token)})


class List(APIView):
    """GET token/list."""

    def get(self, request: Request) -> Response:
        """List the caller's tokens."""
        tokens = list_tokens(actor=actor_of(request))
        return object_response({"token_infos": [_shape(token) for token in tokens]})


class Delete(APIView):
    """POST token/delete."""

    def post(self, request: Request) -> Response:
        """Revoke one of the caller's tokens; an administrator may name anybody's."""
        token_id = text_of(parameters_of(request), "token_id", required=True)
        revoke_token(actor=actor_of(request), token_id=token_id)
        return object_response({})


class Update(APIView):
    """PATCH token/{token_id}."""

    def patch(self, request: Request, token_id: str) -> Response:
        """Change the comment of one of the caller's tokens."""
        token = _describe(request, token_id)
        return object_response({"token_info": _shape(token)})


def _describe(request: Request, token_id: str) -> ApiToken:
    parameters = parameters_of(request)
    given = parameters.get("token")
    if not isinstance(given, dict) or text_of(parameters, "update_mask") not in {"comment", "*"}:
        raise InvalidParameter(
            "Only 'comment' of 'token' can be changed: name it in 'update_mask'.", field="update_mask"
        )
    return describe_token(actor=actor_of(request), token_id=token_id, comment=text_of(given, "comment"))


class Manage(APIView):
    """GET token-management/tokens."""

    def get(self, request: Request) -> Response:
        """List everybody's tokens, or those that one principal made, for administrators."""
        parameters = parameters_of(request)
        shapes = [_managed(token) for token in list_tokens(actor=actor_of(request), everyones=True)]
        if parameters.get("created_by_id"):
            maker = number_of(parameters, "created_by_id", default=0)
            shapes = [shape for shape in shapes if shape["created_by_id"] == maker]
        if name := text_of(parameters, "created_by_username").lower():
            shapes = [shape for shape in shapes if shape["created_by_username"].lower() == name]
        return object_response({"token_infos": shapes})


class ManageOne(APIView):
    """GET, PATCH and DELETE token-management/tokens/{token_id}."""

    def get(self, request: Request, token_id: str) -> Response:
        """Show a token."""
        token = get_token(actor=actor_of(request), token_id=token_id)
        return object_response({"token_info": _managed(token)})

    def patch(self, request: Request, token_id: str) -> Response:
        """Change its comment."""
        return object_response(_managed(_describe(request, token_id)))

    def delete(self, request: Request, token_id: str) -> Response:
        """Revoke it."""
        revoke_token(actor=actor_of(request), token_id=token_id)
        return object_response({})


class OnBehalf(APIView):
    """POST token-management/on-behalf-of/tokens."""

    def post(self, request: Request) -> Response:
        """Make a token for a service principal and show it this once."""
        parameters = parameters_of(request)
        new = create_token_on_behalf(
            actor=actor_of(request),
            application_id=text_of(parameters, "application_id", required=True),
            comment=text_of(parameters, "comment"),
            lifetime_seconds=_lifetime(parameters),
        )
        return object_response({"token_value": new.value, "token_info": _managed(new.token)})


def _lifetime(parameters: dict[str, Any]) -> int | None:
    given = parameters.get("lifetime_seconds")
    return None if given is None else number_of(parameters, "lifetime_seconds", default=0)


def _managed(token: ApiToken) -> dict[str, Any]:
    maker = token.created_by
    return {
        **_shape(token),
        "owner_id": token.principal_id,
        "created_by_id": maker.pk if maker else None,
        "created_by_username": maker.name if maker else "",
        "last_used_day": _millis(token.last_used_at) if token.last_used_at else None,
    }
