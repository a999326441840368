"""Rows of inference tables: written to the spool before the answer leaves."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from serving.routing.routes import EndpointRoute, EntityRoute
from serving.routing.spool import MAX_CAPTURED_BYTES, SpoolWriter, captured_row

_CLIENT_ID = b'"client_request_id"'


@dataclass
class Exchange:
    """One request and what became of it."""

    request_id: str
    endpoint: EndpointRoute
    entity_name: str
    """The served entity that was asked for; empty: by the traffic split."""
    requester: str
    requested: float = field(default_factory=time.time)
    """Seconds since 1970."""
    began: float = field(default_factory=time.perf_counter)
    request: bytes = b""
    content_type: str = "application/json"
    entity: EntityRoute | None = None
    status: int = 0
    response: bytes = b""
    model_ms: float = 0.0
    queue_ms: float = 0.0
    is_over: bool = field(default=False, init=False)


class Capture:
    """The spools of this process, one for each inference table that a route names. Each holds `max_bytes`."""

    def __init__(self, root: Path, *, max_bytes: int, chance: Callable[[], float] = random.random) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._chance = chance
        self._writers: dict[str, SpoolWriter] = {}

    @property
    def dropped_rows(self) -> dict[str, int]:
        """Rows that could not be kept, by inference table."""
        return {key: writer.dropped for key, writer in self._writers.items() if writer.dropped}

    def write(self, exchange: Exchange) -> None:
        """Write it down for every table that the endpoint has, in the share that each one samples."""
        captures = [
            capture
            for capture in exchange.endpoint.captures
            if capture.sampling >= 1 or self._chance() < capture.sampling
        ]
        if not captures:
            return
        client_request_id = client_request_id_of(exchange.request)
        for capture in captures:
            row = captured_row(
                request_id=exchange.request_id,
                client_request_id=client_request_id,
                request_time=exchange.requested,
                status_code=exchange.status,
                sampling=capture.sampling,
                execution_ms=exchange.model_ms,
                request=exchange.request,
                response=exchange.response,
                content_type=exchange.content_type,
                endpoint=exchange.endpoint.name,
                entity=exchange.entity,
                requester=exchange.requester,
            )
            self._writer(capture.id).append(row)

    def keep_only(self, tables: set[str]) -> None:
        """Close the spools of tables that no route names any more."""
        for key in [key for key in self._writers if key not in tables]:
            self._writers.pop(key).close()

    def close(self) -> None:
        """Close all spools."""
        self.keep_only(set())

    def _writer(self, table: str) -> SpoolWriter:
        writer = self._writers.get(table)
        if writer is None:
            writer = self._writers[table] = SpoolWriter(self._root / table, max_bytes=self._max_bytes)
        return writer


def client_request_id_of(body: bytes) -> str | None:
    """The `client_request_id` of a JSON body, if it has one and is of a size that is kept at all."""
    if _CLIENT_ID not in body or len(body) > MAX_CAPTURED_BYTES:
        return None
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    found = parsed.get("client_request_id") if isinstance(parsed, dict) else None
    return found if isinstance(found, str) else None
