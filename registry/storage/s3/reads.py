"""Reading a stretch of an object as an iterator that a response can stream and close."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Self

from registry.storage.ranges import PIECE_BYTES
from registry.storage.s3.client import StoreError

_RESUMES = 3
"""How often in a row a broken connection is made anew before the answer breaks off."""

Get = Callable[[int, int, str | None], Any]
"""Asks for `length` bytes from a start, of the object with that etag: get_object."""


class ObjectRange(Iterator[bytes]):
    """`length` bytes from `start`. The request is made at once; a connection that breaks is resumed."""

    def __init__(self, get: Get, *, start: int, length: int) -> None:
        self._get = get
        self._position = start
        self._left = length
        self._etag: str | None = None
        self._body: Any = None
        if length > 0:
            self._request()

    def _request(self) -> None:
        answer = self._get(self._position, self._left, self._etag)
        self._body, self._etag = answer["Body"], answer["ETag"]

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        """The next piece.

        Raises:
            OSError: the store broke off for good, or the object is shorter than promised or not the same any more;
                the answer breaks off rather than end as if whole.
        """
        if self._left <= 0:
            self.close()
            raise StopIteration
        for _ in range(_RESUMES):
            piece = self._read()
            if piece:
                self._position += len(piece)
                self._left -= len(piece)
                return piece
        self.close()
        raise OSError("file ended early")

    def _read(self) -> bytes:
        """The next piece; nothing when the connection broke."""
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        with suppress(BotoCoreError, HTTPError, OSError):
            if self._body is None:
                self._resume()
            piece: bytes = self._body.read(min(PIECE_BYTES, self._left))
            if piece:
                return piece
        self.close()
        return b""

    def _resume(self) -> None:
        try:
            self._request()
        except StoreError as error:
            raise OSError("cannot go on reading") from error

    def close(self) -> None:
        """Give the connection back. Safe to call twice."""
        if self._body is not None:
            # A body that was read to its end hands its connection to the next request, any other one is cut.
            self._body.close()
            self._body = None

    def __del__(self) -> None:
        self.close()


class ObjectReader:
    """A stretch of an object as a source of bytes."""

    def __init__(self, pieces: ObjectRange) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end. Raises OSError as the range does."""
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pieces.close()
