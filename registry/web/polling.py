"""How long a page waits before it asks again: ever longer, counted by the server."""

FIRST_SECONDS, LONGEST_SECONDS = 1, 15
_MOST_DIGITS = 3


def next_wait(waited: str, *, longest: int = LONGEST_SECONDS) -> int:
    """Seconds until the page asks again, half as long again as it waited the last time."""
    known = waited.isascii() and waited.isdigit() and len(waited) <= _MOST_DIGITS
    return min(max((int(waited) if known else 0) * 3 // 2 + 1, FIRST_SECONDS), longest)
