"""The kinds of operations: what each runs, on which queue, and how it cleans up. Apps add theirs when they load."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from registry.errors import InvalidParameter, Unavailable
from registry.models import Operation
from registry.services.operation_context import OperationContext
from registry.services.operation_leases import Cleanup

Handler = Callable[[OperationContext], dict[str, Any] | None]
"""Does the work and returns the result. It may be stopped anywhere and run again from the start."""

Resubmit = Callable[..., Operation]
"""Called as (actor=…, operation=…): asks for the same work once more, with the rights of who asks now."""

QUEUES = ("default", "build", "deploy", "monitoring")


@dataclass(frozen=True)
class OperationKind:
    """How operations of one name are run.

    `on_failure` runs in the transaction that ends an operation as FAILED, and as CANCELED too unless `on_cancel` is
    given. Without `resubmit` an operation of this kind cannot be retried.
    """

    name: str
    title: str
    handler: Handler
    queue: str = "default"
    on_failure: Cleanup | None = None
    on_cancel: Cleanup | None = None
    resubmit: Resubmit | None = None

    @property
    def cancel_cleanup(self) -> Cleanup | None:
        """What runs when an operation of this kind is canceled."""
        return self.on_cancel or self.on_failure


_kinds: dict[str, OperationKind] = {}


def operation_kind(
    name: str,
    *,
    title: str,
    queue: str = "default",
    on_failure: Cleanup | None = None,
    on_cancel: Cleanup | None = None,
    resubmit: Resubmit | None = None,
) -> Callable[[Handler], Handler]:
    """Decorate a handler to register a kind. `title` is what people read.

    Raises:
        ValueError: the name is taken, or no worker serves the queue.
    """
    if queue not in QUEUES:
        raise ValueError(f"{name}: no worker serves the queue {queue!r}; choose one of {', '.join(QUEUES)}")

    def register(handler: Handler) -> Handler:
        if name in _kinds:
            raise ValueError(f"the operation kind {name!r} is registered twice")
        _kinds[name] = OperationKind(
            name=name,
            title=title,
            handler=handler,
            queue=queue,
            on_failure=on_failure,
            on_cancel=on_cancel,
            resubmit=resubmit,
        )
        return handler

    return register


def all_kinds() -> list[OperationKind]:
    """Every registered kind, by name."""
    return [_kinds[name] for name in sorted(_kinds)]


def find_kind(name: str) -> OperationKind | None:
    """The kind of that name, if this process knows it."""
    return _kinds.get(name)


def require_kind(name: str, *, field: str = "kind") -> OperationKind:
    """The kind of that name.

    Raises:
        InvalidParameter: there is none.
    """
    kind = _kinds.get(name)
    if kind is None:
        known = ", ".join(sorted(_kinds))
        raise InvalidParameter(f"'{field}' is {name!r}: it must be one of {known}.", field=field)
    return kind


def kind_to_run(operation: Operation) -> OperationKind:
    """The kind of an operation that a worker has taken.

    Raises:
        Unavailable: this worker does not know it, as when it is older than the web server; another one may.
    """
    kind = _kinds.get(operation.kind)
    if kind is None:
        raise Unavailable(
            f"This worker does not know operations of kind '{operation.kind}'. Restart workers after an upgrade."
        )
    return kind


def cleanup_after(operation: Operation, *, canceled: bool) -> Cleanup | None:
    """What has to run when this operation ends without success; None for a kind that is not known here."""
    kind = _kinds.get(operation.kind)
    if kind is None:
        return None
    return kind.cancel_cleanup if canceled else kind.on_failure
