"""What this SCIM service can do, for identity providers that ask first (RFC 7643, section 5)."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.identity.scim import CORE, MAX_COUNT, MESSAGES, ScimView, answer

_RESOURCES = {"User": "Users", "Group": "Groups", "ServicePrincipal": "ServicePrincipals"}


class ServiceProviderConfig(ScimView):
    """GET ServiceProviderConfig."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Say what is supported."""
        no = {"supported": False}
        config: dict[str, Any] = {
            "schemas": [f"{CORE}:ServiceProviderConfig"],
            "patch": {"supported": True},
            "bulk": {**no, "maxOperations": 0, "maxPayloadSize": 0},
            "filter": {"supported": True, "maxResults": MAX_COUNT},
            "changePassword": no,
            "sort": {"supported": True},
            "etag": no,
            "authenticationSchemes": [
                {"type": "oauthbearertoken", "name": "Bearer token", "description": "A token of an administrator."}
            ],
        }
        return answer(config)


class ResourceTypes(ScimView):
    """GET ResourceTypes."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Say which kinds of resources there are, and where."""
        types = [
            {
                "schemas": [f"{CORE}:ResourceType"],
                "id": name,
                "name": name,
                "endpoint": f"/{path}",
                "schema": f"{CORE}:{name}",
            }
            for name, path in _RESOURCES.items()
        ]
        return answer(
            {
                "schemas": [f"{MESSAGES}:ListResponse"],
                "totalResults": len(types),
                "startIndex": 1,
                "itemsPerPage": len(types),
                "Resources": types,
            }
        )
