"""Kinds of operations that stop where a test tells them to. Workers load this module by `--include`."""

import os
import threading

import redis
from django.conf import settings

from registry.services.operation_context import OperationContext
from registry.services.operation_handlers import register_model_version
from registry.services.operation_kinds import operation_kind

CONTROL_DATABASE = 15
LONGEST_WAIT = 60


def control() -> "redis.Redis":
    """A Redis database beside the broker's, so that emptying the broker's leaves it alone."""
    path = settings.REDIS_URL.removeprefix("redis+socket://").partition("?")[0]
    return redis.Redis(unix_socket_path=path, db=CONTROL_DATABASE)


def reach(context: OperationContext, step: str) -> None:
    """Tell the test where this process is; wait there for its word if the operation's parameters say so."""
    if step not in context.params.get("stops", []) or context.attempt > context.params.get("attempts_stopped", 1):
        return
    with control() as client:
        client.rpush(f"reached:{context.operation_id}", f"{step}|{os.getpid()}")
        client.blpop([f"go:{context.operation_id}"], timeout=LONGEST_WAIT)


def _tidy(operation) -> None:
    """Leaves a mark in the transaction that ends the operation."""
    operation.log.create(at=operation.finished_at, text=f"tidied after {operation.state}")


@operation_kind("test_steps", title="Steps", on_failure=_tidy)
def steps(context: OperationContext) -> dict:
    reach(context, "before the effect")
    context.progress(50, "half")
    with context.effect("the effect") as first:
        reach(context, "inside the effect")
        if first:
            context.log("effect")
    reach(context, "after the effect")
    context.check()
    return {"attempt": context.attempt}


# On a queue that the worker shared by the tests does not serve.
operation_kind("test_steps_elsewhere", title="Steps", queue="build", on_failure=_tidy)(steps)


def reach_in_cleanup(operation) -> None:
    """Stop inside the transaction that ends the operation."""
    reach(OperationContext(operation=operation, actor=None), "inside the cleanup")
    _tidy(operation)


@operation_kind("test_failing", title="Fails", on_failure=reach_in_cleanup)
def failing(context: OperationContext) -> None:
    reach(context, "before the failure")
    raise ValueError("secret-connection-string")


@operation_kind("test_stubborn", title="Never looks up")
def stubborn(context: OperationContext) -> None:
    reach(context, "stubborn")
    threading.Event().wait(LONGEST_WAIT)


class Stopping(OperationContext):
    """The context of a real handler, stopping at each new step that it reports."""

    def progress(self, percent: float, step: str = "") -> None:
        super().progress(percent, step)
        reach(self, step)


@operation_kind("test_registration", title="Registers, stopping")
def registration(context: OperationContext) -> dict | None:
    context.__class__ = Stopping
    return register_model_version(context)
