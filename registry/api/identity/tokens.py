"""Personal access tokens: one's own, and everybody's for administrators."""

from datetime import datetime
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.models import ApiToken
from registry.services.tokens import create_token, list_tokens, revoke_token

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
        given = parameters.get("lifetime_seconds")
        new = create_token(
            actor=actor_of(request),
            comment=text_of(parameters, "comment"),
            lifetime_seconds=None if given is None else number_of(parameters, "lifetime_seconds", default=0),
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


class Manage(APIView):
    """GET token-management/tokens."""

    def get(self, request: Request) -> Response:
        """List everybody's tokens, for administrators."""
        tokens = list_tokens(actor=actor_of(request), everyones=True)
        return object_response({"token_infos": [_managed(token) for token in tokens]})


def _managed(token: ApiToken) -> dict[str, Any]:
    maker = token.created_by
    return {
        **_shape(token),
        "owner_id": token.principal_id,
        "created_by_id": maker.pk if maker else None,
        "created_by_username": maker.name if maker else "",
        "last_used_day": _millis(token.last_used_at) if token.last_used_at else None,
    }
