"""Waiting inside an operation."""

import threading

from django.db import connection


def pause(seconds: float) -> None:
    """Wait, without keeping a connection to the database open meanwhile."""
    if not connection.in_atomic_block:
        connection.close()
    threading.Event().wait(seconds)
