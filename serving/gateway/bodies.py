"""Reading a request's body: bounded while it streams in, unpacked when it is gzip."""

import zlib

from serving.gateway import answers
from serving.gateway.answers import Receive

_GZIP_WINDOW = 31
_DISCARDED_BYTES = 64 * 1024**2


class Disconnected(Exception):
    """The client went away before its request was whole."""


async def read_body(receive: Receive, headers: dict[bytes, bytes], *, limit: int) -> bytes:
    """The whole body, unpacked.

    Raises:
        Refusal: longer than `limit` bytes, packed or unpacked; or it cannot be unpacked.
        Disconnected: the client went away.
    """
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise answers.too_large(limit, keep=await _discard(receive))
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > limit:
            raise answers.too_large(limit, keep=not more or await _discard(receive))
        parts.append(part)
    body = parts[0] if len(parts) == 1 else b"".join(parts)
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding == b"gzip":
        return _unpacked(body, limit)
    name = encoding.decode("ascii", "replace")
    raise answers.unreadable(f"The Content-Encoding '{name}' is not supported: send gzip, or none.")


async def _discard(receive: Receive) -> bool:
    """Read on for a while: a client that is still sending would see a broken connection instead of the answer.

    Whether it was all: else the connection cannot be used again.
    """
    left = _DISCARDED_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return True
    return False


def _unpacked(body: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise answers.unreadable(f"The body is not gzip, though its Content-Encoding says so: {error}.") from error
    if len(unpacked) > limit or unpacker.unconsumed_tail:
        raise answers.too_large(limit)
    if not unpacker.eof:
        raise answers.unreadable("The gzip body ends before its end.")
    return unpacked
