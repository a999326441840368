"""Predictions of one model by the whole product, beside `mlflow models serve` and MLServer, in one run.

Ours is all of it: web server, token, grants, concurrency, and every request in the inference table's spool. Peers
check nobody and keep nothing.

    python -m benchmarks.serving [--quick] [--mlserver <its program>]
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.http_load import Answers, Poster, Posts
from benchmarks.servers import ROOT, free_port, migrate, product_environment, start_ours, start_postgres
from config.stack import processes
from serving.gateway.connection import ReplicaConnection
from serving.routing.routes import (
    LIVE,
    READY,
    CaptureRoute,
    EndpointRoute,
    EntityRoute,
    ReplicaRoute,
    Routes,
    write_routes,
)

RUNTIME = ROOT / "serving" / "runtime"
_MODEL = """
import sys
import mlflow
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

features, target = load_iris(as_frame=True, return_X_y=True)
forest = RandomForestClassifier(100, max_depth=7, random_state=0).fit(features, target)
mlflow.sklearn.save_model(
    forest, sys.argv[1], serialization_format="cloudpickle", pip_requirements=["scikit-learn"],
    signature=infer_signature(features, forest.predict(features)), input_example=features.head(3),
)
"""
_PEOPLE = """
import django; django.setup()
from django.utils import timezone
from registry.models.principals import Principal
from registry.services.actors import load_actor
from registry.services.tokens import create_token
from serving.models import EndpointLevel, EndpointPermission, ServingEndpoint
from registry.models import PrincipalKind
user = Principal.objects.create(name="ann@example.com", key="ann@example.com", kind=PrincipalKind.USER)
now = timezone.now()
for name in ("single", "batched", "two"):
    made = ServingEndpoint.objects.create(name=name, creator=user, created_at=now, updated_at=now)
    EndpointPermission.objects.create(endpoint=made, principal=user, level=EndpointLevel.CAN_QUERY)
print(create_token(actor=load_actor(user)).value)
"""
_NAMES = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]


@dataclass
class Target:
    """Something that answers predictions."""

    name: str
    posts: Callable[[int], Posts]
    memory: Callable[[], int]
    socket: str = ""
    """Of the first replica, where it is ours."""


def bodies(rows: int, count: int = 64) -> list[bytes]:
    """Different requests, so that nobody answers out of a cache."""
    chance = random.Random(rows)
    drawn = [[[round(chance.uniform(0.1, 8), 2) for _ in _NAMES] for _ in range(rows)] for _ in range(count)]
    return [json.dumps({"dataframe_split": {"columns": _NAMES, "data": data}}).encode() for data in drawn]


@contextmanager
def running(*commands: list[str], **environment: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that end with the block."""
    # `mlflow models serve` starts uvicorn by its name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **environment}
    log = subprocess.DEVNULL
    started = [
        subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True, cwd=ROOT)
        for command in commands
    ]
    try:
        yield started
    finally:
        for process in started:
            os.killpg(process.pid, 15)
        for process in started:
            process.wait(30)


def ready(poster: Poster, posts: Posts) -> None:
    """Wait until it answers a prediction."""
    until = time.monotonic() + 180
    while time.monotonic() < until:
        if poster.window(posts, clients=1, seconds=0.01).statuses[200]:
            return
        time.sleep(0.2)
    sys.exit(f"port {posts.port} never answered")


def ours(folder: Path, model: Path) -> Iterator[tuple[str, dict[str, Target]]]:
    """The product: its web server with PostgreSQL, and replicas as the supervisor starts them."""
    sockets, _ = start_postgres(folder)
    database = f"postgresql://postgres@/postgres?host={sockets}"
    migrate(folder, database)
    env = product_environment(folder, database)
    asked = subprocess.run(
        [sys.executable, "-c", _PEOPLE], cwd=ROOT, env={**os.environ, **env}, check=True, capture_output=True
    )
    token = asked.stdout.decode().split()[-1]
    server = start_ours("web", folder, database, workers=1)
    names = {"single": [""], "batched": ["--batch"], "two": ["", ""]}
    addresses = {name: [str(folder / f"{name}{n}.s") for n in range(len(options))] for name, options in names.items()}
    commands = {
        name: [
            [sys.executable, "-I", str(RUNTIME), "--model", str(model), "--socket", address, "--concurrency", "4"]
            + ([option] if option else [])
            for option, address in zip(options, addresses[name], strict=True)
        ]
        for name, options in names.items()
    }
    endpoints = {
        name: EndpointRoute(
            *(name, name, READY, "", 1, 120.0, (), (CaptureRoute(name, "AI_GATEWAY"),)),
            (
                EntityRoute(
                    *(name, name, "m.m.m", "1", LIVE, 100, 4 * len(paths), 4 * len(paths), name == "batched"),
                    tuple(ReplicaRoute(path, path) for path in paths),
                ),
            ),
        )
        for name, paths in addresses.items()
    }
    serving = folder / "serving"
    serving.mkdir(exist_ok=True)
    write_routes(serving / "routes.json", Routes(1, endpoints))
    for name in names:
        with running(*commands[name]) as started:
            path = f"/serving-endpoints/{name}/invocations"

            def posts(rows: int, path: str = path) -> Posts:
                return Posts(server.port, path, bodies(rows), token)

            pids = [server.process.pid, *(process.pid for process in started)]
            held = functools.partial(_memory, pids)
            yield name, Target(f"ours, {name}", posts, held, addresses[name][0])


def _memory(pids: list[int]) -> int:
    return sum(map(processes.memory, pids))


def peers(model: Path, mlserver: str, folder: Path) -> Iterator[Target]:
    """The others, one at a time."""
    for workers in (1, 2):
        port = free_port()
        command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
        with running(command) as (process,):
            yield Target(
                f"mlflow, {workers} worker{'s' * (workers > 1)}",
                lambda rows, port=port: Posts(port, "/invocations", bodies(rows)),
                functools.partial(_memory, [process.pid]),
            )
    if mlserver:
        port = free_port()
        settings = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "host": "127.0.0.1"}
        (folder / "settings.json").write_text(json.dumps(settings))
        one = {"name": "iris", "implementation": "mlserver_mlflow.MLflowRuntime", "parameters": {"uri": str(model)}}
        (folder / "model-settings.json").write_text(json.dumps(one))
        with running([mlserver, "start", str(folder)]) as (process,):
            yield Target(
                "MLServer",
                lambda rows: Posts(port, "/invocations", bodies(rows)),
                functools.partial(_memory, [process.pid]),
            )


def measure(poster: Poster, target: Target, cases: list[tuple[int, int]], seconds: float, rounds: int) -> dict:
    """Windows of each case, and what the target's processes hold at the end."""
    ready(poster, target.posts(1))
    poster.window(target.posts(1), clients=4, seconds=1)
    found: dict[tuple[int, int], list[Answers]] = {case: [] for case in cases}
    for _ in range(rounds):
        for rows, clients in cases:
            answers = poster.window(target.posts(rows), clients=clients, seconds=seconds)
            if set(answers.statuses) != {200}:
                print(f"  {target.name}: {dict(answers.statuses)}", flush=True)
            found[rows, clients].append(answers)
    memory = target.memory() / 2**20
    for (rows, clients), windows in found.items():
        rates = [one.rate for one in windows]
        middle = sorted(windows, key=lambda one: one.rate)[len(windows) // 2]
        print(
            f"{target.name:18} {rows:4} rows {clients:3} clients: {statistics.median(rates):8.0f} a second"
            f" [{min(rates):.0f}..{max(rates):.0f}], p50 {middle.at(0.5):7.2f} ms, p99 {middle.at(0.99):7.2f} ms",
            flush=True,
        )
    print(f"{target.name:18} {memory:8.0f} MiB", flush=True)
    return {"windows": found, "memory": memory}


def hop(poster: Poster, target: Target) -> float:
    """Milliseconds that HTTP, token, routing and capture add to an answer of the replica, at the median.

    The request is one that is refused before the model, so that the model's own time does not drown the difference.
    """
    refused = Posts(target.posts(1).port, target.posts(1).path, [b"{}"], target.posts(1).token)
    through = poster.window(refused, clients=1, seconds=2).at(0.5)

    async def direct() -> float:
        connection = ReplicaConnection()
        await connection.connect(target.socket)
        latencies = []
        for _ in range(1000):
            began = time.perf_counter()
            await connection.request({"id": "0"}, b"{}")
            latencies.append(time.perf_counter() - began)
        connection.close()
        return statistics.median(latencies) * 1000

    return through - asyncio.run(direct())


def main() -> None:
    """Print the figures, then the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short windows, one round")
    parser.add_argument("--alone", action="store_true", help="without peers, and so without ratios")
    parser.add_argument("--mlserver", default="", help="its program, beside mlserver-mlflow and uvloop<0.22")
    options = parser.parse_args()
    seconds, rounds = (2.0, 1) if options.quick else (10.0, 3)
    cases = [(1, 1), (1, 64), (100, 1), (100, 64)]
    poster = Poster()
    with tempfile.TemporaryDirectory(prefix="mkb-") as name:
        folder = Path(name)
        model = folder / "model"
        subprocess.run([sys.executable, "-W", "ignore", "-c", _MODEL, str(model)], check=True)
        found = {}
        for _, target in ours(folder, model):
            found[target.name] = measure(poster, target, cases, seconds, rounds)
            if target.name == "ours, single":
                print(f"S6 the way through the gateway, p50 {hop(poster, target):17.2f} ms", flush=True)
        for target in [] if options.alone else peers(model, options.mlserver, folder):
            found[target.name] = measure(poster, target, cases, seconds, rounds)
    if not options.alone:
        _ratios(found)


def _ratios(found: dict[str, dict]) -> None:
    def rate(name: str, case: tuple[int, int]) -> float:
        return statistics.median(one.rate for one in found[name]["windows"][case])

    def p50(name: str, case: tuple[int, int]) -> float:
        return statistics.median(one.at(0.5) for one in found[name]["windows"][case])

    two = "mlflow, 2 workers"
    tail = statistics.median(one.at(0.99) / one.at(0.5) for one in found["ours, batched"]["windows"][100, 64])
    for label, value in (
        ("S1 1 row, 64 clients, micro-batching", rate("ours, batched", (1, 64)) / rate(two, (1, 64))),
        ("S3 100 rows, 64 clients, micro-batching", rate("ours, batched", (100, 64)) / rate(two, (100, 64))),
        ("S3 p99 to p50 there", tail),
        ("S4 p50 of 1 client, 1 row", p50(two, (1, 1)) / p50("ours, single", (1, 1))),
        ("S4 p50 of 1 client, 100 rows", p50(two, (100, 1)) / p50("ours, single", (100, 1))),
        ("S5 1 row, 64 clients, one replica", rate("ours, single", (1, 64)) / rate(two, (1, 64))),
        ("S5 1 row, 64 clients, two replicas", rate("ours, two", (1, 64)) / rate(two, (1, 64))),
        ("S7 memory to one worker's", found["ours, single"]["memory"] / found["mlflow, 1 worker"]["memory"]),
    ):
        print(f"{label:42} {value:6.2f}")


if __name__ == "__main__":
    main()
