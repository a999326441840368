"""What a handler is given: the actor, the parameters, and the ways to report, to be stopped, and to take effect."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from registry.errors import AccessDenied
from registry.models import Operation
from registry.services.actors import Actor
from registry.services.audit import HiddenFromActor, record_denial
from registry.services.operation_leases import (
    LeaseLost,
    append_log,
    check_held,
    lock_held,
    report_progress,
)

_CHECK_EVERY_SECONDS = 1.0


class OperationContext:
    """One attempt at an operation. Every method but `check` costs a query or two.

    Handlers may run again after any interruption: they look at what is done already, or name their effects.
    """

    def __init__(self, *, operation: Operation, actor: Actor, lost: threading.Event | None = None) -> None:
        self.operation_id = operation.pk
        self.attempt: int = operation.attempts
        self.params: dict[str, Any] = operation.params
        self.actor = actor
        self._fence: int = operation.fence
        self._lost = lost or threading.Event()
        self._checked_at = float("-inf")
        self._told: tuple[int, str] | None = None

    def progress(self, percent: float, step: str = "") -> None:
        """Say how far the work is, 0 to 100; telling the same again costs nothing. Also does what `check` does.

        Raises:
            LeaseLost, OperationCanceled.
        """
        self.check()
        if (int(percent), step) != self._told:
            report_progress(operation_id=self.operation_id, fence=self._fence, percent=percent, step=step)
            self._told = int(percent), step

    def log(self, text: str, level: str = "INFO") -> None:
        """Add a line to the operation's log.

        Raises:
            LeaseLost.
        """
        append_log(operation_id=self.operation_id, fence=self._fence, text=text, level=level)

    def check(self) -> None:
        """Stop here if the operation was canceled or another worker has it. Call it often: it asks once a second.

        Raises:
            LeaseLost, OperationCanceled.
        """
        if self._lost.is_set():
            raise LeaseLost(f"operation {self.operation_id} could not keep its lease")
        if time.monotonic() - self._checked_at >= _CHECK_EVERY_SECONDS:
            check_held(operation_id=self.operation_id, fence=self._fence)
            self._checked_at = time.monotonic()

    @contextmanager
    def effect(self, name: str = "") -> Iterator[bool]:
        """A transaction that holds the operation's row, so that only the worker with the lease takes effect.

        With a name, the effect is remembered by the same commit: an attempt that comes after it is given False, and
        leaves the body undone. Without a name it is given True, and the body must bear being done twice. A denial
        inside is recorded although the rest is rolled back.

        Raises:
            LeaseLost.
        """
        try:
            with transaction.atomic():
                operation = lock_held(operation_id=self.operation_id, fence=self._fence)
                is_first = name not in operation.effects
                yield is_first
                if name and is_first:
                    operation.effects.append(name)
                    operation.save(update_fields=["effects"])
        except (AccessDenied, HiddenFromActor) as denial:
            record_denial(self.actor, denial)
            raise
