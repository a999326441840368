"""Secrets of service principals. `principal_id` is the id that SCIM gives."""

import re
from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import ServicePrincipalSecret
from registry.services.service_principal_secrets import create_secret, delete_secret, list_secrets

_LIFETIME = re.compile(r"(\d{1,10})(?:\.0+)?s")


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _shape(secret: ServicePrincipalSecret) -> dict[str, Any]:
    return {
        "id": str(secret.pk),
        "secret_hash": secret.digest,
        "status": "ACTIVE" if secret.expires_at > timezone.now() else "EXPIRED",
        "create_time": _time(secret.created_at),
        "update_time": _time(secret.created_at),
        "expire_time": _time(secret.expires_at),
    }


def _lifetime(parameters: dict[str, Any]) -> int | None:
    text = text_of(parameters, "lifetime")
    if not text:
        return None
    match = _LIFETIME.fullmatch(text)
    if match is None:
        raise InvalidParameter(f"'lifetime' is '{text}': write seconds, as in 3600s.", field="lifetime")
    return int(match.group(1))


def _check_scopes(parameters: dict[str, Any]) -> None:
    scopes = parameters.get("scopes") or ["all-apis"]
    if scopes != ["all-apis"]:
        raise InvalidParameter(
            "'scopes' can only be all-apis here: give the service principal fewer rights instead.", field="scopes"
        )


class Secrets(APIView):
    """POST and GET servicePrincipals/{id}/credentials/secrets."""

    def post(self, request: Request, principal_id: str) -> Response:
        """Make a secret and show it this once."""
        parameters = parameters_of(request)
        _check_scopes(parameters)
        lifetime = _lifetime(parameters)
        new = create_secret(actor=actor_of(request), principal_id=principal_id, lifetime_seconds=lifetime)
        return object_response({**_shape(new.secret), "secret": new.value})

    def get(self, request: Request, principal_id: str) -> Response:
        """What is known of the secrets."""
        parameters = parameters_of(request)
        page = list_secrets(
            actor=actor_of(request),
            principal_id=principal_id,
            max_results=number_of(parameters, "page_size", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"secrets": page.map(_shape), "next_page_token": page.next_page_token})


class Secret(APIView):
    """DELETE servicePrincipals/{id}/credentials/secrets/{secret_id}."""

    def delete(self, request: Request, principal_id: str, secret_id: str) -> Response:
        """End a secret and all access tokens given for it."""
        delete_secret(actor=actor_of(request), principal_id=principal_id, secret_id=secret_id)
        return object_response({})
