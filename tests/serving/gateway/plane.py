"""A gateway over real replicas: published routes in a folder, callers that are let in, a client that speaks ASGI."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from serving.gateway.answers import refusal
from serving.gateway.application import GatewayApplication
from serving.gateway.connection import ReplicaConnection, ReplicaLost
from serving.gateway.gateway import Gateway, GatewaySettings
from serving.gateway.verdicts import Caller, Verdict
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
from tests.serving.replicas import Running

PATH = "/serving-endpoints/e/invocations"
HEADERS = {"authorization": "Bearer t", "content-type": "application/json"}


def entity(name: str, *replicas: Running, weight: int = 100, **changes) -> EntityRoute:
    route = EntityRoute(
        id=f"id-{name}",
        name=name,
        model="prod.ml.m",
        version="1",
        role=LIVE,
        weight=weight,
        concurrency=4 * len(replicas),
        max_concurrency=4,
        micro_batching=False,
        replicas=tuple(ReplicaRoute(str(running.pid), running.address) for running in replicas),
    )
    return replace(route, **changes)


def endpoint(*entities: EntityRoute, name: str = "e", **changes) -> EndpointRoute:
    route = EndpointRoute(
        id=f"id-{name}",
        name=name,
        state=READY,
        message="",
        config_version=1,
        timeout_seconds=30.0,
        rate_limits=(),
        captures=(CaptureRoute(f"table-{name}", "AI_GATEWAY"),),
        entities=entities,
    )
    return replace(route, **changes)


class Plane:
    """One gateway process, as a client sees it."""

    def __init__(self, root: Path, *, chance=None, clock=time.monotonic, **settings) -> None:
        self.root = root
        self.verdict = Verdict(requester_id="7", requester="ann@example.com", kind="USER", groups=("data",))
        self.asked: list[tuple[Caller, str]] = []
        self.failing = False
        draws = {} if chance is None else {"chance": chance}
        self.gateway = Gateway(GatewaySettings(root, workspace_id="1", **settings), self._ask, clock=clock, **draws)
        self.app = GatewayApplication(self.gateway)
        transport = httpx.ASGITransport(app=self.app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=HEADERS)
        self._version = 0

    async def _ask(self, caller: Caller, name: str) -> Verdict:
        self.asked.append((caller, name))
        if self.failing:
            raise OSError("the database is away")
        return self.verdict

    def deny(self) -> None:
        self.verdict = Verdict(refusal=refusal(403, "PERMISSION_DENIED", "You need CAN_QUERY."))

    async def publish(self, *endpoints: EndpointRoute) -> None:
        """Publish routes, and wait until this gateway goes by them."""
        self._version += 1
        write_routes(self.root / "routes.json", Routes(self._version, {route.name: route for route in endpoints}))
        self.gateway.start()
        while self.gateway._routes.version != self._version:
            await asyncio.sleep(0.005)

    async def post(self, content: bytes, path: str = PATH, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(path, content=content, headers=sent)

    async def status_of(self, content: bytes, count: int) -> list[int]:
        answers = await asyncio.gather(*(self.post(content) for _ in range(count)))
        return [answer.status_code for answer in answers]


@asynccontextmanager
async def opened_plane(root: Path, **options) -> AsyncIterator[Plane]:
    plane = Plane(root, **options)
    try:
        yield plane
    finally:
        await plane.client.aclose()
        await plane.gateway.stop()


async def loaded(*running: Running) -> None:
    """Wait until the replicas have loaded their model."""
    for one in running:
        while True:
            connection = ReplicaConnection()
            try:
                await connection.connect(one.address)
                health = await connection.health()
            except ReplicaLost:
                health = {"loaded": False}
            connection.close()
            if health["loaded"]:
                break
            await asyncio.sleep(0.02)
