"""The published routes: which replicas answer for which endpoint. The supervisor writes them, gateways read them.

One file, replaced as a whole by rename, so a reader sees all of one version or all of the one before. It survives the
loss of Redis, of the database and of the supervisor: a gateway goes on with what it has read.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

READY = "READY"
NOT_READY = "NOT_READY"
STOPPED = "STOPPED"
LIVE = "LIVE"
SHADOW = "SHADOW"


@dataclass(frozen=True)
class ReplicaRoute:
    """A process that answers. `address` is the path of its Unix socket, or host:port on another machine."""

    id: str
    address: str


@dataclass(frozen=True)
class EntityRoute:
    """One served entity. `weight` is its percentage of the traffic, 0 for a shadow.

    `concurrency` is how many requests its replicas work on at a time, all together; `max_concurrency` what they may
    grow to. Without replicas it is scaled to zero: a gateway asks for a start and holds its callers.
    """

    id: str
    name: str
    model: str
    version: str
    role: str
    weight: int
    concurrency: int
    max_concurrency: int
    micro_batching: bool
    replicas: tuple[ReplicaRoute, ...]


@dataclass(frozen=True)
class RateLimit:
    """`calls` in `seconds` at most. `key`: endpoint, user, user_group, service_principal; `principal` its name."""

    calls: int
    seconds: int
    key: str
    principal: str = ""


@dataclass(frozen=True)
class CaptureRoute:
    """An inference table: rows go to the spool folder named by its id. `form` is AI_GATEWAY or LEGACY."""

    id: str
    form: str
    sampling: float = 1.0


@dataclass(frozen=True)
class EndpointRoute:
    """An endpoint. `state` is READY, NOT_READY or STOPPED; `message` says why it is not READY."""

    id: str
    name: str
    state: str
    message: str
    config_version: int
    timeout_seconds: float
    rate_limits: tuple[RateLimit, ...]
    captures: tuple[CaptureRoute, ...]
    entities: tuple[EntityRoute, ...]


@dataclass(frozen=True)
class Routes:
    """All endpoints by name. `version` grows with every publication."""

    version: int
    endpoints: dict[str, EndpointRoute]


NO_ROUTES = Routes(version=0, endpoints={})


def write_routes(path: Path, routes: Routes) -> None:
    """Publish routes: readers see them within their next look at the file. The folder must exist."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(asdict(routes), file, separators=(",", ":"))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class RoutesFile:
    """The routes as last published; asks the file system once a call, and parses only what changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._routes = NO_ROUTES

    def current(self) -> Routes:
        """The newest routes. A file that is missing or unreadable leaves the ones read before."""
        try:
            found = self._path.stat()
            mark = (found.st_ino, found.st_mtime_ns)
            if mark != self._seen:
                self._routes = _parsed(json.loads(self._path.read_bytes()))
                self._seen = mark
        except (OSError, ValueError, KeyError, TypeError):
            return self._routes
        return self._routes


def _parsed(wire: dict[str, Any]) -> Routes:
    return Routes(wire["version"], {name: _endpoint(value) for name, value in wire["endpoints"].items()})


def _endpoint(wire: dict[str, Any]) -> EndpointRoute:
    nested = {
        "rate_limits": tuple(RateLimit(**limit) for limit in wire["rate_limits"]),
        "captures": tuple(CaptureRoute(**capture) for capture in wire["captures"]),
        "entities": tuple(_entity(entity) for entity in wire["entities"]),
    }
    return EndpointRoute(**{**wire, **nested})


def _entity(wire: dict[str, Any]) -> EntityRoute:
    return EntityRoute(**{**wire, "replicas": tuple(ReplicaRoute(**replica) for replica in wire["replicas"])})
