"""The processes of the embedded stack, in the order in which they start."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from config.stack import postgres, probes, redis
from config.stack.accounts import Account
from config.stack.environment import DATABASE
from config.stack.options import ROOT, UpOptions
from config.stack.paths import DataFolder
from config.stack.service import Service

# Connections wait in the kernel up to BACKLOG; a worker holds at most CONNECTIONS open, idle ones included.
BACKLOG = 2048
CONNECTIONS = 1024
# For the workers with their pools, MLflow's pool, and people; the web server's threads come on top, one each.
OTHER_DATABASE_CONNECTIONS = 100
VERDICT_THREADS = 4


def stores(options: UpOptions, environment: Mapping[str, str], account: Account | None) -> list[Service]:
    """The embedded PostgreSQL and Redis; none in place of a server that the environment names."""
    found = []
    folder = options.folder
    if environment["DATABASE_URL"] == postgres.url(folder.postgres_sockets, DATABASE):
        found.append(_postgres(options, account))
    if environment["REDIS_URL"] == redis.url(folder.redis_socket):
        found.append(_redis(folder))
    return found


def front(options: UpOptions, environment: Mapping[str, str]) -> list[Service]:
    """What answers clients, started once the database is migrated."""
    return [_web(options, environment), _mlflow(environment)]


def background(options: UpOptions, environment: Mapping[str, str]) -> list[Service]:
    """What works behind, started last so that it does not slow the answer to the first client."""
    return [
        _worker("worker-default", "default,monitoring", environment, *_pool()),
        _worker("worker-build", "build", environment, *_pool()),
        # Short tasks only, in the worker's own process: rescue must never wait behind long work.
        _worker("housekeeping", "housekeeping", environment, "--pool", "solo"),
        # Mostly waiting too: for builds, and for replicas to answer.
        _worker("worker-deploy", "deploy", environment, "--pool", "threads", "--concurrency", "32"),
        # In threads of one process: deliveries wait for other people's servers and do nothing else.
        _worker("deliveries", "deliveries", environment, "--pool", "threads", "--concurrency", "8"),
        _beat(options.folder, environment),
        _model_host(environment),
        _supervisor(environment),
    ]


def _postgres(options: UpOptions, account: Account | None) -> Service:
    folder = options.folder
    # Each web process answers requests in these, and in a few more whether somebody may query an endpoint.
    threads = options.workers * (int(os.environ.get("MODELKEEP_WEB_THREADS", "32")) + VERDICT_THREADS)
    settings = (f"max_connections={OTHER_DATABASE_CONNECTIONS + threads}", "jit=off")
    return Service(
        name="postgres",
        command=postgres.server_command(folder.postgres, folder.postgres_sockets, settings=settings),
        ready=partial(postgres.answers, folder.postgres_sockets),
        # "Fast" shutdown: ends sessions, writes a checkpoint, and so starts without recovery.
        stop_signal=signal.SIGINT,
        grace_seconds=30.0,
        account=account,
    )


def _redis(folder: DataFolder) -> Service:
    return Service(
        name="redis",
        command=redis.server_command(folder.redis, folder.redis_socket),
        ready=partial(redis.answers, folder.redis_socket),
    )


def _web(options: UpOptions, environment: Mapping[str, str]) -> Service:
    return Service(
        name="web",
        command=_python(
            "granian",
            *("--interface", "asgi"),
            *("--host", options.host),
            *("--port", str(options.port)),
            *("--workers", str(options.workers)),
            *("--loop", "auto"),
            *("--backlog", str(BACKLOG)),
            *("--backpressure", str(CONNECTIONS)),
            *("--workers-kill-timeout", "5"),
            "--respawn-failed-workers",
            "config.asgi:application",
        ),
        env=environment,
        ready=partial(probes.web_answers, options.probe_host, options.port),
        directory=str(ROOT),
    )


def _mlflow(environment: Mapping[str, str]) -> Service:
    return Service(
        name="mlflow",
        command=_python("config.stack.mlflow_server"),
        env=environment,
        ready=partial(probes.mlflow_answers, Path(environment["MODELKEEP_MLFLOW_SOCKET"])),
        # It needs some seconds to import, and half a minute to create its tables the first time. Until then
        # the proxy answers 503 with Retry-After.
        awaited=False,
        directory=str(ROOT),
    )


def _pool() -> tuple[str, str]:
    return "--concurrency", os.environ.get("MODELKEEP_WORKER_CONCURRENCY", "2")


def _worker(name: str, queues: str, environment: Mapping[str, str], *pool: str) -> Service:
    return Service(
        name=name,
        command=_celery(
            "worker",
            *("--queues", queues),
            *("--hostname", f"{name}@%h"),
            *pool,
            "--without-gossip",
            "--without-mingle",
        ),
        env=environment,
        ready_text=" ready.",
        awaited=False,
        directory=str(ROOT),
    )


def _model_host(environment: Mapping[str, str]) -> Service:
    """Holds the processes of models. It takes of its environment only what its arguments and the sandbox need."""
    return Service(
        name="model-host",
        command=_python(
            "serving.host",
            *("--sockets", environment["MODELKEEP_SERVING_SOCKETS"]),
            *("--root", environment["MODELKEEP_SERVING_ROOT"]),
        ),
        env=environment,
        ready_text="The model host is ready",
        awaited=False,
        directory=str(ROOT),
    )


def _supervisor(environment: Mapping[str, str]) -> Service:
    return Service(
        name="serving",
        command=[sys.executable, str(ROOT / "manage.py"), "run_supervisor"],
        env={**environment, "MODELKEEP_BOOTSTRAP": "off"},
        ready_text="The supervisor is ready",
        awaited=False,
        directory=str(ROOT),
    )


def _beat(folder: DataFolder, environment: Mapping[str, str]) -> Service:
    return Service(
        name="beat",
        command=_celery("beat", "--schedule", str(folder.run / "beat-schedule"), "--pidfile", ""),
        env=environment,
        ready_text="beat: Starting...",
        awaited=False,
        directory=str(ROOT),
    )


def _celery(*arguments: str) -> list[str]:
    return _python("celery", "--app", "config.celery:app", *arguments, "--loglevel", "INFO")


def _python(module: str, *arguments: str) -> list[str]:
    # Never a script of .venv/bin: its first line names the place where it was installed.
    return [sys.executable, "-m", module, *arguments]
