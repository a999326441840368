"""The body of a signed request as a stream that is checked against all that the request says of it."""

import base64
import hashlib
import re

from django.http import HttpRequest

from registry.api.bodies import body_of
from registry.api.s3.checksums import Checksums, announced
from registry.api.s3.chunks import ChunkedBody
from registry.api.s3.errors import S3Error
from registry.api.s3.signature import UNSIGNED, SigningKey
from registry.storage.incoming import ByteSource

_STREAMING = {
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": (False, True),
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": (True, False),
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": (True, True),
}
"""Whether chunks are signed, and whether headers follow them."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_XML_BYTES = 2 * 1024 * 1024


class Payload:
    """The decoded bytes of a body, `size` of them. The read that hands out the last ones has checked them all.

    Whoever keeps the bytes does so after that read, so nothing is kept of a body that is not what was signed.
    """

    def __init__(self, source: ByteSource, *, size: int, sha256: str, checksums: Checksums) -> None:
        self.size = size
        self._source = source
        self._sha256 = sha256
        self._digest = hashlib.sha256()
        self._checksums = checksums
        self._passed = 0
        if not size:
            self._finish()

    @property
    def checksums(self) -> dict[str, str]:
        """The checksums that held, as headers of the answer; once all is read."""
        return {name: value for name, value in self._checksums.expected.items() if value and name != "content-md5"}

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end.

        Raises:
            S3Error: the body is not what the request says of it, or ended early.
        """
        if self._passed >= self.size:
            return b""
        piece = self._source.read(min(size, self.size - self._passed))
        if not piece:
            raise S3Error(
                "IncompleteBody",
                f"The body ended after {self._passed} bytes; {self.size} were announced. Nothing was kept.",
            )
        self._passed += len(piece)
        self._digest.update(piece)
        self._checksums.update(piece)
        if self._passed >= self.size:
            self._finish()
        return piece

    def _finish(self) -> None:
        if self._source.read(1):
            raise S3Error("InvalidRequest", f"The body is longer than the {self.size} bytes that were announced.")
        if self._sha256 and self._digest.hexdigest() != self._sha256:
            raise S3Error(
                "XAmzContentSHA256Mismatch", "The body does not have the SHA-256 that was signed. Nothing was kept."
            )
        self._checksums.check(self._source.trailer if isinstance(self._source, ChunkedBody) else {})

    def whole(self) -> bytes:
        """A small body at once.

        Raises:
            S3Error: as `read`, or a body that is too large for a document.
        """
        if self.size > MAX_XML_BYTES:
            raise S3Error("EntityTooLarge", f"A document of more than {MAX_XML_BYTES} bytes is not taken.")
        return b"".join(iter(lambda: self.read(self.size), b""))


def payload_of(request: HttpRequest, key: SigningKey) -> Payload:
    """The body of a request whose signature holds.

    Raises:
        S3Error: no length, or a kind of signature or checksum that is not known here.
    """
    source, length = body_of(request)
    kind = key.signature.payload
    checksums = Checksums(announced(request.headers, request.headers.get("X-Amz-Trailer", "")))
    if kind in _STREAMING:
        signed, trailing = _STREAMING[kind]
        length = _decoded_length(request)
        source = ChunkedBody(source, key=key if signed else None, trailing=trailing)
    elif kind != UNSIGNED and not _SHA256.fullmatch(kind):
        raise S3Error("NotImplemented", f"'x-amz-content-sha256' is {kind!r}: a body signed like that is not taken.")
    if length is None:
        raise S3Error("MissingContentLength", "Send the length of the body in Content-Length.")
    return Payload(source, size=length, sha256=kind if _SHA256.fullmatch(kind) else "", checksums=checksums)


def _decoded_length(request: HttpRequest) -> int:
    text = request.headers.get("X-Amz-Decoded-Content-Length", "")
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise S3Error("MissingContentLength", "Send the length of the decoded body in x-amz-decoded-content-length.")
    return int(text)


def checksum_header(sha256: str) -> str:
    """A SHA-256 as the header x-amz-checksum-sha256 has it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()
