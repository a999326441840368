"""What the supervisor needs to know about one process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from config.stack.accounts import Account


@dataclass(frozen=True)
class Service:
    """One process: how it is started, when it is ready, how it is stopped.

    It is ready when `ready` says so (asked again and again, in a thread; answers within seconds and does not
    raise), or when its log holds `ready_text`. A service that is not `awaited` may become ready after the URL
    was printed.
    """

    name: str
    command: Sequence[str]
    ready: Callable[[], bool] | None = None
    ready_text: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    awaited: bool = True
    ready_seconds: float = 60.0
    stop_signal: int = signal.SIGTERM
    grace_seconds: float = 10.0
    account: Account | None = None
    directory: str = "/"
