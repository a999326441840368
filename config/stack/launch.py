"""How a process of the stack is started: through the shim that leaves no orphan."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from config.stack.accounts import Account

SHIM = Path(__file__).with_name("shim.py")


def shim_command(
    command: Sequence[str],
    *,
    stop_signal: int = signal.SIGTERM,
    grace: float = 10.0,
    account: Account | None = None,
    hold: int | None = None,
) -> list[str]:
    """Wrap a command so that it and its descendants end with this process, however this process ends.

    Start it from the main thread: the kernel reports the death of the thread that started it. The shim keeps
    the file descriptor `hold` open until nothing is left, so a lock on it tells when that is.
    """
    options = ["--parent", str(os.getpid()), "--stop-signal", str(int(stop_signal)), "--grace", str(grace)]
    if account is not None:
        options += ["--uid", str(account.uid), "--gid", str(account.gid)]
    if hold is not None:
        options += ["--hold", str(hold)]
    return [sys.executable, "-I", "-S", str(SHIM), *options, "--", *command]
