"""Small questions that tell whether a server answers."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

TIMEOUT_SECONDS = 2.0


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(str(self._path))


def answers(connection: http.client.HTTPConnection, path: str) -> bool:
    """Say whether GET on a path answers 200."""
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def web_answers(host: str, port: int) -> bool:
    """Say whether the product answers the first question that its clients ask."""
    return answers(http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS), "/.well-known/databricks-config")


def mlflow_answers(path: Path) -> bool:
    """Say whether the tracking server answers."""
    return answers(UnixConnection(path), "/health")
