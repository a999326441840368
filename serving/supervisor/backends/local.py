"""Replicas on this machine, held by its model host."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serving.host.wire import (
    LINE_LIMIT,
    SOCKET_NAME,
    Held,
    Launch,
    SpareKind,
    held_from_wire,
    kind_to_wire,
    launch_to_wire,
)
from serving.supervisor.backends import BackendAway, LaunchRefused

ANSWER_SECONDS = 30.0


class LocalBackend:
    """The model host that listens in a folder. Connects when it is asked something, and again when it has to."""

    def __init__(self, sockets: Path) -> None:
        self._path = sockets / SOCKET_NAME
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def start(self, launch: Launch) -> int:
        """See ReplicaBackend."""
        answer = await self._ask({"op": "start", "launch": launch_to_wire(launch)})
        if "error" in answer:
            raise LaunchRefused(answer["error"])
        return int(answer["pid"])

    async def terminate(self, identity: str) -> None:
        """See ReplicaBackend."""
        await self._ask({"op": "terminate", "id": identity})

    async def kill(self, identity: str, reason: str) -> None:
        """See ReplicaBackend."""
        await self._ask({"op": "kill", "id": identity, "reason": reason})

    async def forget(self, identity: str) -> None:
        """See ReplicaBackend."""
        await self._ask({"op": "forget", "id": identity})

    async def hold_spares(self, kinds: Sequence[SpareKind]) -> None:
        """See ReplicaBackend."""
        await self._ask({"op": "spares", "kinds": [kind_to_wire(kind) for kind in kinds]})

    async def held(self) -> list[Held]:
        """See ReplicaBackend."""
        return [held_from_wire(wire) for wire in (await self._ask({"op": "list"}))["held"]]

    async def close(self) -> None:
        """Hang up; what runs goes on."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        async with self._lock:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    if self._streams is None:
                        self._streams = await asyncio.open_unix_connection(self._path, limit=LINE_LIMIT)
                    reader, writer = self._streams
                    writer.write(json.dumps(question).encode() + b"\n")
                    await writer.drain()
                    answer: dict[str, Any] = json.loads(await reader.readline())
            except (OSError, ValueError, TimeoutError) as error:
                await self.close()
                raise BackendAway(f"The model host does not answer at {self._path}: {error}") from error
            except asyncio.CancelledError:
                # Its answer would be taken for that to the next question.
                await self.close()
                raise
            return answer
