"""Where replicas run. `ReplicaBackend` is all that the supervisor knows of it."""

from collections.abc import Sequence
from typing import Protocol

from serving.host.wire import Held, Launch, SpareKind


class BackendAway(Exception):
    """Nothing can be asked now; what runs goes on."""


class LaunchRefused(Exception):
    """This process can not be started; the message is for people."""


class ReplicaBackend(Protocol):
    """Holds processes that outlive the supervisor."""

    async def start(self, launch: Launch) -> int:
        """Start a process, unless it runs already; answer its pid.

        Raises:
            LaunchRefused, BackendAway.
        """

    async def terminate(self, identity: str) -> None:
        """Ask a process to end. Raises BackendAway."""

    async def kill(self, identity: str, reason: str) -> None:
        """End a process, and all below it, at once. Raises BackendAway."""

    async def forget(self, identity: str) -> None:
        """Drop what is known of a process that is over, with its log. Raises BackendAway."""

    async def hold_spares(self, kinds: Sequence[SpareKind]) -> None:
        """Hold one process of each of these kinds ready to become a replica, and no other. Raises BackendAway."""

    async def held(self) -> list[Held]:
        """Every process, those that have ended included until they are forgotten. Raises BackendAway."""
