"""What stops the stack from running, worded for the person at the terminal."""


class StackError(Exception):
    """A start, status or attach that cannot go on. Its text says what is wrong and what to do."""
