"""Numbers over time with how sure they are: estimates that may not hold, and differences with their intervals."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from monitoring.charts.lines import time_lines
from monitoring.charts.marks import Figure, escaped

_TWO_SIDED = 1.96


def estimate_lines(
    times: Sequence[datetime],
    values: Sequence[float],
    errors: Sequence[float],
    *,
    valid: Sequence[bool],
    statements: Sequence[str],
    measured: tuple[Sequence[datetime], Sequence[float | None]],
    axis: str,
) -> Figure | None:
    """An estimate with its 95 % interval beside what was measured; a cross where the estimate does not hold.

    Args:
        errors: standard errors.
        statements: why each of them holds, or does not.
    """
    if not times:
        return None
    estimated = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "estimated",
        "x": [moment.isoformat() for moment in times],
        "y": list(values),
        "line": {"dash": "dot"},
        "marker": {"symbol": ["circle" if holds else "x" for holds in valid], "size": 8},
        "error_y": {"type": "data", "array": [_TWO_SIDED * error for error in errors], "thickness": 1, "width": 3},
        "text": [escaped(text) for text in statements],
        "hovertemplate": "%{x}<br>%{y:.4g}<br>%{text}<extra>estimated</extra>",
    }
    known = time_lines(measured[0], {"measured": measured[1]}, axis=axis)
    layout = _layout(axis)
    return {"data": [*(known["data"] if known else []), estimated], "layout": layout}


Difference = tuple[datetime, float, float, float, str]
"""A moment, a difference, the low and the high end of its interval, and what it is held against."""


def difference_lines(series: Mapping[str, Sequence[Difference]], *, axis: str) -> Figure:
    """Differences with their intervals, one line a name, around a line at nothing."""
    lines: list[dict[str, Any]] = []
    for name, points in series.items():
        lines.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": [point[0].isoformat() for point in points],
                "y": [point[1] for point in points],
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [high - middle for _, middle, _, high, _ in points],
                    "arrayminus": [middle - low for _, middle, low, _, _ in points],
                    "thickness": 1,
                    "width": 3,
                },
                "text": [escaped(than) for *_, than in points],
                "hovertemplate": "%{x}<br>%{y:+.4g} against %{text}<extra>" + escaped(name) + "</extra>",
            }
        )
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0, "line": {"width": 1, "dash": "dash"}}
    return {"data": lines, "layout": {**_layout(axis), "shapes": [line]}}


def _layout(axis: str) -> Figure:
    return {
        "height": 280,
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.22},
        "xaxis": {"type": "date"},
        "yaxis": {"title": {"text": axis}},
        "hovermode": "closest",
    }
