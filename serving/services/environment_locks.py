"""One at a time, over all workers and machines: a lock of the database that ends with the process that holds it.

It belongs to the connection, so a builder that is killed, or whose machine is gone, gives it back without anybody
waiting for a lease.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.db import Error, connection

_LOOK_SECONDS = 0.2


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"serving:{name}".encode()).digest()[:8], signed=True)


@contextmanager
def only_one(name: str, *, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a name. `waiting` is called again and again while somebody else has it, and may raise.

    Takes the thread's own connection: the body must not give that up. A connection that breaks meanwhile loses the
    lock, so what the body makes must bear being made twice at a time.
    """
    pause = threading.Event()
    while not _ask("SELECT pg_try_advisory_lock(%s)", name):
        waiting()
        pause.wait(_LOOK_SECONDS)
    try:
        yield
    finally:
        with suppress(Error):
            _ask("SELECT pg_advisory_unlock(%s)", name)


def _ask(statement: str, name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, [_key(name)])
        row = cursor.fetchone()
    return bool(row and row[0])
