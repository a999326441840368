"""The wire between gateway and replica: length-prefixed frames, many requests at a time on one connection.

A frame is a fixed header, a head (JSON, empty for `{}`) and a body (bytes as the client sent or will get them):

    length  4 bytes  of everything that follows it
    kind    1        one of the constants below
    call    4        chosen by the caller; the answer bears the same
    status  2        of HTTP; 0 in what a caller sends
    model   4        microseconds that the model worked
    queue   4        microseconds that the request waited in the replica
    head    2        bytes of the head
"""

from __future__ import annotations

import struct
from typing import NamedTuple

PREDICT = 1
"""Answer a request. Head: `id` for the log, `type` of the body when it is not JSON."""
HEALTH = 2
"""Answered at once, however busy the model is, with JSON."""
PROVE = 3
"""Predict the model's own input example. 200, or 400 with the error as text."""
DRAIN = 4
"""Take nothing new; answered when everything taken is answered. The process ends after it."""
CANCEL = 5
"""Nobody waits for this call any more. What has not started will not; either way the call is answered."""

ANSWER = 16
"""A whole answer. Head: `type` when the body is not JSON."""
START = 17
"""The first frame of a stream: status and head."""
CHUNK = 18
"""More of a stream."""
END = 19
"""The end of a stream."""
REFUSED = 20
"""Not taken, nothing was computed. Head: `reason`."""
CLOSING = 21
"""Call 0: all that was taken is answered, so whatever the caller still has outstanding here was never taken. The
process ends when the caller closes the connection."""

MAX_FRAME_BYTES = 256 * 1024**2
"""Longer frames are taken for a broken peer."""

_HEADER = struct.Struct("!IBIHIIH")
_LENGTH_BYTES = 4
HEADER_BYTES = _HEADER.size
_MAX_MICROSECONDS = 2**32 - 1


class FrameError(Exception):
    """What arrived is no frame: the connection is of no more use."""


class Frame(NamedTuple):
    """One frame as it arrived."""

    kind: int
    call: int
    status: int
    model_us: int
    queue_us: int
    head: bytes
    body: bytes


def encode_header(
    kind: int, call: int, head: bytes, body_bytes: int, *, status: int = 0, model_us: int = 0, queue_us: int = 0
) -> bytes:
    """Header and head of a frame; a body of `body_bytes` must follow."""
    length = HEADER_BYTES - _LENGTH_BYTES + len(head) + body_bytes
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"A frame of {length} bytes is longer than {MAX_FRAME_BYTES}.")
    model_us, queue_us = min(model_us, _MAX_MICROSECONDS), min(queue_us, _MAX_MICROSECONDS)
    return _HEADER.pack(length, kind, call, status, model_us, queue_us, len(head)) + head


def encode(
    kind: int,
    call: int,
    head: bytes = b"",
    body: bytes = b"",
    *,
    status: int = 0,
    model_us: int = 0,
    queue_us: int = 0,
) -> bytes:
    """One whole frame."""
    header = encode_header(kind, call, head, len(body), status=status, model_us=model_us, queue_us=queue_us)
    return header + body


class FrameDecoder:
    """Turns what arrives, in whatever pieces, into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete with this piece.

        Raises:
            FrameError: the peer sent something else.
        """
        buffer = self._buffer
        buffer += data
        frames = []
        start = 0
        while len(buffer) - start >= HEADER_BYTES:
            length, kind, call, status, model_us, queue_us, head_bytes = _HEADER.unpack_from(buffer, start)
            if length > MAX_FRAME_BYTES or length < HEADER_BYTES - _LENGTH_BYTES + head_bytes:
                raise FrameError(f"A frame of {length} bytes with a head of {head_bytes}.")
            end = start + _LENGTH_BYTES + length
            if len(buffer) < end:
                break
            body_start = start + HEADER_BYTES + head_bytes
            head = bytes(buffer[start + HEADER_BYTES : body_start])
            with memoryview(buffer) as view:
                body = bytes(view[body_start:end])
            frames.append(Frame(kind, call, status, model_us, queue_us, head, body))
            start = end
        if start:
            del buffer[:start]
        return frames
