"""Whether a model answers each row by itself: the proof that micro-batching changes no answer.

Matrix products may differ in their last digit with the number of rows, and a model may look at all rows at once. So
rows like those of the input example are predicted one by one and in batches of several sizes, and every answer must
be the same to the last byte.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .scoring import Scorer

_SINGLES = 24
_SIZES = (2, 3, 7, _SINGLES, 512)
_FEWEST_SINGLES = 4
_SECONDS = 3.0


def why_not_row_wise(scorer: Scorer) -> str:
    """Empty when batches are proven equal to single rows; else the reason for people."""
    reader = scorer.reader
    if reader is None:
        return "its inputs are not plain named columns"
    example = scorer.example()
    known = reader.rows(example) if example is not None else None
    if not known:
        return "it was saved without an input example of rows to prove it with"
    rows = rows_like(known, max(_SIZES))
    try:
        singles: list[bytes] = []
        until = time.monotonic() + _SECONDS
        for row in rows[:_SINGLES]:
            if len(singles) >= _FEWEST_SINGLES and time.monotonic() > until:
                break
            answer = _answers(scorer, [row])
            if answer is None:
                return "its answer is not one value a row"
            singles += answer
        for size in _SIZES:
            together = _answers(scorer, rows[:size])
            if together is None:
                return "its answer is not one value a row"
            if together[: len(singles)] != singles[:size]:
                return f"{size} rows together are answered differently from the same rows one by one"
    except Exception as error:  # noqa: BLE001 — a model may raise anything, above all for rows that were made up
        return f"it fails on rows like its input example ({type(error).__name__}: {error})"
    return ""


def _answers(scorer: Scorer, rows: list[Any]) -> list[bytes] | None:
    frame = scorer.reader.frame(rows) if scorer.reader else None
    values = None if frame is None else scorer.predict_rows(frame)
    return None if values is None else [scorer.encode([value]) for value in values]


def rows_like(rows: list[Any], count: int) -> list[Any]:
    """The rows first, then made-up ones: numbers near theirs, words and truths out of theirs. Always the same."""
    chance = random.Random(0)  # noqa: S311 — nothing secret, and the same at every start
    columns = list(zip(*rows))  # noqa: B905 — `strict` is newer than the oldest interpreter
    made = [list(row) for row in rows[:_SINGLES]]
    while len(made) < count:
        made.append([_near(chance, chance.choice(column)) for column in columns])
    return made[:count]


def _near(chance: random.Random, value: Any) -> Any:
    if type(value) is float:
        return value * chance.uniform(0.5, 1.5) + chance.uniform(-1e-3, 1e-3)
    if type(value) is int:
        return max(0, value + chance.randint(-2, 2)) if value >= 0 else value + chance.randint(-2, 2)
    return value
