"""One multiplexed connection to a replica. The gateway asks for predictions over it, the supervisor for health."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from serving.runtime import frames
from serving.runtime.frames import Frame, FrameDecoder, FrameError

JSON_TYPE = "application/json"
_JOINED_BYTES = 128 * 1024
_MAX_BUFFERED_STREAM_BYTES = 16 * 1024**2


class ReplicaLost(Exception):
    """The connection ended, or could not be made, before the answer was there."""


class ReplicaRefused(Exception):
    """The replica did not take the request (it drains, or has ended): nothing was computed, ask another one."""


class Stream:
    """Chunks of an answer as they arrive. Bounded: a reader too slow loses the stream.

    Iterating raises ReplicaLost when it breaks off. Whoever does not read it to its end must `close` it.
    """

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._cancel = cancel
        self._buffered = 0
        self._broken = ""
        self.model_ms = 0.0
        """How long the model worked; known when all chunks have been read."""

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._chunks.get()
        if chunk is None:
            if self._broken:
                raise ReplicaLost(self._broken)
            raise StopAsyncIteration
        self._buffered -= len(chunk)
        return chunk

    def close(self) -> None:
        """Nobody reads on: the replica is told, unless it is done."""
        self._broken = self._broken or "closed"
        self._cancel()

    def add(self, chunk: bytes) -> None:
        """One more has arrived."""
        self._buffered += len(chunk)
        if self._buffered > _MAX_BUFFERED_STREAM_BYTES:
            self.fail("The client reads more slowly than the model answers.")
            self._cancel()
        elif not self._broken:
            self._chunks.put_nowait(chunk)

    def end(self) -> None:
        """All have arrived."""
        self._chunks.put_nowait(None)

    def fail(self, reason: str) -> None:
        """No more will arrive."""
        self._broken = self._broken or reason
        self._chunks.put_nowait(None)


@dataclass
class Answer:
    """What a replica answered. Either `body`, or a `stream`."""

    status: int
    content_type: str
    body: bytes
    model_ms: float
    queue_ms: float
    stream: Stream | None = None
    head: dict[str, Any] = field(default_factory=dict)


class Call:
    """One request under way.

    `answer` becomes an Answer, ReplicaRefused or ReplicaLost. `on_settled` is called once, when the replica is done
    with the call or is gone: later than the answer for a stream, and also when nobody waits for the answer any more.
    """

    __slots__ = ("answer", "is_settled", "on_settled", "stream")

    def __init__(self, answer: "asyncio.Future[Answer]", on_settled: Callable[[], None] | None) -> None:
        self.answer = answer
        self.on_settled = on_settled
        self.stream: Stream | None = None
        self.is_settled = False

    def settle(self) -> None:
        """The replica works on it no longer."""
        if not self.is_settled:
            self.is_settled = True
            if self.on_settled is not None:
                self.on_settled()


class ReplicaConnection(asyncio.Protocol):
    """Calls to one replica over one socket, in any number at a time."""

    def __init__(self, *, on_lost: Callable[[], None] | None = None) -> None:
        self._on_lost = on_lost
        self._decoder = FrameDecoder()
        self._transport: asyncio.Transport | None = None
        self._calls: dict[int, Call] = {}
        self._next_call = 0
        self._unsent: list[bytes] = []
        self._reason = "The replica is not connected."

    @property
    def is_open(self) -> bool:
        """Whether calls can be made now."""
        return self._transport is not None

    @property
    def outstanding(self) -> int:
        """Calls that the replica has not settled, those that nobody waits for included."""
        return len(self._calls)

    async def connect(self, address: str) -> None:
        """Connect to the path of a Unix socket, or to host:port.

        Raises:
            ReplicaLost: nobody answers there.
        """
        loop = asyncio.get_running_loop()
        try:
            if address.startswith("/"):
                await loop.create_unix_connection(lambda: self, address)
            else:
                host, _, port = address.rpartition(":")
                await loop.create_connection(lambda: self, host, int(port))
        except (OSError, ValueError) as error:
            raise ReplicaLost(f"Cannot connect to the replica: {error}") from error

    def start(
        self, kind: int, head: bytes = b"", body: bytes = b"", *, on_settled: Callable[[], None] | None = None
    ) -> Call:
        """Send a call and return at once.

        Raises:
            ReplicaLost: the connection is closed; `on_settled` will not be called.
        """
        if self._transport is None:
            raise ReplicaLost(self._reason)
        self._next_call = (self._next_call + 1) & 0xFFFFFFFF
        number = self._next_call
        call = Call(asyncio.get_running_loop().create_future(), on_settled)
        self._calls[number] = call
        self._send(frames.encode_header(kind, number, head, len(body)), body)
        call.answer.add_done_callback(lambda answer: self._abandon(number) if answer.cancelled() else None)
        return call

    async def request(
        self, head: dict[str, Any], body: bytes, *, on_settled: Callable[[], None] | None = None
    ) -> Answer:
        """Ask for a prediction. Canceled, it tells the replica that nobody waits any more.

        Raises:
            ReplicaLost, ReplicaRefused.
        """
        return await self.start(
            frames.PREDICT, json.dumps(head).encode() if head else b"", body, on_settled=on_settled
        ).answer

    async def health(self) -> dict[str, Any]:
        """What the replica says about itself: `loaded`, `draining`, `stuck`, `busy`, `queued`, `served`, `failed`, …

        Raises:
            ReplicaLost: gone, or it answers something else.
        """
        answer = await self.start(frames.HEALTH).answer
        try:
            health = json.loads(answer.body)
        except ValueError as error:
            raise ReplicaLost("The replica's health is not JSON.") from error
        if not isinstance(health, dict):
            raise ReplicaLost("The replica's health is not an object.")
        return health

    async def prove(self) -> str:
        """Have the model predict its own input example. Empty when it can, or has none; else the error as text.

        Raises:
            ReplicaLost, ReplicaRefused.
        """
        answer = await self.start(frames.PROVE).answer
        return "" if answer.status == 200 else answer.body.decode("utf-8", "replace")

    async def drain(self) -> None:
        """Have it finish what it has, take nothing new, and end. Returns when all is answered, or it is gone."""
        try:
            await self.start(frames.DRAIN).answer
        except (ReplicaLost, ReplicaRefused):
            return

    def close(self) -> None:
        """End the connection; what is under way is lost."""
        if self._transport is not None:
            self._transport.abort()
            self._lose("The connection was closed.")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 — stream protocols get stream transports
        self._transport = transport
        # Never pause: bodies are bounded, and so is how many are under way.
        transport.set_write_buffer_limits(high=frames.MAX_FRAME_BYTES)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        try:
            for frame in self._decoder.feed(data):
                self._take(frame)
        except (FrameError, ValueError) as error:
            reason = f"The replica sent something that is no frame: {error}"
            if self._transport is not None:
                self._transport.abort()
            self._lose(reason)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._lose(f"The connection to the replica ended{f': {exc}' if exc else ''}.")

    def _take(self, frame: Frame) -> None:
        if frame.kind == frames.CLOSING:
            self._part()
            return
        call = self._calls.get(frame.call)
        if call is None:
            return
        if frame.kind == frames.CHUNK:
            if call.stream is not None:
                call.stream.add(frame.body)
            return
        if frame.kind == frames.START:
            call.stream = Stream(lambda: self._abandon(frame.call))
            if not call.answer.done():
                call.answer.set_result(_answer(frame, call.stream))
            return
        if frame.kind not in (frames.ANSWER, frames.END, frames.REFUSED):
            raise FrameError(f"kind {frame.kind}")
        del self._calls[frame.call]
        if frame.kind == frames.END and call.stream is not None:
            call.stream.model_ms = frame.model_us / 1000
            call.stream.end()
        elif not call.answer.done():
            if frame.kind == frames.REFUSED:
                call.answer.set_exception(ReplicaRefused(str(_head(frame).get("reason", ""))))
            else:
                call.answer.set_result(_answer(frame, None))
        call.settle()

    def _send(self, header: bytes, body: bytes = b"") -> None:
        """Send with all else that is sent in this turn of the loop: one write, and the replica wakes once."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(header)
        self._unsent.append(body)

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None:
            small: list[bytes] = []
            for part in unsent:
                if len(part) <= _JOINED_BYTES:
                    small.append(part)
                else:
                    # Large bodies are not copied together.
                    self._transport.write(b"".join(small))
                    self._transport.write(part)
                    small = []
            self._transport.write(b"".join(small))

    def _abandon(self, number: int) -> None:
        if number in self._calls and self._transport is not None:
            self._send(frames.encode(frames.CANCEL, number))

    def _part(self) -> None:
        """The replica has answered all that it took: it never saw the rest, and ends."""
        if self._transport is not None:
            self._transport.abort()
            self._lose("The replica has ended.", ReplicaRefused)

    def _lose(self, reason: str, error: type[ReplicaLost | ReplicaRefused] = ReplicaLost) -> None:
        if self._transport is None:
            return
        self._transport = None
        self._reason = reason
        calls, self._calls = self._calls, {}
        for call in calls.values():
            if call.stream is not None:
                call.stream.fail(reason)
            if not call.answer.done():
                call.answer.set_exception(error(reason))
                # Somebody who went away leaves it unread.
                call.answer.exception()
            call.settle()
        if self._on_lost is not None:
            self._on_lost()


def _head(frame: Frame) -> dict[str, Any]:
    if not frame.head:
        return {}
    head = json.loads(frame.head)
    if not isinstance(head, dict):
        raise FrameError("a head that is no object")
    return head


def _answer(frame: Frame, stream: Stream | None) -> Answer:
    head = _head(frame)
    content_type = head.get("type", JSON_TYPE)
    # It goes into a header of HTTP, and comes from a process that runs a stranger's code.
    if not isinstance(content_type, str) or not content_type.isascii() or not content_type.isprintable():
        raise FrameError("a content type that is no text")
    if not 200 <= frame.status <= 599:
        raise FrameError(f"status {frame.status}")
    return Answer(frame.status, content_type, frame.body, frame.model_us / 1000, frame.queue_us / 1000, stream, head)
