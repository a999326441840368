"""Reading a stretch of a file as an iterator that a response can stream and close."""

import io
import os
from collections.abc import Iterator
from typing import Self

PIECE_BYTES = 256 * 1024
"""The server queues a few pieces a download, so their size bounds the memory that many downloads take."""


class FileRange(Iterator[bytes]):
    """`length` bytes from `start`. Owns the descriptor: closed at the end, by `close()`, or when collected."""

    def __init__(self, descriptor: int, *, start: int, length: int) -> None:
        self._descriptor: int | None = descriptor
        self._position = start
        self._left = length

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        """The next piece.

        Raises:
            OSError: the file is shorter than promised; the answer breaks off rather than end as if whole.
        """
        if self._descriptor is None or self._left <= 0:
            self.close()
            raise StopIteration
        piece = os.pread(self._descriptor, min(PIECE_BYTES, self._left), self._position)
        if not piece:
            self.close()
            raise OSError("file ended early")
        self._position += len(piece)
        self._left -= len(piece)
        return piece

    def narrow(self, start: int, length: int) -> Self:
        """The same open file, another stretch."""
        self._position, self._left = start, length
        return self

    def close(self) -> None:
        """Give the descriptor back. Safe to call twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.close()


class PieceStream(io.RawIOBase):
    """Pieces as a file that can only be read forward."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def readable(self) -> bool:
        """It is for nothing else."""
        return True

    def read(self, size: int = -1) -> bytes:
        """As many bytes as asked for, fewer only at the end; all that is left for a negative size."""
        while (size < 0 or len(self._left) < size) and (piece := next(self._pieces, b"")):
            self._left += piece
        size = len(self._left) if size < 0 else size
        answer, self._left = self._left[:size], self._left[size:]
        return answer


def join_pieces(pieces: Iterator[bytes]) -> bytes:
    """All pieces as one; for files known to be small."""
    try:
        return b"".join(pieces)
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
