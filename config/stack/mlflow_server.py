"""MLflow's tracking server in one process on a private Unix socket (`python -m config.stack.mlflow_server`).

MLflow's own command keeps a second process of 250 MB beside the server and leaves the socket open to every user
of the machine. The settings that it hands to the server are internal to MLflow, so its version is pinned. Reads
DATABASE_URL (or MODELKEEP_MLFLOW_DATABASE_URL), MODELKEEP_TRACKING_ROOT (or ARTIFACT_ROOT, or MODELKEEP_DATA_DIR)
and MODELKEEP_MLFLOW_SOCKET.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from config.stack.environment import tracking_database_url
from config.stack.storage import mlflow_environment, tracking_root

LISTEN_BACKLOG = 512


def main() -> None:
    """Serve until SIGTERM; exits with the error of a database that does not answer."""
    database = tracking_database_url(os.environ)
    artifacts = "mlflow-artifacts:/"
    os.environ.update(
        {
            "_MLFLOW_SERVER_FILE_STORE": database,
            "_MLFLOW_SERVER_REGISTRY_STORE": database,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": artifacts,
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": tracking_root(
                os.environ, default=f"{os.environ.get('MODELKEEP_DATA_DIR', '')}/tracking"
            ),
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            "_MLFLOW_SGI_NAME": "uvicorn",
            "_MLFLOW_IN_JOB_EXECUTOR": "false",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            # Only the product's proxy can open the socket, and it checks hosts and origins itself.
            "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "GIT_PYTHON_REFRESH": "quiet",
            **mlflow_environment(os.environ),
        }
    )
    # Slow imports: some seconds, 250 MB.
    import uvicorn
    from mlflow.server.fastapi_app import app
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(database, database, artifacts)
    config = uvicorn.Config(app, log_level="info", access_log=False, timeout_graceful_shutdown=5)
    uvicorn.Server(config).run(sockets=[_listen(Path(os.environ["MODELKEEP_MLFLOW_SOCKET"]))])


def _listen(path: Path) -> socket.socket:
    """Open a socket that only this user can reach; replaces what an earlier server left."""
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(LISTEN_BACKLOG)
    return listener


if __name__ == "__main__":
    main()
