"""/api/2.0/secrets/…, in the shapes of databricks-sdk 0.156.0."""

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, object_response, parameters_of, text_of
from registry.errors import NotImplementedHere
from serving.models import SecretGrant
from serving.services import secret_scopes, secrets

_BACKEND = "DATABRICKS"


def _acl(grant: SecretGrant) -> dict[str, str]:
    return {"principal": grant.principal.name, "permission": grant.level}


def _scope(parameters: Mapping[str, Any]) -> str:
    return text_of(parameters, "scope", required=True)


class CreateScope(APIView):
    """POST scopes/create."""

    def post(self, request: Request) -> Response:
        """Make a scope of secrets."""
        parameters = parameters_of(request)
        backend = text_of(parameters, "scope_backend_type")
        if backend.upper() not in {"", _BACKEND} or parameters.get("backend_azure_keyvault"):
            raise NotImplementedHere("Secrets are kept here and in no other vault: leave 'scope_backend_type' out.")
        secret_scopes.create_scope(
            actor=actor_of(request),
            name=_scope(parameters),
            initial_manage_principal=text_of(parameters, "initial_manage_principal"),
        )
        return object_response({})


class ListScopes(APIView):
    """GET scopes/list."""

    def get(self, request: Request) -> Response:
        """List the scopes on which the caller has a level."""
        found = secret_scopes.list_scopes(actor=actor_of(request))
        return object_response({"scopes": [{"name": scope.name, "backend_type": _BACKEND} for scope in found]})


class DeleteScope(APIView):
    """POST scopes/delete."""

    def post(self, request: Request) -> Response:
        """Delete a scope with its secrets."""
        secret_scopes.delete_scope(actor=actor_of(request), name=_scope(parameters_of(request)))
        return object_response({})


class PutSecret(APIView):
    """POST put."""

    def post(self, request: Request) -> Response:
        """Keep a value under a key."""
        parameters = parameters_of(request)
        given = {
            name: text_of(parameters, name) if parameters.get(name) is not None else None
            for name in ("string_value", "bytes_value")
        }
        secrets.put_secret(
            actor=actor_of(request),
            scope=_scope(parameters),
            key=text_of(parameters, "key", required=True),
            value=secrets.value_of(**given),
        )
        return object_response({})


class DeleteSecret(APIView):
    """POST delete."""

    def post(self, request: Request) -> Response:
        """Delete a secret."""
        parameters = parameters_of(request)
        key = text_of(parameters, "key", required=True)
        secrets.delete_secret(actor=actor_of(request), scope=_scope(parameters), key=key)
        return object_response({})


class ListSecrets(APIView):
    """GET list."""

    def get(self, request: Request) -> Response:
        """List the keys of a scope."""
        found = secrets.list_secrets(actor=actor_of(request), scope=_scope(parameters_of(request)))
        return object_response(
            {
                "secrets": [
                    {"key": row.key, "last_updated_timestamp": int(row.updated_at.timestamp() * 1000)}
                    for row in found
                ]
            }
        )


class GetSecret(APIView):
    """GET get."""

    def get(self, request: Request) -> Response:
        """Refuse to show a value, and say how it is used."""
        parameters = parameters_of(request)
        key = text_of(parameters, "key", required=True)
        secrets.refuse_to_show(actor=actor_of(request), scope=_scope(parameters), key=key)
        return object_response({})


class PutAcl(APIView):
    """POST acls/put."""

    def post(self, request: Request) -> Response:
        """Give somebody a level on a scope."""
        parameters = parameters_of(request)
        secret_scopes.put_grant(
            actor=actor_of(request),
            scope=_scope(parameters),
            principal=text_of(parameters, "principal", required=True),
            level=text_of(parameters, "permission", required=True),
        )
        return object_response({})


class GetAcl(APIView):
    """GET acls/get."""

    def get(self, request: Request) -> Response:
        """Show the level that somebody has on a scope."""
        parameters = parameters_of(request)
        principal = text_of(parameters, "principal", required=True)
        return object_response(
            _acl(secret_scopes.get_grant(actor=actor_of(request), scope=_scope(parameters), principal=principal))
        )


class ListAcls(APIView):
    """GET acls/list."""

    def get(self, request: Request) -> Response:
        """List who has which level on a scope."""
        found = secret_scopes.list_grants(actor=actor_of(request), scope=_scope(parameters_of(request)))
        return object_response({"items": [_acl(grant) for grant in found]})


class DeleteAcl(APIView):
    """POST acls/delete."""

    def post(self, request: Request) -> Response:
        """Take somebody's level on a scope away."""
        parameters = parameters_of(request)
        principal = text_of(parameters, "principal", required=True)
        secret_scopes.delete_grant(actor=actor_of(request), scope=_scope(parameters), principal=principal)
        return object_response({})
