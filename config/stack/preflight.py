"""What is checked before anything is started, so that a hopeless start fails at once."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path

from config.stack.errors import StackError
from config.stack.paths import unwritable

FREE_BYTES = 300 * 1024**2


def require_space(folder: Path) -> None:
    """Raise StackError when the disk is nearly full, or the folder cannot be written."""
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise StackError(
            f"Only {free // 1024**2} MB are free on the disk of {folder}; Modelkeep needs at least "
            f"{FREE_BYTES // 1024**2} MB. Free some space, or choose another disk with --data-dir."
        )
    probe = folder / f".write-test-{os.getpid()}"
    try:
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        raise StackError(unwritable(folder, error)) from error


def free_port(host: str, port: int) -> int:
    """Answer the port when it can be listened on (for 0: one that can); raise StackError otherwise."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            # With SO_REUSEADDR only listening shows another listener.
            probe.listen(1)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise StackError(_port_message(host, port, error)) from error


def _port_message(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program. Choose another, as in --port {port + 1}."
    if error.errno == errno.EACCES:
        return f"Port {port} needs the rights of an administrator. Choose one above 1023, as in --port 8000."
    return f"Cannot listen on {host}, port {port}: {error.strerror or error}. Choose another --host or --port."
