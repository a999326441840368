"""The discovery document that stock clients read before almost every call. No database, no Django."""

import os

_PUBLIC_URL = os.environ.get("MODELKEEP_PUBLIC_URL", "")
_WORKSPACE_ID = os.environ.get("MODELKEEP_WORKSPACE_ID", "7474000000000001")


def discovery_document(*, scheme: str, host: str) -> dict[str, str]:
    """Where OAuth lives and which workspace this is.

    https://docs.databricks.com/aws/en/dev-tools/auth/ describes the clients that read it.
    """
    base = f"{scheme}://{host}" if not _PUBLIC_URL or _PUBLIC_URL.startswith("http://") else _PUBLIC_URL
    return {"oidc_endpoint": f"{base}/oidc", "workspace_id": _WORKSPACE_ID, "cloud": "AWS"}
