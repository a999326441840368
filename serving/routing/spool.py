"""The spool of inference tables: rows that a gateway has written down and that are not in their table yet.

A folder a table, in it segments: files of framed rows, each written by one process only. A row is with the operating
system before its answer leaves, so the end of the gateway, however sudden, loses none; a power cut loses at most what
was not synced, a fraction of a second. Whoever holds the lock of a segment may write to it, which is how a reader
knows, in whatever container it runs, that the writer is gone.

A frame is: length of what follows the head (4 bytes), checksum (4 bytes), length of the JSON (4 bytes), the JSON, and
then the values that were bytes, raw, in the order of the JSON's `bytes`. Bodies are neither escaped nor copied twice.
"""

import contextlib
import fcntl
import json
import os
import secrets
import struct
import threading
import time
import weakref
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from serving.routing.routes import EntityRoute

MAX_CAPTURED_BYTES = 1024**2
"""A request or an answer beyond this is left out of its row, which says so."""
SPOOL_BYTES = 4 * 1024**3
"""What may wait for one table, where nobody says otherwise."""
REQUEST_TOO_LARGE = "MAX_REQUEST_SIZE_EXCEEDED"
RESPONSE_TOO_LARGE = "MAX_RESPONSE_SIZE_EXCEEDED"

_HEAD = struct.Struct(">III")
_OPEN, _CLOSED, _NEW = ".open", ".rows", ".new"
_TICK_SECONDS = 0.2
_MEASURE_SECONDS = 1.0
_LEFT_SECONDS = 3600.0


def captured_row(
    *,
    request_id: str,
    client_request_id: str | None,
    request_time: float,
    status_code: int,
    sampling: float,
    execution_ms: float,
    request: bytes,
    response: bytes,
    content_type: str,
    endpoint: str,
    entity: EntityRoute | None,
    requester: str,
) -> dict[str, Any]:
    """What the spool keeps of one request, for both forms of tables; bodies of more than 1 MiB are left out.

    `request_time` in seconds since 1970, `execution_ms` the model's time alone, `requester` the id of the principal.
    `entity` is None for a request that reached no model.
    """
    codes = []
    if len(request) > MAX_CAPTURED_BYTES:
        codes.append(REQUEST_TOO_LARGE)
    if len(response) > MAX_CAPTURED_BYTES:
        codes.append(RESPONSE_TOO_LARGE)
    return {
        "request_id": request_id,
        "client_request_id": client_request_id,
        "request_time": request_time,
        "status_code": status_code,
        "sampling": sampling,
        "execution_ms": round(execution_ms),
        "content_type": content_type,
        "endpoint": endpoint,
        "entity_id": entity.id if entity else None,
        "entity": entity.name if entity else None,
        "model": entity.model if entity else None,
        "version": entity.version if entity else None,
        "requester": requester,
        "error_codes": codes,
        "request": None if REQUEST_TOO_LARGE in codes else request,
        "response": None if RESPONSE_TOO_LARGE in codes else response,
    }


class SpoolWriter:
    """Writes rows of one table for this process. Safe to use from several threads; make it after any fork.

    Args:
        folder: `SERVING_ROOT/spool/<inference table id>`; made when needed.
        max_bytes: what all segments of the folder may hold together. It is measured once a second, so several
            processes together may pass it by what they write in a second.
        min_free_bytes: how much of the disk is left to the rest of the product.
        segment_bytes, segment_seconds: a segment is closed, for the tables to take it, when it reaches either.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = SPOOL_BYTES,
        min_free_bytes: int = 256 * 1024**2,
        segment_bytes: int = 16 * 1024**2,
        segment_seconds: float = 2.0,
    ) -> None:
        self.dropped = 0
        """Rows that could not be kept since this writer was made."""
        self.message = ""
        """Why the last row was not kept; empty again when one is."""
        self._folder = folder
        self._max_bytes, self._min_free_bytes = max_bytes, min_free_bytes
        self._segment_bytes, self._segment_seconds = segment_bytes, segment_seconds
        self._lock = threading.Lock()
        self._segment: _Segment | None = None
        self._retired: list[_Segment] = []
        self._folder_bytes, self._room, self._measured = 0, "", float("-inf")
        _TENDER.add(self)

    def append(self, row: dict[str, Any]) -> bool:
        """Write a row down; False if it could not be kept, which is counted in `dropped`. Never raises.

        Takes some ten microseconds and the copying of the bodies: nothing here waits for the disk.
        """
        try:
            frame = _frame(row)
        except (TypeError, ValueError) as error:
            return self._drop(f"A row could not be written down: {error}")
        with self._lock:
            if self._room:
                return self._drop(self._room)
            if self._folder_bytes + len(frame) > self._max_bytes:
                return self._drop(
                    f"The spool is full ({self._max_bytes} bytes wait for their table): rows are dropped until the "
                    "table takes them."
                )
            try:
                if self._segment is None:
                    self._segment = _Segment(self._folder)
                self._segment.write(frame)
            except OSError as error:
                if self._segment is not None and self._segment.is_torn:
                    self._retire()
                return self._drop(f"The spool cannot be written: {error.strerror or error}.")
            self._folder_bytes += len(frame)
            self.message = ""
            if self._segment.size >= self._segment_bytes:
                self._retire()
        return True

    def close(self) -> None:
        """Sync and close what is open, so that it can be taken at once."""
        with self._lock:
            self._retire()
        self.tend()

    def tend(self) -> None:
        """Sync, close what is old enough, and measure the folder: called by the background thread."""
        with self._lock:
            if self._segment and time.monotonic() - self._segment.opened >= self._segment_seconds:
                self._retire()
            retired, self._retired = self._retired, []
            current = self._segment
        for segment in retired:
            segment.close()
        if current is not None:
            current.sync()
        if time.monotonic() - self._measured >= _MEASURE_SECONDS:
            self._measure()

    def _retire(self) -> None:
        if self._segment is not None:
            self._retired.append(self._segment)
            self._segment = None

    def _measure(self) -> None:
        size, free = spooled_bytes(self._folder), self._min_free_bytes
        with contextlib.suppress(OSError):
            disk = os.statvfs(self._folder)
            free = disk.f_bavail * disk.f_frsize
        with self._lock:
            self._measured, self._folder_bytes = time.monotonic(), size
            self._room = "" if free >= self._min_free_bytes else f"The disk of the spool has only {free} bytes left."

    def _drop(self, message: str) -> bool:
        self.dropped += 1
        self.message = message
        return False


class _Segment:
    """A file that this process alone writes, and says so by its lock."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The name sorts by time and is nobody else's, in whatever container another process has the same id.
        self._path = folder / f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}{_OPEN}"
        fresh = self._path.with_suffix(_NEW)
        self._file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.opened = time.monotonic()
        self.size = 0
        self.is_torn = False
        self._synced = 0
        self._closing = threading.Lock()
        # Locked before it has the name that readers look for: one without a lock there has lost its writer.
        fcntl.flock(self._file, fcntl.LOCK_EX)
        fresh.rename(self._path)

    def write(self, frame: bytes) -> None:
        """Hand the frame to the operating system as a whole, or not at all.

        Raises:
            OSError: `is_torn` says whether a part of it is left, after which nothing may follow.
        """
        written = os.write(self._file, frame)
        if written != len(frame):
            self.is_torn = True
            os.ftruncate(self._file, self.size)
            self.is_torn = False
            raise OSError(f"only {written} of {len(frame)} bytes fit")
        self.size += written

    def sync(self) -> None:
        with self._closing:
            if self._file >= 0 and self._synced != self.size:
                size = self.size
                with contextlib.suppress(OSError):
                    os.fdatasync(self._file)
                    self._synced = size

    def close(self) -> None:
        self.sync()
        with self._closing:
            if self._file < 0:
                return
            with contextlib.suppress(OSError):
                self._path.rename(self._path.with_suffix(_CLOSED))
            os.close(self._file)
            self._file = -1


class _Tender:
    """One thread a process that tends all its writers."""

    def __init__(self) -> None:
        self._writers: weakref.WeakSet[SpoolWriter] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, writer: SpoolWriter) -> None:
        with self._lock:
            self._writers.add(writer)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(_TICK_SECONDS)
            with self._lock:
                writers = list(self._writers)
            for writer in writers:
                with contextlib.suppress(OSError):
                    writer.tend()


_TENDER = _Tender()


def closed_segments(folder: Path) -> list[Path]:
    """The segments that nobody writes any more, oldest first; those whose writer is gone are closed on the way."""
    for path in folder.glob(f"*{_OPEN}"):
        _close_if_abandoned(path)
    for path in folder.glob(f"*{_NEW}"):
        _remove_if_old(path)
    return sorted(folder.glob(f"*{_CLOSED}"))


def _remove_if_old(path: Path) -> None:
    """Take away a file whose writer ended before it had anything in it."""
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > _LEFT_SECONDS:
            path.unlink()


def _close_if_abandoned(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.rename(path.with_suffix(_CLOSED))
    except OSError:
        return
    finally:
        os.close(file)


def read_rows(segment: Path) -> Iterator[dict[str, Any]]:
    """The rows of a segment in their order, up to its end or to a torn frame. Values that were bytes are bytes again.

    Raises:
        OSError: it cannot be read.
    """
    with segment.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, checksum, json_length = _HEAD.unpack(head)
            if json_length > length:
                return
            body = file.read(length)
            if len(body) != length or zlib.crc32(body) != checksum:
                return
            yield _row(body, json_length)


def spooled_bytes(folder: Path) -> int:
    """How much waits in the folder."""
    total = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat().st_size
    return total


def _frame(row: dict[str, Any]) -> bytes:
    bodies = {key: value for key, value in row.items() if isinstance(value, bytes)}
    plain = {key: value for key, value in row.items() if key not in bodies}
    sizes = [(key, len(value)) for key, value in bodies.items()]
    head = json.dumps({"row": plain, "bytes": sizes}, separators=(",", ":")).encode()
    return _joined(head, [head, *bodies.values()])


def _joined(head: bytes, parts: Sequence[bytes]) -> bytes:
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return b"".join([_HEAD.pack(sum(map(len, parts)), checksum, len(head)), *parts])


def _row(body: bytes, json_length: int) -> dict[str, Any]:
    wire = json.loads(body[:json_length])
    row: dict[str, Any] = wire["row"]
    offset = json_length
    for key, length in wire["bytes"]:
        row[key] = body[offset : offset + length]
        offset += length
    return row
