"""Request bodies as streams: what the dialects that move files share. Nothing is held in memory."""

import io
from typing import cast

from django.http import HttpRequest

from registry.errors import InvalidParameter
from registry.storage.incoming import ByteSource


def body_of(request: HttpRequest) -> tuple[ByteSource, int | None]:
    """The request's body as a stream, and its announced length; None when it comes in chunks."""
    length = request.META.get("CONTENT_LENGTH")
    if length not in {None, ""}:
        return cast("ByteSource", request), int(length)
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        return _Chunked(request), None
    return io.BytesIO(), 0


class _Chunked:
    """A body of unknown length. Its end is told from a broken connection by what the server noted about it."""

    def __init__(self, request: HttpRequest) -> None:
        self._input = request.META["wsgi.input"]
        self._scope = request.META.get("asgi.scope", {})

    def read(self, size: int, /) -> bytes:
        piece: bytes = self._input.read(size)
        if len(piece) < size and self._scope.get("modelkeep.disconnected"):
            raise InvalidParameter("The request body broke off, nothing was kept: send it again.")
        return piece
