"""The environment variables that every process of one installation shares."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from config.stack import postgres, redis
from config.stack.errors import StackError
from config.stack.paths import DataFolder, unwritable
from config.stack.storage import storage_environment, tracking_root

DATABASE = "modelkeep"
TRACKING_DATABASE = "mlflow"


def shared_environment(folder: DataFolder, *, url: str, given: Mapping[str, str]) -> dict[str, str]:
    """Answer the variables of this installation; those that the caller's environment gives win."""
    ours = {
        "DATABASE_URL": postgres.url(folder.postgres_sockets, DATABASE),
        "REDIS_URL": redis.url(folder.redis_socket),
        "MODELKEEP_DATA_DIR": str(folder.root),
        "MODELKEEP_MLFLOW_SOCKET": str(folder.mlflow_socket),
        "MODELKEEP_PUBLIC_URL": url,
        "MODELKEEP_SERVING_ROOT": str(folder.serving),
        "MODELKEEP_SERVING_SOCKETS": str(folder.replica_sockets),
        "MODELKEEP_TRACKING_ROOT": tracking_root(given, default=str(folder.tracking)),
    }
    named = {name: given[name] for name in ours if given.get(name)}
    return ours | named | storage_environment(given) | {"MODELKEEP_DATA_DIR": str(folder.root)}


def ensure_secret_key(path: Path) -> str:
    """Answer the installation's secret key, made at the first call."""
    try:
        if not path.exists():
            # Written beside and moved, so that a full disk never leaves an empty key behind.
            draft = path.with_suffix(".new")
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(48))
            draft.replace(path)
        key = path.read_text().strip()
    except OSError as error:
        raise StackError(unwritable(path.parent, error)) from error
    if not key:
        raise StackError(f"{path} is empty. Restore it from a backup, or remove it: then all sessions end.")
    return key


def tracking_database_url(environment: Mapping[str, str]) -> str:
    """Answer the SQLAlchemy URL of MLflow's own database, on the same server as ours unless one is named."""
    named = environment.get("MODELKEEP_MLFLOW_DATABASE_URL")
    if named:
        return named
    scheme, _, rest = environment.get("DATABASE_URL", "").partition("://")
    if not scheme.startswith("postgres"):
        raise StackError("DATABASE_URL must name a PostgreSQL database: postgresql://user:password@host/modelkeep.")
    address, mark, query = rest.partition("?")
    server, _, _ = address.rpartition("/")
    # SQLAlchemy takes a user before an empty host only with a colon.
    server = server.replace("@", ":@") if server.endswith("@") and ":" not in server else server
    return f"postgresql+psycopg://{server}/{TRACKING_DATABASE}{mark}{query}"
