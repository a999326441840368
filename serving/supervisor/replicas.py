"""One replica as the supervisor sees it: becoming ready, staying well, draining."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from serving.gateway.connection import ReplicaConnection, ReplicaLost, ReplicaRefused
from serving.models import ReplicaState

LOOK_SECONDS = 0.05
HEALTH_SECONDS = 5.0
MESSAGE_CHARACTERS = 4000
UNSEEN_SECONDS = 0.1
"""How long gateways may take to read new routes."""

logger = logging.getLogger(__name__)


def socket_folder(sockets: Path, identity: UUID) -> Path:
    """Where a replica's socket lies; short, for a socket's path has little room."""
    return sockets / identity.hex[:12]


@dataclass
class RunningReplica:
    """A process of a pool. `fault` says why it must not go on; `is_final`, that another one would not fare better."""

    id: UUID
    pool: str
    entity_id: UUID
    address: str
    created_at: datetime
    state: ReplicaState = ReplicaState.STARTING
    pid: int | None = None
    devices: tuple[int, ...] = ()
    ready_at: datetime | None = None
    began: float = 0.0
    ready_since: float = 0.0
    fault: str = ""
    is_final: bool = False
    kill_at: float | None = None
    is_held: bool = False
    is_draining: bool = False
    task: asyncio.Task[None] | None = None
    connection: ReplicaConnection | None = field(default=None, repr=False)

    async def become_ready(self, *, seconds: float) -> bool:
        """Wait until the model is loaded and has predicted its input example; else False, and a `fault`."""
        try:
            async with asyncio.timeout(seconds):
                fault = await self._proven()
        except TimeoutError:
            fault = f"The model was not loaded within {seconds:g} seconds."
        self.fault = self.fault or fault
        self.is_final = self.is_final or bool(fault)
        return not self.fault

    async def _proven(self) -> str:
        while True:
            try:
                connection = await self._connected()
                if (await connection.health()).get("loaded"):
                    answer = await connection.prove()
                    return f"The model cannot predict its input example: {_message_of(answer)}" if answer else ""
            except (ReplicaLost, ReplicaRefused):
                # Not there yet; or ended, which its host tells.
                pass
            await asyncio.sleep(LOOK_SECONDS)

    async def _connected(self) -> ReplicaConnection:
        if self.connection is None or not self.connection.is_open:
            self.connection = ReplicaConnection()
            await self.connection.connect(self.address)
        return self.connection

    async def look(self) -> None:
        """Ask how it is; a `fault` says that it has to be replaced."""
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                health = await (await self._connected()).health()
        except (ReplicaLost, ReplicaRefused, TimeoutError):
            # Busy beyond answering, or gone: the one is no fault, and its host tells of the other.
            return
        if health.get("stuck"):
            self.fault = "A prediction did not end in time."

    async def drain(self) -> None:
        """Have it finish what it has and end; called once gateways know that it takes nothing new."""
        await asyncio.sleep(UNSEEN_SECONDS)
        with contextlib.suppress(ReplicaLost, ReplicaRefused):
            await (await self._connected()).drain()

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin another task in place of the one it has."""
        if self.task is not None:
            self.task.cancel()
        self.task = asyncio.create_task(work)
        self.task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("The care for replica %s has failed.", self.id, exc_info=error)
            self.fault = self.fault or "The supervisor could not look after it."

    def release(self) -> None:
        """Hang up, and end its task."""
        if self.task is not None:
            self.task.cancel()
        if self.connection is not None:
            self.connection.close()


def _message_of(answer: str) -> str:
    """What a replica says of itself, as text that can be kept: a stranger's code has a say in it."""
    try:
        found = json.loads(answer)
    except ValueError:
        found = None
    text = str(found.get("message") or answer) if isinstance(found, dict) else answer
    return text.replace("\x00", "")[:MESSAGE_CHARACTERS]
