"""How long a request waits: until its time is over, or until its client has gone."""

import asyncio
from typing import TypeVar

from serving.gateway.answers import Receive

T = TypeVar("T")
_WATCH_AFTER_SECONDS = 0.05


class TimeOver(Exception):
    """The request's time is over."""


class Gone(Exception):
    """The client closed its connection."""


class Patience:
    """Waits for futures on behalf of one request; a future that is given up is canceled.

    An answer that comes quickly costs one timer. Only then does it begin to watch the client.

    Args:
        seconds: the request's time, counted from now.
        receive: of the request, its body having been read; None for a request that no client waits for.
    """

    def __init__(self, seconds: float, receive: Receive | None) -> None:
        self._loop = asyncio.get_running_loop()
        self.deadline = self._loop.time() + seconds
        self._receive = receive
        self._future: asyncio.Future[object] | None = None
        self._reason: Exception | None = None
        self._watching: asyncio.Task[None] | None = None
        first = min(self.deadline, self._loop.time() + _WATCH_AFTER_SECONDS)
        self._timer = self._loop.call_at(first, self._tick)

    async def wait(self, future: "asyncio.Future[T]") -> T:
        """The future's result.

        Raises:
            TimeOver, Gone, and whatever the future raises.
        """
        if self._reason is not None:
            future.cancel()
            raise self._reason
        self._future = future  # type: ignore[assignment]
        try:
            return await future
        except asyncio.CancelledError:
            if self._reason is not None:
                raise self._reason from None
            raise
        finally:
            self._future = None

    def end(self) -> None:
        """The request is answered."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _tick(self) -> None:
        if self._loop.time() >= self.deadline:
            self._give_up(TimeOver())
            return
        self._timer = self._loop.call_at(self.deadline, self._tick)
        if self._receive is not None:
            self._watching = self._loop.create_task(self._watch(self._receive))

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._give_up(Gone())

    def _give_up(self, reason: Exception) -> None:
        self._reason = self._reason or reason
        if self._future is not None:
            self._future.cancel()
