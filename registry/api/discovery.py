"""The discovery documents that stock clients read before almost every call. No database, no Django."""

import os
import uuid

_PUBLIC_URL = os.environ.get("MODELKEEP_PUBLIC_URL", "")
_WORKSPACE_ID = os.environ.get("MODELKEEP_WORKSPACE_ID", "7474000000000001")
# Clients put it into names of rule sets. One installation is one account, so the workspace says which.
_ACCOUNT_ID = str(uuid.uuid5(uuid.NAMESPACE_OID, f"modelkeep:{_WORKSPACE_ID}"))


def _oidc(scheme: str, host: str) -> str:
    base = f"{scheme}://{host}" if not _PUBLIC_URL or _PUBLIC_URL.startswith("http://") else _PUBLIC_URL
    return f"{base.rstrip('/')}/oidc"


def discovery_document(*, scheme: str, host: str) -> dict[str, str]:
    """Where OAuth lives and which workspace this is.

    https://docs.databricks.com/aws/en/dev-tools/auth/ describes the clients that read it.
    """
    return {
        "oidc_endpoint": _oidc(scheme, host),
        "workspace_id": _WORKSPACE_ID,
        "account_id": _ACCOUNT_ID,
        "cloud": "AWS",
    }


def oauth_document(*, scheme: str, host: str) -> dict[str, object]:
    """The metadata of the authorization server (RFC 8414). Clients insist on an authorization endpoint."""
    oidc = _oidc(scheme, host)
    return {
        "issuer": oidc,
        "authorization_endpoint": f"{oidc}/v1/authorize",
        "token_endpoint": f"{oidc}/v1/token",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "scopes_supported": ["all-apis"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }
