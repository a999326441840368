"""The one database connection that stays: it holds the lock of the one supervisor, and hears what has changed."""

import contextlib
import threading
from collections.abc import Callable

from django.db import Error, connection
from psycopg import Error as DriverError

CHANNEL = "modelkeep_serving"
# Any fixed number: one supervisor at a time acts.
LOCK = 7474_0002
RETRY_SECONDS = 1.0


class Word(threading.Thread):
    """Takes the lock, then calls `on_change` whenever somebody has changed what is wanted.

    `is_leader` says whether the lock is held. While the database is away it stays as it was: what runs is looked
    after all the same. `is_replaced`: another supervisor took the lock meanwhile.
    """

    def __init__(self, on_change: Callable[[], object]) -> None:
        super().__init__(name="word", daemon=True)
        self._on_change = on_change
        self._ending = threading.Event()
        self.is_leader = False
        self.is_replaced = False

    def stop(self) -> None:
        """Let go of the lock."""
        self._ending.set()

    def run(self) -> None:
        """Thread: until stopped."""
        while not self._ending.is_set():
            with contextlib.suppress(Error, DriverError):
                if self._take_lock():
                    self._listen()
            with contextlib.suppress(Error):
                connection.close()
            if not self.is_leader or not self._ending.is_set():
                self._ending.wait(RETRY_SECONDS)

    def _take_lock(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            taken = bool(cursor.fetchone()[0])
        if self.is_leader and not taken:
            self.is_replaced = True
            self._on_change()
        self.is_leader = self.is_leader or taken
        return taken

    def _listen(self) -> None:
        raw = connection.connection
        raw.execute(f"LISTEN {CHANNEL}")
        self._on_change()
        while not self._ending.is_set():
            for _ in raw.notifies(timeout=RETRY_SECONDS, stop_after=1):
                self._on_change()
