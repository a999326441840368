"""Bodies in pieces, each with its size and perhaps a signature, and headers behind the last one (aws-chunked).

As in "Signature calculations for the Authorization header: transferring a payload in multiple chunks" of the S3 API
reference, in its four kinds: signed or not, with or without trailing headers. Decoded while it streams: memory does
not grow with the size of a chunk.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping

from registry.api.s3.errors import S3Error
from registry.api.s3.signature import SigningKey
from registry.storage.incoming import ByteSource

_LINE = re.compile(rb"(?P<size>[0-9a-fA-F]{1,16})(?:;chunk-signature=(?P<signature>[0-9a-f]{64}))?")
_MAX_LINE = 256
_MAX_TRAILER = 8 * 1024
_READ = 256 * 1024
_EMPTY = hashlib.sha256(b"").hexdigest()
TRAILER_SIGNATURE = "x-amz-trailer-signature"


class ChunkedBody:
    """The decoded bytes as a source. `trailer` holds what came behind them, once an empty piece was read.

    With a `key`, every chunk and the trailer must be signed, each over the signature before it.
    """

    def __init__(self, source: ByteSource, *, key: SigningKey | None, trailing: bool) -> None:
        self._source = source
        self._key = key
        self._trailing = trailing
        self._previous = key.signature.value if key else ""
        self._claimed = ""
        self._digest = hashlib.sha256()
        self._buffer = b""
        self._left = 0
        self._begun = self._ended = False
        self.trailer: Mapping[str, str] = {}

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end.

        Raises:
            S3Error: the framing or a signature is wrong, or the body broke off.
        """
        if not self._left and not self._ended:
            self._next_chunk()
        if self._ended or size <= 0:
            return b""
        piece = self._some(min(size, self._left))
        self._left -= len(piece)
        self._digest.update(piece)
        return piece

    def _next_chunk(self) -> None:
        if self._begun:
            self._check_chunk()
            if self._exactly(2) != b"\r\n":
                raise _malformed()
        self._begun = True
        match = _LINE.fullmatch(self._line())
        if match is None or (match["signature"] is None) != (self._key is None):
            raise _malformed()
        self._left = int(match["size"], 16)
        self._claimed = (match["signature"] or b"").decode()
        self._digest = hashlib.sha256()
        if not self._left:
            self._check_chunk()
            self.trailer = self._read_trailer()
            self._ended = True

    def _check_chunk(self) -> None:
        if self._key is None:
            return
        signature = self._key.signature
        self._previous = self._checked(
            self._claimed,
            "AWS4-HMAC-SHA256-PAYLOAD",
            signature.amz_date,
            signature.scope,
            self._previous,
            _EMPTY,
            self._digest.hexdigest(),
        )

    def _checked(self, claimed: str, *lines: str) -> str:
        if self._key is None or not hmac.compare_digest(self._key.sign("\n".join(lines)), claimed):
            raise S3Error(
                "SignatureDoesNotMatch", "A piece of the body is not signed as it should be. Nothing was kept."
            )
        return claimed

    def _read_trailer(self) -> dict[str, str]:
        """All that follows the last chunk: one header a line."""
        rest = self._buffer
        while len(rest) <= _MAX_TRAILER and (piece := self._source.read(_MAX_TRAILER)):
            rest += piece
        if len(rest) > _MAX_TRAILER:
            raise _malformed()
        self._buffer = b""
        try:
            pairs = [line.partition(":") for line in rest.decode("ascii").split("\n") if line.strip()]
        except UnicodeDecodeError as error:
            raise _malformed() from error
        found = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if not self._trailing:
            if found:
                raise _malformed()
            return found
        claimed = found.pop(TRAILER_SIGNATURE, "")
        if self._key is not None:
            written = "".join(f"{name}:{value}\n" for name, value in found.items())
            signature = self._key.signature
            self._checked(
                claimed,
                "AWS4-HMAC-SHA256-TRAILER",
                signature.amz_date,
                signature.scope,
                self._previous,
                hashlib.sha256(written.encode()).hexdigest(),
            )
        return found

    def _line(self) -> bytes:
        """Up to the next line end, without it."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _MAX_LINE:
                raise _malformed()
            self._fill()
        if end > _MAX_LINE:
            raise _malformed()
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        piece, self._buffer = self._buffer[:size], self._buffer[size:]
        return piece

    def _some(self, most: int) -> bytes:
        if not self._buffer:
            self._fill()
        piece, self._buffer = self._buffer[:most], self._buffer[most:]
        return piece

    def _fill(self) -> None:
        piece = self._source.read(_READ)
        if not piece:
            raise S3Error(
                "IncompleteBody", "The body ended in the middle of a chunk. Nothing was kept: send it again."
            )
        self._buffer += piece


def _malformed() -> S3Error:
    return S3Error("InvalidRequest", "The chunks of the body cannot be read: see the encoding 'aws-chunked'.")
