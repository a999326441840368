"""The lines of a log as they are shown: those that say what went wrong stand out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST_LINES = 2000
_WRONG = re.compile(
    r"\b(error|failed|failure|exception|traceback|unsatisfiable|killed|out of memory)\b|^\s*\u00d7", re.IGNORECASE
)
_ADVICE = re.compile(r"\b(hint|suggestion|did you mean)\b|^\s*╰", re.IGNORECASE)
_WARNING = re.compile(r"\bwarn(ing)?\b", re.IGNORECASE)


@dataclass(frozen=True)
class LogLine:
    """One line. `tone` is error, warning, advice, or empty; of several errors the last one is where it ended."""

    text: str
    tone: str = ""
    is_last_error: bool = False


def marked_lines(text: str, *, named: str = "") -> list[LogLine]:
    """The end of a log, line by line. A line that holds `named`, the requirement at fault, is marked as an error."""
    lines = text.splitlines()[-MOST_LINES:]
    tones = [_tone(line, named) for line in lines]
    last = max((place for place, tone in enumerate(tones) if tone == "error"), default=-1)
    return [LogLine(line, tone, place == last) for place, (line, tone) in enumerate(zip(lines, tones, strict=True))]


def _tone(line: str, named: str) -> str:
    if _WRONG.search(line) or (named and named in line):
        return "error"
    if _ADVICE.search(line):
        return "advice"
    return "warning" if _WARNING.search(line) else ""


def quoted_in(message: str, lines: Sequence[str]) -> str:
    """The longest of some lines that a message quotes: which requirement it speaks of."""
    return max((line for line in lines if line and line in message), key=len, default="")
