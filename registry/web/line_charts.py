"""Lines drawn on the server: no script, and readable as a picture in both themes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 8, 10, 24


@dataclass(frozen=True)
class Tick:
    """A label at a place along an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class LineChart:
    """A line in the coordinates of a picture of WIDTH by HEIGHT."""

    points: str
    rows: list[Tick]
    columns: list[Tick]
    last: tuple[float, float]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM


def line_chart(history: Sequence[tuple[int, float]]) -> LineChart | None:
    """Draw steps and values; None where fewer than two finite points leave nothing to draw."""
    finite = sorted((step, value) for step, value in history if math.isfinite(value))
    steps, values = [step for step, _ in finite], [value for _, value in finite]
    if len(finite) < 2 or steps[0] == steps[-1]:
        return None
    low, high = min(values), max(values)
    if low == high:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2

    def across(step: float) -> float:
        return _LEFT + (step - steps[0]) / (steps[-1] - steps[0]) * (WIDTH - _LEFT - _RIGHT)

    def down(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    places = [(round(across(step), 1), round(down(value), 1)) for step, value in finite]
    middle = (low + high) / 2
    return LineChart(
        points=" ".join(f"{x},{y}" for x, y in places),
        rows=[Tick(round(down(value), 1), f"{value:.4g}") for value in (high, middle, low)],
        columns=[Tick(across(step), str(step)) for step in (steps[0], steps[-1])],
        last=places[-1],
    )
